"""Writes what the code knows best: ``docs/reference/commands.md``, ``docs/reference/python-api.md``, the manual page, and
what help and completion know of the commands, in ``registry_cli/cli/grammar.py``.

    python docs/generate.py            # write them
    python docs/generate.py --check    # exit 1 if one of them is not what would be written

A test runs the second.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import keyword
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import registry_cli
from registry_cli import Registry, errors, types
from registry_cli.cli import command, grammar, manual
from registry_cli.core.progress import SILENT, Progress
from registry_cli.query import fields
from registry_cli.registry import (
    AdminOperations,
    ApprovalOperations,
    ArtifactOperations,
    DeploymentOperations,
    LineageOperations,
    MonitoringOperations,
    Operation,
    PolicyOperations,
    RetentionOperations,
)
from registry_cli.rules import event_history, stages

ROOT = Path(__file__).parents[1]
NOTE = "<!-- Made by docs/generate.py from the code (`make docs`). Edit the code, not this page. -->"
PIPE = "In a pipe: "

#: What goes to a pipe, for the commands whose help text doesn't say it.
PIPES = {
    "init": "the folder.",
    "info": "one `key<TAB>value` line each.",
    "register": "the reference.",
    "path": "the path.",
    "fetch": "the folder.",
    "cat": "the bytes of the file, nothing else. `-q` changes nothing; `--json` is refused (exit 2).",
    "tag": "the reference.",
    "annotate": "the reference.",
    "log-metric": "the reference.",
    "alias": "the reference that the alias points to; after `--remove`, the model. Without ALIAS, one "
    "`alias<TAB>reference` line each.",
    "promote": "the reference that the stage points to now.",
    "demote": "the model.",
    "approve": "the reference.",
    "restore": "the references that were restored, one per line; nothing when there was nothing to do.",
    "completion": "the script.",
    "observe": "the reference of the version.",
    "profile": "the reference of the version.",
}

#: Every command, in the order of the verbs. One that ``grammar.ORDER`` does not name is an error here.
_MODULES = (ROOT / "registry_cli/cli/commands").glob("[a-z]*.py")
COMMANDS = dict(
    sorted(
        ((each.name, each) for module in _MODULES for each in command.commands_of(module.stem)),
        key=lambda item: grammar.ORDER.index(item[0]),
    )
)

#: The methods of Registry by chapter; each is in one of them.
CHAPTERS: tuple[tuple[str, str], ...] = (
    ("Open a registry", "open init close root stages"),
    ("Register and import", "register import_"),
    ("Find versions", "list model versions version search iter_search"),
    ("Read files", "path open_file fetch"),
    ("Compare, and look back", "diff compare history iter_history"),
    ("Promote and roll back", "promote demote rollback undo alias"),
    ("Describe", "tag annotate log_metric"),
    ("Archive and delete", "archive restore delete"),
    ("Export", "export"),
)
#: The namespaces of Registry: rarer operations.
NAMESPACES: tuple[tuple[str, str, type], ...] = (
    ("Files of versions", "artifacts", ArtifactOperations),
    ("Lineage", "lineage", LineageOperations),
    ("Policies", "policies", PolicyOperations),
    ("Approvals and signatures", "approvals", ApprovalOperations),
    ("Archiving and deleting by rules", "retention", RetentionOperations),
    ("Deployments", "deployments", DeploymentOperations),
    ("Monitoring", "monitoring", MonitoringOperations),
    ("Maintenance, models and settings", "admin", AdminOperations),
)
#: Verbs that have no method: they are about the shell, and the user's own settings.
NO_METHOD = {"completion", "help", "hooks"}


def commands() -> str:
    """The page of the commands."""
    parsed = manual.parse_commands(COMMANDS.values())
    lines = ["# Commands", "", NOTE, "", *_commands_intro(parsed["promote"], parsed["list"])]
    for group_name in grammar.GROUPS:
        lines += [f"**{group_name}**: " + " · ".join(f"[`{verb}`](#{verb})" for verb in _verbs(group_name)), ""]
    for group_name in (*grammar.GROUPS, ""):  # the last are deprecated
        for verb in _verbs(group_name):
            lines += _command(verb, parsed[verb])
    return "\n".join(lines).rstrip() + "\n"


def _verbs(group: str) -> list[str]:
    return [name for name, each in COMMANDS.items() if each.verb.group == group]


def _commands_intro(writing: Any, indexed: Any) -> list[str]:
    return [
        "`registry VERB [ARGUMENTS] [OPTIONS]`, or `python -P -m registry_cli` in place of `registry` (`-P`, from Python 3.11 on, keeps the current folder off the import path; without it the command drops that folder itself, once it has started). `registry --help` lists the",
        "verbs, `registry VERB --help` or `registry help VERB` explains one, `registry help TOPIC` shows a page of this",
        "documentation, `registry help --all` lists both. `registry --version` prints the version; `man registry` has all of",
        "this, where the package is installed into a prefix on the manual path.",
        "",
        "How versions are named: [references and names](references.md). What codes mean: [exit codes](exit-codes.md).",
        "What `--json` prints: [JSON](json.md). How the registry is found: [environment](environment.md).",
        "",
        "## Options of every command",
        "",
        "They can stand behind the verb or before it.",
        "",
        *_options(writing, command.SHARED, help_too=True),
        "",
        "## Options of every command that writes",
        "",
        *_options(writing, command.WRITING),
        "",
        "A request id is up to 128 letters, digits and `. _ : / -`, and is good for one request. Repeating a command with",
        "the id of one that was carried out changes nothing and gives the result of the first.",
        "",
        "## Options of every command that may use the index",
        "",
        *_options(indexed, command.INDEXED),
        "",
        "The answer is the same with and without it; what [the index](../explanation/guarantees.md#the-index) is.",
        "",
        "## Options of every command that lists",
        "",
        *_options(indexed, command.LISTING),
        "",
        "What each format contains, and what a terminal and a pipe get without `--format`: [output](output.md).",
        "",
        "## The verbs",
        "",
    ]


def _command(name: str, parsed: Any) -> list[str]:
    verb = COMMANDS[name].verb
    summary, _, details = parsed.help.partition("\n\n")
    paragraphs = [" ".join(part.split()) for part in details.split("\n\n") if part.strip()]
    pipe = next((part.removeprefix(PIPE) for part in paragraphs if part.startswith(PIPE)), PIPES.get(name, ""))
    usage = " ".join(["registry", name, *map(manual.format_argument, manual.list_arguments(parsed)), "[OPTIONS]"])
    lines = [f"### {name}", "", summary, "", f"    {usage}", ""]
    for paragraph in paragraphs:
        if not paragraph.startswith(PIPE):
            lines += [_fill(paragraph), ""]
    rows = [(f"`{manual.format_argument(each)}`", each.help) for each in manual.list_arguments(parsed)]
    rows += _option_rows(manual.list_options(parsed))
    if rows:
        lines += [*_table(("argument or option", "meaning"), rows), ""]
    shared = "[every command](#options-of-every-command)"
    if verb.writes:
        shared += " and of [every command that writes](#options-of-every-command-that-writes)"
    if verb.indexed:
        shared += " and of [every command that may use the index](#options-of-every-command-that-may-use-the-index)"
    if verb.lists:
        shared += " and of [every command that lists](#options-of-every-command-that-lists)"
    lines += [f"And the options of {shared}.", "", f"**In a pipe**: {pipe}", ""]
    lines += ["**Examples**", "", *(f"    {each}" for each in COMMANDS[name].examples), ""]
    codes = [f"{code} {_short(grammar.code_of(name, code))}" for code in COMMANDS[name].exits]
    lines += ["**Exit codes**: " + " · ".join(codes), ""]
    return lines


def _short(text: str) -> str:
    return re.split("[:,]", text)[0]


def _options(parsed: Any, names: Any, *, help_too: bool = False) -> list[str]:
    rows = _option_rows(manual.list_options(parsed, names))
    if help_too:
        rows.append(("`-h`, `--help`", "Explain the command."))
    return _table(("option", "meaning"), rows)


def _option_rows(options: list[Any]) -> list[tuple[str, str]]:
    rows = []
    for option in options:
        flags = ", ".join(f"`{flag}`" for flag in manual.sort_names(option))
        value = f" `{option.metavar}`" if option.metavar else ""
        more = " May be given again." if option.multiple else ""
        default = option.default
        if default not in (None, "", False) and not callable(default):
            more += f" Default: `{default:g}`." if isinstance(default, float) else f" Default: `{default}`."
        rows.append((flags + value, f"{option.help}{more}"))
    return rows


def _table(head: tuple[str, ...], rows: list[tuple[str, str]]) -> list[str]:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(head), "|" + "---|" * len(head), *(line(row) for row in rows)]


def _fill(text: str, width: int = 120, indent: str = "") -> str:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def python_api() -> str:
    """The page of the Python API."""
    lines = ["# Python API", "", NOTE, "", *_api_intro()]
    listed = [name for _, names in CHAPTERS for name in names.split()]
    if wrong := {*listed} ^ ({*_public(Registry)} - {name for _, name, _ in NAMESPACES}):
        raise SystemExit(f"CHAPTERS differ from Registry: {sorted(wrong)}")
    for title, names in CHAPTERS:
        lines += [f"## {title}", ""]
        if title == CHAPTERS[0][0]:
            lines += _method(Registry, "__init__")
        for name in names.split():
            lines += _method(Registry, name)
    lines += [*_namespaces(), *_functions(), *_verb_table()]
    lines += [
        "## Results", "", "Frozen dataclasses, which are in `registry_cli.types`. Each has `to_dict()`: the JSON body that the command prints with", "`--json` (see [JSON](json.md)). In a notebook they are tables. A `RecordList` is a list of them with `to_records()`:", "one flat mapping per record, for `pandas.DataFrame`.", "",
    ]  # fmt: skip
    for record in _results():
        lines += _record(record)
    lines += ["## Progress of long work", "", *_text(Progress), ""]
    for name in _public(Progress):
        lines += _method(Progress, name)
    lines += _method(Progress, "__call__")
    lines += ["## Errors", "", *_errors()]
    return "\n".join(lines).rstrip() + "\n"


def _namespaces() -> Iterator[str]:
    """The chapters of the namespaces: a method that is no verb of the command line has its first sentences only."""
    verbs = {verb.replace("-", "_") for verb in grammar.VERBS}
    for title, space, room in NAMESPACES:
        yield from (f"## {title}", "")
        if "__call__" in vars(room):
            yield from (f"### `{space}`", "", *_text(room), "", *_method(room, "__call__", space)[2:])
        else:
            yield from _method(Registry, space)
        for name in sorted(_public(room), key=lambda name: name not in verbs):
            lines = _method(room, name, f"{space}.{name}")
            at = next((at for at, line in enumerate(lines) if line in ("Args:", "Raises:", "Returns:")), len(lines))
            yield from lines if name in verbs else lines[:at]


def _functions() -> Iterator[str]:
    yield from ("## Files that are in no registry", "")
    for function in (registry_cli.inspect_files, registry_cli.scan_files):
        title = f"registry_cli.{function.__name__}"
        yield from (f"### `{title}`", "", *_signature(function, title, function), "", *_text(function), "")


def _verb_table() -> Iterator[str]:
    yield from ("## Commands and methods", "", "Each command and the method that does the same.", "")
    yield from _table(("command", "method"), [(f"`{verb}`", f"`{name}`") for verb, name in _methods_of_verbs()])
    yield ""


def _methods_of_verbs() -> Iterator[tuple[str, str]]:
    """Each verb with the method of its name, on Registry or in a namespace."""
    for verb in grammar.VERBS:
        name = verb.replace("-", "_")
        name += "_" * keyword.iskeyword(name)
        homes = [f"{space}.{name}" for _, space, room in NAMESPACES if name in _public(room)]
        found = [name] if name in _public(Registry) else homes
        if len(found) != 1 and verb not in NO_METHOD:
            raise SystemExit(f"the verb {verb} has no method of its name, or several: {found}")
        yield from ((verb, each) for each in found)


def _results() -> list[type]:
    """The records and arguments that have fields."""
    return [
        found
        for name in dir(types)
        if dataclasses.is_dataclass(found := getattr(types, name)) or issubclass(found, types.FileScan)
    ]


def _api_intro() -> list[str]:
    return [
        "A working day in ten lines:",
        "",
        *(f"    {line}" for line in DAY),
        "",
        "The package is typed. Every [command](commands.md) has a [method](#commands-and-methods) of its name: the everyday ones on",
        "`Registry`, the others in a namespace (`reg.artifacts`, `reg.retention`, …). How to use it from scripts and notebooks:",
        "[Python](../how-to/python.md).",
        "",
        "- A `ref` is a text as [references](references.md) describe it, or a `Reference`. `where` and `sort` are as in",
        "  [the query language](query.md). `as_of`, `since` and `until` are a `datetime`, or a text as `--as-of` takes it.",
        "- Times in results are ISO 8601 in UTC, sizes bytes, digests lower-case hex.",
        "- `expect` is a version number, or None for a pointer that points to nothing; left out, nothing is expected.",
        "- `request_id`: repeating a call with the same id is safe, and returns the result of the first.",
        "- `on_damage` is called with the `RegistryError` of each document that can't be read, which is left out; without it the",
        "  error is raised.",
        "- A `Key` is the path of an SSH key, or of a public one whose other half an agent holds: the event is signed by it.",
        "",
        "Every method can raise `InvalidInput` for a malformed name or reference, `NotFound` for a model, version or file that",
        "does not exist, `Damaged` for a document that can't be believed, and `Refused` for one in a newer format. Every method",
        "that takes a `request_id` can also raise `LockTimeout`, `Indeterminate`, and `Conflict` when the id was used for",
        "something else. What the file system refuses is an `OSError`. What a method raises besides is listed with it.",
        "",
    ]


#: The first lines of the page; a test runs them.
DAY = (
    "from registry_cli import Registry",
    'reg = Registry.open()  # or Registry("models"), or Registry.init("models", exist_ok=True)',
    'v = reg.register("churn", "model.pkl", params={"depth": 6}, metrics={"auc": 0.93})',
    'print(v.ref, v.number, v.metrics["auc"], v.path)',
    'reg.promote(v.ref, "production", reason="better on the March data")',
    'file = reg.open_file("churn@production")  # then model = joblib.load(file)',
    'best = reg.search("metrics.auc > 0.9", sort="metrics.auc:desc")[0]',
    'rows = reg.versions("churn").to_records()  # then pandas.DataFrame(rows)',
    'changes = reg.diff("churn@1", v.ref)',
    'reg.undo("churn", reason="errors in scoring")',
)


def _public(room: type) -> Iterator[str]:
    for name, value in vars(room).items():
        if not name.startswith("_") and (
            callable(value) or isinstance(value, (property, cached_property, classmethod, staticmethod, Operation))
        ):
            yield name


def _method(room: type, name: str, title: str = "") -> list[str]:
    value = inspect.getattr_static(room, name)
    if isinstance(value, (property, cached_property)):
        getter = value.fget if isinstance(value, property) else value.func
        kind = inspect.signature(getter).return_annotation if getter else ""
        title = title or name
        return [f"### `{title}`", "", f"    {title}: {kind}", "", *_text(value), ""]
    function = getattr(room, name)
    if isinstance(value, Operation):
        value = function
    title = title or {"__init__": room.__name__, "__call__": "call"}.get(name, name)
    return [f"### `{title}`", "", *_signature(function, title, value), "", *_text(value, room), ""]


def _signature(function: Any, title: str, value: object) -> list[str]:
    signature = inspect.signature(function)
    given = [each for each in signature.parameters.values() if each.name not in ("self", "context")]
    parts, starred = [], False
    for each in given:
        if each.kind is each.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        parts.append(_parameter(each))
    prefix = "Registry." if isinstance(value, classmethod) else "progress" if title == "call" else ""
    result = "" if title == "Registry" else f" -> {signature.return_annotation}"
    head = prefix if title == "call" else f"{prefix}{title}"
    short = f"{head}({', '.join(parts)}){result}"
    if len(short) <= 100:
        return [f"    {short}"]
    lines = [f"    {head}(", "        "]
    for part in parts:
        if len(lines[-1]) > 8 and len(lines[-1]) + len(part) > 108:
            lines.append("        ")
        lines[-1] += f"{part}, "
    return [*(line.rstrip() for line in lines), f"    ){result}"]


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    text = f"{stars}{parameter.name}: {parameter.annotation}"
    return text if parameter.default is parameter.empty else f"{text} = {_default(parameter.default)}"


def _default(value: object) -> str:
    if value is stages.ANY:
        return "ANY"
    if value is SILENT:
        return "SILENT"
    if inspect.isfunction(value):
        return "..." if value.__name__ == "<lambda>" else value.__name__
    return repr(value)


def _text(value: Any, room: type | None = None) -> list[str]:
    """A docstring as Markdown."""
    found = inspect.getdoc(value) or (
        inspect.getdoc(room) if room and value is inspect.getattr_static(room, "__init__") else ""
    )
    if value is inspect.getattr_static(Registry, "__init__"):
        found = "The registry in the folder `root`. Raises `NotFound` when there is none."
    text = re.sub(r":(?:class|meth|func|mod):`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", found or "").replace("``", "`")
    return [line for part in text.split("\n\n") for line in (*_paragraph(part), "")][:-1]


def _paragraph(part: str) -> list[str]:
    """A paragraph of a docstring; of the sections Args and Raises, a list."""
    head, _, body = part.partition("\n")
    if head not in ("Args:", "Raises:"):
        return [_fill(" ".join(part.split()))]
    items = re.findall(r"^    (\**\w+): ((?:.|\n(?!    [*\w]))*)", body, re.MULTILINE)
    return [head, "", *(_fill(f"- `{name}`: {' '.join(words.split())}", indent="  ") for name, words in items)]


def _record(record: type) -> list[str]:
    fields = {each.name: each.type for each in dataclasses.fields(record)} if dataclasses.is_dataclass(record) else {}
    listed = ", ".join(f"`{name}: {kind}`" for name, kind in fields.items())
    lines = [f"### `{record.__name__}`", "", *_text(record), *([_fill(f"Fields: {listed}")] if fields else [])]
    for name, value in vars(record).items():
        if isinstance(value, property) and value.fget:
            kind = inspect.signature(value.fget).return_annotation
            words = " ".join(_text(value))
            lines.append(_fill(f"- property `{name}: {kind}`{f': {words}' if words else ''}", indent="  "))
    return [*lines, ""]


def _errors() -> list[str]:
    kinds = [getattr(registry_cli, name) for name in registry_cli.__all__]
    found = [each for each in kinds if isinstance(each, type) and issubclass(each, errors.RegistryError)]
    rows = []
    for each in sorted(found, key=lambda kind: int(kind.exit_code)):
        meaning = " ".join(_text(each)).split("  ")[0]
        rows.append((f"`{each.__name__}`", f"{each.exit_code} | `{each.kind}` | {meaning}"))
    lines = ["| class | exit code | `kind` | meaning |", "|---|---|---|---|"]
    lines += [f"| {name} | {rest} |" for name, rest in rows]
    return [*lines, "", "`Indeterminate` has a `request_id`: repeat the call with it."]


#: The kinds of arguments by their metavars without brackets and dots; others are texts.
KINDS = {
    "ALIAS": "alias", "DIR": "dir", "NAME": "model", "NAME|REF": "ref", "PATH": "file", "PATH|REF": "target", "REF": "ref", "REF OUT": "ref",
    "SOURCE": "source", "VERB|TOPIC": "topic", "STAGE": "stage", "VERSION": "selector",
}  # fmt: skip
#: The kinds of the values of options, by their metavars; choices, as "private|group", are themselves the kind.
VALUES = {
    "STAGE": "stage", "ALIAS": "alias", "FIELD,...": "field", "FIELD[:desc],...": "field", "VERSION|none": "version", "VERSION": "selector",
    "ACTION": "|".join(event_history.ACTIONS), "REF": "ref", "FORMAT": "|".join(command.FORMATS),
}  # fmt: skip
CHOICES = re.compile(r"[a-z0-9-]+(\|[a-z0-9-]+)+")
#: What is a model for others is a model or one of its versions for this one.
KINDS_OF = {("compare", "model"): "model@", ("path", "text"): "member", ("cat", "text"): "member"}
#: Globs that select among the files of a version.
MEMBERS = {("fetch", "--only"), ("fetch", "--exclude"), ("cat", "--only"), ("cat", "--exclude")}
#: The values of options that are files or folders, by their metavars, and options whose metavar is that of others.
FILES = {"DIR", "FILE", "FILE|CHECKPOINT", "PATH", "PATH|URI"}
FILE_OPTIONS = {"--key", "--sign"}


def verbs() -> str:
    """The module of the verbs, its generated part made anew: completion answers before Typer is imported."""
    path = ROOT / "registry_cli/cli/grammar.py"
    head, mark, _ = path.read_text(encoding="utf-8").partition("# Generated: do not edit below.\n")
    commands = manual.parse_commands(COMMANDS.values())
    writing, indexed = commands["promote"].params, commands["list"].params
    lines = [
        '#: Options with all their spellings; "=" takes a value, "=FILE" a file or a folder, "=KIND" a value that completion knows.'
    ]
    for kind, parameters in (("SHARED", writing), ("WRITING", writing), ("INDEXED", indexed), ("LISTING", indexed)):
        options = [each for each in parameters if each.name in getattr(command, kind)]
        lines.append(f'{kind} = "{_spellings(options)}{" --help,-h" * (kind == "SHARED")}"')
    lines.append(f'FIELDS = "{" ".join(fields.PLAIN)}"')
    lines.append("VERBS = {")
    for name, parsed in commands.items():
        verb = COMMANDS[name].verb
        own = manual.list_options(parsed)
        kinds = " ".join(_kind(name, each) for each in manual.list_arguments(parsed))
        words = ", ".join(f'"{each}"' for each in (verb.group, verb.home, verb.summary, kinds, _spellings(own, name)))
        marks = ", writes=True" * verb.writes + ", indexed=True" * verb.indexed + ", lists=True" * verb.lists
        lines.append(f'    "{name}": Verb({words}{marks}),')
    return head + mark + "\n".join([*lines, "}"]) + "\n"


def _kind(verb: str, argument: Any) -> str:
    metavar = re.sub(r"[\[\].]", "", str(argument.metavar))
    kind = metavar if CHOICES.fullmatch(metavar) else KINDS.get(metavar, "text")
    return KINDS_OF.get((verb, kind), kind) + ("*" if argument.nargs == -1 else "")


def _spellings(options: list[Any], verb: str = "") -> str:
    texts = []
    for option in options:
        names, metavar = sorted([*option.opts, *option.secondary_opts], key=len, reverse=True), str(option.metavar)
        kind = metavar if CHOICES.fullmatch(metavar) else VALUES.get(metavar, "")
        if metavar in FILES or FILE_OPTIONS & set(names):
            kind = "FILE"
        if (verb, names[0]) in MEMBERS:
            kind = "member"
        texts.append(",".join(names) + ("" if option.is_flag else f"={kind}"))
    return " ".join(texts)


def manual_page() -> str:
    sys.path.append(str(ROOT / "docs"))
    import man_page  # noqa: PLC0415  a test imports this file by its path

    return man_page.format_page(COMMANDS.values())


PAGES = {
    "registry_cli/cli/grammar.py": verbs,  # first: the others are made of it
    "docs/reference/commands.md": commands,
    "docs/reference/python-api.md": python_api,
    "docs/man/registry.1": manual_page,
}


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = 0
    for name, make in PAGES.items():
        path, text = ROOT / name, make()
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            sys.stderr.write(f"{path} is not what the code says: make docs\n")
            stale = 1
        elif not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            importlib.reload(grammar)
    return stale


if __name__ == "__main__":
    sys.exit(main())
