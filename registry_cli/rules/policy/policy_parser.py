"""Parse the key ``policy`` of ``registry.yaml``, ``group.yaml`` and ``model.yaml``.

A policy that was misread could admit what it was written to refuse. Nothing is ignored, therefore: an unknown key and a
key without a value are errors, with their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ...core import values
from ...core.quantities import parse_duration, parse_size
from ...core.text import escape_for_message, suggest
from ...query.fields import parse_field
from ..metric_directions import HIGHER, LOWER
from ..settings_errors import Path, SettingsSource, suggest_or_list
from . import command_checks
from . import policy_rules as rules
from .policy import DIRECTIONS, OBSERVATIONS, Policies, PolicyFlag, PolicyRule, RuleOutcome, StagePolicy

if TYPE_CHECKING:
    from fractions import Fraction

#: The keys of a stage, of its ``require``, and of a metric in its ``against_current``.
STAGE_KEYS = (
    "from", "require", "against_current", "checks", "approvals", "approvers", "not_author", "signed", "override",
    "force", "override_rejections",
)  # fmt: skip
REQUIRE_KEYS = (
    "fields", "tags", "metrics", "files", "forbid", "max_size", "where", "min_age_in_stage", "signed_by",
    "monitor",
)  # fmt: skip
AGAINST_KEYS = ("max_drop", "max_rise", "max_worse")
_AGAINST = {"max_drop": LOWER, "max_rise": HIGHER, "max_worse": None}

#: The value of ``signed``: approvals count only if their author signed them.
REQUIRED = "required"
_MOST_PEOPLE = 1_000
#: Accounts and groups of a directory service may contain ``@``, and its groups a space.
_ACCOUNT = re.compile(r"[^\s@/,\"'][^\s/,\"']{0,254}\Z|@[^\s@/,\"'][^/,\"']{0,254}\Z")
_PRINCIPAL = re.compile(r"[^\s,*?!\"\x00-\x1f\x7f-\x9f]{1,254}\Z")

_PATTERN_LENGTH = 1_000
_BOUND = re.compile(
    r"\s*(>=|<=|==|>|<|=)\s*([-+]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,3})?)\s*\Z", re.ASCII
)
_PERCENT = re.compile(r"\s*([0-9]{1,40}(?:\.[0-9]{1,40})?)\s*%\s*\Z", re.ASCII)
#: A key similar to one of these is meant to be ``policy``.
_POLICY_WORDS = ("policy", "policies", "gate", "gates")


def find_policy(document: Mapping[str, Any], source: SettingsSource) -> Any:
    """Return the value of ``policy``, {} if there is no such key. A misspelt key is an error: it would be no policy."""
    for key in document:
        if key != "policy" and suggest(key, _POLICY_WORDS, 0.8):
            raise source.error((key,), f"unknown setting '{escape_for_message(key)}'", "did you mean 'policy'?")
    return document.get("policy", {})


def parse_policies(
    value: Any, source: SettingsSource, stages: Sequence[str], common: Policies | None = None
) -> dict[str, StagePolicy]:
    """Parse the value of ``policy`` into the policy of each stage. Raises :class:`InvalidInput` with its place.

    For a group or a model, ``common`` are the policies of the wider documents.
    """
    place: Path = ("policy",)
    found = {}
    for stage, policy in _mapping(value, source, place).items():
        if stage not in stages:
            raise _unknown_stage(stage, stages, source, (*place, stage))
        found[stage] = _StageParser(source, stage, stages, common).parse(policy)
    return found


def _mapping(value: Any, source: SettingsSource, path: Path) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise source.error(path, "must be a mapping", "use 'key: value' lines below it or remove it")
    return value


def _unknown_stage(stage: str, stages: Sequence[str], source: SettingsSource, path: Path) -> Exception:
    message = f"unknown stage '{escape_for_message(stage)}'"
    return source.error(path, message, suggest_or_list(stage, stages))


class _StageParser:
    """Parses the policy of one stage: its keys by methods ``_parse_KEY``, those of ``require`` by ``_require_KEY``."""

    def __init__(self, source: SettingsSource, stage: str, stages: Sequence[str], common: Policies | None) -> None:
        self._source = source
        self._fail, self._checked = source.error, source.checked
        self._root: Path = ("policy", stage)
        self._stages = stages
        self._common = common
        self._inherited = common.get(stage) if common else None
        self._rules: list[PolicyRule] = []
        self._paths: list[Path] = []
        self._overrides = False
        self._from: tuple[str, ...] = ()
        self._flags: dict[str, PolicyFlag] = {}

    def parse(self, content: Any) -> StagePolicy:
        document = _mapping(content, self._source, self._root)
        if "override" in document:
            self._parse_override(document["override"], (*self._root, "override"))
        for key, value, path in self._entries(document, self._root, STAGE_KEYS):
            if key != "override":
                getattr(self, f"_parse_{key}")(value, path)
        return StagePolicy(tuple(self._rules), paths=tuple(self._paths), **self._flags)

    def _parse_override(self, value: Any, path: Path) -> None:
        if self._common is None:
            hint = "registry.yaml has nothing above it to override"
            raise self._fail(path, "is only valid in model.yaml and group.yaml", hint)
        self._parse_flag(value, path)
        self._overrides = value

    def _parse_flag(self, value: Any, path: Path) -> None:
        self._flags[path[-1]] = PolicyFlag(self._truth(value, path), path, self._source)

    _parse_force = _parse_flag

    def _parse_override_rejections(self, value: Any, path: Path) -> None:
        """Without ``override: true`` a nearer document can't allow what a wider one does not allow."""
        above = self._inherited is not None and self._inherited.rejections_allowed
        if not self._truth(value, path) or self._common is None or self._overrides or above:
            self._parse_flag(value, path)

    def _entries(self, value: Any, path: Path, known: Sequence[str] = ()) -> Iterator[tuple[str, Any, Path]]:
        """Yield the keys of a mapping (in the order of ``known``) with values and paths.

        With ``override: true``, null removes what wider documents have there; otherwise it is an error.
        """
        document = _mapping(value, self._source, path)
        for key in document:
            if known and key not in known:
                raise self._fail((*path, key), *_describe_unknown(key, known))
            self._checked((*path, key), values.key, key)
        for key in sorted(document, key=known.index) if known else document:
            place = (*path, key)
            if document[key] is not None:
                yield key, document[key], place
            elif self._overrides:
                self._paths.append(place)
            else:
                raise self._fail(place, "has no value", "set a value or remove it")

    def _add(
        self, path: Path, name: str, wanted: str, look: partial[RuleOutcome], covers: Path | None = None, **more: Any
    ) -> None:
        self._paths.append(covers or path)
        self._rules.append(PolicyRule(path, name, wanted, self._source, look, **more))

    def _truth(self, value: Any, path: Path) -> bool:
        if not isinstance(value, bool):
            raise self._fail(path, "must be true or false", "use true or false")
        return value

    def _text(self, value: Any, path: Path, example: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self._fail(path, "must be text", f"for example: {example}")
        return str(self._checked(path, values.line, value, path[-1]))

    def _texts(self, value: Any, path: Path, example: str) -> Iterator[tuple[str, Path]]:
        """Yield a list of texts with their paths. It may be empty only where it overrides another list."""
        if not isinstance(value, list) or (not value and not self._overrides):
            raise self._fail(path, "must be a non-empty list", f"for example: [{example}]")
        self._paths.append(path)
        for at, each in enumerate(value):
            place = (*path, str(at))
            yield self._text(each, place, example), place

    def _parse_from(self, value: Any, path: Path) -> None:
        for stage, place in self._texts(value, path, "staging"):
            if stage not in self._stages:
                raise _unknown_stage(stage, self._stages, self._source, place)
            self._from = (*self._from, stage)
        if not self._from:
            raise self._fail(path, "has no stage", "name one, or use null to remove the rule")
        wanted = f"holds or held {' or '.join(self._from)}"
        self._add(path, "from", wanted, partial(rules.has_held, self._from), needs="history", stages=self._from)

    def _parse_require(self, value: Any, path: Path) -> None:
        for key, inner, place in self._entries(value, path, REQUIRE_KEYS):
            getattr(self, f"_require_{key}")(inner, place)

    def _require_fields(self, value: Any, path: Path) -> None:
        for name, place in self._texts(value, path, "message, annotations.training_data"):
            field = None if name in rules.MODEL_FIELDS else self._checked(place, parse_field, name)
            self._add(place, f"fields.{name}", "is set", partial(rules.has_value, name, field), path)

    def _require_tags(self, value: Any, path: Path) -> None:
        for name, inner, place in self._entries(value, path):
            wanted = self._text(inner, place, f"{name}: 'yes', in quotes")
            self._add(place, f"tags.{name}", wanted, partial(rules.has_tag, name, wanted))

    def _require_metrics(self, value: Any, path: Path) -> None:
        for name, inner, place in self._entries(value, path):
            several = [(each, (*place, str(at))) for at, each in enumerate(inner)] if isinstance(inner, list) else []
            for bound, at in several or [(inner, place)]:
                match = _BOUND.match(bound) if isinstance(bound, str) else None
                if match is None:
                    raise self._fail(
                        at, "is not a valid bound on a metric", "for example '>= 0.9' or '<= 50', in quotes"
                    )
                look = partial(rules.metric_within, name, match[1], rules.make_fraction(match[2]))
                self._add(at, f"metrics.{name}", f"{match[1]} {match[2]}", look, place)

    def _require_monitor(self, value: Any, path: Path) -> None:
        from ..metric_directions import LISTED
        from ..monitor_rules import format_span, parse_rule

        for name, inner, place in self._entries(value, path):
            rule = parse_rule(name, inner, place, self._source, LISTED).with_defaults()
            wanted = f"{rule.bounds} over {format_span(rule.window)}"
            self._add(place, f"monitor.{name}", wanted, partial(rules.observations_within, rule), needs=OBSERVATIONS)

    def _require_files(self, value: Any, path: Path) -> None:
        kind = path[-1]
        for pattern, place in self._texts(value, path, "'model.*'" if kind == "files" else "'*.csv'"):
            if len(pattern) > _PATTERN_LENGTH:
                raise self._fail(
                    place, f"a pattern of {len(pattern):,} characters", f"the limit is {_PATTERN_LENGTH:,}"
                )
            look = partial(rules.has_file, pattern, kind == "forbid")
            self._add(place, kind, pattern if kind == "files" else f"no {pattern}", look, path, needs="files")

    _require_forbid = _require_files

    def _require_max_size(self, value: Any, path: Path) -> None:
        plain = isinstance(value, int) and not isinstance(value, bool)
        most = self._checked(
            path, parse_size, str(value) if plain else self._text(value, path, "5GB, or as a number of bytes")
        )
        wanted = f"at most {f'{most} bytes' if plain else value.strip()}"
        self._add(path, "max_size", wanted, partial(rules.no_larger, most), scale=("max_size",), strength=-most)

    def _require_where(self, value: Any, path: Path) -> None:
        query = self._text(value, path, "'metrics.auc >= 0.9'")
        self._checked(path, rules.parse_query, query)
        self._add(path, "where", query, partial(rules.matches_query, query))

    def _require_min_age_in_stage(self, value: Any, path: Path) -> None:
        span = self._checked(path, parse_duration, self._text(value, path, "2d or 12h")).total_seconds()
        stages = self._from or self._inherited_from()
        scale = ("min_age_in_stage", *sorted(set(stages)))
        wanted = f"{value.strip()} in {' or '.join(stages) or 'another stage'}"
        self._add(path, "min_age_in_stage", wanted, partial(rules.has_age_in, stages, span), needs="history",
                  stages=stages, scale=scale, strength=span)  # fmt: skip

    def _inherited_from(self) -> tuple[str, ...]:
        """The stages in ``from`` of the wider documents, unless this one overrides it."""
        own = (*self._root, "from")
        inherited = self._inherited.rules if self._inherited and own not in self._paths else ()
        return next((rule.stages for rule in inherited if rule.name == "from"), ())

    def _require_signed_by(self, value: Any, path: Path) -> None:
        for name, place in self._texts(value, path, "alice@example.com"):
            if not _PRINCIPAL.match(name):
                hint = "use a name as in allowed_signers, without wildcards"
                raise self._fail(place, f"'{escape_for_message(name)}' is not a valid principal", hint)
            self._add(place, "signed_by", name, partial(rules.is_signed, name), path, needs=rules.PEOPLE)

    def _parse_against_current(self, value: Any, path: Path) -> None:
        for name, inner, place in self._entries(value, path):
            for key, amount, at in self._entries(inner, place, AGAINST_KEYS):
                most, percent = self._amount(amount, at)
                wanted = f"at most {str(amount).strip()} {_AGAINST[key] or 'worse'}"
                look = partial(rules.metric_change_within, name, _AGAINST[key], most, percent)
                needs = "current" if _AGAINST[key] else DIRECTIONS
                self._add(at, f"against_current.{name}", wanted, look, needs=needs)

    def _amount(self, value: Any, path: Path) -> tuple[Fraction, bool]:
        if match := _PERCENT.match(value) if isinstance(value, str) else None:
            return rules.make_fraction(match[1]), True
        amount = rules.to_fraction(value)
        if amount is None or amount < 0:
            raise self._fail(path, "is not a valid amount", "use a form like 0.005 or 1%, not negative")
        return amount, False

    def _parse_checks(self, value: Any, path: Path) -> None:
        self._paths.append(path)
        for check, place in command_checks.parse_checks(value, path, self._source, empty=self._overrides):
            limit = command_checks.format_time_limit(check.seconds)
            wanted = check.command if check.seconds == command_checks.TIME_LIMIT else f"{check.command} (in {limit})"
            self._add(place, f"checks.{check.name}", wanted, partial(command_checks.has_succeeded, check), path,
                      needs="checks", scale=("checks", check.name, *check.arguments), strength=-check.seconds, check=check)  # fmt: skip

    def _add_approvals(self, path: Path, wanted: str, number: int = 1, **more: Any) -> None:
        self._add(path, path[-1], wanted, partial(rules.has_approvals, number), needs=rules.PEOPLE, **more)

    def _parse_approvals(self, value: Any, path: Path) -> None:
        if type(value) is not int or not 1 <= value <= _MOST_PEOPLE:
            raise self._fail(path, "is not a valid number of people", f"use an integer from 1 to {_MOST_PEOPLE:,}")
        self._add_approvals(path, f"at least {value}", value, scale=("approvals",), strength=value)

    def _parse_approvers(self, value: Any, path: Path) -> None:
        names: dict[str, None] = {}
        for name, place in self._texts(value, path, "alice, '@risk-team'"):
            if not _ACCOUNT.match(name):
                hint = "use alice, or '@risk-team' for a Unix group"
                raise self._fail(place, f"'{escape_for_message(name)}' is not a valid account", hint)
            names[name] = None
        if names:
            self._add_approvals(path, " or ".join(names), objection=partial(rules.objection_unless_among, tuple(names)))

    def _parse_not_author(self, value: Any, path: Path) -> None:
        if self._truth(value, path):
            self._add_approvals(path, "someone other than the author", objection=rules.objection_to_author)
        else:
            self._paths.append(path)

    def _parse_signed(self, value: Any, path: Path) -> None:
        if value != REQUIRED:
            raise self._fail(path, f"must be '{REQUIRED}'", f"use signed: {REQUIRED} or remove the key")
        self._add_approvals(path, "signed approvals", objection=lambda facts, approval: facts.people.unproven(approval))


def _describe_unknown(key: str, known: Sequence[str]) -> tuple[str, str]:
    message = f"unknown key '{escape_for_message(key)}'"
    for others, name in ((REQUIRE_KEYS, "require"), (STAGE_KEYS, "the stage")):
        if key in others and known is not others:
            return message, f"it belongs under {name}"
    return message, suggest_or_list(key, known)
