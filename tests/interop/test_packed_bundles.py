"""Bundles of versions whose files are packed, and of those that have files beside their document."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, Damaged, Refused, Registry
from registry_cli.lineage.process_info import Caller
from tests.commands import run
from tests.crash.world import copied, fingerprint, observed
from tests.interop.forging import Forge
from tests.keys import allow, make_key
from tests.lineage.conftest import Repo
from tests.support import snapshot

Make = Callable[..., Path]
BESIDE = ("environment.txt", "changes.patch")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """``churn``: 1 and 2 packed, 3 deleted, 4 annotated, 5 approved and signed; all share a file, all have sidecars."""
    folder = tmp_path_factory.mktemp("origin")
    repo = Repo(folder / "repo")
    repo.write("train.py", "print(2)\n")
    packages = repo.write("requirements.txt", "numpy==2.1.0\nscikit-learn==1.5.2\n")
    key = make_key(folder / "keys", "alice")
    root = Registry.init(folder / "registry", author="alice").root
    allow(root, ("alice@example.org", key))
    reg = Registry(root, author="alice", caller=lambda: Caller(str(repo.folder), dict(os.environ)))
    for number in range(1, 6):
        model = repo.write(f"out/{number}/sub/model.bin", f"weights {number}\n" * 400)
        repo.write(f"out/{number}/shared.bin", b"the same " * 5000)
        reg.register(
            "churn", [model.parents[1]], metrics={"auc": number}, lineage={"parents": ["churn@1"] if number > 3 else (), "environment": packages, "capture": ["git", "patch", "environment"]},
        )  # fmt: skip
    reg.annotate("churn@4", {"note": "said later"})
    reg.promote("churn@5", "staging", verify=False)
    reg.approvals.approve("churn@5", "production", reason="fine", sign=key)
    reg.approvals.sign("churn@1", key)
    reg.approvals.sign("churn@5", key)
    reg.archive(["churn@1", "churn@2"], compress="gzip")
    reg.archive(["churn@3"])
    reg.delete(["churn@3"])
    assert reg.admin.verify(signatures=True).problems == ()
    return reg


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Registry]:
    made = Registry.init(tmp_path / "around/site", author="bob")
    yield made
    assert made.admin.verify().problems == ()


def beside(registry: Registry, number: int, name: str = "churn") -> dict[str, bytes]:
    folder = registry.root / f"models/{name}/versions/{number}"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name in BESIDE}


def packs(registry: Registry) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (registry.root / "models/churn/packed").iterdir()}


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_whole_model_goes_and_comes_back_equal(origin: Registry, site: Registry, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    origin.export(["churn"], out)
    assert run("import", out, "--dry-run", root=site.root).code == 0
    (done,) = site.import_(out)
    assert (done.status, done.ref, done.versions) == ("imported", "churn", 4)
    assert observed(site.root) == observed(origin.root)
    assert site.history("churn") == origin.history("churn")
    assert site.admin.verify(checkpoints=origin.admin.checkpoints()).problems == ()
    assert packs(site) == packs(origin)
    assert (site.root / "models/churn/packed/1.tar.gz").stat().st_mode & 0o777 == 0o444
    for number in (1, 2, 4, 5):
        assert beside(site, number) == beside(origin, number)
        assert set(beside(site, number)) == set(BESIDE)
    (site.root / "allowed_signers").write_bytes((origin.root / "allowed_signers").read_bytes())
    found = site.admin.verify(signatures=True)
    assert (found.problems, found.signatures) == ((), origin.admin.verify(signatures=True).signatures)
    assert site.approvals("churn@5") == origin.approvals("churn@5")
    site.restore(["churn@1"])
    assert site.version("churn@1").packed is None
    assert site.artifacts.verify_files("churn@1").digest == origin.version("churn@1").digest
    site.fetch("churn@2", tmp_path / "two")
    assert (tmp_path / "two/sub/model.bin").read_bytes() == b"weights 2\n" * 400
    assert site.admin.gc(age=0) == []
    again = Registry.init(tmp_path / "again", author="carol")
    stream = io.BytesIO()
    origin.export(None, stream)
    stream.seek(0)
    again.import_(stream)
    assert observed(again.root) == observed(origin.root)


def test_a_packed_version_alone_goes_as_files(origin: Registry, site: Registry, tmp_path: Path) -> None:
    origin.export(["churn@1", "churn@4"], tmp_path / "two.tar")
    found = site.import_(tmp_path / "two.tar")
    assert [(each.status, each.ref) for each in found] == [("imported", "churn@1"), ("imported", "churn@4")]
    for number in (1, 4):
        there, here = origin.version(f"churn@{number}"), site.version(f"churn@{number}")
        assert (here.digest, here.packed, here.archived) == (there.digest, None, False)
        assert beside(site, number) == beside(origin, number)
        assert here.lineage["environment"] == there.lineage["environment"]
        assert here.lineage["git"] == there.lineage["git"]
        assert here.lineage.get("parents") == there.lineage.get("parents")


def test_packs_are_unpacked_where_a_model_is_merged_into(
    origin: Registry, site: Registry, make_file: Make, tmp_path: Path
) -> None:
    site.register("churn", [make_file("own")])
    origin.export(["churn"], tmp_path / "out.tar")
    with pytest.raises(Conflict):
        site.import_(tmp_path / "out.tar")
    found = site.import_(tmp_path / "out.tar", merge=True)
    assert [each.status for each in found] == ["imported"] * 4
    for here, there in zip(found, (1, 2, 4, 5), strict=True):
        assert site.artifacts.verify_files(here.ref).digest == origin.version(f"churn@{there}").digest
        assert site.version(here.ref).packed is None
        assert "its archived state" in here.lost or there > 3
    assert site.version(found[0].ref).lineage["git"] == origin.version("churn@1").lineage["git"]
    again = site.import_(tmp_path / "out.tar", merge=True)
    assert [each.why for each in again] == ["already imported"] * 4


def test_what_came_in_before_and_is_packed_now_still_has_the_files_of_others(
    origin: Registry, site: Registry, tmp_path: Path
) -> None:
    origin.export(["churn@4"], tmp_path / "one.tar")
    origin.export(["churn@4", "churn@5"], tmp_path / "two.tar")
    site.import_(tmp_path / "one.tar")
    site.archive(["churn@4"], compress="gzip")
    found = site.import_(tmp_path / "two.tar")
    assert [each.status for each in found] == ["skipped", "imported"]
    assert site.artifacts.verify_files("churn@5").digest == origin.version("churn@5").digest
    assert site.admin.gc(age=0) == []


def test_no_bundle_is_made_of_a_damaged_pack_or_sidecar(origin: Registry, tmp_path: Path) -> None:
    def damaged(path: str) -> Registry:
        copy = copied(origin.root, tmp_path / path.replace("/", "-"))
        target = copy / "models/churn" / path
        target.chmod(0o600)
        data = bytearray(target.read_bytes())
        data[len(data) // 2] ^= 1
        target.write_bytes(data)
        return Registry(copy)

    for path in ("packed/2.tar.gz", "versions/1/environment.txt", "versions/4/changes.patch"):
        with pytest.raises(Damaged):
            damaged(path).export(["churn"], tmp_path / "out.tar")
    assert not (tmp_path / "out.tar").exists()


def test_the_verifier_looks_beside_packed_versions(origin: Registry, tmp_path: Path) -> None:
    copy = copied(origin.root, tmp_path / "copy")
    folder = copy / "models/churn/versions/1"
    folder.chmod(0o755)
    (folder / "environment.txt").chmod(0o600)
    (folder / "environment.txt").write_text("numpy==0\n")
    (folder / "changes.patch").unlink()
    (folder / "environment.txt").chmod(0o444)
    folder.chmod(0o555)
    found = {(each.code, each.where) for each in Registry(copy).admin.verify().problems}
    assert found == {("changed-file", "churn@1"), ("missing-file", "churn@1")}


def test_a_version_restored_while_it_is_exported(
    origin: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry_cli.interop.bundle import bundle_writer as leaving

    reg = Registry(copied(origin.root, tmp_path / "copy"), author="alice")
    write = leaving.write_file

    def late(*words: Any, **options: Any) -> None:
        reg.restore(["churn@2"])
        write(*words, **options)

    monkeypatch.setattr(leaving, "write_file", late)
    with pytest.raises(Conflict, match="was changed while it was being copied"):
        reg.export(["churn"], tmp_path / "out.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


# What nobody should make.


@pytest.fixture(scope="module")
def goods(origin: Registry, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    folder = tmp_path_factory.mktemp("goods")
    origin.export(["churn"], folder / "whole.tar")
    origin.export(["churn@4"], folder / "one.tar")
    return {True: folder / "whole.tar", False: folder / "one.tar"}


def _packed(entries: list[tuple[str, bytes]], tail: bytes = b"") -> bytes:
    """A pack with these files."""
    import gzip

    from registry_cli.store.packs import pack_format

    data = b"".join(
        pack_format.file_header(name, len(body)) + body + pack_format.file_padding(len(body)) for name, body in entries
    )
    return gzip.compress(data + pack_format.end_of_archive(len(data)), mtime=0) + tail


SHARED, MODEL = b"the same " * 5000, b"weights 1\n" * 400
GOOD = [("shared.bin", SHARED), ("sub/model.bin", MODEL)]
PACKS: dict[str, bytes] = {
    "another byte": _packed([("shared.bin", SHARED), ("sub/model.bin", b"w" + MODEL[:-1])]),
    "another size": _packed([("shared.bin", SHARED + MODEL[:10]), ("sub/model.bin", MODEL[10:])]),
    "another name": _packed([("shared.bin", SHARED), ("sub/model.pkl", MODEL)]),
    "a name that leads out": _packed([("shared.bin", SHARED), ("../../../../outside", MODEL)]),
    "another order": _packed(GOOD[::-1]),
    "a file too few": _packed(GOOD[:1]),
    "a file too many": _packed([*GOOD, ("zzz", b"")]),
    "a bomb": _packed([("shared.bin", SHARED), ("sub/model.bin", bytes(64 << 20))]),
    "something behind it": _packed(GOOD, b"more"),
    "no gzip": b"hello",
    "nothing": b"",
    "cut off": _packed(GOOD)[:-9],
}


def _set(forge: Forge, pack: bytes) -> None:
    """The pack of version 1 is ``pack``, and the head says so."""
    entry = forge.version()["pack"]
    forge.part()["packed"] += max(0, len(pack) - entry["size"])
    forge.bodies[forge.name(entry["path"])] = pack
    entry.update(size=len(pack), sha256=hashlib.sha256(pack).hexdigest())


def refused(site: Registry, data: bytes, tmp_path: Path, *, dry: bool = True) -> None:
    around = site.root.parent
    before = {path: (what[0], what[-1]) for path, what in snapshot(around).items()}
    (tmp_path / "bundle.tar").write_bytes(data)
    for more in ([], ["--dry-run"]) if dry else ([],):
        answer = run("import", tmp_path / "bundle.tar", *more, root=site.root)
        assert answer.code in (5, 6), answer
        assert len(answer.err.splitlines()) == 1
        assert "registry verify" not in answer.err
    assert {path: (what[0], what[-1]) for path, what in snapshot(around).items()} == before


def test_the_forge_makes_good_packs_too(goods: dict[bool, Path], site: Registry) -> None:
    forge = Forge.of(goods[True])
    assert forge.bodies["churn/packed/1.tar.gz"] != _packed(GOOD)
    _set(forge, _packed(GOOD))
    (done,) = site.import_(io.BytesIO(forge.tar()))
    assert done.status == "imported"


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_that_is_not_what_was_sealed(name: str, goods: dict[bool, Path], site: Registry, tmp_path: Path) -> None:
    forge = Forge.of(goods[True])
    _set(forge, PACKS[name])
    refused(site, forge.tar(), tmp_path)


def _pack(forge: Forge) -> dict[str, Any]:
    found: dict[str, Any] = forge.version()["pack"]
    return found


def _forgotten(forge: Forge) -> None:
    del forge.bodies[forge.name(forge.version().pop("pack")["path"])]


def _unknown(forge: Forge) -> None:
    forge.edit("stages.yaml", b"packed: '1-2'", b"packed: '2'")
    forge.settle()


HEADS: dict[str, Callable[[Forge], object]] = {
    "in another place": lambda forge: _pack(forge).update(path="packed/../../outside.tar.gz"),
    "of another version": lambda forge: _pack(forge).update(path="packed/7.tar.gz"),
    "of another kind": lambda forge: _pack(forge).update(path="packed/1.tar.xz"),
    "of another sha256": lambda forge: _pack(forge).update(sha256="0" * 64),
    "of another size": lambda forge: _pack(forge).update(size=_pack(forge)["size"] + 1),
    "that is a list": lambda forge: forge.version().update(pack=[_pack(forge)]),
    "of a model that is not whole": lambda forge: forge.part().update(whole=False, documents=[]),
    "that the stage table does not know": _unknown,
    "that the head does not know": _forgotten,
    "with fewer bytes than it has": lambda forge: forge.part().update(packed=_pack(forge)["size"] - 1),
    "larger than any disk": lambda forge: forge.version().update(sizes=[1 << 59, 1]),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_pack(name: str, goods: dict[bool, Path], site: Registry, tmp_path: Path) -> None:
    forge = Forge.of(goods[True])
    before = forge.tar()
    HEADS[name](forge)
    assert forge.tar() != before
    refused(site, forge.tar(), tmp_path)


@pytest.mark.parametrize("beside_it", BESIDE)
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("what", ["missing", "changed", "extra"])
def test_a_file_beside_the_document(
    what: str, whole: bool, beside_it: str, goods: dict[bool, Path], site: Registry, tmp_path: Path
) -> None:
    forge = Forge.of(goods[whole])
    version = forge.version(-1)
    base = f"versions/{version['version']}"
    path = f"{base}/{beside_it}"
    if what == "missing":
        del forge.bodies[forge.name(path)]
        version["documents"] = [each for each in version["documents"] if each["path"] != path]
    elif what == "changed":
        forge.bodies[forge.name(path)] += b"\n"
    else:
        digest = hashlib.sha256(forge.bodies[forge.name(path)]).hexdigest()
        forge.edit(f"{base}/version.yaml", digest.encode(), b"no digest")
    forge.settle()
    refused(site, forge.tar(), tmp_path)


def test_an_export_changes_nothing(origin: Registry, tmp_path: Path) -> None:
    before = fingerprint(origin.root)
    origin.export(None, tmp_path / "all.tar")
    assert fingerprint(origin.root) == before


def test_a_pack_of_zstd_where_there_is_none(
    origin: Registry, site: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("backports.zstd")
    from registry_cli.errors import Refused as Missing
    from registry_cli.store.packs import pack_format

    reg = Registry(copied(origin.root, tmp_path / "copy"), author="alice")
    reg.archive(["churn@4"], compress="zstd")
    reg.export(["churn"], tmp_path / "out.tar")

    def none() -> Any:
        raise Missing("this Python has no zstd")

    with monkeypatch.context() as patched:
        patched.setattr(pack_format, "_zstd", none)
        with pytest.raises(Refused, match="no zstd"):
            site.import_(tmp_path / "out.tar")
    assert site.admin.model_names() == []
    site.import_(tmp_path / "out.tar")
    assert site.artifacts.verify_files("churn@4").digest == origin.version("churn@4").digest
