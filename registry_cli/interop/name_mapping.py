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
    """The allowed name that is nearest to ``text``: ``Churn Model`` becomes ``churn-model``, ``é`` becomes ``e``.

    The first slash separates a group from the name. A text without letters and digits becomes ``model``.
    """
    group, *rest = [part for part in text.split("/") if part.strip()] or [""]
    return "/".join(map(_to_name_part, [group, "-".join(rest)] if rest else [group]))


def _to_name_part(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    part = re.sub(r"-{2,}", "-", _STRANGE.sub("-", plain))
    part = re.sub(r"\.{2,}", ".", part).lstrip("._-")[:_LENGTH].rstrip(".-")
    if part and not names.is_model_name(part):  # a number, or a reserved word
        part = f"model-{part}"[:_LENGTH].rstrip(".-")
    return part or "model"


def assign_names(texts: Iterable[str]) -> dict[str, str | None]:
    """A model name for each of the ``texts``; None for one whose name another has already.

    A text that is an allowed name has precedence.
    """
    allowed = {text: to_model_name(text) for text in texts}
    owners: dict[str, str] = {}
    for text in sorted(allowed, key=lambda text: (allowed[text] != text, text)):
        owners.setdefault(allowed[text], text)
    return {text: name if owners[name] == text else None for text, name in allowed.items()}


def select_models(texts: Iterable[str], only: str | None, place: object) -> dict[str, str | None]:
    """The models to import, all of a source or ``only`` one, by their names there, with the names that they get.

    Raises :class:`NotFound` when ``only`` is not among them.
    """
    listed = list(texts)
    if only is not None and only not in listed:
        some = ", ".join(sorted(listed)[:10]) or "none"
        raise NotFound(f"no model '{only}' in '{place}'", f"available: {some}")
    return assign_names(listed if only is None else [only])


def to_alias(text: str) -> str | None:
    """``text`` as an alias, in lower case if necessary; None if it can't be one."""
    for candidate in (text, text.lower()):
        try:
            return names.alias_name(candidate)
        except InvalidInput:
            continue
    return None
