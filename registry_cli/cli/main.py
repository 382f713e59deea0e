"""From the arguments of a process to its exit code: fast answers first, then one command, then its errors in words."""

from __future__ import annotations

import os
import sys

from .. import __version__
from . import grammar, process

COMPLETE_VARIABLE = "_REGISTRY_COMPLETE"


def run(arguments: list[str]) -> int:
    """Run the command that ``arguments`` (without the program's name) spell, and return its exit code."""
    process.keep_standard_descriptors()
    if COMPLETE_VARIABLE in os.environ:
        from . import completion

        return completion.answer(os.environ)
    try:
        code = _answer(arguments)
        process.flush()
        process.commit_output()
    except process.Terminated as stopped:
        return _fail(arguments, "interrupted", "", "interrupted", 128 + stopped.number)
    except process.OutputError as lost:
        process.discard_output()
        if lost.closed_pipe:  # as with `head`: that is not a failure
            return 0
        return _fail(arguments, f"cannot write the result: {lost}", "", "failed", 1)
    except Exception as error:
        return _failure(arguments, error)
    return code


def _answer(arguments: list[str]) -> int:
    """Answer at once what needs no command; hand a command to Typer."""
    if arguments in (["--version"], ["-V"]):
        process.write(f"registry {__version__}")
        return 0
    if not arguments or arguments in (["--help"], ["-h"], ["help"]):
        process.write(grammar.overview())
        return 0
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    process.install_signal_handlers()
    if "path" in arguments and _print_path(arguments):
        return 0
    word = _find_word(arguments)
    if word and word not in grammar.VERBS:
        from .advice import unknown_verb

        raise unknown_verb(word)
    if ("--help" in arguments or "-h" in arguments) and "--" not in arguments:
        if not word:
            process.write(grammar.overview())
            return 0
        from .manual import run_help

        text, code = run_help(word, arguments)
        process.write(text)
        return code
    from .command import build, find

    command = build(map(find, [word] if word else []))
    code = command(args=arguments, prog_name="registry", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _print_path(arguments: list[str]) -> bool:
    """Print the path if the arguments have the plain form of ``registry path``; False if they are for Typer to parse.

    Every Makefile asks it again and again, so it is answered before Typer is imported; a test holds the two to the same
    answers. The plain form is ``path REF [FILE] [-C DIR] [-q]`` to a pipe. No index is used: to read the documents of one
    version takes less time than to import SQLite. To find a digest among many versions takes longer, so that is for Typer.
    """
    plain = _parse_path(arguments)
    if plain is None or process.is_terminal(sys.stdout):
        return False
    root, words = plain
    from ..operations import context, read

    folder = context.find_root(root, os.environ)
    process.write(str(read.get_path(context.create_context(folder), *words)))
    return True


def _parse_path(arguments: list[str]) -> tuple[str | None, list[str]] | None:
    """The registry's folder, if given, and one or two words behind ``path``; None for any other form."""
    root, words, rest = None, [], iter(arguments)
    for argument in rest:
        if argument in ("-C", "--registry") and root is None:
            root = next(rest, None)
            if root is None:
                return None
        elif argument.startswith("-"):
            if argument not in ("-q", "--quiet"):
                return None
        else:
            words.append(argument)
    if not 2 <= len(words) <= 3 or words[0] != "path" or "sha256:" in words[1]:
        return None
    return root, words[1:]


def _find_word(arguments: list[str]) -> str:
    """The first word that is neither an option nor its value; empty if there is none."""
    value = False
    for word in arguments:
        if value:
            value = False
        elif word in ("-C", "--registry"):
            value = True
        elif not word.startswith("-"):
            return word
    return ""


def _failure(arguments: list[str], error: Exception) -> int:
    """Report an error and return its exit code; with ``--debug`` a traceback, too."""
    from ..errors import RegistryError, explain

    shown = getattr(error, "format_message", None)
    if callable(shown):  # Typer's own errors: a wrong option, a missing argument
        from .advice import explain_usage

        return _fail(arguments, *explain_usage(str(shown()), arguments, _find_word(arguments)), "usage", 2)
    if isinstance(code := getattr(error, "exit_code", None), int) and not isinstance(error, RegistryError):
        return code  # Typer's Exit and Abort
    if "--debug" in arguments:
        import traceback

        traceback.print_exc()
    if isinstance(error, RegistryError):
        request = getattr(error, "request_id", "")
        hint = error.hint
        if error.exit_code in (2, 3) and (verb := _find_word(arguments)) in grammar.VERBS:
            from .advice import improve_hint

            hint = improve_hint(hint, arguments, verb)
        return _fail(arguments, error.message, hint, error.kind, error.exit_code, request)
    if isinstance(error, OSError):
        hint = ""
        if isinstance(error, PermissionError) and isinstance(error.filename, str):
            from pathlib import Path

            from ..core.accounts import describe_access

            hint = describe_access(Path(error.filename2 or error.filename))
        return _fail(arguments, explain(error), hint, "failed", 1)
    message = f"unexpected {type(error).__name__}: {error}"
    return _fail(arguments, message, "please report it; use --debug for a traceback", "failed", 1)


def _fail(arguments: list[str], message: str, hint: str, kind: str, code: int, request_id: str = "") -> int:
    """Report on standard error: a line, or one JSON object with ``--json``."""
    if sys.stderr is None:
        return code
    from .formatting import escape, format_label, name_options

    message, hint = name_options(message), name_options(hint)
    try:
        if {"--json", "--format=json"} & {*arguments} or "--format json" in " ".join(arguments):
            from ..core.json_shapes import dumps, error

            print(dumps(error(kind, message, hint, code, request_id)), file=sys.stderr)
        else:
            label = format_label("error", no_color="--no-color" in arguments)
            print(f"{label} {escape(message)}{'; ' if hint else ''}{escape(hint)}", file=sys.stderr)
    except OSError:
        pass  # standard error is closed: only the exit code is left
    return code
