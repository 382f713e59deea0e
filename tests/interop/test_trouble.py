"""An import that is killed, that has no room, that may not write, that meets another: nothing is half there."""

from __future__ import annotations

import functools
import io
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_cli import Conflict, Registry
from registry_cli.core.results import ImportResult
from registry_cli.operations.exchange.bundle_importer import BundleImporter
from tests.commands import PEAK, assert_refused, begin, ended, public_folder, run, shell, spawn, until
from tests.crash.world import fingerprint, observed
from tests.support import everything_imported, race, without_rights

LARGE = 64 << 20


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Three models of two versions, a few megabytes each."""
    folder = tmp_path_factory.mktemp("origin")
    registry = Registry.init(folder / "registry", author="alice")
    for name in ("churn", "risk/fraud", "risk/limit"):
        for number in (1, 2):
            (folder / "model.bin").write_bytes(os.urandom(2 << 20))
            registry.register(name, [folder / "model.bin"], metrics={"auc": number / 10})
    return registry


@pytest.fixture(scope="module")
def everything(origin: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "all.tar.gz"
    origin.export(None, out)
    return out


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Registry]:
    made = Registry.init(tmp_path / "site", author="bob")
    yield made
    assert made.admin.verify().problems == ()


def _staging(root: Path) -> list[Path]:
    return [path for pattern in (".tmp-*", "*/.tmp-*", "*/versions/.tmp-*") for path in (root / "models").glob(pattern)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(number: int, origin: Registry, tmp_path: Path, site: Registry) -> None:
    origin.export(["churn"], tmp_path / "churn.tar")
    data = (tmp_path / "churn.tar").read_bytes()
    before = fingerprint(site.root)
    process = begin("import", "-", root=site.root)
    assert process.stdin
    process.stdin.write(data[: len(data) // 2])
    process.stdin.flush()
    until(functools.partial(_staging, site.root), "it lays something aside")
    process.send_signal(number)
    answer = ended(process)
    assert (answer.code, answer.out, answer.err) == (128 + number, "", "error: interrupted\n")
    assert fingerprint(site.root) == before


def test_killed_it_is_gone_on_with(everything: Path, origin: Registry, site: Registry) -> None:
    """Of a file with several models each is here as soon as it is whole."""
    process = begin("import", everything, root=site.root)
    until((site.root / "models/churn/model.yaml").exists, "the first model is here")
    process.kill()
    process.wait()
    process.communicate()
    begun = Registry(site.root).admin.model_names()
    assert "churn" in begun
    again = run("import", everything, root=site.root)
    assert again.code == 0, again
    statuses = [line.split("\t")[0] for line in again.lines]
    assert statuses == ["skipped" if name in begun else "imported" for name in ("churn", "risk/fraud", "risk/limit")]
    assert observed(site.root) == observed(origin.root)
    for path in _staging(site.root):
        os.utime(path, (0, 0))
        for inside in path.rglob("*"):
            os.utime(inside, (0, 0), follow_symlinks=False)
    site.admin.gc(age=3600)
    assert _staging(site.root) == []


def test_stopped_after_the_first_it_says_so(everything: Path, site: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = BundleImporter._publish

    def stop(self: BundleImporter) -> None:
        if any(each.status == "imported" for each in self._found):
            raise OSError(5, "Input/output error")
        publish(self)

    monkeypatch.setattr(BundleImporter, "_publish", stop)
    answer = run("import", everything, root=site.root)
    assert_refused(answer, 8)
    assert answer.err.endswith("; rerun the import to resume it: versions that are already imported are skipped\n")
    assert site.admin.model_names() == ["churn"]


def _import(root: Path, source: Path, name: str | None) -> list[ImportResult]:
    return Registry(root, author="bob").import_(source, name=name, merge=True)


def test_two_at_once(everything: Path, origin: Registry, site: Registry, tmp_path: Path) -> None:
    """Of each model one of them takes it in; both end well."""
    found = race([(_import, (site.root, everything, None))] * 3)
    for each in zip(*found, strict=True):
        assert sorted(one.status for one in each) == ["imported", "skipped", "skipped"]
    assert observed(site.root) == observed(origin.root)
    origin.export(["churn@1", "churn@2"], tmp_path / "two.tar")
    found = race([(_import, (site.root, tmp_path / "two.tar", "copy"))] * 3)
    for each in zip(*found, strict=True):
        assert sorted(one.status for one in each) == ["imported", "skipped", "skipped"]
        assert len({one.ref for one in each}) == 1
    assert len(site.versions("copy")) == 2


def _register(root: Path, path: Path) -> str:
    return Registry(root, author="carol").register("churn", [path]).ref


def test_at_once_with_the_first_registration(everything: Path, site: Registry, tmp_path: Path) -> None:
    """Whoever comes first, nothing is lost: the model came in and has one more, or it is told that there is one."""
    (tmp_path / "own").write_text("own")
    jobs = [(_import_or_conflict, (site.root, everything)), (_register, (site.root, tmp_path / "own"))]
    outcome, ref = race(jobs)
    assert site.path(ref, "own").read_text() == "own"
    assert outcome in ("imported", "conflict")
    assert {each.status for each in _import(site.root, everything, None)} <= {"imported", "skipped"}
    assert len(site.versions("churn")) == 3


def _import_or_conflict(root: Path, source: Path) -> str:
    try:
        return _import(root, source, None)[0].status
    except Conflict as error:
        assert "model churn already exists" in error.message
        return "conflict"


def test_a_limit_to_the_size_of_files(everything: Path, site: Registry) -> None:
    """As a full disk: the write fails in the middle."""
    before = fingerprint(site.root)
    answer = spawn("import", everything, root=site.root, before=_small_files)
    assert_refused(answer, 1)
    assert fingerprint(site.root) == before


def _small_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


def test_an_export_that_finds_no_room_leaves_nothing(origin: Registry, tmp_path: Path) -> None:
    answer = spawn("export", "--all", tmp_path / "out.tar", root=origin.root, before=_small_files)
    assert_refused(answer, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_registry_that_may_not_be_written(everything: Path) -> None:
    everything_imported()
    data = everything.read_bytes()
    with public_folder() as folder:
        root = Registry.init(folder / "registry", author="bob").root
        (root / "models").chmod(0o555)
        before = fingerprint(root)
        with without_rights(root):
            registry = Registry(root)
            with pytest.raises(PermissionError):
                registry.import_(io.BytesIO(data))
            planned = registry.import_(io.BytesIO(data), dry_run=True)
        assert [each.status for each in planned] == ["planned"] * 3
        assert fingerprint(root) == before


def test_memory_is_bounded_whatever_the_size(site: Registry, tmp_path: Path) -> None:
    """Nothing as large as a file is ever held."""
    there = Registry.init(tmp_path / "there", author="alice")
    with (tmp_path / "large.bin").open("wb") as stream:
        for _ in range(LARGE >> 20):
            stream.write(os.urandom(1 << 20))
    there.register("churn", [tmp_path / "large.bin"])
    peaks = []
    for words, root in (
        (("export", "churn", tmp_path / "out.tar.gz"), there.root),
        (("import", tmp_path / "out.tar.gz"), site.root),
    ):
        answer = spawn("-C", root, *words, command=(sys.executable, "-c", PEAK))
        assert answer.code == 0, answer
        peaks.append(int(answer.err.splitlines()[-1]))
    assert max(peaks) * 1024 < 110 << 20, peaks


def test_from_one_registry_into_another_through_a_pipe(origin: Registry, site: Registry) -> None:
    line = f'registry -C "{origin.root}" export --all - | registry -C "{site.root}" import - -q'
    answer = shell(f"set -o pipefail; {line}")
    assert (answer.code, answer.lines) == (0, ["churn", "risk/fraud", "risk/limit"]), answer
    assert observed(site.root) == observed(origin.root)
