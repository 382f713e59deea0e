"""Advice after a mistyped command line: the verb, the option or the order of words that was probably meant."""

from __future__ import annotations

import os
import re
import shlex
from itertools import pairwise

from ..core.text import find_nearest
from ..errors import InvalidInput
from . import completion, grammar

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Sequence

#: What people of git, gh, hf, MLflow, DVC and a shell type, and what it is called here.
VERB_HABITS = {
    "ls": "list", "dir": "list", "models": "list", "log": "history", "reflog": "history", "events": "history",
    "audit": "history", "blame": "history", "rm": "delete", "remove": "delete", "delete-model": "delete", "get": "fetch",
    "download": "fetch", "checkout": "fetch", "clone": "fetch", "load": "fetch", "cp": "fetch", "pull": "fetch",
    "add": "register", "upload": "register", "push": "register", "put": "register", "commit": "register",
    "create": "register", "save": "register", "publish": "promote", "release": "promote", "stage": "promote",
    "transition": "promote", "set-stage": "promote", "status": "info", "stats": "info", "mv": "rename", "move": "rename",
    "set-tag": "tag", "set-alias": "alias", "log-metrics": "log-metric", "note": "annotate", "comment": "annotate",
    "query": "search", "grep": "search", "filter": "search", "which": "find", "where": "find", "locate": "find",
    "inspect-model": "inspect", "view": "show", "get-model": "show", "model": "show", "open": "path", "pwd": "path",
    "revert": "rollback", "reset": "rollback", "unpromote": "demote", "unstage": "demote", "unarchive": "restore",
    "undelete": "restore", "purge": "prune", "clean": "gc", "fsck": "verify", "validate": "verify", "fix": "repair",
    "man": "help", "docs": "help", "usage": "help", "serve": "deploy", "metrics": "compare", "ps": "deployments",
    "new": "init", "settings": "config", "graph": "lineage", "provenance": "lineage", "sbom": "export", "pack": "export",
}  # fmt: skip
#: Options of other tools: what to write in their place. An option that the verb has is never looked up here.
_OPTION_HABITS = {
    "--version": "a version is named NAME@NUMBER, as churn@7",
    "--name": "the model is the first argument, without an option",
    "--model": "the model is the first argument, without an option",
    "--verbose": "use --debug to see where an error came from",
    "-v": "use --debug to see where an error came from; 'registry --version' prints the version",
}
#: Pairs of options that mean the same; of each the one that the verb has is suggested.
_OPTION_TWINS = {
    "--message": ("--reason",), "--comment": ("--message", "--reason"), "--description": ("--message",),
    "--note": ("--annotate", "--message"), "--dest": ("--output",), "--destination": ("--output",), "--dir": ("--output", "--registry"),
    "--local-dir": ("--output",), "--out": ("--output",), "--path": ("--registry",), "--root": ("--registry",),
    "--filter": ("--where",), "--query": ("--where",), "--order-by": ("--sort",), "--orderby": ("--sort",), "--max-results": ("--limit",),
    "--number": ("--limit",), "--count": ("--limit",), "--recursive": ("--all",), "--select": ("--columns",),
    "--fields": ("--columns",), "--check": ("--dry-run",), "--simulate": ("--dry-run",), "--files": ("--only",), "-m": ("--reason",),
    "-o": ("--output",), "--assume-yes": ("--yes",), "--delete": ("--remove",), "--unset": ("--remove",),
}  # fmt: skip
_SELECTOR = re.compile(r"v?[0-9]+\Z")
#: A name as files have it; ``resnet.v2`` is one of a model.
_FILE_NAME = re.compile(r".*\.(?!v?[0-9]+\Z)\w+\Z")


def unknown_verb(word: str) -> InvalidInput:
    if word == "version":
        return InvalidInput("no such command 'version'", "did you mean 'versions', or 'registry --version'?")
    habit = VERB_HABITS.get(word.lower(), "")
    near = habit if habit in grammar.VERBS else find_nearest(word, grammar.VERBS)
    return InvalidInput(f"no such command '{word}'", f"did you mean '{near}'?" if near else "see 'registry --help'")


def suggest_topic(word: str, names: Sequence[str]) -> str:
    """A hint for a word that is neither a verb nor a topic."""
    near = find_nearest(word, [*grammar.VERBS, *names]) or VERB_HABITS.get(word, "")
    return f"did you mean '{near}'?" if near else "see 'registry help --all'"


def explain_usage(text: str, arguments: Sequence[str], verb: str) -> tuple[str, str]:
    """The message and the hint for what Typer reports: a wrong option, a missing argument, one too many."""
    text = text.rstrip(".").replace("a valid int range", "a whole number").replace("a valid float range", "a number")
    see = f"see 'registry {verb} --help'" if verb else "see 'registry --help'"
    if match := re.match(r"No such option: (\S+)", text):
        name = match[1]
        return f"no such option '{name}'", _suggest_option(name, verb) or see
    words = list_words(arguments, verb)
    if text.startswith("Got unexpected extra argument"):
        extra = text.rpartition("(")[2].rstrip(")")
        return f"unexpected argument '{extra}'", _correct_extra(verb, words) or see
    if text.startswith("Missing command"):
        return "no verb is given", see
    if text.startswith("Missing argument"):
        return f"missing argument {text.partition(' ')[2].partition(' ')[2].strip(chr(39))}", see
    return text[:1].lower() + text[1:], see


def list_words(arguments: Sequence[str], verb: str) -> list[str]:
    """The words behind the verb that are neither options nor their values."""
    known = completion.options(verb or None)
    return completion.list_arguments(
        [each.partition("=")[0] if each[:2] == "--" else each for each in arguments], known
    )[1:]


def _suggest_option(name: str, verb: str) -> str:
    own = completion.options(verb or None)
    for twin in _OPTION_TWINS.get(name, ()):
        if twin in own:
            return f"did you mean '{twin}'?"
    if near := find_nearest(name.strip("-"), [option[2:] for option in own if option.startswith("--")]):
        return f"did you mean '--{near}'?"
    owners = [f"'{other}'" for other in grammar.VERBS if name in completion.options(other)]
    if 0 < len(owners) <= 4:
        return f"it is an option of {' and '.join([', '.join(owners[:-1])] * (len(owners) > 1) + owners[-1:])}"
    return _OPTION_HABITS.get(name, "")


def _correct_extra(verb: str, words: Sequence[str]) -> str:
    """The command that was probably meant by more words than the verb takes."""
    first, *rest = words
    number = next((word for word in rest if _SELECTOR.match(word)), "")
    if verb == "list":
        return _did_you_mean("versions", first)
    if verb == "fetch" and len(words) == 2 and not number:
        return _did_you_mean(verb, first, "-o", *rest)
    if verb == "rollback" and len(words) == 3:
        return _did_you_mean(verb, *words[:2], "--to", words[2])
    if verb == "search":
        return _did_you_mean(verb, " ".join(words))
    if number and "@" not in first:
        others = [word for word in rest if word != number]
        return _did_you_mean(verb if "ref" in grammar.VERBS[verb].arguments else "show", f"{first}@{number}", *others)
    return ""


def _did_you_mean(*words: str) -> str:
    return f"did you mean '{shlex.join(['registry', *words])}'?"


def improve_hint(hint: str, arguments: Sequence[str], verb: str) -> str:
    """The hint of an error, or a better one where words are in the wrong order."""
    if verb == "register" and "=" not in dict(pairwise(arguments)).get("-m", "="):
        return "-m is --metric, as in -m auc=0.93; a text is given with --message"
    words = list_words(arguments, verb)
    takes = grammar.VERBS[verb].arguments.split() if verb else []
    if verb == "rollback" and len(words) == 2 and "@" in words[0]:
        model, _, selector = words[0].partition("@")
        return _did_you_mean(verb, model, words[1], "--to", selector)
    swappable = takes[:1] in (["ref"], ["model"]) and takes[1:] in (
        ["stage"],
        ["alias"],
        ["text"],
        ["text*"],
        ["member"],
    )
    if len(words) < 2 or not swappable or verb in ("rename", "transfer"):
        return hint
    models = completion.list_models(completion.find_root([*arguments], os.environ))
    first, second = (_model_of(word) for word in words[:2])
    if first in models or second not in models:
        return hint
    return _did_you_mean(verb, words[1], words[0], *words[2:])


def _model_of(word: str) -> str:
    return re.split("[@:]", word)[0]


def check_swapped(name: str, paths: Sequence[str], root: str | None) -> None:
    """Refuse ``register FILE NAME``: the first word, a file, stands where the model belongs, and the model at the end.

    What may be meant as it is written is not refused: a name without the suffix of a file, or one of a model that exists.
    """
    last = paths[-1].rstrip("/")
    models = completion.list_models(root or completion.find_root([], os.environ))
    if name in models:
        return
    if last in models or (_FILE_NAME.match(name) and not _FILE_NAME.match(last) and "/" not in last):
        words = ["register", last, name, *paths[:-1]]
        raise InvalidInput(f"'{name}' is a file: the model comes first", _did_you_mean(*words))
