"""The one command that answers before Typer is imported: ``registry path``, which every Makefile asks again and again.

Only its plain form is read here: ``path REF [FILE] [-C DIR] [-q]`` to a pipe. Anything else (another option, a slip,
a terminal) is left to the command itself; a test holds the two to the same answers.
"""

from __future__ import annotations

import sys

from .process import is_terminal, write

_ROOT = ("-C", "--registry")


def answered(arguments: list[str]) -> bool:
    """Print the path if the arguments have the plain form; False if they are for the command to parse."""
    plain = _plain(arguments)
    if plain is None or is_terminal(sys.stdout):
        return False
    root, words = plain
    from .session import Session

    session = Session(root=root)
    try:
        write(str(session.reader().path(*words)))
    finally:
        session.end()
    return True


def _plain(arguments: list[str]) -> tuple[str | None, list[str]] | None:
    """The registry's folder, if given, and one or two words behind ``path``; None for any other form."""
    root, words, rest = None, [], iter(arguments)
    for argument in rest:
        if argument in _ROOT and root is None:
            root = next(rest, None)
            if root is None:
                return None
        elif argument.startswith("-"):
            if argument not in ("-q", "--quiet"):
                return None
        else:
            words.append(argument)
    if not 2 <= len(words) <= 3 or words[0] != "path":
        return None
    return root, words[1:]
