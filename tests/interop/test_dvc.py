"""Artifacts of DVC, with the versions and stages of GTO, as both left them, become versions here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from registry_cli import InvalidInput, NotFound, Registry
from registry_cli.interop.dvc import dvc_import
from registry_cli.interop.dvc.git_tags import GitTag, parse_artifacts
from registry_cli.interop.imported_version import ImportedVersion
from tests.interop.stores import unpacked
from tests.support import snapshot


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return unpacked("dvc", tmp_path)


def read(place: Path, only: str | None = None) -> dict[str, ImportedVersion]:
    return {each.key.rpartition(":")[0]: each for each in dvc_import.read(place, only=only)}


def contents(incoming: ImportedVersion) -> dict[str, str]:
    return {name: path.read_text() for name, path in incoming.named.items()}


def test_versions_come_by_semantic_versioning(repository: Path) -> None:
    before = snapshot(repository)
    found = read(repository)
    assert list(found) == [
        "dvc:built@v0.1.0", "dvc:churn@v0.1.0", "dvc:churn@v0.9.0", "dvc:churn@v0.10.0", "dvc:folder@v0.1.0",
        "dvc:fresh", "dvc:kept@v0.1.0",
    ]  # fmt: skip
    assert contents(found["dvc:churn@v0.1.0"]) == {"churn.bin": "one\n"}
    assert contents(found["dvc:churn@v0.9.0"]) == {"churn.bin": "three\n"}
    assert contents(found["dvc:churn@v0.10.0"]) == {"churn.bin": "two\n"}
    assert contents(found["dvc:folder@v0.1.0"]) == {"a": "a\n", "sub/b": "b\n"}
    assert contents(found["dvc:kept@v0.1.0"]) == {"kept.txt": "kept in git\n"}
    assert contents(found["dvc:fresh"]) == {"churn.bin": "three\n"}
    assert snapshot(repository) == before


def test_what_is_said_of_them(repository: Path) -> None:
    found = read(repository)
    first, last = found["dvc:churn@v0.1.0"], found["dvc:churn@v0.10.0"]
    assert (first.stages, last.stages) == (("staging",), ("production",))
    assert first.tags == {"labels": "crm, tabular", "framework": "sklearn", "gto_version": "v0.1.0"}
    assert first.annotations == {"description": "Who will leave"}
    assert first.author == "alice"
    assert first.lineage["imported"]["tag"] == "churn@v0.1.0"
    built = found["dvc:built@v0.1.0"]
    assert contents(built) == {"model.txt": "built\n"}
    assert built.params == {"lr": 0.1}
    assert built.metrics == {"auc": 0.9, "nested.loss": 1}
    assert built.lineage["run"]["command"].startswith("echo built")
    (data,) = built.lineage["data"]
    assert (data["path"], data["size"]) == ("data.csv", 10)
    assert data["digest"].startswith("md5:")
    assert built.lineage["git"]["commit"] == first.lineage["git"]["commit"]


def test_they_become_versions(repository: Path, reg: Registry) -> None:
    done = reg.import_(f"dvc:{repository}", stages=True)
    assert [each.ref for each in done] == ["built@1", "churn@1", "churn@2", "churn@3", "folder@1", "fresh@1", "kept@1"]
    assert reg.version("churn@production").tags["gto_version"] == "v0.10.0"
    assert reg.path("kept@1", "kept.txt").read_text() == "kept in git\n"
    assert [each.status for each in reg.import_(f"dvc:{repository}", stages=True)] == ["skipped"] * 7


def test_a_dvc_file(repository: Path, reg: Registry) -> None:
    (done,) = reg.import_(f"dvc:{repository}/models/churn.bin.dvc")
    assert reg.path("churn@1", "churn.bin").read_text() == "three\n"
    assert done.key == "dvc:models/churn.bin"


def test_without_the_cache(repository: Path) -> None:
    """The workspace has the newest content only; the others are told, with what to do."""
    shutil.rmtree(repository / ".dvc" / "cache")
    found = read(repository, "churn")
    assert contents(found["dvc:churn@v0.9.0"]) == {"churn.bin": "three\n"}
    missing = found["dvc:churn@v0.1.0"]
    assert missing.named == {}
    assert "neither in the cache of DVC nor in the workspace" in missing.lost[0]


def test_a_cache_that_lies(repository: Path) -> None:
    cached = next(iter(read(repository, "churn")["dvc:churn@v0.1.0"].named.values()))
    cached.chmod(0o644)
    cached.write_text("evil\n")
    assert (
        "the DVC cache entry for 'churn.bin' does not match its name"
        in read(repository, "churn")["dvc:churn@v0.1.0"].lost[0]
    )


def test_a_shared_cache(repository: Path, tmp_path: Path) -> None:
    shutil.move(repository / ".dvc" / "cache", tmp_path / "shared")
    (repository / ".dvc" / "config").write_text(f"[cache]\n    dir = {tmp_path / 'shared'}\n")
    assert contents(read(repository)["dvc:churn@v0.1.0"]) == {"churn.bin": "one\n"}


def test_in_a_folder_of_a_repository(repository: Path) -> None:
    """GTO's tags name the folder: ``team=churn@v1.0.0``."""
    folder = repository / "team"
    folder.mkdir()
    (folder / "model.txt").write_text("of the team\n")
    (folder / "dvc.yaml").write_text("artifacts:\n  churn: {path: model.txt}\n")
    git(repository, "add", "team")
    git(repository, "commit", "-qm", "team")
    git(repository, "tag", "team=churn@v1.0.0")
    (found,) = dvc_import.read(folder)
    assert found.key.startswith("dvc:team:churn@v1.0.0:")
    assert contents(found) == {"model.txt": "of the team\n"}
    assert "dvc:team:churn@v1.0.0" not in read(repository)


def test_a_folder_that_only_git_has(repository: Path) -> None:
    (repository / "plain" / "sub").mkdir(parents=True)
    (repository / "plain" / "a").write_text("a")
    (repository / "plain" / "sub" / "b").write_text("b")
    (repository / "plain" / "link").symlink_to("/etc/passwd")
    (repository / "dvc.yaml").write_text("artifacts:\n  plain: {path: plain}\n")
    git(repository, "add", "plain", "dvc.yaml")
    git(repository, "commit", "-qm", "plain")
    git(repository, "tag", "plain@v1.0.0")
    shutil.rmtree(repository / "plain")
    assert contents(read(repository, "plain")["dvc:plain@v1.0.0"]) == {"a": "a", "sub/b": "b"}


def test_without_git(tmp_path: Path) -> None:
    repository = unpacked("dvc", tmp_path)
    shutil.rmtree(repository / ".git")
    assert contents(read(repository)["dvc:churn"]) == {"churn.bin": "three\n"}


@pytest.mark.parametrize("path", ["../../../etc/passwd", "/etc/passwd", "link", "models/../../secret"])
def test_a_path_that_leaves_the_repository(repository: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret")
    (repository / "link").symlink_to(tmp_path / "secret")
    (repository / "dvc.yaml").write_text(f"artifacts:\n  evil: {{path: '{path}'}}\n")
    assert read(repository, "evil")["dvc"].named == {}


def test_a_list_of_a_folder_that_leaves_it(repository: Path) -> None:
    import hashlib
    import json

    listed = json.dumps([{"md5": "5bbf5a52328e7439ae6e719dfe712200", "relpath": "../../evil"}]).encode()
    digest = hashlib.md5(listed).hexdigest()
    place = repository / ".dvc" / "cache" / "files" / "md5" / digest[:2] / f"{digest[2:]}.dir"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(listed)
    (repository / "evil.dvc").write_text(f"outs:\n- md5: {digest}.dir\n  path: evil\n")
    (found,) = dvc_import.read(repository / "evil.dvc")
    assert found.named == {}
    assert "is not a valid path inside an artifact" in found.lost[0]


def test_nothing_of_dvc(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="declares no artifact"):
        list(dvc_import.read(tmp_path))
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="is not a DVC file or folder"):
        list(dvc_import.read(tmp_path / "file"))
    (tmp_path / "dvc.yaml").write_text("artifacts: {a: &x {path: b}, c: *x}\n")
    with pytest.raises(InvalidInput, match="anchors and aliases"):
        list(dvc_import.read(tmp_path))


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=alice", "-c", "user.email=alice@example.org")
    subprocess.run(["git", "-C", folder, *names, *arguments], check=True, capture_output=True)


def tag(name: str, commit: str = "c1") -> GitTag:
    return GitTag(name, commit, "", "alice", "")


def test_the_words_of_gto() -> None:
    names = ["churn@v1.0.0", "churn@v1.0.0-rc.2", "churn@v1.0.0-rc.10", "churn@v2.0.0", "churn@v2.0.0!#9", "churn@v3"]
    (churn,) = parse_artifacts([tag(name, f"c{number}") for number, name in enumerate(names)]).values()
    assert churn.ordered() == ["v1.0.0-rc.2", "v1.0.0-rc.10", "v1.0.0"]
    moved = [tag("m@v1.0.0"), tag("m#prod#1"), tag("m@v1.1.0", "c2"), tag("m#prod#3", "c2"), tag("m#dev#2")]
    assert parse_artifacts(moved)["m"].stages == {"prod": "v1.1.0", "dev": "v1.0.0"}
    assert parse_artifacts([*moved, tag("m#prod!#4", "c2")])["m"].stages == {"dev": "v1.0.0"}
    assert parse_artifacts([*moved, tag("m@deprecated#5")])["m"].deprecated
    assert list(parse_artifacts([tag("folder/sub=m@v1.0.0"), tag("v1.0"), tag("x@y"), tag("#prod")])) == [
        "folder/sub:m"
    ]


def test_variables_of_a_git_hook_lead_to_no_other_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list(read(repository))
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    assert list(read(repository)) == expected


def test_a_repository_that_leads_elsewhere_is_refused(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["git", "-C", str(repository), "config", "core.worktree", str(other)], check=True)
    with pytest.raises(InvalidInput, match=r"core\.worktree"):
        read(repository)
