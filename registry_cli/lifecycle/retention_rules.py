"""What a person says of how long versions stay: by flags, or in a ``retention:`` mapping that people edit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple

from ..errors import InvalidInput
from . import quantities, query
from .compare import looks_lower

#: How many of those that held a stage last are never chosen, unless it is said.
HOLDERS = 3
MOST = 1_000_000

_BEST = re.compile(r"(-?)([^-].*?):([0-9]{1,9})(?::(min|max))?\Z", re.DOTALL)
_KEYS = ("older_than", "keep", "best", "where", "keep_holders", "compress")
#: How what is archived is packed, by what a policy says.
_COMPRESSIONS = {True: "gzip", False: "", "gzip": "gzip", "zstd": "zstd"}
_SECTIONS = ("archive", "prune")


class Best(NamedTuple):
    """The ``most`` versions with the highest value of a metric, or the lowest."""

    metric: str
    most: int
    lowest: bool

    def __str__(self) -> str:
        return f"{self.metric}:{self.most}{':min' if self.lowest else ''}"

    @classmethod
    def parse(cls, text: str) -> Best:
        """Read ``auc:3`` (the highest), ``-loss:3`` or ``loss:3:min`` (the lowest), ``loss:3:max``.

        Where the name says that lower is better and nothing says which are meant, it is :class:`InvalidInput`: to keep
        the worst is never what was meant.
        """
        match = _BEST.match(text)
        if match is None or (match[1] and match[4]):
            raise InvalidInput(
                f"'{quantities.shown(text)}' does not say which are the best",
                "write auc:3 for the highest, -loss:3 or loss:3:min for the lowest",
            )
        name, most = match[2], _count(int(match[3]), "best")
        if not match[1] and not match[4] and looks_lower(name):
            raise InvalidInput(
                f"'{quantities.shown(text)}': are the highest or the lowest meant?",
                f"write {name}:{most}:min for the lowest, {name}:{most}:max for the highest",
            )
        return cls(name, most, bool(match[1]) or match[4] == "min")


@dataclass(frozen=True)
class Rules:
    """A version that any of these keeps is kept. At least one is there; see :func:`Rules.of`.

    ``compress`` says how what is archived is packed (``gzip`` or ``zstd``), empty for not at all.
    """

    older_than: str = ""
    keep: int | None = None
    best: tuple[Best, ...] = ()
    where: str = ""
    holders: int = HOLDERS
    compress: str = ""

    @classmethod
    def of(
        cls,
        *,
        older_than: str | None = None,
        keep: int | None = None,
        best: Iterable[str] = (),
        where: str | None = None,
        keep_holders: int = HOLDERS,
        compress: bool | str = False,
    ) -> Rules:
        """Read what was said; :class:`InvalidInput` for a slip, and for no rule at all: that would choose everything."""
        rules = cls(
            older_than or "",
            None if keep is None else _count(keep, "keep"),
            tuple(Best.parse(text) for text in best),
            where or "",
            keep_holders,
            _COMPRESSIONS.get(compress, str(compress)),
        )
        if older_than is not None:
            quantities.parse_duration(older_than)
        if where is not None:
            query.parse(where)
        if not 0 <= keep_holders <= MOST:
            raise InvalidInput("the number of holders to keep is out of range", f"0 to {MOST:,}")
        if older_than is None and keep is None and not rules.best and where is None:
            raise InvalidInput("nothing says which versions", "say how old, how many to keep, the best, or a query")
        return rules

    def __str__(self) -> str:
        words = [f"older than {self.older_than}"] if self.older_than else []
        words += [f"keep {self.keep}"] if self.keep is not None else []
        words += [f"best {best}" for best in self.best]
        words += [f"where {self.where}"] if self.where else []
        return ", ".join(words)


@dataclass(frozen=True)
class Policy:
    """A ``retention:`` mapping. ``said`` are the sections that stand in it; one that is empty turns it off.

    ``sources`` name the file that each section stands in.
    """

    archive: Rules | None = None
    prune: Rules | None = None
    said: frozenset[str] = frozenset()
    sources: Mapping[str, str] | None = None

    @classmethod
    def parse(cls, value: Any, what: str) -> Policy:
        """Read the mapping of the file ``what``; :class:`InvalidInput` for a slip, with the nearest right key."""
        if value is None:
            return cls()
        if not isinstance(value, dict):
            raise InvalidInput(f"{what}: 'retention' is no mapping", "write archive: and prune: below it")
        _check_keys(value, _SECTIONS, f"{what}: retention")
        found = {key: _section(each, f"{what}: retention: {key}") for key, each in value.items()}
        prune = found.get("prune")
        if prune and not prune.older_than:
            raise InvalidInput(f"{what}: retention: prune has no 'older_than'", "what is deleted is gone: say how old")
        if prune and prune.compress:
            raise InvalidInput(f"{what}: retention: prune has a 'compress'", "write it below archive:")
        return cls(found.get("archive"), prune, frozenset(found), dict.fromkeys(found, what))

    def over(self, other: Policy) -> Policy:
        """The sections of this one, and those of ``other`` that this one says nothing of."""
        return Policy(
            self.archive if "archive" in self.said else other.archive,
            self.prune if "prune" in self.said else other.prune,
            self.said | other.said,
            {**(other.sources or {}), **(self.sources or {})},
        )


def policy_of(document: Mapping[str, Any], known: Iterable[str], what: str) -> Policy:
    """The policy of a document that people edit. A key that is nearly ``retention`` was meant to be it."""
    for key in document.keys() - {*known, "retention"}:
        if get_close_matches(key, ("retention",), 1, 0.75):
            raise InvalidInput(f"{what}: there is no setting '{key}'", "did you mean 'retention'?")
    return Policy.parse(document.get("retention"), what)


def _section(value: Any, where: str) -> Rules | None:
    if value is None or value == {}:
        return None
    if not isinstance(value, dict):
        raise InvalidInput(f"{where} is no mapping", f"write {', '.join(_KEYS[:3])} … below it")
    _check_keys(value, _KEYS, where)
    best = value.get("best", [])
    best = [best] if isinstance(best, str) else best
    if not isinstance(best, list) or not all(isinstance(each, str) for each in best):
        raise InvalidInput(f"{where}: 'best' is no text, nor a list of texts", "write auc:3, or [auc:3, -loss:3]")
    for key, kind, words in (
        ("older_than", str, "a text, as 90d"),
        ("where", str, "a text"),
        ("keep", int, "a number"),
        ("keep_holders", int, "a number"),
    ):
        if key in value and type(value[key]) is not kind:
            raise InvalidInput(f"{where}: '{key}' is no right value", f"it is {words}")
    compress = value.get("compress", False)
    if not isinstance(compress, (bool, str)) or compress not in _COMPRESSIONS:
        raise InvalidInput(f"{where}: 'compress' is no right value", "it is true, false, gzip or zstd")
    try:
        return Rules.of(**{**value, "best": best})
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}", error.hint) from None


def _check_keys(value: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Unlike a setting, a rule that isn't known is never passed over: what it was to keep would be lost."""
    for key in value:
        if key not in known:
            near = get_close_matches(key, known, 1, 0.6)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
            raise InvalidInput(f"{where}: there is no '{quantities.shown(key)}'", hint)


def _count(number: int, what: str) -> int:
    if not 1 <= number <= MOST:
        raise InvalidInput(f"'{what}' keeps {number:,} versions", f"1 to {MOST:,}")
    return number
