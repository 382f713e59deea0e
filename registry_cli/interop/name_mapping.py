"""Names that other tools allow, as names that are allowed here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from ..core import names
from ..errors import InvalidInput, NotFound

_LENGTH = 63
_STRANGE = re.compile(r"[^a-z0-9._-]+")


def to_model_name(text: str) -> str:
    """The allowed name that is nearest to ``text``: ``Churn Model`` becomes ``churn-model``.

    A single slash inside parts a group from a name; ``é`` becomes ``e``. What has no letter or digit is ``model``.
    """
    parts = [part for part in text.split("/") if part.strip()]
    return "/".join(
        _to_name_part(part) for part in ([parts[0], "-".join(parts[1:])] if len(parts) > 1 else parts or [""])
    )


def _to_name_part(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    part = re.sub(r"-{2,}", "-", _STRANGE.sub("-", plain))
    part = re.sub(r"\.{2,}", ".", part).lstrip("._-")[:_LENGTH].rstrip(".-")
    if part and not names.is_model_name(part):  # a number, or a word that is reserved
        part = f"model-{part}"[:_LENGTH].rstrip(".-")
    return part or "model"


def assign_names(texts: Iterable[str]) -> dict[str, str | None]:
    """A name for each of the ``texts``; None for one whose name another has already.

    One that is allowed as it stands keeps its name, whoever else would like it.
    """
    wanted = sorted(set(texts), key=lambda text: (to_model_name(text) != text, text))
    given: dict[str, str | None] = {}
    taken: set[str] = set()
    for text in wanted:
        name = to_model_name(text)
        given[text] = None if name in taken else name
        taken.add(name)
    return given


def format_conflict(text: str) -> str:
    """What is told of one that :func:`assign_names` has no name for."""
    return f"another is called '{to_model_name(text)}' here: import it with --only '{text}' --as NAME"


def select_names(found: Iterable[str], only: str | None, place: object) -> list[str]:
    """The names that are wanted: all, or ``only`` one of them. :class:`NotFound` when that is not there."""
    listed = list(found)
    if only is None:
        return listed
    if only not in listed:
        some = ", ".join(sorted(listed)[:10]) or "none"
        raise NotFound(f"there is no model '{only}' in '{place}'", f"there are: {some}")
    return [only]


def to_alias(text: str) -> str | None:
    """``text`` as an alias, in lower case if need be; None when it can't be one."""
    for candidate in (text, text.lower()):
        try:
            return names.alias_name(candidate)
        except InvalidInput:
            continue
    return None
