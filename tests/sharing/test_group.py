"""Two people of one group, and a stranger: real accounts, real permissions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import NotFound, Registry, RegistryError
from tests.sharing.people import ALICE, BOB, STRANGER, TEAM, Person, needs_root
from tests.support import snapshot

pytestmark = needs_root


@pytest.fixture
def root(common: Path) -> Path:
    """A team's registry, made by alice, with one version of hers and one of bob's."""
    root = common / "team" / "registry"
    ALICE.calls(lambda: Registry.init(root, shared="group", author="alice") and None)
    register(ALICE, root, "own.bin")
    register(BOB, root, "own.bin")
    return root


def register(person: Person, root: Path, file: str, name: str = "churn") -> str:
    source = root.parents[1] / person.name / file
    return person.does(lambda reg: reg.register(name, [source]).ref, root)


def sound(root: Path) -> None:
    for person in (ALICE, BOB, STRANGER):
        assert person.does(lambda reg: reg.admin.verify().problems, root) == ()


def denied(person: Person, deed: Callable[[], object]) -> None:
    with pytest.raises(PermissionError):
        person.calls(deed)


def test_both_write_in_one_model(root: Path) -> None:
    assert ALICE.does(lambda reg: reg.promote("churn@2", "production").ref, root) == "churn@2"
    assert BOB.does(lambda reg: reg.promote("churn@1", "production", expect=2).ref, root) == "churn@1"
    BOB.does(lambda reg: reg.tag("churn@1", {"checked": "bob"}), root)
    ALICE.does(lambda reg: reg.tag("churn@1", {"checked": "alice"}), root)
    BOB.does(lambda reg: reg.alias("churn@1", "champion"), root)
    ALICE.does(lambda reg: reg.alias("churn", "champion", remove=True), root)
    BOB.does(lambda reg: reg.archive(["churn@2"], force=True, reason="x"), root)
    ALICE.does(lambda reg: reg.restore(["churn@2"]), root)
    for _ in range(6):  # the claims of each are removed by the other
        BOB.does(lambda reg: reg.promote("churn@2", "staging"), root)
        ALICE.does(lambda reg: reg.demote("churn", "staging"), root)
    assert register(BOB, root, "model.bin") == "churn@3"
    assert register(ALICE, root, "model.bin") == "churn@4"
    history = STRANGER.does(lambda reg: [entry.event.by for entry in reg.history("churn")], root)
    assert {"alice", "bob"} == set(history)
    sound(root)


def test_everything_belongs_to_the_group(root: Path) -> None:
    register(BOB, root, "own.bin", "risk/fraud")
    assert {path.lstat().st_gid for path in root.rglob("*")} == {TEAM}
    assert {path.lstat().st_uid for path in root.rglob("*")} == {ALICE.uid, BOB.uid}


def test_both_write_in_a_group_folder_that_one_made(root: Path) -> None:
    assert register(BOB, root, "own.bin", "risk/fraud") == "risk/fraud@1"
    assert register(ALICE, root, "own.bin", "risk/churn") == "risk/churn@1"
    assert register(ALICE, root, "own.bin", "risk/fraud") == "risk/fraud@2"
    sound(root)


def test_nobody_changes_the_version_of_another(root: Path) -> None:
    versions = root / "models/churn/versions"
    before = snapshot(versions)
    for person, number in ((BOB, 1), (ALICE, 2)):
        folder = versions / str(number)
        file = folder / "files" / "own.bin"
        denied(person, lambda file=file: file.write_bytes(b"x"))  # type: ignore[misc]
        denied(person, lambda file=file: file.chmod(0o666))  # type: ignore[misc]
        denied(person, lambda file=file: file.unlink())  # type: ignore[misc]
        denied(person, lambda file=file: os.utime(file))  # type: ignore[misc]
        denied(person, lambda folder=folder: (folder / "files" / "extra").write_bytes(b"x"))  # type: ignore[misc]
        denied(person, lambda folder=folder: (folder / "version.yaml").unlink())  # type: ignore[misc]
        denied(person, lambda folder=folder: folder.chmod(0o777))  # type: ignore[misc]
    assert snapshot(versions) == before


def test_a_teammate_can_not_rename_a_version_away_or_over(root: Path) -> None:
    """What the sticky ``versions/`` is for; without it, 2775 lets every teammate rename."""
    versions = root / "models/churn/versions"
    denied(BOB, lambda: (versions / "1").rename(versions / "9"))
    denied(BOB, lambda: (versions / "2").rename(versions / "1"))
    versions.chmod(0o2775)
    BOB.calls(lambda: (versions / "1").rename(versions / "9") and None)
    assert (versions / "9").is_dir()


def test_a_sealed_file_can_not_be_replaced_by_its_teammate(root: Path) -> None:
    file = root / "models/churn/versions/1/files/own.bin"
    mine = root.parents[1] / "bob" / "own.bin"
    denied(BOB, lambda: mine.rename(file))
    assert file.read_bytes() == b"alice" * 50


def test_the_version_of_a_teammate_can_not_be_deleted_and_nothing_is_committed(root: Path) -> None:
    before = snapshot(root / "models")
    with pytest.raises(RegistryError, match=r"belongs to another user.*archive it instead or ask its owner"):
        BOB.does(lambda reg: reg.delete(["churn@1"]), root)
    with pytest.raises(RegistryError, match="belongs to another user"):
        BOB.does(lambda reg: reg.delete(["churn@2", "churn@1"]), root)
    after = snapshot(root / "models")
    assert {path: found[5] for path, found in after.items()} == {path: found[5] for path, found in before.items()}
    assert BOB.does(lambda reg: reg.archive(["churn@1"])[0].versions, root) == (1,)
    sound(root)


def test_everybody_deletes_their_own(root: Path) -> None:
    assert BOB.does(lambda reg: reg.delete(["churn@2"])[0].versions, root) == (2,)
    assert ALICE.does(lambda reg: reg.delete(["churn@1"])[0].versions, root) == (1,)
    assert sorted(path.name for path in (root / "models/churn/versions").iterdir()) == []
    with pytest.raises(NotFound, match=r"was deleted on .* by bob"):
        ALICE.does(lambda reg: reg.version("churn@2"), root)
    sound(root)


def test_who_owns_the_model_can_delete_but_only_the_owner_frees_the_room(root: Path) -> None:
    """The number is gone at once; what can't be removed stays out of sight, told, until its owner collects it."""
    ALICE.does(lambda reg: reg.delete(["churn@2"]), root)
    with pytest.raises(NotFound):
        BOB.does(lambda reg: reg.version("churn@2"), root)
    assert [problem.code for problem in ALICE.does(lambda reg: reg.admin.verify().problems, root)] == ["leftover"]
    assert ALICE.does(lambda reg: reg.admin.gc(), root) == [], "nothing was freed, and nothing else is said"
    assert [freed.what for freed in BOB.does(lambda reg: reg.admin.gc(), root)] == ["deleted version"]
    assert [freed.what for freed in BOB.does(lambda reg: reg.admin.gc(), root)] in ([], ["blob without a version"])
    sound(root)


def test_equal_files_of_two_owners_are_stored_twice_where_links_are_refused(root: Path) -> None:
    """Linux refuses a hard link to a file of another that one can't write to: then the file is copied."""
    if Path("/proc/sys/fs/protected_hardlinks").read_text().strip() != "1":
        pytest.skip("this machine does not protect hard links (fs.protected_hardlinks is 0)")
    names = [register(ALICE, root, "model.bin"), register(BOB, root, "model.bin"), register(BOB, root, "model.bin")]
    files = [root / "models/churn/versions" / name.partition("@")[2] / "files/model.bin" for name in names]
    owners = [file.stat().st_uid for file in files]
    assert owners == [ALICE.uid, BOB.uid, BOB.uid]
    assert files[0].stat().st_ino != files[1].stat().st_ino
    assert files[1].stat().st_ino == files[2].stat().st_ino, "one's own is linked again"
    sound(root)


def test_a_stranger_reads_and_nothing_else(root: Path) -> None:
    ALICE.does(lambda reg: reg.promote("churn@1", "production"), root)
    assert STRANGER.does(lambda reg: reg.version("churn@production").number, root) == 1
    assert STRANGER.does(lambda reg: reg.artifacts.verify_files("churn@2").number, root) == 2
    assert STRANGER.does(lambda reg: reg.path("churn@1", "own.bin").read_bytes(), root) == b"alice" * 50
    out = root.parents[1] / "stranger" / "out"
    STRANGER.does(lambda reg: reg.fetch("churn@1", out), root)
    assert (out / "own.bin").read_bytes() == b"alice" * 50
    before = snapshot(root)
    source = root.parents[1] / "stranger" / "own.bin"
    deeds: list[Callable[[Registry], object]] = [
        lambda reg: reg.register("churn", [source]),
        lambda reg: reg.register("mine", [source]),
        lambda reg: reg.promote("churn@2", "production"),
        lambda reg: reg.tag("churn@1", {"a": "b"}),
        lambda reg: reg.archive(["churn@2"]),
        lambda reg: reg.delete(["churn@2"]),
        lambda reg: reg.admin.gc(),
        lambda reg: reg.admin.repair(),
    ]
    for deed in deeds:
        with pytest.raises(PermissionError):
            STRANGER.does(deed, root)
    assert snapshot(root) == before


def test_staging_of_a_teammate_is_neither_read_nor_collected(root: Path) -> None:
    folder = root / "models/churn/versions" / (".tmp-" + "a" * 32)
    ALICE.calls(lambda: folder.mkdir(0o700))
    ALICE.calls(lambda: (folder / "secret").write_text("x") and None)
    for path in (folder / "secret", folder):
        os.utime(path, (1, 1))
    denied(BOB, lambda: os.listdir(folder))
    assert BOB.does(lambda reg: reg.admin.gc(), root) == []
    assert folder.is_dir()
    assert [freed.what for freed in ALICE.does(lambda reg: reg.admin.gc(), root)] == ["leftover staging folder"]


def test_repair_leaves_what_only_the_owner_can_mend(root: Path) -> None:
    file = root / "models/churn/versions/1/files/own.bin"
    file.chmod(0o644)
    assert BOB.does(lambda reg: reg.admin.repair(), root) == []
    assert [problem.code for problem in BOB.does(lambda reg: reg.admin.verify().problems, root)] == ["mode"]
    assert [freed.what for freed in ALICE.does(lambda reg: reg.admin.repair(), root)] == ["made read-only again"]
    sound(root)


def test_doctor_is_content_with_a_team(root: Path) -> None:
    for person in (ALICE, BOB):
        found = {check.check: check for check in person.does(lambda reg: reg.admin.doctor(), root)}
        assert [found[name].status for name in ("sharing", "rename", "hard links", "sync", "modes")] == ["ok"] * 5
        runs = person.calls(lambda: os.access(sys.executable, os.X_OK))
        assert found["locks"].status == ("ok" if runs else "warning"), found["locks"].message
    told = {check.check: check for check in STRANGER.does(lambda reg: reg.admin.doctor(), root)}
    assert told["writable"].status == "warning"
    assert "permission denied" in told["writable"].message


def private(common: Path, umask: int) -> Path:
    root = common / "alice" / "registry"
    owner = Person("alice", ALICE.uid, TEAM, umask)
    owner.calls(lambda: Registry.init(root, author="alice") and None)
    owner.does(lambda reg: reg.register("churn", [common / "alice" / "own.bin"]).ref, root)
    return root


def test_a_private_registry_is_not_written_by_a_teammate(common: Path) -> None:
    root = private(common, 0o022)
    before = snapshot(root)
    assert BOB.does(lambda reg: reg.version("churn").number, root) == 1
    deeds: list[Callable[[Registry], object]] = [
        lambda reg: reg.register("churn", [common / "bob" / "own.bin"]),
        lambda reg: reg.promote("churn@1", "production"),
        lambda reg: reg.tag("churn@1", {"a": "b"}),
    ]
    for deed in deeds:
        with pytest.raises(PermissionError):
            BOB.does(deed, root)
    assert snapshot(root) == before
    owner = {check.check: check for check in BOB.does(lambda reg: reg.admin.doctor(), root)}["owner"]
    assert owner.status == "warning"
    assert f"uid {ALICE.uid}" in owner.message


def test_a_closed_registry_is_not_even_read(common: Path) -> None:
    root = private(common, 0o077)
    with pytest.raises(PermissionError):
        BOB.does(lambda reg: reg.version("churn"), root)
    assert ALICE.does(lambda reg: reg.version("churn").number, root) == 1
