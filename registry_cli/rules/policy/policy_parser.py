"""Reads the key ``policy`` of ``registry.yaml``, ``group.yaml`` and ``model.yaml``. Whatever is not understood is refused, with its place.

A policy that could be misread would let through what it was written to stop, so nothing is ignored: neither a key that
this version does not know, nor one that says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ...core import values
from ...core.quantities import parse_duration, parse_size
from ...core.text import escape_for_message
from ...errors import InvalidInput
from ...query.fields import parse_field
from ..metric_directions import HIGHER, LOWER
from ..settings_errors import Path, SettingsSource, suggest
from . import command_checks
from . import policy_rules as rules
from .policy import DIRECTIONS, Policies, PolicyFlag, PolicyRule, StagePolicy

if TYPE_CHECKING:
    from fractions import Fraction

#: The keys of a stage, and those of its ``require`` and of a metric in its ``against_current``.
STAGE_KEYS = (
    "from", "require", "against_current", "checks", "approvals", "approvers", "not_author", "signed", "override",
    "force", "override_rejections",
)  # fmt: skip
REQUIRE_KEYS = (
    "fields", "tags", "metrics", "files", "forbid", "max_size", "where", "min_age_in_stage", "signed_by",
)  # fmt: skip
AGAINST_KEYS = ("max_drop", "max_rise", "max_worse")
_AGAINST = {"max_drop": LOWER, "max_rise": HIGHER, "max_worse": None}

#: The value of ``signed``: approvals count only with a signature of their author.
REQUIRED = "required"
_MOST_PEOPLE = 1_000
#: Accounts and groups of a directory service can have an ``@`` in them, and its groups a space.
_ACCOUNT = re.compile(r"[^\s@/,\"'][^\s/,\"']{0,254}\Z|@[^\s@/,\"'][^/,\"']{0,254}\Z")
_PRINCIPAL = re.compile(r"[^\s,*?!\"\x00-\x1f\x7f-\x9f]{1,254}\Z")

_PATTERN_LENGTH = 1_000
_BOUND = re.compile(
    r"\s*(>=|<=|==|>|<|=)\s*([-+]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,3})?)\s*\Z", re.ASCII
)
_PERCENT = re.compile(r"\s*([0-9]{1,40}(?:\.[0-9]{1,40})?)\s*%\s*\Z", re.ASCII)
#: What somebody meant who wrote one of these beside, or in place of, ``policy``.
_POLICY_WORDS = ("policy", "policies", "gate", "gates")


def find_policy(document: Mapping[str, Any], source: SettingsSource) -> Any:
    """What a document says under ``policy``, {} if it has no such key. A misspelt key would be no policy at all."""
    from difflib import get_close_matches

    for key in document:
        if key != "policy" and get_close_matches(key.lower(), _POLICY_WORDS, 1, 0.8):
            raise source.error((key,), f"there is no setting '{escape_for_message(key)}'", "did you mean 'policy'?")
    return document.get("policy", {})


def parse_policies(
    value: Any, source: SettingsSource, stages: Sequence[str], common: Policies | None = None
) -> dict[str, StagePolicy]:
    """The policies that a document holds: ``value`` is what stands under ``policy``.

    ``common`` are those of what is around it, when these are a model's or a group's own. Raises :class:`InvalidInput` for every mistake.
    """
    place: Path = ("policy",)
    found = {}
    for stage, policy in _mapping(value, source, place).items():
        if stage not in stages:
            raise source.error(
                (*place, stage), f"there is no stage '{escape_for_message(stage)}'", _nearest(stage, stages)
            )
        found[stage] = _Stage(source, stage, stages, common).parse(policy)
    return found


def _mapping(value: Any, source: SettingsSource, path: Path) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise source.error(path, "is no mapping", "write 'key: value' lines below it, or leave it out")
    return value


def _nearest(word: str, known: Sequence[str]) -> str:
    return suggest(word, known) or f"use {', '.join(known)}"


class _Stage:
    """Reads the policy of one stage."""

    def __init__(self, source: SettingsSource, stage: str, stages: Sequence[str], common: Policies | None) -> None:
        self._source = source
        self._root: Path = ("policy", stage)
        self._stages = stages
        self._common = common
        self._inherited = common.get(stage) if common else None
        self._rules: list[PolicyRule] = []
        self._paths: list[Path] = []
        self._overrides = False
        self._from: tuple[str, ...] = ()

    def parse(self, content: Any) -> StagePolicy:
        document = _mapping(content, self._source, self._root)
        override = self._override(document)
        force = rejections = None
        read: dict[str, Callable[[Any, Path], None]] = {
            "from": self._read_from,
            "require": self._require,
            "against_current": self._against,
            "checks": self._checks,
            "approvals": self._approvals,
            "approvers": self._approvers,
            "not_author": self._not_author,
            "signed": self._signed_approvals,
        }
        for key, value, path in self._entries(document, self._root, STAGE_KEYS):
            if key in read:
                read[key](value, path)
            elif key == "force":
                force = PolicyFlag(self._truth(value, path), path, self._source)
            elif key == "override_rejections":
                rejections = self._override_rejections(value, path)
        return StagePolicy(tuple(self._rules), force, override, rejections, tuple(self._paths))

    def _override(self, document: Mapping[str, Any]) -> PolicyFlag | None:
        if "override" not in document:
            return None
        path = (*self._root, "override")
        if self._common is None:
            raise self._fail(
                path, "is for model.yaml and group.yaml", "there is nothing above registry.yaml to override"
            )
        self._overrides = self._truth(document["override"], path)
        return PolicyFlag(self._overrides, path, self._source)

    def _override_rejections(self, value: Any, path: Path) -> PolicyFlag | None:
        """A nearer document only makes it stricter: without ``override: true`` it can't allow what is not allowed above."""
        on = self._truth(value, path)
        above = self._inherited is not None and self._inherited.rejections_allowed
        if on and self._common is not None and not (self._overrides or above):
            return None
        return PolicyFlag(on, path, self._source)

    def _fail(self, path: Path, message: str, hint: str = "") -> InvalidInput:
        return self._source.error(path, message, hint)

    def _entries(self, value: Any, path: Path, known: Sequence[str] = ()) -> Iterator[tuple[str, Any, Path]]:
        """The keys of a mapping, in the order of ``known`` if it is given, and their values.

        With ``override: true`` null takes away what the registry says there; else it is a mistake.
        """
        document = _mapping(value, self._source, path)
        for key in document:
            if known and key not in known:
                raise self._fail((*path, key), *_unknown(key, known))
            self._checked(partial(values.key, key), (*path, key))
        for key in sorted(document, key=known.index) if known else document:
            place = (*path, key)
            if document[key] is not None:
                yield key, document[key], place
            elif self._overrides:
                self._paths.append(place)
            else:
                raise self._fail(place, "says nothing", "give it a value, or leave it out")

    def _checked(self, read: Callable[[], Any], path: Path) -> Any:
        """What ``read`` gives; what is wrong with it is told with its place."""
        try:
            return read()
        except InvalidInput as error:
            raise self._fail(path, error.message, error.hint) from None

    def _add(
        self, path: Path, name: str, wanted: str, look: rules.Look, covers: Path | None = None, **more: Any
    ) -> None:
        self._paths.append(covers or path)
        self._rules.append(PolicyRule(path, name, wanted, self._source, look, **more))

    def _cover(self, path: Path) -> None:
        """What stands at ``path`` asks for nothing, but can take the place of what the registry says there."""
        self._paths.append(path)

    def _truth(self, value: Any, path: Path) -> bool:
        if not isinstance(value, bool):
            raise self._fail(path, "is neither true nor false", "write true or false")
        return value

    def _text(self, value: Any, path: Path, example: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self._fail(path, "is no text", f"write it as {example}")
        return str(self._checked(lambda: values.line(value, path[-1]), path))

    def _texts(self, value: Any, path: Path, example: str) -> Iterator[tuple[str, Path]]:
        """A list of texts, each with its place. An empty one counts, too: it can override."""
        if not isinstance(value, list) or (not value and not self._overrides):
            raise self._fail(path, "is no list with something in it", f"write it as [{example}]")
        self._paths.append(path)
        for at, each in enumerate(value):
            place = (*path, str(at))
            yield self._text(each, place, example), place

    def _read_from(self, value: Any, path: Path) -> None:
        for stage, place in self._texts(value, path, "staging"):
            if stage not in self._stages:
                raise self._fail(
                    place, f"there is no stage '{escape_for_message(stage)}'", _nearest(stage, self._stages)
                )
            self._from = (*self._from, stage)
        if not self._from:
            raise self._fail(path, "names no stage", "name one, or write null to take it away")
        wanted = f"holds or held {' or '.join(self._from)}"
        self._add(path, "from", wanted, rules.has_held(self._from), needs="history", stages=self._from)

    def _require(self, value: Any, path: Path) -> None:
        read: dict[str, Callable[[Any, Path], None]] = {
            "fields": self._fields,
            "tags": self._tags,
            "metrics": self._metrics,
            "files": self._files,
            "forbid": self._files,
            "max_size": self._size,
            "where": self._where,
            "min_age_in_stage": self._age,
            "signed_by": self._signed_by,
        }
        for key, inner, place in self._entries(value, path, REQUIRE_KEYS):
            read[key](inner, place)

    def _fields(self, value: Any, path: Path) -> None:
        for name, place in self._texts(value, path, "message, annotations.training_data"):
            field = None if name in rules.MODEL_FIELDS else self._checked(partial(parse_field, name), place)
            self._add(place, f"fields.{name}", "is said", rules.has_value(name, field), path)

    def _tags(self, value: Any, path: Path) -> None:
        for name, inner, place in self._entries(value, path):
            wanted = self._text(inner, place, f"{name}: 'yes', in quotes")
            self._add(place, f"tags.{name}", wanted, rules.has_tag(name, wanted))

    def _metrics(self, value: Any, path: Path) -> None:
        for name, inner, place in self._entries(value, path):
            several = [(each, (*place, str(at))) for at, each in enumerate(inner)] if isinstance(inner, list) else []
            for bound, at in several or [(inner, place)]:
                match = _BOUND.match(bound) if isinstance(bound, str) else None
                if match is None:
                    raise self._fail(at, "is no bound on a metric", "write it as '>= 0.9' or '<= 50', in quotes")
                from fractions import Fraction

                look = rules.metric_within(name, match[1], Fraction(match[2]))
                self._add(at, f"metrics.{name}", f"{match[1]} {match[2]}", look, place)

    def _files(self, value: Any, path: Path) -> None:
        kind = path[-1]
        for pattern, place in self._texts(value, path, "'model.*'" if kind == "files" else "'*.csv'"):
            if len(pattern) > _PATTERN_LENGTH:
                raise self._fail(place, f"a pattern of {len(pattern):,} characters", f"{_PATTERN_LENGTH:,} is the most")
            look = rules.has_file(pattern) if kind == "files" else rules.has_no_file(pattern)
            self._add(place, kind, pattern if kind == "files" else f"no {pattern}", look, path, needs="files")

    def _size(self, value: Any, path: Path) -> None:
        example = "5GB, or as a number of bytes"
        plain = isinstance(value, int) and not isinstance(value, bool)
        most = self._checked(lambda: parse_size(str(value) if plain else self._text(value, path, example)), path)
        scale, words = ("max_size",), f"{most} bytes" if plain else value.strip()
        self._add(path, "max_size", f"at most {words}", rules.no_larger(most), scale=scale, strength=-most)

    def _where(self, value: Any, path: Path) -> None:
        from ...query.query import parse as parse_query

        query = self._text(value, path, "'metrics.auc >= 0.9'")
        self._checked(lambda: parse_query(query), path)
        self._add(path, "where", query, rules.matches_query(query))

    def _age(self, value: Any, path: Path) -> None:
        span = self._checked(lambda: parse_duration(self._text(value, path, "2d or 12h")), path).total_seconds()
        stages = self._from or self._inherited_from()
        scale = ("min_age_in_stage", *sorted(set(stages)))
        wanted = f"{value.strip()} in {' or '.join(stages) or 'another stage'}"
        self._add(path, "min_age_in_stage", wanted, rules.has_age_in(stages, span), needs="history", stages=stages,
                  scale=scale, strength=span)  # fmt: skip

    def _inherited_from(self) -> tuple[str, ...]:
        """The stages that the registry lets versions come from, unless that is overridden."""
        own = (*self._root, "from")
        inherited = self._inherited.rules if self._inherited and own not in self._paths else ()
        return next((rule.stages for rule in inherited if rule.name == "from"), ())

    def _against(self, value: Any, path: Path) -> None:
        for name, inner, place in self._entries(value, path):
            for key, amount, at in self._entries(inner, place, AGAINST_KEYS):
                most, percent = self._amount(amount, at)
                wanted = f"at most {str(amount).strip()} {_AGAINST[key] or 'worse'}"
                look = rules.metric_change_within(name, _AGAINST[key], most, percent=percent)
                needs = "current" if _AGAINST[key] else DIRECTIONS
                self._add(at, f"against_current.{name}", wanted, look, needs=needs)

    def _checks(self, value: Any, path: Path) -> None:
        self._cover(path)
        for check, place in command_checks.parse_checks(value, path, self._source, empty=self._overrides):
            self._add(place, f"checks.{check.name}", check.wanted, command_checks.build_check_rule(check), path, needs="checks",
                      scale=check.scale, strength=-check.seconds, check=check)  # fmt: skip

    def _approvals(self, value: Any, path: Path) -> None:
        if type(value) is not int or not 1 <= value <= _MOST_PEOPLE:
            raise self._fail(path, "is no number of people", f"write a whole number from 1 to {_MOST_PEOPLE:,}")
        self._add(
            path,
            "approvals",
            f"at least {value}",
            rules.has_approvals(value),
            needs=rules.PEOPLE,
            scale=("approvals",),
            strength=value,
        )

    def _approvers(self, value: Any, path: Path) -> None:
        names = []
        for name, place in self._texts(value, path, "alice, '@risk-team'"):
            if not _ACCOUNT.match(name):
                raise self._fail(
                    place,
                    f"'{escape_for_message(name)}' is no account",
                    "write alice, or '@risk-team' for a Unix group",
                )
            names.append(name)
        if names:
            allowed = tuple(dict.fromkeys(names))
            self._add(
                path,
                "approvers",
                " or ".join(allowed),
                rules.has_approvals(1),
                needs=rules.PEOPLE,
                who=rules.is_among(allowed),
            )

    def _not_author(self, value: Any, path: Path) -> None:
        if self._truth(value, path):
            self._add(
                path,
                "not_author",
                "another than the author",
                rules.has_approvals(1),
                needs=rules.PEOPLE,
                who=rules.is_author,
            )
        else:
            self._cover(path)

    def _signed_approvals(self, value: Any, path: Path) -> None:
        if value != REQUIRED:
            raise self._fail(path, f"must be '{REQUIRED}'", f"write signed: {REQUIRED}, or leave the key out")
        self._add(path, "signed", "signed approvals", rules.has_approvals(1), needs=rules.PEOPLE, who=rules.is_unproven)

    def _signed_by(self, value: Any, path: Path) -> None:
        for name, place in self._texts(value, path, "alice@example.com"):
            if not _PRINCIPAL.match(name):
                hint = "write it as in allowed_signers, without wildcards"
                raise self._fail(place, f"'{escape_for_message(name)}' is no principal", hint)
            self._add(place, "signed_by", name, rules.is_signed(name), path, needs=rules.PEOPLE)

    def _amount(self, value: Any, path: Path) -> tuple[Fraction, bool]:
        match = _PERCENT.match(value) if isinstance(value, str) else None
        if match:
            from fractions import Fraction

            return Fraction(match[1]), True
        amount = rules.to_fraction(value)
        if amount is None or amount < 0:
            raise self._fail(path, "is no amount", "write it as 0.005 or 1%; it is never below zero")
        return amount, False


def _unknown(key: str, known: Sequence[str]) -> tuple[str, str]:
    message = f"there is no key '{escape_for_message(key)}' here"
    for others, name in ((REQUIRE_KEYS, "require"), (STAGE_KEYS, "the stage")):
        if key in others and known is not others:
            return message, f"it belongs under {name}"
    return message, _nearest(key, known)
