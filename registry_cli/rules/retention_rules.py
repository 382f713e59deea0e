"""Rules of retention: from the options of a command, or from the ``retention:`` mapping of a document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..core import quantities
from ..core.lazy_dataclass import dataclass, field, replace
from ..core.text import escape_for_message, suggest
from ..core.values import OneOrMore, as_list
from ..errors import InvalidInput
from ..query import query
from .metric_directions import HIGHER, LOWER, Directions, listed_direction
from .settings_errors import Path, SettingsSource
from .stages import ARCHIVE, DELETE, PACK

#: The default number of the last holders of a stage that are never chosen.
HOLDERS = 3
MOST = 1_000_000

_BEST = re.compile(r"(-?)([^-].*?):([0-9]{1,9})(?::(min|max))?\Z", re.DOTALL)
_ROOT: Path = ("retention",)
#: The keys of a ``retention:`` mapping, and of its sections; the last one is for ``archive`` only.
SECTIONS = ("archive", "prune")
KEYS = ("older_than", "keep", "best", "where", "keep_holders", "compress")
#: The compression for each value of ``compress``.
_COMPRESSIONS = {True: "gzip", False: "", "gzip": "gzip", "zstd": "zstd"}


class Best(NamedTuple):
    """The ``most`` versions with the lowest or highest values of a metric; ``lowest`` is None if it is not stated."""

    metric: str
    most: int
    lowest: bool | None

    def __str__(self) -> str:
        highest = ":max" if self.lowest is False and listed_direction(self.metric) != HIGHER else ""
        return f"{self.metric}:{self.most}{':min' if self.lowest else highest}"

    @classmethod
    def parse(cls, text: str) -> Best:
        """Parse ``-loss:3`` or ``loss:3:min`` (lowest), ``auc:3:max`` (highest), or ``auc:3`` (:meth:`directed`)."""
        match = _BEST.match(text)
        if match is None or (match[1] and match[4]):
            raise InvalidInput(
                f"invalid rule for the best versions: '{escape_for_message(text)}'",
                "use auc:3 for the 3 highest, -loss:3 or loss:3:min for the 3 lowest",
            )
        lowest = True if match[1] else {"min": True, "max": False, None: None}[match[4]]
        return cls(match[2], _count(int(match[3]), "best"), lowest)

    def directed(self, directions: Directions) -> Best:
        """Return the rule with the direction that is declared or listed for its metric, if it is known.

        Raises :class:`InvalidInput` for a metric that is listed as lower-is-better, if neither the rule nor a
        declaration has a direction: ``loss:3`` reads like the highest three.
        """
        if self.lowest is not None:
            return self
        direction = directions.declared(self.metric)
        if direction is None and listed_direction(self.metric) == LOWER:
            raise self.ambiguous("lower is better for this metric")
        direction = direction or listed_direction(self.metric)
        return self if direction is None else self._replace(lowest=direction == LOWER)

    def ambiguous(self, why: str) -> InvalidInput:
        """Return the error for a rule without a direction."""
        name = escape_for_message(self.metric)
        return InvalidInput(
            f"'{name}:{self.most}' needs to state whether to keep the lowest or highest values: {why}",
            f"use {name}:{self.most}:min or {name}:{self.most}:max, or declare 'metrics: {{{name}: lower}}' in model.yaml",
        )


@dataclass(frozen=True)
class RetentionRules:
    """Rules of which each keeps versions; at least one is set (see :meth:`build`).

    ``compress`` is the compression with which archived versions are packed, empty if they are not.
    """

    older_than: str = ""
    keep: int | None = None
    best: tuple[Best, ...] = ()
    where: str = ""
    holders: int = HOLDERS
    compress: str = ""

    @classmethod
    def build(
        cls,
        *,
        older_than: str | None = None,
        keep: int | None = None,
        best: OneOrMore[str] = (),
        where: str | None = None,
        keep_holders: int = HOLDERS,
        compress: bool | str = False,
    ) -> RetentionRules:
        """Parse the options. Raises :class:`InvalidInput`, also without any rule: that would choose everything."""
        rules = cls(
            older_than or "",
            None if keep is None else _count(keep, "keep"),
            tuple(Best.parse(text) for text in as_list(best, "best")),
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
            raise InvalidInput("no rule selects versions", "give an age, a number to keep, the best, or a query")
        return rules

    def directed(self, directions: Directions, *, strict: bool) -> RetentionRules:
        """Return the rules with a direction for each ``best``; see :meth:`Best.directed`.

        A metric of unknown direction is an error if ``strict``; otherwise its rule keeps every version.
        """
        best = tuple(each.directed(directions) for each in self.best)
        unknown = [each for each in best if each.lowest is None]
        if strict and unknown:
            raise unknown[0].ambiguous("the direction of this metric is unknown")
        return replace(self, best=best)

    @property
    def undirected(self) -> tuple[str, ...]:
        """The metrics without a direction, whose rules keep every version."""
        return tuple(dict.fromkeys(each.metric for each in self.best if each.lowest is None))

    def __str__(self) -> str:
        words = [f"older than {self.older_than}"] if self.older_than else []
        words += [f"keep {self.keep}"] if self.keep is not None else []
        words += [f"best {best}" for best in self.best]
        words += [f"where {self.where}"] if self.where else []
        return ", ".join(words)


@dataclass(frozen=True)
class RetentionPolicy:
    """A ``retention:`` mapping. ``sources`` are the documents of its sections; an empty section turns it off."""

    archive: RetentionRules | None = None
    prune: RetentionRules | None = None
    sources: Mapping[str, SettingsSource] = field(default_factory=dict)

    @classmethod
    def parse(cls, value: Any, source: SettingsSource) -> RetentionPolicy:
        """Parse the mapping of a document. Raises :class:`InvalidInput` with the line of a mistake."""
        if value is None:
            return cls()
        if not isinstance(value, dict):
            raise source.error(_ROOT, "must be a mapping", "use archive: and prune: below it")
        _check_keys(value, SECTIONS, _ROOT, source)
        found = {key: _parse_section(each, (*_ROOT, key), source) for key, each in value.items()}
        prune = found.get("prune")
        if prune and not prune.older_than:
            raise source.error((*_ROOT, "prune"), "has no 'older_than'", "deleting requires a minimum age")
        if prune and prune.compress:
            raise source.error((*_ROOT, "prune", "compress"), "only applies to archiving", "move it below archive:")
        return cls(found.get("archive"), prune, dict.fromkeys(found, source))

    def over(self, other: RetentionPolicy) -> RetentionPolicy:
        """Join with the policy of a wider document: of each section, the one in the nearer document counts."""
        return RetentionPolicy(
            self.archive if "archive" in self.sources else other.archive,
            self.prune if "prune" in self.sources else other.prune,
            {**other.sources, **self.sources},
        )

    def check_directions(self, directions: Directions) -> None:
        """Raise :class:`InvalidInput`, with its line, for a rule with an ambiguous metric (:meth:`Best.directed`)."""
        for section, source in self.sources.items():
            for best in rules.best if (rules := getattr(self, section)) else ():
                source.checked((*_ROOT, section, "best"), best.directed, directions)

    def lines(self) -> Iterator[tuple[str, str, SettingsSource, Path]]:
        """Yield the settings: name, value, and place."""
        for section in SECTIONS:
            if section not in self.sources:
                continue
            source, path, rules = self.sources[section], (*_ROOT, section), getattr(self, section)
            if rules is None:
                yield ".".join(path), "nothing", source, path
                continue
            for key in KEYS:
                value = getattr(rules, "holders" if key == "keep_holders" else key)
                if source.has((*path, key)):
                    words = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
                    yield ".".join((*path, key)), words, source, (*path, key)


def _parse_section(value: Any, path: Path, source: SettingsSource) -> RetentionRules | None:
    if value is None or value == {}:
        return None
    if not isinstance(value, dict):
        raise source.error(path, "must be a mapping", f"use {', '.join(KEYS[:3])} … below it")
    _check_keys(value, KEYS, path, source)
    best = value.get("best", [])
    best = [best] if isinstance(best, str) else best
    if not isinstance(best, list) or not all(isinstance(each, str) for each in best):
        raise source.error((*path, "best"), "must be text or a list of text", "for example auc:3 or [auc:3, -loss:3]")
    for key, kind, words in (
        ("older_than", str, "text such as 90d"),
        ("where", str, "text"),
        ("keep", int, "a number"),
        ("keep_holders", int, "a number"),
    ):
        if key in value and type(value[key]) is not kind:
            raise source.error((*path, key), "is not valid", f"use {words}")
    compress = value.get("compress", False)
    if not isinstance(compress, (bool, str)) or compress not in _COMPRESSIONS:
        raise source.error((*path, "compress"), "is not valid", "use true, false, gzip or zstd")
    rules: RetentionRules = source.checked(path, lambda: RetentionRules.build(**{**value, "best": best}))
    return rules


def _check_keys(value: Mapping[str, Any], known: tuple[str, ...], path: Path, source: SettingsSource) -> None:
    """Refuse an unknown rule: ignoring it would remove what it was to keep."""
    for key in value:
        if key not in known:
            hint = suggest(key, known, 0.6) or f"available: {', '.join(known)}"
            raise source.error((*path, key), f"unknown key '{escape_for_message(key)}'", hint)


def _count(number: int, what: str) -> int:
    if not 1 <= number <= MOST:
        raise InvalidInput(f"'{what}' keeps {number:,} versions", f"1 to {MOST:,}")
    return number


class RetentionStep(NamedTuple):
    """One action on a model. ``strict``: a metric that no version has is an error. ``policy``: the rules are from a
    document, so that a metric without a direction keeps every version instead of being an error.
    """

    model: str
    action: str
    rules: RetentionRules
    strict: bool = True
    policy: bool = False


def iter_policy_steps(name: str, policy: RetentionPolicy, own: str) -> Iterator[RetentionStep]:
    """Yield the steps of a policy, deletions first: what is archived now is not deleted in the same run.

    A wider document may name a metric that not every model has; only rules in ``own``, the model's own, are strict.
    """
    for action, section in ((DELETE, "prune"), (ARCHIVE, "archive"), (PACK, "archive")):
        rules: RetentionRules | None = getattr(policy, section)
        if rules and (action != PACK or rules.compress):
            yield RetentionStep(name, action, rules, policy.sources[section].file == own, True)
