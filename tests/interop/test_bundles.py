"""What goes out comes in again: versions, whole models, a registry; and comes out equal."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry_cli import Conflict, Damaged, InvalidInput, NotFound, Refused, Registry
from registry_cli.core.records import Checkpoint
from registry_cli.core.results import ImportResult
from registry_cli.interop.bundle import bundle_manifest, bundle_reader
from registry_cli.operations.inspection import ArtifactAnalysis
from registry_cli.rules import event_history
from tests.crash.scenarios import common, die, source
from tests.crash.world import fingerprint, observed
from tests.integrity.conftest import prepare
from tests.support import snapshot, taken_out

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A bit of everything: stages, aliases, an archive, a tombstone, tags laid over, files that versions share, a group."""
    folder = tmp_path_factory.mktemp("origin")
    prepare(folder / "registry", folder / "work")
    return Registry(folder / "registry", author="alice")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry elsewhere."""
    made = Registry.init(tmp_path / "site", author="bob")
    yield made
    assert made.admin.verify().problems == ()


def statuses(found: list[ImportResult]) -> list[tuple[str, str, str]]:
    return [(each.key, each.status, each.ref) for each in found]


def members(path: Path) -> dict[str, bytes]:
    """What another program finds in a bundle."""
    with tarfile.open(path) as tar:
        found = {}
        for member in tar:
            assert member.isreg()
            assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (0, 0, 0, "", 0o444)
            stream = tar.extractfile(member)
            assert stream is not None
            found[member.name] = stream.read()
    return found


def without_origin(path: Path) -> dict[str, object]:
    found: dict[str, object] = dict(members(path))
    del found[bundle_manifest.END]
    head = json.loads(bytes(found[bundle_manifest.HEAD]))  # type: ignore[call-overload]
    found[bundle_manifest.HEAD] = {key: value for key, value in head.items() if key != "registry"}
    return found


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar", ".tgz"])
def test_a_registry_goes_and_comes_back_equal(origin: Registry, site: Registry, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"all{suffix}"
    done = origin.export(None, out)
    assert done.refs == ("churn", "risk/fraud")
    assert statuses(site.import_(out)) == [("churn", "imported", "churn"), ("risk/fraud", "imported", "risk/fraud")]
    assert observed(site.root) == observed(origin.root)
    for name in origin.admin.model_names():
        assert site.history(name) == origin.history(name)
        assert site.model(name) == origin.model(name)
        assert site.versions(name, archived=True) == origin.versions(name, archived=True)
    assert site.admin.checkpoints() == origin.admin.checkpoints()
    assert site.admin.verify(checkpoints=origin.admin.checkpoints()).problems == ()
    site.export(None, tmp_path / "again.tar")
    assert without_origin(tmp_path / "again.tar") == without_origin(out)
    with pytest.raises(NotFound, match="was deleted on 2026-03-01 by alice"):
        site.version("churn@3")
    later = site.register("churn", [taken_out(origin, "churn@1")])
    assert (later.ref, later.added) == ("churn@6", 0)


def test_the_same_versions_make_the_same_bytes(origin: Registry, tmp_path: Path) -> None:
    for name in ("a.tar.gz", "b.tar.gz"):
        origin.export(["churn", "risk/fraud"], tmp_path / name)
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()
    stream = io.BytesIO()
    origin.export(["risk/fraud", "churn"], stream)
    assert stream.getvalue() == (tmp_path / "a.tar.gz").read_bytes()


def test_equal_files_are_packed_once_and_stored_once(
    reg: Registry, site: Registry, make_file: Make, tmp_path: Path
) -> None:
    large = os.urandom(300_000)
    for number in range(4):
        make_file(large, "m/weights.bin")
        make_file(str(number), "m/note.txt")
        make_file(large, "m/copy/weights.bin")
        reg.register("churn", [make_file("same", "m/same.txt").parent])
    out = tmp_path / "out.tar"
    reg.export(["churn"], out)
    assert out.stat().st_size < 400_000
    site.import_(out)
    inodes = {path.stat().st_ino for path in (site.root / "models/churn").rglob("weights.bin")}
    assert len(inodes) == 1
    other = Registry.init(tmp_path / "other", author="carol")
    reg.export([f"churn@{number}" for number in (1, 2, 3, 4)], out, replace=True)
    assert [each.status for each in other.import_(out)] == ["imported"] * 4
    assert len({path.stat().st_ino for path in (other.root / "models/churn").rglob("weights.bin")}) == 1
    assert other.admin.verify().problems == ()


def test_sha256sum_and_tar_are_enough_to_take_one_apart(origin: Registry, tmp_path: Path) -> None:
    origin.export(["churn@1"], tmp_path / "one.tar.gz")
    program = "tar xzf one.tar.gz && cd churn/versions/1/files && sha256sum -c --quiet ../manifest-sha256.txt"
    subprocess.run(["sh", "-c", program], cwd=tmp_path, check=True)


def test_the_end_tells_the_digest_of_the_list_of_members(origin: Registry, tmp_path: Path) -> None:
    origin.export(["churn"], tmp_path / "out.tar")
    found = members(tmp_path / "out.tar")
    *names, last = found
    assert (names[0], last) == (bundle_manifest.HEAD, bundle_manifest.END)
    listing = "".join(f"{hashlib.sha256(found[name]).hexdigest()}  {name}\n" for name in names)
    assert json.loads(found[last]) == {
        "format": 1, "members": len(names), "digest": f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}",
    }  # fmt: skip


def test_versions_become_new_versions_that_say_where_they_come_from(
    origin: Registry, site: Registry, tmp_path: Path
) -> None:
    out = tmp_path / "two.tar.gz"
    origin.export(["churn@2", "churn@staging"], out)
    found = site.import_(out)
    assert statuses(found) == [("churn@2", "imported", "churn@2"), ("churn@5", "imported", "churn@5")]
    there, here = origin.version("churn@5"), site.version("churn@5")
    for name in ("created", "author", "message", "params", "metrics", "tags", "annotations", "digest", "size", "files"):
        assert getattr(here, name) == getattr(there, name), name
    imported = here.lineage["imported"]
    key = f"bundle:{origin.admin.settings.id}/churn/5"
    assert (imported["from"], imported["key"], imported["ref"], imported["digest"]) == (
        "bundle",
        key,
        "churn@5",
        f"sha256:{there.digest}",
    )
    assert here.event is not None
    assert (here.event.by, here.event.detail) == ("bob", {"imported": key})
    assert origin.admin.verify(["churn"], checkpoints=[_checkpoint(imported["checkpoint"])]).ok
    assert set(found[1].lost) == {f"stage {name} (only with --stages)" for name in there.stages}
    assert imported["stages"] == list(there.stages)
    assert site.model("churn").stages == {}
    assert statuses(site.import_(out)) == [("churn@2", "skipped", "churn@2"), ("churn@5", "skipped", "churn@5")]


def test_what_was_exported_here_is_not_added_again(site: Registry, make_file: Make, tmp_path: Path) -> None:
    site.register("churn", [make_file("one")])
    site.register("churn", [make_file("one")])
    out = tmp_path / "out.tar"
    site.export(["churn@1", "churn@2"], out)
    site.register("churn", [make_file("three")])
    for dry_run in (True, False):
        found = site.import_(out, merge=True, dry_run=dry_run)
        assert statuses(found) == [("churn@1", "skipped", "churn@1"), ("churn@2", "skipped", "churn@2")]
    assert len(site.versions("churn")) == 3
    site.delete("churn@1")
    assert statuses(site.import_(out, merge=True))[0] == ("churn@1", "imported", "churn@4")


def _checkpoint(text: str) -> Checkpoint:
    found = event_history.parse_checkpoint(text)
    assert found
    return found


def test_a_model_that_is_here_is_merged_into_and_renumbering_is_told(
    origin: Registry, site: Registry, make_file: Make, tmp_path: Path
) -> None:
    site.register("churn", [make_file("own")])
    site.register("churn", [taken_out(origin, "churn@1")])
    out = tmp_path / "out.tar.gz"
    origin.export(["churn@1", "churn@2", "churn@4"], out)
    before = snapshot(site.root)
    with pytest.raises(Conflict, match="model churn already exists"):
        site.import_(out)
    assert [each.status for each in site.import_(out, skip_existing=True)] == ["skipped"]
    assert snapshot(site.root) == before
    assert statuses(site.import_(out, merge=True, skip_existing=True)) == [
        ("churn@1", "skipped", "churn@2"), ("churn@2", "imported", "churn@3"), ("churn@4", "imported", "churn@4"),
    ]  # fmt: skip
    assert site.history("churn", actions=["passed-over"]) == []
    assert statuses(site.import_(out, name="other"))[2] == ("churn@4", "imported", "other@4")


def test_a_whole_model_merged_leaves_its_history_behind(
    origin: Registry, site: Registry, make_file: Make, tmp_path: Path
) -> None:
    site.register("churn", [make_file("own")])
    out = tmp_path / "out.tar.gz"
    origin.export(["churn"], out)
    with pytest.raises(Conflict):
        site.import_(out)
    found = site.import_(out, merge=True, stages=True, aliases=True)
    assert [each.status for each in found] == ["imported"] * 4
    there = origin.model("churn")
    moved = dict(zip([1, 2, 4, 5], [int(each.ref.split("@")[1]) for each in found], strict=True))
    assert site.model("churn").stages == {stage: moved[number] for stage, number in there.stages.items()}
    assert site.model("churn").aliases == {alias: moved[number] for alias, number in there.aliases.items()}
    assert "its archived state" in found[2].lost


def test_a_whole_model_under_another_name_or_in_a_group(origin: Registry, site: Registry, tmp_path: Path) -> None:
    out = tmp_path / "out.tar.gz"
    origin.export(["churn"], out)
    assert statuses(site.import_(out, name="risk/churn")) == [("churn", "imported", "risk/churn")]
    assert site.history("risk/churn") == origin.history("churn")
    assert statuses(site.import_(out, name="risk/churn")) == [("churn", "skipped", "risk/churn")]
    with pytest.raises(Conflict, match="'risk' is a group"):
        site.import_(out, name="risk")
    assert statuses(site.import_(out)) == [("churn", "imported", "churn")]
    with pytest.raises(Conflict, match="'churn' is a model and cannot be a group"):
        site.import_(out, name="churn/a")
    origin.export(None, tmp_path / "all.tar.gz")
    with pytest.raises(InvalidInput, match="cannot give 2 models the same name x"):
        site.import_(tmp_path / "all.tar.gz", name="x")


def test_a_model_that_went_on_here_is_still_known(
    origin: Registry, site: Registry, make_file: Make, tmp_path: Path
) -> None:
    out = tmp_path / "out.tar.gz"
    origin.export(["churn"], out)
    site.import_(out)
    site.register("churn", [make_file("one more")])
    assert statuses(site.import_(out)) == [("churn", "skipped", "churn")]
    assert site.version("churn@latest").number == 6


def test_what_a_dead_writer_left_goes_along(tmp_path: Path) -> None:
    """The next writer there and the one here find the same: the histories have the same hashes."""
    for deed, call in (
        (lambda reg, work: reg.annotate("churn@3", {"note": "x"}, request_id="late"), "link"),
        (lambda reg, work: reg.delete(["churn@4"], request_id="late"), "link"),
        (lambda reg, work: reg.register("churn", [source(work)], request_id="late"), "rename"),
    ):
        folder = tmp_path / f"{call}{len(list(tmp_path.iterdir()))}"
        work = folder / "work"
        work.mkdir(parents=True)
        there = Registry.init(folder / "there", author="alice")
        common(there, work)
        die(there, work, deed, call, 1, "dead after")
        out = folder / "out.tar.gz"
        there = Registry(there.root, author="alice")
        there.export(["churn"], out)
        here = Registry.init(folder / "here", author="bob")
        here.import_(out)
        assert here.history("churn")[0].event.id == "late"
        assert observed(here.root) == observed(there.root)
        there.tag("churn@1", {"go": "on"})
        assert here.admin.checkpoints() == [Checkpoint("churn", e.seq, e.hash) for e in there.history("churn")[1:2]]
        assert here.admin.verify().problems == ()


def test_a_torn_journal_goes_along_as_it_is(origin: Registry, tmp_path: Path) -> None:
    there = Registry.init(tmp_path / "there", author="alice")
    common(there, tmp_path)
    with (there.root / "models/churn/history.jsonl").open("ab") as stream:
        stream.write(b'{"torn')
    there.export(["churn"], tmp_path / "out.tar")
    here = Registry.init(tmp_path / "here", author="bob")
    here.import_(tmp_path / "out.tar")
    assert here.history("churn") == there.history("churn")
    here.tag("churn@1", {"go": "on"})
    assert here.admin.verify(checkpoints=there.admin.checkpoints()).ok


def test_a_policy_here_is_told_of_stages_that_came_whole(origin: Registry, site: Registry, tmp_path: Path) -> None:
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write("policy: {production: {require: {metrics: {auc: '>= 0.99'}}}}\n")
    origin.export(["churn"], tmp_path / "out.tar")
    (done,) = Registry(site.root, author="bob").import_(tmp_path / "out.tar")
    number = origin.model("churn").stages["production"]
    assert [line for line in done.lost if f"production stays at churn@{number}, although its policy here" in line]
    assert site.model("churn").stages == origin.model("churn").stages


def test_stages_that_are_none_here_are_told(site: Registry, tmp_path: Path, make_file: Make) -> None:
    there = Registry.init(tmp_path / "there", stages=["canary", "live"], author="alice")
    there.register("churn", [make_file()], stage="live")
    there.export(["churn"], tmp_path / "out.tar")
    (done,) = site.import_(tmp_path / "out.tar")
    assert done.lost == ("live stays at churn@1: unknown stage 'live'",)
    assert site.model("churn").stages == {"live": 1}


def test_each_version_of_a_whole_model_is_examined(
    origin: Registry, site: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that may not come in keeps out all of its model, and no other; single versions stand for themselves."""
    looked: list[int] = []

    def examine(self: ArtifactAnalysis, staging: object) -> None:
        looked.append(len(staging.entries))  # type: ignore[attr-defined]
        if len(looked) in refused:
            raise Refused("it is dangerous")

    monkeypatch.setattr(ArtifactAnalysis, "analyze", examine)
    refused = {2}
    origin.export(None, tmp_path / "all.tar")
    found = site.import_(tmp_path / "all.tar")
    assert looked == [3, 3, 1]  # none is looked at behind the one that was refused
    assert [(each.key, each.status, each.code, each.why) for each in found] == [
        ("churn", "failed", 5, "it is dangerous"), ("risk/fraud", "imported", 0, ""),
    ]  # fmt: skip
    assert site.admin.model_names() == ["risk/fraud"]
    looked.clear()
    refused = {1}
    origin.export(["churn@1", "churn@2"], tmp_path / "two.tar")  # they share files
    assert [each.status for each in site.import_(tmp_path / "two.tar")] == ["failed", "imported"]
    assert [path.name for path in (site.root / "models/churn/versions").iterdir()] == ["2"]


def test_a_stream_is_read_once(origin: Registry, site: Registry) -> None:
    stream = io.BytesIO()
    origin.export(None, stream)
    stream.seek(0)
    assert [each.status for each in site.import_(stream)] == ["imported", "imported"]
    assert observed(site.root) == observed(origin.root)


def test_a_dry_run_reads_all_and_writes_nothing(
    origin: Registry, site: Registry, tmp_path: Path, make_file: Make
) -> None:
    site.register("risk/fraud", [make_file("own")])
    before = fingerprint(site.root)
    origin.export(["churn"], tmp_path / "whole.tar")
    origin.export(["risk/fraud@1"], tmp_path / "one.tar")
    assert statuses(site.import_(tmp_path / "whole.tar", dry_run=True)) == [("churn", "planned", "churn")]
    planned = site.import_(tmp_path / "one.tar", dry_run=True, merge=True)
    assert statuses(planned) == [("risk/fraud@1", "planned", "risk/fraud@2")]
    data = bytearray((tmp_path / "whole.tar").read_bytes())
    at = data.index(b"run 1")
    data[at] ^= 1
    (tmp_path / "whole.tar").write_bytes(data)
    with pytest.raises(Damaged):
        site.import_(tmp_path / "whole.tar", dry_run=True)
    assert fingerprint(site.root) == before


def test_nothing_is_written_over(origin: Registry, tmp_path: Path) -> None:
    out = tmp_path / "out.tar.gz"
    out.write_text("mine")
    with pytest.raises(Conflict, match="already exists"):
        origin.export(["churn"], out)
    with pytest.raises(Conflict, match="was not written by this command"):
        origin.export(["churn"], out, replace=True)
    assert out.read_text() == "mine"
    out.write_bytes(b"")
    origin.export(["churn"], out, replace=True)
    assert tarfile.is_tarfile(out)
    inode = out.stat().st_ino
    origin.export(["churn@1"], out, replace=True)
    assert out.stat().st_ino != inode
    for name in ("churn@2", "out", "out.zip"):
        with pytest.raises(InvalidInput, match="is not a valid bundle name"):
            origin.export(["churn@1"], tmp_path / name)
    with pytest.raises(NotFound, match=r"folder .* not found"):
        origin.export(["churn@1"], tmp_path / "no" / "out.tar")
    with pytest.raises(InvalidInput, match="inside the registry"):
        origin.export(["churn@1"], origin.root / "models" / "out.tar")
    with pytest.raises(InvalidInput, match="either whole models or versions"):
        origin.export(["churn", "risk/fraud@1"], tmp_path / "mixed.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tar.gz"]


def test_no_bundle_is_made_of_what_is_damaged(origin: Registry, tmp_path: Path) -> None:
    from tests.crash.world import copied

    copied(origin.root, tmp_path / "copy")
    there = Registry(tmp_path / "copy")
    path = there.root / "models/churn/versions/2/files/model.bin"
    path.chmod(0o600)
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(Damaged, match="does not match its sha256"):
        there.export(["churn"], tmp_path / "out.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_an_empty_registry_is_a_bundle_too(site: Registry, tmp_path: Path) -> None:
    Registry.init(tmp_path / "there").export(None, tmp_path / "none.tar")
    assert site.import_(tmp_path / "none.tar") == []


def test_the_model_is_as_this_registry_shares(origin: Registry, tmp_path: Path) -> None:
    team = Registry.init(tmp_path / "team", shared="group", author="bob")
    origin.export(["churn"], tmp_path / "out.tar")
    team.import_(tmp_path / "out.tar", name="risk/churn")
    folder = team.root / "models/risk/churn"
    modes = {name: (folder / name).stat().st_mode & 0o7777 for name in ("", "versions", "stages.yaml", "versions/1")}
    assert modes == {"": 0o2775, "versions": 0o3775, "stages.yaml": 0o664, "versions/1": 0o555}
    assert team.admin.verify().problems == ()


def test_what_an_import_that_died_left_is_found_and_removed(origin: Registry, site: Registry) -> None:
    left = site.root / "models" / f".tmp-{'0' * 32}"
    (left / "versions").mkdir(parents=True)
    assert site.admin.verify().problems == ()  # somebody may be at it
    assert site.admin.gc(age=3600) == []
    for path in (left / "versions", left):
        os.utime(path, (0, 0))
    assert [each.code for each in site.admin.verify().problems] == ["leftover"]
    assert [each.path for each in site.admin.gc()] == [f"models/{left.name}"]
    assert not left.exists()


def test_a_name_that_a_dead_registration_left_is_free(origin: Registry, site: Registry, tmp_path: Path) -> None:
    origin.export(["churn"], tmp_path / "out.tar")
    folder = site.root / "models/churn"
    for name in ("versions", "blobs", "stages", "annotations", "tombstones"):
        (folder / name).mkdir(parents=True)
    (folder / ".lock").touch()
    assert statuses(site.import_(tmp_path / "out.tar")) == [("churn", "imported", "churn")]


def test_a_registration_at_work_is_not_disturbed(origin: Registry, site: Registry, tmp_path: Path) -> None:
    origin.export(["churn"], tmp_path / "out.tar")
    staging = site.root / "models/churn/versions/.tmp-1"
    staging.mkdir(parents=True)
    with pytest.raises(Conflict, match="model churn already exists"):
        site.import_(tmp_path / "out.tar")
    assert staging.is_dir()
    assert sorted(path.name for path in (site.root / "models").iterdir()) == ["churn"]


def test_a_long_name_and_a_deep_one(reg: Registry, site: Registry, make_file: Make, tmp_path: Path) -> None:
    names = ["größe/日本.bin", "a" * 200, "/".join(["deep"] * 60), "b" * 100, "c" * 99, " space ", "UPPER", "upper"]
    for name in names:
        make_file(name, f"m/{name}")
    reg.register("churn", [tmp_path / "work" / "m"])
    reg.export(["churn@1"], tmp_path / "out.tar")
    site.import_(tmp_path / "out.tar")
    assert site.artifacts.files("churn@1") == reg.artifacts.files("churn@1")
    assert {member for member in members(tmp_path / "out.tar") if "/files/" in member} == {
        f"churn/versions/1/files/{name}" for name in names
    }


def test_a_newer_format_is_told(origin: Registry, tmp_path: Path, site: Registry) -> None:
    head = bundle_manifest.dumps(bundle_manifest.Contents("versions", "0" * 32, "", ()))
    with pytest.raises(Refused, match="has format 3; this program knows formats up to 2"):
        bundle_manifest.loads(head.replace(b'"format":1', b'"format":3'), "x")


def test_contents_survive_their_document(origin: Registry, tmp_path: Path) -> None:
    origin.export(None, tmp_path / "out.tar")
    with (tmp_path / "out.tar").open("rb") as stream:
        opened = bundle_reader.BundleReader(stream.read, "x")
        opened.drain()
    assert bundle_manifest.dumps(opened.contents) == members(tmp_path / "out.tar")[bundle_manifest.HEAD]
