"""Checkpoints as a person writes them down: ``NAME SEQ HASH`` a line, ``NAME:SEQ:HASH``, or the hash alone."""

from __future__ import annotations

import re

from ..core.names import model_name
from ..core.records import Checkpoint
from ..errors import InvalidInput

#: The hash before the first line of a history: what a checkpoint of an empty one says.
EMPTY_HASH = "0" * 64
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_PARTS = re.compile(r"([^\s:]+)[ \t:]+([0-9]{1,18})[ \t:]+([0-9a-f]{64})\Z", re.ASCII)


def is_entry_hash(text: str) -> bool:
    """Whether ``text`` is the hash of a line, and nothing else."""
    return bool(_HASH.match(text))


def parse_checkpoint(text: str) -> Checkpoint | None:
    """``NAME:SEQ:HASH`` or ``NAME SEQ HASH``; None for any other text. :class:`InvalidInput` for a name that can't be."""
    match = _PARTS.match(text)
    return Checkpoint(model_name(match[1]), int(match[2]), match[3]) if match else None


def parse_checkpoint_file(text: str, what: str) -> list[Checkpoint]:
    """The checkpoints of a file, one a line. One that can't be read, and a file without any, is :class:`InvalidInput`:
    silence would be taken for a proof.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        checkpoint = parse_checkpoint(line.strip())
        if checkpoint is None:
            raise InvalidInput(
                f"line {number} of {what} is no checkpoint", "registry history --all --checkpoint writes them"
            )
        found.append(checkpoint)
    if not found:
        raise InvalidInput(f"{what} has no checkpoint in it", "registry history --all --checkpoint writes them")
    return found


def select_checkpoints(checkpoints: list[Checkpoint], models: list[str]) -> list[Checkpoint]:
    """The checkpoints of these models. :class:`InvalidInput` for a model without one."""
    known = {each.model for each in checkpoints}
    for name in models:
        if name not in known:
            raise InvalidInput(f"there is no checkpoint of {name}", f"there are some of {', '.join(sorted(known)[:5])}")
    return [each for each in checkpoints if each.model in models]
