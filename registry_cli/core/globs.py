"""Glob patterns for paths inside a folder, with the syntax of ``.gitignore``. One implementation for all options.

``*`` any characters but ``/``, ``?`` one of them, ``[a-z]``, ``[!a-z]`` and ``[[:digit:]]`` one of a set, ``**`` any number of folders, a
backslash takes the next character literally. A pattern without a slash matches a name at any depth; one with a slash in
front or in the middle matches from the top. A slash at the end matches folders only. A pattern that matches a folder
stands for everything in it. Upper and lower case differ.

Matching takes time proportional to the lengths of path and pattern, whatever the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Union

from ..errors import InvalidInput

PATTERN_LENGTH = 1_024
PATTERNS = 1_000
#: Classes of characters in sets: ``[[:digit:]]``.
_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9", "graph": "\\x21-\\x7e",
    "lower": "a-z", "print": "\\x20-\\x7e", "punct": "\\x21-/:-@\\[-`{-~", "space": " \\t-\\r", "upper": "A-Z", "xdigit": "0-9a-fA-F",
}  # fmt: skip
#: What one name of a path has to satisfy; None stands for any number of folders.
_Part = Union[Callable[[str], object], None]


class Glob:
    """One pattern."""

    def __init__(self, text: str, option: str = "the pattern") -> None:
        self.text = text
        if not text.strip() or "\0" in text or "\n" in text or len(text) > PATTERN_LENGTH:
            raise InvalidInput(
                f"invalid glob for {option}: '{text[:60]}'", f"use 1 to {PATTERN_LENGTH:,} characters on one line"
            )
        body = text
        while body.startswith("./"):
            body = body[2:]
        self.folders_only = body.endswith("/")
        names = [name for name in body.split("/") if name]
        if not names or ".." in names or "." in names:
            raise InvalidInput(
                f"invalid glob for {option}: '{text}'", "use a path relative to the folder, without '..'"
            )
        self._anywhere = len(names) == 1 and not body.startswith("/") and names[0] != "**"
        self._parts: list[_Part] = [None if name == "**" else _compile_name(name, text, option) for name in names]
        if self._parts[-1] is None:  # what is in a folder, not the folder
            self._parts.append(bool)

    def matches(self, path: str, *, folder: bool = False) -> bool:
        """Whether the pattern matches the relative path ``path`` itself, not a folder above it."""
        if self.folders_only and not folder:
            return False
        if self._anywhere:
            first = self._parts[0]
            return first is not None and bool(first(path.rpartition("/")[2]))
        return _matches(self._parts, path.split("/"))

    def covers(self, path: str) -> bool:
        """Whether the pattern matches the file ``path``, or a folder that it is in."""
        if self.matches(path):
            return True
        parent = path.rpartition("/")[0]
        while parent:
            if self.matches(parent, folder=True):
                return True
            parent = parent.rpartition("/")[0]
        return False


def parse(patterns: Iterable[str], option: str = "the pattern") -> list[Glob]:
    """Parse the patterns of an option."""
    given = list(patterns)
    if len(given) > PATTERNS:
        raise InvalidInput(f"{len(given):,} globs for {option}", f"the limit is {PATTERNS:,}")
    return [Glob(text, option) for text in given]


def parse_lines(text: str, name: str) -> list[tuple[Glob, bool]]:
    """Parse a file like ``.gitignore``: its patterns in order, each with whether it is negated (``!``)."""
    found = []
    for line in text.split("\n"):
        pattern = line.rstrip("\r")
        while pattern.endswith(" ") and not pattern.endswith("\\ "):
            pattern = pattern[:-1]
        if not pattern.strip() or pattern.startswith("#"):
            continue
        found.append((Glob(pattern.removeprefix("!"), name), pattern.startswith("!")))
        if len(found) > PATTERNS:
            raise InvalidInput(f"{name} has more than {PATTERNS:,} patterns")
    return found


def select(paths: Iterable[str], only: Sequence[Glob], exclude: Sequence[Glob]) -> list[str]:
    """Those of ``paths`` that a glob of ``only`` covers (all if there is none) and none of ``exclude``, in their order."""
    return [
        path
        for path in paths
        if (not only or any(glob.covers(path) for glob in only)) and not any(glob.covers(path) for glob in exclude)
    ]


def _matches(parts: Sequence[_Part], names: Sequence[str]) -> bool:
    """Match names with parts. Behind a ``**`` each part is tried at its first place: no later one can do better."""
    at, name, resume, after = 0, 0, -1, 0
    while name < len(names):
        there = at < len(parts)
        part = parts[at] if there else None
        if there and part is None:
            resume, after = at, name
            at += 1
        elif part is not None and part(names[name]):
            at += 1
            name += 1
        elif resume >= 0:
            after += 1
            at, name = resume + 1, after
        else:
            return False
    return all(part is None for part in parts[at:])


def _compile_name(name: str, text: str, option: str) -> Callable[[str], object]:
    """Compile one part of a pattern to a function that matches a name."""
    if not any(mark in name for mark in "*?[\\"):
        return name.__eq__
    first, *others = _between_stars(name, text, option)
    if not others:
        return re.compile(first, re.DOTALL).fullmatch
    *middle, last = others  # each is taken at the first place that fits: what is in a lookahead is not tried again
    found = "".join(f"(?=(?P<g{at}>.*?{part}))(?P=g{at})" for at, part in enumerate(middle))
    return re.compile(f"{first}{found}.*{last}", re.DOTALL).fullmatch


def _between_stars(name: str, text: str, option: str) -> list[str]:
    """Split one part of a pattern at its stars, into regular expressions of a fixed length."""
    found, at = [""], 0
    while at < len(name):
        char = name[at]
        if char == "*":
            found += [""] if len(found) == 1 or found[-1] else []
        elif char == "?":
            found[-1] += "."
        elif char == "[":
            characters, at = _character_set(name, at, text, option)
            found[-1] += characters
        else:
            if char == "\\":
                at += 1
                if at == len(name):
                    raise InvalidInput(
                        f"invalid glob for {option}: '{text}'", "a backslash must precede another character"
                    )
            found[-1] += re.escape(name[at])
        at += 1
    return found


def _character_set(name: str, start: int, text: str, option: str) -> tuple[str, int]:
    """The set of characters that begins at ``start`` as a regular expression, and where it ends; else ``[`` itself."""
    inverted = name[start + 1 : start + 2] in ("!", "^")
    first = at = start + 1 + inverted
    found = ""
    while at < len(name):
        char = name[at]
        if char == "]" and at > first:
            return f"[{'^' if inverted else ''}{found}]", at
        end = name.find("]", at + 2) if name.startswith("[:", at) else -1
        if end > at + 2 and name[end - 1] == ":":
            if name[at + 2 : end - 1] not in _CLASSES:
                raise InvalidInput(f"invalid glob for {option}: '{text}'", f"use one of {', '.join(_CLASSES)}")
            found += _CLASSES[name[at + 2 : end - 1]]
            at = end + 1
            continue
        low, at = _literal(name, at)
        high = low
        if name.startswith("-", at) and name[at + 1 : at + 2] not in ("", "]"):
            high, at = _literal(name, at + 1)
        found += f"{re.escape(low)}-{re.escape(high)}" if low <= high else re.escape(low)
    return "\\[", start


def _literal(name: str, at: int) -> tuple[str, int]:
    """The character at ``at``, or behind a backslash there, and where the next one is."""
    at += name[at] == "\\"
    return name[at : at + 1], at + 1
