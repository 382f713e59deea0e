"""Completion of command lines. It answers before anything else is imported, takes no lock, and reports no errors.

The shell's script passes the line up to the cursor in ``_REGISTRY_LINE``; each answer is a line, or ``__files__`` where
the shell should offer files. Names are read by the cheapest means (folder listings, a pattern over ``stages.yaml``): a
stale or missing answer does no harm.
"""

from __future__ import annotations

import os
import re
from itertools import pairwise

from . import grammar

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FILES = "__files__"
_MOST = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_PAIRS = re.compile(r"^(params|metrics|tags): *(?:\{([^}]*)\}|\n((?: +\S.*\n?)+))", re.MULTILINE)
_KEY = re.compile(r"(?:^|,) *([A-Za-z0-9_.-]+): ", re.MULTILINE)
_POINTERS = re.compile(r"^(stages|aliases): *(?:\{([^}]*)\}|((?:\n +\S.*)+))", re.MULTILINE)
_POINTER = re.compile(r"([a-z0-9][a-z0-9._-]*)'?:")
_STAGES = re.compile(r"^stages: *(?:\[([^\]]*)\]|((?:\n *- *\S+)+))", re.MULTILINE)
_INTERNAL = frozenset({"versions", "stages", "blobs", "annotations", "observations", "packed", "tombstones"})


def script(shell: str) -> str:
    """The completion script of a shell."""
    with open(os.path.join(os.path.dirname(__file__), "scripts", f"registry.{shell}"), encoding="utf-8") as stream:
        return stream.read()


def answer(environment: Mapping[str, str]) -> int:
    """Print the words that the line in the environment can go on with; always 0."""
    try:
        found = _answers(environment.get("_REGISTRY_LINE", ""), environment)
        print("\n".join(found[:_MOST]))
    except Exception:
        return 0  # a message would disturb the line that is being typed
    return 0


def options(verb: str | None) -> dict[str, str]:
    """The spellings of the options of a verb, or of those before it; the values are "=" and the kind of value, if they have one."""
    texts = [grammar.SHARED]
    if verb is not None:
        spec = grammar.VERBS[verb]
        texts = [
            spec.options,
            grammar.WRITING * spec.writes,
            grammar.INDEXED * spec.indexed,
            grammar.LISTING * spec.lists,
            grammar.SHARED,
        ]
    found = {}
    for text in " ".join(texts).split():
        names, mark, kind = text.partition("=")
        found.update(dict.fromkeys(names.split(","), mark + kind))
    return found


def long_options(verb: str | None) -> list[str]:
    return [name for name in options(verb) if name.startswith("--")]


def _answers(line: str, environment: Mapping[str, str]) -> list[str]:
    *words, current = [word.strip("'\"") for word in re.split(r"\s+", line.lstrip())]
    offers = _offers(words[1:], current, environment)
    return offers if offers == [FILES] else [offer for offer in dict.fromkeys(offers) if offer.startswith(current)]


def _offers(words: list[str], current: str, environment: Mapping[str, str]) -> list[str]:
    """All that could come behind ``words``, whatever ``current`` begins with."""
    verb = next((word for word in list_arguments(words, options(None)) if word in grammar.VERBS), None)
    known = options(verb)
    name, mark, value = current.partition("=")
    if mark and known.get(name):  # --stage=prod
        return [f"{name}={offer}" for offer in _offers([*words, name], value, environment) if offer != FILES]
    valued = known.get(words[-1], "") if words else ""
    if valued == "=FILE":
        return [FILES]
    if current.startswith("-") and not valued:
        return long_options(verb)
    if verb is None:
        return [name for name, each in grammar.VERBS.items() if each.group]
    root = find_root(words, environment)
    if valued == "=":
        return []
    found = list_arguments(words[:-1] if valued else words, known)
    return _offer(valued[1:] or _next_kind(verb, found[found.index(verb) + 1 :]), current, found, root)


def list_arguments(words: list[str], known: Mapping[str, str]) -> list[str]:
    """The words that are neither options nor values of options."""
    found, value = [], False
    for word in words:
        if value:
            value = False
        elif word.startswith("-") and word != "-":
            value = known.get(word, "") != ""
        else:
            found.append(word)
    return found


def _next_kind(verb: str, given: list[str]) -> str:
    """The kind of the next argument."""
    kinds = grammar.VERBS[verb].arguments.split()
    if len(given) < len(kinds):
        return kinds[len(given)].rstrip("*")
    return kinds[-1].rstrip("*") if kinds and kinds[-1].endswith("*") else ""


def _list_topics() -> list[str]:
    from .topics import list_topics

    return [*grammar.VERBS, *list_topics()]


def _offer(kind: str, current: str, words: list[str], root: str) -> list[str]:
    """All words of a kind; ``words`` are the verb and the arguments before."""
    if kind in ("file", "dir", "source") or (kind == "target" and "@" not in current):
        return [FILES]
    if "|" in kind:
        return kind.split("|")
    model, _, selector = re.sub("[@:]", "@", words[1], count=1).partition("@") if len(words) > 1 else ("", "", "")
    whole = re.search("[@:]", current)  # where a name or a selector is enough, a whole reference is accepted
    if kind == "model" or (kind == "model@" and not whole):
        return list_models(root)
    if kind in ("ref", "target", "model@") or (kind == "selector" and whole):
        return _references(root, current)
    sources: dict[str, Callable[[], list[str]]] = {
        "topic": _list_topics,
        "stage": lambda: _list_stages(root),
        "alias": lambda: _list_pointers(root, model, "aliases"),
        "selector": lambda: _selectors(root, model),
        "version": lambda: ["none", *_list_numbers(root, model)],
        "member": lambda: _list_members(root, model, selector),
        "field": lambda: _list_fields(root, model, current),
    }
    return sources[kind]() if kind in sources else []


def _references(root: str, current: str) -> list[str]:
    """Models, and behind ``@`` or ``:`` the selectors of a version of that model."""
    mark = re.search("[@:]", current)
    if mark is None:
        models = list_models(root)
        return [f"{current}@"] if [name for name in models if name.startswith(current)] == [current] else models
    model = current[: mark.start()]
    return [f"{model}{mark.group()}{selector}" for selector in _selectors(root, model)]


def _selectors(root: str, model: str) -> list[str]:
    pointers = [*_list_pointers(root, model, "stages"), *_list_pointers(root, model, "aliases")]
    return ["latest", *pointers, *_list_numbers(root, model)]


def _list_numbers(root: str, model: str) -> list[str]:
    """The numbers of a model's versions, the newest first."""
    return sorted(
        (name for name in _list_names(root, "models", model, "versions") if name.isdigit()), key=int, reverse=True
    )


def _list_members(root: str, model: str, selector: str) -> list[str]:
    """The files of a version, of the newest one if there is no selector."""
    numbers = _list_numbers(root, model)
    pointers = _read(root, "models", model, "stages.yaml")
    pointed = re.search(
        rf"^ +'?{re.escape(selector)}'?: *([0-9]+)|[{{ ]{re.escape(selector)}: *([0-9]+)", pointers, re.MULTILINE
    )
    number = selector.removeprefix("v") if selector.removeprefix("v") in numbers else ""
    if not number:
        number = "".join(numbers[:1]) if selector in ("", "latest") else (pointed[1] or pointed[2]) if pointed else ""
    lines = _read(root, "models", model, "versions", number, "manifest-sha256.txt").splitlines() if number else []
    return [line[66:] for line in lines if " " not in line[66:]]


def _list_fields(root: str, model: str, current: str) -> list[str]:
    """The fields of a query, with the params, metrics and tags of the newest version of a model; behind the last comma."""
    before = "".join(current.rpartition(",")[:2])
    newest = "".join(_list_numbers(root, model)[:1]) if model else ""
    text = _read(root, "models", model, "versions", newest, "version.yaml") if newest else ""
    keyed = [f"{match[1]}.{key}" for match in _PAIRS.finditer(text) for key in _KEY.findall(match[2] or match[3])]
    return [f"{before}{name}" for name in (*grammar.FIELDS.split(), *keyed)]


def find_root(words: list[str], environment: Mapping[str, str]) -> str:
    """The registry that the command would take, found without reading its settings."""
    for flag, value in pairwise(words):
        if flag in ("-C", "--registry"):
            return os.path.expanduser(value)
    if environment.get("REGISTRY_HOME"):
        return environment["REGISTRY_HOME"]
    try:
        folder = os.getcwd()
    except FileNotFoundError:  # it was removed
        return ""
    while not os.path.isfile(os.path.join(folder, "registry.yaml")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return ""
        folder = parent
    return folder if _is_trusted(folder) else ""


def _is_trusted(folder: str) -> bool:
    """Whether a command would use this registry, which was found by walking upward."""
    if os.lstat(os.path.join(folder, "registry.yaml")).st_uid in (0, os.geteuid()):
        return True
    from ..errors import RegistryError
    from ..operations.context import find_root

    try:
        return str(find_root(None, os.environ)) == folder
    except RegistryError:
        return False


def list_models(root: str, group: str = "") -> list[str]:
    """The models; a folder without a ``model.yaml`` is a group."""
    found = []
    for name in _list_names(root, "models", group):
        if os.path.isfile(os.path.join(root, "models", group, name, "model.yaml")):
            found.append(f"{group}{name}")
        elif not group:
            found += [model for model in list_models(root, f"{name}/") if model.rpartition("/")[2] not in _INTERNAL]
    return found


def _list_names(*parts: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(os.path.join(*parts)) if _NAME.match(name))
    except OSError:
        return []


def _list_pointers(root: str, model: str, kind: str) -> list[str]:
    for match in _POINTERS.finditer(_read(root, "models", model, "stages.yaml")):
        if match[1] == kind:
            return _POINTER.findall(match[2] or match[3] or "")
    return []


def _list_stages(root: str) -> list[str]:
    match = _STAGES.search(_read(root, "registry.yaml"))
    return re.findall(r"[a-z][a-z0-9_-]*", match[1] or match[2]) if match else []


def _read(*parts: str) -> str:
    try:
        with open(os.path.join(*parts), encoding="utf-8") as stream:
            return stream.read(1 << 20)
    except (OSError, UnicodeDecodeError):
        return ""
