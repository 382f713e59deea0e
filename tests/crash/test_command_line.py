"""Commands as a shell runs them, with a fault at calls that change the disk: what is printed fits what was done."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest

from registry_cli import Registry
from registry_cli.cli import command, main, process
from tests.crash.scenarios import REQUEST, _bundle, common, source
from tests.crash.shim import Fault, Shim
from tests.crash.world import MOMENT, Journals, copied, fingerprint, observed, opened, wiped

FAULTS = (
    ("error", errno.EIO),
    ("errors", errno.EIO),
    ("error", errno.ENOSPC),
    ("lost reply", errno.EIO),
    ("interrupt before", 0),
    ("interrupt after", 0),
)
#: Each kind of fault strikes at every so many calls, each from another one on.
STRIDE = 7
#: What every command may end with, whatever its help lists (docs/reference/exit-codes.md).
ALWAYS = {0, 1, 2, 5, 130}


@dataclass(frozen=True)
class Case:
    """A command, and the events that it leaves in the journals. ``{base}`` stands for the folder of a trial.

    ``part`` is a command that does only the first of several changes.
    """

    arguments: Sequence[str]
    events: Sequence[str] = (REQUEST,)
    writes: bool = True
    part: Sequence[str] = ()

    def line(self, base: Path, arguments: Sequence[str] = ()) -> list[str]:
        shared = ["--lock-timeout", "1", "--request-id", REQUEST] if self.writes else []
        words = [word.format(base=base) for word in arguments or self.arguments]
        return [*words, "-C", str(base / "registry"), *shared]


def digest(key: str) -> str:
    """By what an import continues its request id for each version that it takes in."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


CASES = {
    "register": Case(["register", "churn", "{base}/model.pkl"]),
    "register the first": Case(["register", "risk/fraud", "{base}/model.pkl"]),
    "promote": Case(["promote", "churn@3", "production"]),
    "rollback": Case(["rollback", "churn", "production"]),
    "archive": Case(["archive", "churn@6"]),
    "delete": Case(["delete", "churn@4", "--yes"]),
    "tag": Case(["tag", "churn@2", "team=crm"]),
    "rename": Case(["rename", "churn", "crm/churn"]),
    "fetch": Case(["fetch", "churn@2", "-o", "{base}/out", "--force"], (), writes=False),
    "import a model": Case(["import", "{base}/model.tar"], [f"there-{number}" for number in range(1, 7)]),
    "import versions": Case(
        ["import", "{base}/versions.tar", "--as", "churn", "--merge"],
        [f"{REQUEST}:{digest('bundle:' + '0' * 32 + f'/fraud/{number}')}" for number in (2, 3)],
        part=["import", "{base}/version.tar", "--as", "churn", "--merge"],
    ),
}


class Answer(NamedTuple):
    """What a command gave back."""

    code: int
    out: str
    err: str


def run(arguments: list[str]) -> Answer:
    """Run the command line in this process, and leave its signals as they were."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in process.STOPPING}
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main.run(arguments)
    finally:
        for number in process.STOPPING:  # one that came when the command had ended is still to be delivered
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, process.STOPPING)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Answer(code, out.getvalue(), err.getvalue())


def state(base: Path) -> tuple[object, str]:
    """All that a reader can see of the registry, and the folder outside of it."""
    out = base / "out"
    return observed(base / "registry"), fingerprint(out) if out.exists() else ""


class Place:
    """A folder with a registry, sources and bundles, in which a case is run again and again."""

    def __init__(self, lab: Path, case: Case) -> None:
        self.lab, self.case, self.base = lab, case, lab / "base"
        work = lab / "work"
        work.mkdir()
        Registry.init(self.base / "registry")
        common(opened(self.base / "registry"), work)
        source(self.base, "new")
        (self.base / "model.tar").write_bytes(_bundle("fraud"))
        (self.base / "versions.tar").write_bytes(_bundle("fraud@2", "fraud@3"))
        (self.base / "version.tar").write_bytes(_bundle("fraud@2"))
        opened(self.base / "registry").fetch("churn@1", self.base / "out")
        self.before = state(self.base)
        self.states = [self.before]
        if case.part:
            clean = copied(self.base, lab / "run")
            assert run(case.line(clean, case.part)).code == 0
            self.states.append(state(clean))
            wiped(clean)
        clean = copied(self.base, lab / "run")
        with Shim(clean) as shim:
            self.answer = run(case.line(clean))
        self.calls = shim.count
        self.after = state(clean)
        self.states.append(self.after)
        wiped(clean)
        assert self.answer.code == 0, self.answer
        assert self.answer.out
        assert self.after != self.before
        epilog = command.find(case.arguments[0]).epilog
        self.codes = {int(code) for code in re.findall(r"^  (\d+) ", epilog, re.MULTILINE)} | ALWAYS

    def strike(self, fault: Fault) -> Answer | None:
        """What the command gives under this fault; None when there is no such call. Raises when something is wrong."""
        base = copied(self.base, self.lab / "run")
        try:
            with Shim(base, fault) as shim:
                answer = run(self.case.line(base))
            if shim.struck is None:
                return None
            try:
                assert not shim.leaked, f"left open: {shim.leaked}"
                self.judge(base, answer)
                if answer.code == 1 and fault.kind != "errors":  # those go on for good
                    names = opened(base / "registry").admin.model_names()
                    assert names == opened(self.base / "registry").admin.model_names(), "an empty model is left"
                self.settle(base, answer)
            except Exception as error:
                raise AssertionError(f"{fault}, {shim.struck.name} {shim.struck.path}: {answer}: {error}") from error
            return answer
        finally:
            wiped(base)

    def judge(self, base: Path, answer: Answer) -> None:
        """The exit code, what is printed and what is there fit each other."""
        assert answer.code in self.codes, f"{answer.code} is not documented"
        assert "Traceback" not in answer.err
        assert "unexpected" not in answer.err
        errors = [line for line in answer.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == (answer.code != 0), "one error line, and only when it failed"
        known = state(base)
        if answer.code == 0:
            assert answer.out == self.answer.out
            assert known == self.after, "exit 0, but the change is not there"
            return
        assert answer.out in ("", self.partial(answer)), "a result is printed of what was not confirmed"
        if answer.code in (8, 130):
            way = "rerun the import" if self.case.arguments[0] == "import" else f"retry with --request-id {REQUEST}"
            assert (way in errors[0]) == (answer.code == 8), "exit 8 says how to settle it"
            assert known in self.states, "neither before nor after"
        else:
            assert known == self.before, f"exit {answer.code}, but something changed"

    def partial(self, answer: Answer) -> str:
        """What an import may print of versions that came in before it failed."""
        return "".join(line for line in self.answer.out.splitlines(keepends=True) if line in answer.out)

    def settle(self, base: Path, answer: Answer) -> None:
        """The same command gives the one result, and each of its events is there once."""
        again = run(self.case.line(base))
        assert again.code == 0, f"the same command again: {again}"
        if self.case.arguments[0] != "import":  # which says of each version whether it was there already
            assert again.out == self.answer.out, f"the same command again: {again}"
        assert state(base) == self.after, "the same command again does not settle it"
        Journals.of(base / "registry").require(set(self.case.events))
        opened(base / "registry").admin.repair()  # of derived links, whose loss is no failure
        opened(base / "registry").admin.gc(age=-1)
        left = [each for each in opened(base / "registry").admin.verify().problems if each.code != "journal-torn"]
        assert not left, f"after {answer.code} and the same command again: {left}"


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So that the same command leaves the same bytes."""
    with mock.patch.dict(Registry.__init__.__kwdefaults__, now=lambda: MOMENT):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_what_is_printed_fits_what_was_done(
    lab: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    place = Place(lab, CASES[name])
    ended: dict[int, int] = {}
    wrong = []
    for turn, (kind, number) in enumerate(FAULTS):
        for at in range(1 + turn, 10_000, STRIDE):
            try:
                answer = place.strike(Fault(kind, at, number))
            except AssertionError as error:
                wrong.append(str(error))
                continue
            if answer is None:
                break
            ended[answer.code] = ended.get(answer.code, 0) + 1
    told = f"{name}: {place.calls} calls, exit codes {dict(sorted(ended.items()))}"
    record_property("crash", told)
    print(told)
    assert not wrong, f"{len(wrong)} went wrong:\n" + "\n".join(wrong[:12])
    assert {1, 130} <= ended.keys()
