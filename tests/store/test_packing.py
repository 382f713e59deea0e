"""Packing what is archived: bit for bit there and back, read all the same, and what it frees."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_cli import Conflict, Damaged, InvalidInput, NotFound, Registry, RegistryError
from registry_cli.operations import archive as archive_operations
from registry_cli.operations.context import open_model
from registry_cli.rules.retention_rules import RetentionRules
from registry_cli.store.filesystem import removal
from registry_cli.store.packs import pack_reader, pack_writer
from registry_cli.store.writer import Writer
from tests.crash.world import fingerprint, wiped
from tests.support import snapshot, taken_out

Make = Callable[..., Path]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def three(reg: Registry, make_file: Make) -> Registry:
    """``churn@1`` to ``churn@3``, each with files in folders; one is the same in all of them, 1 is archived."""
    make_file(b"shared " * 1000, "shared.bin")
    make_file("", "deep/er/empty")
    for number in range(1, 4):
        folder = make_file(f"weights {number}\n" * 500, "deep/größe (1).txt").parents[1]
        reg.register("churn", [folder], metrics={"auc": number})
    reg.archive(["churn@1"])
    return reg


def pack(registry: Registry, number: int = 1, suffix: str = ".tar.gz") -> Path:
    return registry.root / f"models/churn/packed/{number}{suffix}"


def test_there_and_back(three: Registry, tmp_path: Path) -> None:
    version = three.root / "models/churn/versions/1"
    before, artifact = fingerprint(version), tree(version / "files")
    archived, packed = three.archive(["churn@1"], compress="gzip", reason="room")
    assert (archived.versions, archived.changed, packed.versions, packed.changed) == ((), False, (1,), True)
    assert not (version / "files").exists()
    assert stat.S_IMODE(version.lstat().st_mode) == 0o555
    assert stat.S_IMODE(pack(three).lstat().st_mode) == 0o444
    event = three.history("churn", limit=1)[0].event
    assert (event.action, event.version, event.detail) == ("packed", 1, {"reason": "room"})
    assert three.admin.verify().problems == ()
    record = three.version("churn@1")
    assert (record.packed, record.archived, record.size) == (
        pack(three).stat().st_size,
        True,
        sum(map(len, artifact.values())),
    )
    three.fetch("churn@1", tmp_path / "out")
    assert tree(tmp_path / "out") == artifact
    assert three.artifacts.verify_files("churn@1").number == 1
    stream = io.BytesIO()
    three.artifacts.cat("churn@1", "deep/größe (1).txt", stream)
    assert stream.getvalue() == b"weights 1\n" * 500
    (restored,) = three.restore(["churn@1"])
    assert (restored.versions, restored.changed) == ((1,), True)
    assert three.history("churn", limit=1)[0].event.detail == {"versions": "1", "packed": "1"}
    assert fingerprint(version) == before
    assert three.version("churn@1").packed is None
    assert list(pack(three).parent.iterdir()) == []
    assert three.admin.gc(age=0) == []


def test_other_tools_unpack_it(three: Registry, tmp_path: Path) -> None:
    artifact = tree(three.path("churn@1"))
    manifest = three.root / "models/churn/versions/1/manifest-sha256.txt"
    three.archive(["churn@1"], compress="gzip")
    subprocess.run(["tar", "-xzf", pack(three), "-C", tmp_path], check=True)
    assert {name: (tmp_path / name).read_bytes() for name in artifact} == artifact
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", str(manifest)], cwd=tmp_path, check=True)
    with tarfile.open(pack(three)) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == sorted(artifact, key=str.encode)
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode, m.type) for m in members} == {
        (0, 0, "", "", 0, 0o444, tarfile.REGTYPE)
    }


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_equal_files_give_equal_packs(three: Registry, kind: str) -> None:
    suffix = {"gzip": ".tar.gz", "zstd": ".tar.zst"}[kind]
    three.archive(["churn@1"], compress=kind)
    first = pack(three, 1, suffix).read_bytes()
    three.restore(["churn@1"])
    three.archive(["churn@1"], compress=kind)
    assert pack(three, 1, suffix).read_bytes() == first
    assert three.artifacts.verify_files("churn@1").packed == len(first)


def test_archived_and_packed_by_one_request(three: Registry) -> None:
    done = three.archive(["churn@1", "churn@2"], compress="gzip", request_id="night")
    assert [(each.action, each.versions) for each in done] == [("archived", (2,)), ("packed", (1, 2))]
    after = snapshot(three.root)
    again = three.archive(["churn@1", "churn@2"], compress="gzip", request_id="night")
    assert [(each.action, each.versions, each.changed) for each in again] == [
        ("archived", (2,), False), ("packed", (1, 2), False),
    ]  # fmt: skip
    assert [each.versions for each in three.archive(["churn@2"], compress="gzip")] == [(), ()], "nothing is left to do"
    assert snapshot(three.root) == after
    assert [entry.event.id for entry in three.history("churn", limit=3)] == [
        "night:packed:2",
        "night:packed:1",
        "night",
    ]


def test_a_dry_run_changes_nothing_and_tells_about_how_much(three: Registry) -> None:
    before = snapshot(three.root)
    archived, packed = three.archive(["churn@1", "churn@2"], compress="gzip", dry_run=True)
    assert (archived.versions, packed.versions) == ((2,), (1, 2))
    assert snapshot(three.root) == before
    done = three.archive(["churn@1", "churn@2"], compress="gzip")
    assert abs(done[1].freed - packed.freed) < 200
    assert three.restore(["churn@1"], dry_run=True)[0].versions == (1,)
    assert three.version("churn@1").packed


def room(registry: Registry) -> int:
    """The bytes of all files of the model, each counted once."""
    found = {(s.st_ino, s.st_size) for path in (registry.root / "models/churn").rglob("*") if (s := path.lstat()) and stat.S_ISREG(s.st_mode)}  # fmt: skip
    names = ("stages.yaml", "history.jsonl", ".stages-")
    said = sum(p.stat().st_size for p in (registry.root / "models/churn").iterdir() if p.name.startswith(names))
    return sum(size for _, size in found) - said


def test_what_is_freed_is_what_was_told(three: Registry) -> None:
    before = room(three)
    freed = three.archive(["churn@1"], compress="gzip")[1].freed
    assert room(three) == before - freed
    three.restore(["churn@1"])
    assert room(three) == before, "what it shares with others is linked again"
    assert three.register("churn", [taken_out(three, "churn@3")]).added == 0, "and so is known"


def test_what_only_packed_versions_have_is_stored_again(three: Registry, make_file: Make) -> None:
    make_file("only here " * 100, "only.bin")
    ref = three.register("churn", [make_file("only here " * 100, "only.bin")]).ref
    digest = hashlib.sha256(b"only here " * 100).hexdigest()
    blob = three.root / f"models/churn/blobs/{digest[:2]}/{digest}"
    assert blob.exists()
    three.archive([ref], compress="gzip")
    assert not blob.exists()
    assert three.admin.gc(age=0) == []
    assert three.register("churn", [make_file("only here " * 100, "only.bin")]).added == 1000


def test_it_has_no_path_and_no_pointer_goes_to_it(three: Registry) -> None:
    three.archive(["churn@1"], compress="gzip")
    for file in (None, "shared.bin"):
        with pytest.raises(
            Conflict, match="churn@1 is packed and has no folder of files; run 'registry restore churn@1'"
        ):
            three.path("churn@1", file)
    with pytest.raises(Conflict, match="is archived"):
        three.promote("churn@1", "production")
    with pytest.raises(Conflict, match="is archived"):
        three.alias("churn@1", "champion")


def test_two_versions_are_compared_packed_or_not(three: Registry) -> None:
    before = three.diff("churn@1", "churn@2")
    three.archive(["churn@1", "churn@2"], compress="gzip")
    after = three.diff("churn@1", "churn@2")
    assert (after.files, after.metrics) == (before.files, before.metrics)
    assert after.files[0].before
    assert after.files[0].before.size == 5000


def test_only_what_is_archived_is_packed(three: Registry) -> None:
    three.promote("churn@3", "production")
    before = snapshot(three.root)
    with pytest.raises(Conflict, match="production points to it"):
        three.archive(["churn@3"], compress="gzip")
    with pytest.raises(InvalidInput, match="'lzma' is not a compression method"):
        three.archive(["churn@2"], compress="lzma")
    with pytest.raises(NotFound):
        three.archive(["churn@9"], compress="gzip")
    assert snapshot(three.root) == before


def test_damaged_files_are_not_packed(three: Registry) -> None:
    damaged = three.path("churn@1", "deep/größe (1).txt")
    damaged.chmod(0o600)
    good = damaged.read_bytes()
    damaged.write_bytes(good.replace(b"1", b"7", 1))
    before = snapshot(three.root / "models/churn/versions")
    with pytest.raises(Damaged, match="does not match its sha256"):
        three.archive(["churn@1"], compress="gzip")
    assert snapshot(three.root / "models/churn/versions") == before
    assert list(pack(three).parent.iterdir()) == []
    damaged.write_bytes(good)
    damaged.chmod(0o444)


def test_deleting_a_packed_one(three: Registry) -> None:
    three.archive(["churn@1"], compress="gzip")
    size = pack(three).stat().st_size
    assert three.retention.plan("churn", "delete", RetentionRules.build(older_than="0s")).freed == size
    three.delete(["churn@1"], reason="old")
    assert list(pack(three).parent.iterdir()) == []
    assert three.admin.gc(age=0) == []
    with pytest.raises(NotFound, match="was deleted on"):
        three.version("churn@1")


def test_in_the_past_it_lies_where_it_does_now(three: Registry) -> None:
    moment = three.history("churn", limit=1)[0].event.at
    three.archive(["churn@1"], compress="gzip")
    assert three.version("churn@1", as_of=moment).packed
    assert [version.packed for version in three.versions("churn", archived=True, as_of=moment)][:2] == [None, None]
    three.restore(["churn@1"])
    packed_then = three.history("churn", limit=2)[1].event.at
    assert three.version("churn@1", as_of=packed_then).packed is None


def test_the_index_knows(three: Registry, tmp_path: Path) -> None:
    indexed = Registry(three.root, author="alice", cache=tmp_path / "cache")
    assert [version.packed for version in indexed.versions("churn", archived=True)] == [None, None, None]
    three.archive(["churn@1"], compress="gzip")
    size = pack(three).stat().st_size
    assert [version.packed for version in indexed.versions("churn", archived=True)] == [None, None, size]
    assert indexed.version("churn@1").packed == size
    assert (indexed.admin.info().packed, indexed.admin.info().packed_size) == (1, size)
    three.restore(["churn@1"])
    assert indexed.version("churn@1").packed is None


def test_it_is_read_while_it_is_packed_and_restored(three: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever began to read at one place goes on at the other, file by file."""
    three.archive(["churn@1"])
    model = open_model(three.context, "churn")
    unpacked = three.version("churn@1")
    with closing(pack_reader.members(model, unpacked)) as found:
        read = {}
        for turn, (entry, content) in enumerate(found):
            read[entry.path] = content.read()
            if turn == 0:
                three.archive(["churn@1"], compress="gzip")
    assert read == _contents(three, "churn@1")
    packed = three.version("churn@1")
    three.restore(["churn@1"])
    with closing(pack_reader.members(model, packed)) as found:
        assert {entry.path: content.read() for entry, content in found} == read
    assert three.artifacts.verify_files("churn@1").number == 1


def _contents(registry: Registry, ref: str) -> dict[str, bytes]:
    with closing(pack_reader.members(open_model(registry.context, "churn"), registry.version(ref))) as found:
        return {entry.path: content.read() for entry, content in found}


def test_gc_finishes_what_was_interrupted(three: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files stay when the process dies between the commit and their removal; readers go by the pack."""
    with monkeypatch.context() as patch:
        patch.setattr(pack_writer, "move_files_to_trash", lambda *_: None)
        three.archive(["churn@1"], compress="gzip")
    left = three.root / "models/churn/versions/1/files"
    assert left.exists()
    (problem,) = three.admin.verify().problems
    assert (problem.code, problem.severity, problem.repair) == ("leftover", "warning", True)
    (freed,) = [each for each in three.admin.gc(dry_run=True) if "files" in each.what]
    assert freed.path == "models/churn/versions/1/files"
    three.admin.gc()
    assert not left.exists()
    assert three.admin.verify().problems == ()
    with monkeypatch.context() as patch:
        patch.setattr(pack_writer, "move_packs_to_trash", lambda *_: [])
        three.restore(["churn@1"])
    assert [each.code for each in three.admin.verify().problems] == ["leftover"]
    three.archive(["churn@1"], compress="gzip")
    with monkeypatch.context() as patch:
        patch.setattr(pack_writer, "move_files_to_trash", lambda *_: None)
        three.archive(["churn@2"], compress="gzip")
    assert three.restore(["churn@2"])[0].changed, "over what was left there"
    assert three.artifacts.verify_files("churn@2").packed is None
    three.admin.gc()
    assert stat.S_IMODE(left.parent.lstat().st_mode) == 0o555


def test_gc_does_not_remove_what_has_come_there_meanwhile(three: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its look and its removal others may pack and restore: what it removes, it renamed under the lock."""
    with monkeypatch.context() as patch:
        patch.setattr(pack_writer, "move_files_to_trash", lambda *_: None)
        three.archive(["churn@1"], compress="gzip")
    three.archive(["churn@2"], compress="gzip")
    with monkeypatch.context() as patch:
        patch.setattr(pack_writer, "move_packs_to_trash", lambda *_: [])
        three.restore(["churn@2"])
    discard = removal.discard
    turns: list[Path] = []

    def meanwhile(path: Path, below: Path, **options: Any) -> None:
        if not turns and path.name.startswith(".trash-"):
            turns.append(path)
            three.restore(["churn@1"])
            three.archive(["churn@2"], compress="gzip")
        discard(path, below, **options)

    with monkeypatch.context() as patch:
        patch.setattr(removal, "discard", meanwhile)
        three.admin.gc()
    assert turns
    assert three.artifacts.verify_files("churn@1").packed is None
    assert three.artifacts.verify_files("churn@2").packed


def test_neither_is_garbage_while_the_other_is_missing(three: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pack_writer, "move_files_to_trash", lambda *_: None)
        three.archive(["churn@1"], compress="gzip")
    kept = pack(three).rename(three.root / "kept")
    assert three.admin.gc() == []
    assert three.admin.repair() == []
    assert [each.code for each in three.admin.verify().problems] == ["missing-pack"]
    assert three.artifacts.verify_files("churn@1").number == 1, "read from where it is"
    kept.rename(pack(three))
    three.admin.gc()


def test_an_older_program_restores_and_deletes(three: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps the field that it does not know: then a version may be in use and packed, or deleted and packed."""
    three.archive(["churn@1", "churn@2"], compress="gzip")
    move = Writer.move

    def older(self: Writer, table: object, event: object, redo: object = None) -> object:
        event.detail.pop("packed", None)  # type: ignore[attr-defined]
        return move(self, table.with_(packed=self.table.packed), event, redo)  # type: ignore[attr-defined, arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "move", older)
        patch.setattr(archive_operations, "restore_files", lambda *_: [])
        patch.setattr(archive_operations, "remove_packs", lambda *_: [])
        patch.setattr(pack_writer, "move_packs_to_trash", lambda *_: [])
        three.restore(["churn@1"])
        three.delete(["churn@2"], reason="old")
    version = three.version("churn@1")
    assert (version.archived, version.packed) == (False, pack(three).stat().st_size)
    assert three.artifacts.verify_files("churn@1").number == 1
    assert [each.code for each in three.admin.verify().problems] == ["leftover"], "the pack of the deleted one"
    with pytest.raises(Conflict, match="is packed"):
        three.promote("churn@1", "production")
    three.admin.gc()
    assert three.restore(["churn@1"])[0].versions == (1,)
    assert three.promote("churn@1", "production").after == 1


def test_only_its_owner_packs_and_restores(three: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    three.archive(["churn@2"], compress="gzip")
    before = snapshot(three.root)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    for deed in ("archive", "restore"):
        ref, options = ("churn@1", {"compress": "gzip"}) if deed == "archive" else ("churn@2", {})
        with pytest.raises(RegistryError, match=f"{ref} belongs to another user"):
            getattr(three, deed)([ref], **options)
    assert snapshot(three.root) == before
    (verdict,) = three.retention.plan("churn", "pack", RetentionRules.build(keep=2, compress="gzip")).verdicts
    assert (verdict.chosen, verdict.reason) == (False, "belongs to another user")
    three.fetch("churn@2", tmp_path / "out")


NAMES = st.lists(
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\\x7f"), min_size=1, max_size=40)
    .filter(lambda part: part not in (".", "..") and len(part.encode()) < 200),
    min_size=1, max_size=5,
).map("/".join)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(NAMES, st.one_of(st.binary(max_size=2000), st.just(b"z" * 3000), st.just(b"")), min_size=1, max_size=12),
    st.sampled_from(["gzip", "zstd"]),
)  # fmt: skip
def test_any_artifact_comes_back_bit_for_bit(files: dict[str, bytes], kind: str) -> None:
    files = {path: data for path, data in files.items() if not any(other.startswith(f"{path}/") for other in files)}
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry.init(Path(folder) / "registry", author="alice")
        try:
            for path, data in {**files, "one byte": b"1"}.items():
                target = Path(folder) / "work" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            registry.register("churn", [Path(folder) / "work"], include="**", unsafe="bytes of every kind are stored")
            version = registry.root / "models/churn/versions/1"
            before = fingerprint(version)
            registry.archive(["churn@1"], compress=kind)
            assert registry.admin.verify().problems == ()
            registry.fetch("churn@1", Path(folder) / "out")
            assert tree(Path(folder) / "out") == {**files, "one byte": b"1"}
            registry.restore(["churn@1"])
            assert fingerprint(version) == before
            assert registry.admin.verify().problems == ()
        finally:
            wiped(registry.root)


def test_a_thousand_files_and_a_deep_folder(reg: Registry, tmp_path: Path) -> None:
    work = tmp_path / "work"
    for number in range(1000):
        path = work / f"{number % 7}" / f"{number:04}-{'n' * (number % 120)}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number * (number % 50))
    deep = work.joinpath(*("deep" for _ in range(60)))
    deep.mkdir(parents=True)
    (deep / "x").write_bytes(os.urandom(1 << 21))
    reg.register("churn", [work])
    before = fingerprint(reg.root / "models/churn/versions/1")
    reg.archive(["churn@1"], compress="gzip")
    reg.fetch("churn@1", tmp_path / "out")
    assert tree(tmp_path / "out") == tree(work)
    reg.restore(["churn@1"])
    assert fingerprint(reg.root / "models/churn/versions/1") == before


def test_a_request_that_packed_a_version_does_not_pack_it_again_after_a_restore(
    reg: Registry, make_file: Callable[..., Path]
) -> None:
    reg.register("churn", [make_file("one")])
    reg.register("churn", [make_file("two")])
    reg.archive(["churn@1"], compress="gzip", request_id="once")
    reg.restore(["churn@1"])
    reg.archive(["churn@1"])
    reg.archive(["churn@1"], compress="gzip", request_id="once")
    ids = [entry.event.id for entry in reg.history("churn")]
    assert len(ids) == len(set(ids))
