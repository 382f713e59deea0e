"""Any sequence of verbs, against a model of the registry that is small enough to be right by looking at it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from registry_cli import Conflict, NotFound, Registry
from registry_cli.errors import RegistryError
from registry_cli.rules.stages import ANY

settings.register_profile("thorough", max_examples=1500, stateful_step_count=60)
STEPS: dict[str, Any] = {"max_examples": 60, "stateful_step_count": 30}
if os.environ.get("HYPOTHESIS_PROFILE") == "thorough":
    STEPS = {"max_examples": 1500, "stateful_step_count": 60}

STAGES = ("development", "staging", "production")
STAGE, ALIAS = st.sampled_from(STAGES), st.sampled_from(["champion", "eu", "null"])
NUMBER = st.integers(1, 8)
TARGET = st.sampled_from(["t", "u"])
KEY = st.sampled_from(["a", "no", "1"])


@dataclass
class Expected:
    """What the registry should hold: the whole of the rules, in memory."""

    contents: dict[int, str] = field(default_factory=dict)
    said: dict[int, dict[str, dict[str, object]]] = field(default_factory=dict)
    highest: int = 0
    revision: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    archived: set[int] = field(default_factory=set)
    packed: set[int] = field(default_factory=set)
    deployed: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=lambda: {stage: [] for stage in STAGES})

    @property
    def latest(self) -> int | None:
        return max(self.contents.keys() - self.archived, default=None)

    def register(self, content: str, tags: dict[str, object]) -> None:
        self.highest += 1
        self.contents[self.highest] = content
        self.said[self.highest] = {"tags": dict(tags), "annotations": {}, "metrics": {}}

    def point(self, pointers: dict[str, int], name: str, number: int | None) -> bool:
        """Move a stage or an alias; whether that is a change."""
        if pointers.get(name) == number:
            return False
        pointers.pop(name, None)
        if number is not None:
            pointers[name] = number
            if pointers is self.stages:
                self.lines[name] += [number] if self.lines[name][-1:] != [number] else []
        self.revision += 1
        return True

    def earlier(self, stage: str) -> list[int]:
        """Where a rollback may go, nearest first."""
        line = self.lines[stage]
        return list(reversed(line[:-1] if stage in self.stages else line))

    def target(self, stage: str) -> int | None:
        """Where a rollback does go: the nearest that is there and is another."""
        there = (n for n in self.earlier(stage) if n in self.contents and n != self.stages.get(stage))
        return next(there, None)

    def in_use(self, number: int) -> bool:
        return number in self.contents and number not in self.archived

    def pointed(self, number: int) -> bool:
        return number in {*self.stages.values(), *self.aliases.values()}

    def kept(self, number: int) -> bool:
        """Whether a rollback of an occupied stage needs this version."""
        return number not in self.archived and any(self.target(stage) == number for stage in self.stages)


class Verbs(RuleBasedStateMachine):
    """Each verb, allowed or not: it does what the model says, or raises and changes nothing."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="registry-model-"))
        self.registry = Registry.init(self.folder / "registry", author="alice")
        for target in "tu":
            (self.folder / target).mkdir()
        targets = [f"  {each}: {{layout: plain, path: {self.folder / each}}}\n" for each in "tu"]
        (self.registry.root / "targets.yaml").write_text("format: 1\ntargets:\n" + "".join(targets))
        self.expected = Expected()
        self.register("first", {}, if_changed=False)

    def teardown(self) -> None:
        if not hasattr(self, "registry"):
            return
        try:
            assert self.registry.admin.verify().problems == ()
            history = self.registry.history("churn")
            assert [entry.seq for entry in history] == list(range(len(history), 0, -1))
            assert (history[0].highest, history[0].revision) == (self.expected.highest, self.expected.revision)
            self._replay()
        finally:
            for folder, _, _ in os.walk(self.folder):
                Path(folder).chmod(0o700)
            shutil.rmtree(self.folder)

    def _replay(self) -> None:
        """The journal alone, line after line, leads to the same pointers."""
        pointers: dict[str, dict[str, int]] = {"stage": {}, "alias": {}}
        for entry in reversed(self.registry.history("churn")):
            detail = entry.event.detail
            for kind, at in pointers.items():
                if kind in detail:
                    assert at.pop(detail[kind], None) == detail.get("before")
                    if detail.get("after") is not None:
                        at[detail[kind]] = detail["after"]
        assert pointers == {"stage": self.expected.stages, "alias": self.expected.aliases}

    def either(self, allowed: bool, deed: Callable[[], Any], *errors: type[RegistryError]) -> Any:
        """``deed`` must succeed exactly when it is allowed."""
        if allowed:
            return deed()
        with contextlib.suppress(*(errors or (Conflict, NotFound))):
            deed()
            raise AssertionError("this should have been refused")
        return None

    @rule(content=st.sampled_from(["one", "two", "three"]), tags=st.dictionaries(KEY, KEY), if_changed=st.booleans())
    def register(self, content: str, tags: dict[str, object], if_changed: bool) -> None:
        source = self.folder / "m"
        source.write_text(content)
        latest = self.expected.latest
        same = if_changed and latest is not None and self.expected.contents[latest] == content
        outcome = self.registry.register("churn", [source], tags=tags, if_changed=if_changed)
        if not same:
            self.expected.register(content, tags)
        assert outcome.new is not same
        assert outcome.number == (latest if same else self.expected.highest)

    @rule(number=NUMBER, stage=STAGE, expect=st.sampled_from(["any", "right", "wrong"]), archive=st.booleans())
    def promote(self, number: int, stage: str, expect: str, archive: bool) -> None:
        before = self.expected.stages.get(stage)
        wanted: Any = {"any": ANY, "right": before, "wrong": 99}[expect]
        others = [*(at for name, at in self.expected.stages.items() if name != stage), *self.expected.aliases.values()]
        retires = archive and before is not None and before != number
        allowed = self.expected.in_use(number) and expect != "wrong" and not (retires and before in others)
        moved = self.either(
            allowed, lambda: self.registry.promote(f"churn@{number}", stage, expect=wanted, archive_previous=archive)
        )
        if allowed:
            assert (moved.before, moved.after) == (before, number)
            assert moved.changed is self.expected.point(self.expected.stages, stage, number)
            self.expected.archived |= {before} if retires and before else set()

    @rule(stage=STAGE)
    def demote(self, stage: str) -> None:
        before = self.expected.stages.get(stage)
        moved = self.registry.demote("churn", stage)
        assert (moved.before, moved.changed) == (before, self.expected.point(self.expected.stages, stage, None))

    @rule(stage=STAGE)
    def rollback(self, stage: str) -> None:
        target = self.expected.target(stage)
        allowed = target is not None and target not in self.expected.archived
        moved = self.either(allowed, lambda: self.registry.rollback("churn", stage, again=True))
        if allowed and target is not None:
            assert moved.after == target
            line = self.expected.lines[stage]
            while line[-1] != target:
                line.pop()
            self.expected.point(self.expected.stages, stage, target)

    @rule(number=NUMBER, alias=ALIAS)
    def alias(self, number: int, alias: str) -> None:
        allowed = self.expected.in_use(number)
        self.either(allowed, lambda: self.registry.alias(f"churn@{number}", alias))
        if allowed:
            self.expected.point(self.expected.aliases, alias, number)

    @rule(alias=ALIAS)
    def remove_alias(self, alias: str) -> None:
        allowed = alias in self.expected.aliases
        self.either(allowed, lambda: self.registry.alias("churn", alias, remove=True))
        if allowed:
            self.expected.point(self.expected.aliases, alias, None)

    @rule(number=NUMBER, key=KEY, value=st.one_of(st.none(), KEY), kind=st.sampled_from(["tags", "annotations"]))
    def describe(self, number: int, key: str, value: str | None, kind: str) -> None:
        verb = self.registry.tag if kind == "tags" else self.registry.annotate
        changes, remove = ({}, [key]) if value is None else ({key: value}, [])
        allowed = number in self.expected.contents
        self.either(allowed, lambda: verb(f"churn@{number}", changes, remove=remove))
        if allowed:
            said = self.expected.said[number][kind]
            self.expected.revision += said.get(key) != value
            said.pop(key, None)
            said.update(changes)

    @rule(number=NUMBER, key=KEY, value=st.sampled_from([1, 0.5, 1e-7, 2.0]))
    def log_metric(self, number: int, key: str, value: float) -> None:
        allowed = number in self.expected.contents
        self.either(allowed, lambda: self.registry.log_metric(f"churn@{number}", {key: value}))
        if allowed:
            said = self.expected.said[number]["metrics"]
            self.expected.revision += said.get(key) != value
            said[key] = value

    @rule(number=NUMBER, force=st.booleans())
    def archive(self, number: int, force: bool) -> None:
        expected = self.expected
        done = number in expected.archived
        allowed = done or (
            number in expected.contents
            and not expected.pointed(number)
            and number not in expected.deployed.values()
            and (force or not expected.kept(number))
        )
        self.either(allowed, lambda: self.registry.archive([f"churn@{number}"], force=force, reason="old"))
        if allowed and not done:
            expected.archived.add(number)
            expected.revision += 1

    @rule(number=NUMBER, kind=st.sampled_from(["gzip", "zstd"]))
    def compress(self, number: int, kind: str) -> None:
        expected = self.expected
        known = number in expected.contents
        allowed = known and not (
            expected.pointed(number)
            or (number not in expected.archived and (expected.kept(number) or number in expected.deployed.values()))
        )
        self.either(allowed, lambda: self.registry.archive([f"churn@{number}"], compress=kind))
        if allowed:
            expected.revision += (number not in expected.archived) + (number not in expected.packed)
            expected.archived.add(number)
            expected.packed.add(number)

    @rule(number=NUMBER)
    def restore(self, number: int) -> None:
        self.either(number in self.expected.contents, lambda: self.registry.restore([f"churn@{number}"]))
        self.expected.revision += number in self.expected.archived
        self.expected.archived.discard(number)
        self.expected.packed.discard(number)

    @rule(number=NUMBER, force=st.booleans())
    def delete(self, number: int, force: bool) -> None:
        expected = self.expected
        allowed = number in expected.contents and not expected.pointed(number) and (force or not expected.kept(number))
        allowed = allowed and number not in expected.deployed.values()
        self.either(allowed, lambda: self.registry.delete([f"churn@{number}"], force=force, reason="gone"))
        if allowed:
            del expected.contents[number], expected.said[number]
            expected.archived.discard(number)
            expected.packed.discard(number)
            expected.revision += 1

    @rule(number=NUMBER, place=TARGET)
    def deploy(self, number: int, place: str) -> None:
        expected = self.expected
        allowed = expected.in_use(number)
        done = self.either(allowed, lambda: self.registry.deployments.deploy(f"churn@{number}", place))
        if allowed:
            before = expected.deployed.get(place)
            assert (done.version, done.before, done.changed) == (number, before, number != before)
            expected.revision += 2 * (number != before)
            expected.deployed[place] = number

    @rule(place=TARGET)
    def undeploy(self, place: str) -> None:
        allowed = place in self.expected.deployed
        self.either(allowed, lambda: self.registry.deployments.undeploy("churn", place))
        if allowed:
            del self.expected.deployed[place]
            self.expected.revision += 1

    @rule()
    def gc(self) -> None:
        assert self.registry.admin.gc(age=0.0) == [], "no verb leaves anything behind"

    @rule()
    def reopen(self) -> None:
        self.registry = Registry.open(self.registry.root, author="alice")

    @precondition(lambda self: hasattr(self, "registry"))
    @invariant()
    def everything_is_as_expected(self) -> None:
        expected = self.expected
        model = self.registry.model("churn")
        assert (model.stages, model.aliases) == (expected.stages, expected.aliases)
        assert (model.revision, model.latest, model.archived) == (
            expected.revision,
            expected.latest,
            len(expected.archived),
        )
        versions = {version.number: version for version in self.registry.versions("churn", archived=True)}
        assert versions.keys() == expected.contents.keys()
        for number, version in versions.items():
            said = {"tags": version.tags, "annotations": version.annotations, "metrics": version.metrics}
            assert said == expected.said[number]
            assert version.archived is (number in expected.archived)
            assert set(version.stages) == {name for name, at in expected.stages.items() if at == number}
            assert set(version.aliases) == {name for name, at in expected.aliases.items() if at == number}
            assert (version.packed is not None) is (number in expected.packed)
            stream = io.BytesIO()
            self.registry.artifacts.cat(f"churn@{number}", "m", stream)
            assert stream.getvalue().decode() == expected.contents[number]
            if number not in expected.packed:
                assert self.registry.path(f"churn@{number}", "m").read_text() == expected.contents[number]
        for name, number in {**expected.stages, **expected.aliases}.items():
            assert self.registry.version(f"churn@{name}").number == number
        deployments = self.registry.deployments(check=True)
        assert {each.target: (each.version, each.state) for each in deployments} == {
            target: (number, "ok") for target, number in expected.deployed.items()
        }
        for target, number in expected.deployed.items():
            assert (self.folder / target / "churn/current/m").read_text() == expected.contents[number]
        for stage in STAGES:
            assert list(self.registry.admin.earlier_holders("churn", stage)) == expected.earlier(stage)


TestVerbs = Verbs.TestCase
TestVerbs.settings = settings(deadline=None, suppress_health_check=list(HealthCheck), **STEPS)
