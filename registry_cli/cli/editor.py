"""A text in a person's editor: edited until it is right, shown as a difference, and kept when that is wanted."""

from __future__ import annotations

import difflib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import InvalidInput, RegistryError
from .formatting import escape
from .session import Session

_LIMIT = 1 << 20


def edit_text(
    cx: Session, text: str, name: str, check: Callable[[str], None], environment: Mapping[str, str]
) -> str | None:
    """``text`` as a person left it, after ``check`` took it; None when nothing is to be changed.

    ``name`` is what the file is called. What was typed is never lost by a mistake: the editor opens again on it.
    """
    words = shlex.split(environment.get("VISUAL") or environment.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="registry-") as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        while True:
            _run_editor(words, path)
            new = _read_text(path)
            if new == text:
                return None
            try:
                check(new)
                break
            except RegistryError as error:
                cx.warn(str(error))
                if cx.ask("edit it again? [Y/n]").lower() in ("n", "no"):
                    raise InvalidInput("nothing was changed", "what was edited has a mistake") from None
        for line in difflib.unified_diff(text.splitlines(), new.splitlines(), name, f"{name} as edited", lineterm=""):
            cx.say(line)
        return new if cx.ask("keep this? [y/N]").lower() in ("y", "yes") else None


def _run_editor(words: list[str], path: Path) -> None:
    try:
        code = subprocess.run([*words, os.fspath(path)], check=False).returncode
    except OSError as error:
        raise InvalidInput(
            f"the editor '{escape(words[0])}' can't be started: {error.strerror}", "set $EDITOR"
        ) from None
    if code:
        raise InvalidInput(f"the editor ended with exit code {code}", "nothing was changed")


def _read_text(path: Path) -> str:
    with path.open("rb") as stream:
        data = stream.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise InvalidInput(f"{path.name} has more than {_LIMIT:,} bytes", "nothing was changed")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path.name} is not UTF-8 text", "nothing was changed") from None
