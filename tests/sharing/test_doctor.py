"""``doctor``: good on a good file system, and it finds each of the things it is there for."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Registry
from registry_cli.core.results import DoctorCheck
from registry_cli.store.maintenance import doctor
from tests.support import snapshot, without_rights

PROOFS = {"writable", "locks", "rename", "hard links", "symbolic links", "sync", "modes"}


@pytest.fixture
def filled(tmp_path: Path) -> Callable[..., Registry]:
    def make(shared: str = "private") -> Registry:
        reg = Registry.init(tmp_path / "registry", shared=shared, author="alice")
        (tmp_path / "m").write_text("m")
        reg.register("churn", [tmp_path / "m"])
        reg.register("risk/fraud", [tmp_path / "m"])
        return reg

    return make


def found(reg: Registry) -> dict[str, DoctorCheck]:
    return {check.check: check for check in reg.admin.doctor()}


@pytest.mark.parametrize("shared", ["private", "group"])
def test_a_good_place(filled: Callable[..., Registry], shared: str) -> None:
    reg = filled(shared)
    before = {path: each[5] for path, each in snapshot(reg.root).items()}
    checks = found(reg)
    assert {name: check.status for name, check in checks.items() if name in PROOFS | {"sharing"}} == dict.fromkeys(
        PROOFS | {"sharing"}, "ok"
    )
    assert all(check.status == "ok" or check.advice for check in checks.values()), "what is wrong comes with advice"
    assert {path: each[5] for path, each in snapshot(reg.root).items()} == before, "it tidies up"
    assert reg.admin.verify().problems == ()


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
30 22 0:40 / /nfs rw,relatime shared:1 - nfs filer:/vol rw,vers=3,nolock,addr=10.0.0.1
31 22 0:41 / /nfs4 rw,relatime shared:2 master:3 - nfs4 filer:/vol rw,vers=4.2,local_lock=none
32 22 0:42 / /local rw - nfs filer:/b rw,vers=3,local_lock=all
33 22 8:1 / /usb rw,nosuid - vfat /dev/sdb1 rw,fmask=0022
34 22 0:43 / /image rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/c
35 22 0:44 / /my\\040team\\011x\\134y rw - cifs //server/share rw
36 35 0:45 / /my\\040team\\011x\\134y/deep rw - xfs /dev/sdc rw
37 22 0:46 /sub /bind rw - btrfs /dev/sdd rw,subvol=/sub
broken line
38 22 0:47 / /short rw -
39 22 0:48 / /nfs4 ro,relatime - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "option"),
    [
        ("/", "ext4", "relatime"),
        ("/home/alice", "ext4", "rw"),
        ("/nfs/models", "nfs", "nolock"),
        ("/nfsx", "ext4", "rw"),
        ("/local", "nfs", "local_lock=all"),
        ("/usb/registry", "vfat", "fmask=0022"),
        ("/image/a/b", "overlay", "upperdir=/c"),
        ("/my team\tx\\y/a", "cifs", "rw"),
        ("/my team\tx\\y/deep/a", "xfs", "rw"),
        ("/bind", "btrfs", "subvol=/sub"),
        ("/short/a", "ext4", "rw"),
        ("/nfs4/a", "tmpfs", "ro"),
    ],
)
def test_the_mount_that_holds_a_path(path: str, kind: str, option: str) -> None:
    """The longest that fits, by components; of two at one place the later, which hides the other."""
    mount = doctor.mount_of(Path(path), table=MOUNTS)
    assert mount is not None
    assert mount[0] == kind
    assert option in mount[1]


def test_no_mount_is_told(tmp_path: Path) -> None:
    assert doctor.mount_of(tmp_path, table="") is None
    assert doctor.mount_of(tmp_path, table="\n\nnonsense - - -\n") is None


def test_this_machine_tells_its_mounts(tmp_path: Path) -> None:
    mount = doctor.mount_of(tmp_path)
    assert mount is not None
    assert mount[1] & {"rw", "ro"}


@pytest.mark.parametrize(
    ("kind", "options", "status", "words"),
    [
        ("nfs", {"rw", "nolock"}, "failed", "nolock"),
        ("nfs", {"rw", "local_lock=all"}, "failed", "local_lock=all"),
        ("nfs4", {"rw", "local_lock=flock"}, "failed", "local_lock=flock"),
        ("nfs4", {"rw", "local_lock=none"}, "ok", "network file system"),
        ("nfs", {"rw", "vers=3"}, "ok", "network file system"),
        ("vfat", {"rw"}, "warning", "no hard links"),
        ("exfat", {"rw"}, "warning", "no hard links"),
        ("overlay", {"rw"}, "warning", "overlay"),
        ("ext4", {"rw"}, "ok", "ext4"),
        ("cifs", {"rw"}, "ok", "network"),
        ("ext4", {"rw", "nolock"}, "ok", "ext4"),
    ],
)
def test_what_a_mount_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: set[str], status: str, words: str
) -> None:
    monkeypatch.setattr(doctor, "mount_of", lambda _: (kind, frozenset(options)))
    first = next(iter(doctor._mount(tmp_path)))
    assert (first.check, first.status) == ("mount", status)
    assert words in first.message
    assert bool(first.advice) is (status != "ok")


def test_locks_that_do_not_exclude_are_found(filled: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process for which ``flock`` always succeeds, as on NFS with ``nolock``."""
    monkeypatch.setattr(doctor, "_CONTENDER", doctor._CONTENDER.replace("fcntl.flock(", "(lambda *_: None)("))
    lock = found(filled())["locks"]
    assert lock.status == "failed"
    assert "two processes acquired the same lock" in lock.message
    assert "nolock" in lock.advice


def test_locks_that_are_never_free_again_are_found(
    filled: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_CONTENDER", "import sys; sys.exit(3)")
    lock = found(filled())["locks"]
    assert lock.status == "failed"
    assert "could not be acquired" in lock.message


def test_a_second_process_that_does_not_start_is_no_proof_either_way(
    filled: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    reg = filled()
    monkeypatch.setattr(sys, "executable", str(reg.root / "registry.yaml"))
    lock = found(reg)["locks"]
    assert lock.status == "warning"
    assert "cannot start a second process" in lock.message


def test_a_second_process_that_hangs_is_no_proof(
    filled: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_CONTENDER", "import time; time.sleep(60)")
    monkeypatch.setattr(doctor, "_LOCK_SECONDS", 1)
    assert found(filled())["locks"].status == "failed"


def test_the_second_process_runs_nothing_of_the_user(
    filled: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a module in the folder one stands in, nor what PYTHONPATH or PYTHONSTARTUP name."""
    (tmp_path / "fcntl.py").write_text("raise SystemExit(0)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert found(filled())["locks"].status == "ok"


def test_a_folder_that_can_not_be_written() -> None:
    """In a folder that everybody can reach: pytest's own are closed to an account without rights."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        reg = Registry.init(Path(folder) / "registry", author="alice")
        (Path(folder) / "m").write_text("m")
        reg.register("churn", [Path(folder) / "m"])
        reg.root.chmod(0o555)
        with without_rights():
            checks = found(reg)
        reg.root.chmod(0o755)
    assert checks["writable"].status == "warning"
    assert "permission denied" in checks["writable"].message
    assert checks["writable"].advice.startswith("reading works")
    assert checks["sharing"].status == "ok"
    assert "locks" not in checks


@pytest.mark.parametrize(
    "place",
    [
        "models", "models/churn", "models/churn/versions", "models/churn/blobs", "models/churn/stages", "models/risk",
        "models/risk/fraud/annotations", "models/churn/.lock", "models/churn/history.jsonl",
    ],
)  # fmt: skip
def test_modes_that_keep_teammates_out(filled: Callable[..., Registry], place: str) -> None:
    reg = filled("group")
    path = reg.root / place
    path.chmod(0o755 if path.is_dir() else 0o644)
    sharing = found(reg)["sharing"]
    assert sharing.status == "failed"
    assert f"{place} has 0{'755' if path.is_dir() else '644'}, needs" in sharing.message
    assert "chmod 2775" in sharing.advice


def test_a_lost_sticky_bit(filled: Callable[..., Registry]) -> None:
    reg = filled("group")
    (reg.root / "models/churn/versions").chmod(0o2775)
    assert "models/churn/versions has 2775, needs 3775" in found(reg)["sharing"].message


@pytest.mark.parametrize("shared", ["private", "group"])
@pytest.mark.parametrize("place", [".", "models", "models/churn", "models/risk", "models/churn/versions"])
def test_what_is_writable_for_the_world(filled: Callable[..., Registry], shared: str, place: str) -> None:
    reg = filled(shared)
    path = reg.root / place
    path.chmod(path.stat().st_mode | 0o002)
    sharing = found(reg)["sharing"]
    assert sharing.status == "failed"
    assert f"{place} is writable for everyone" in sharing.message


def test_how_many_more_are_wrong(filled: Callable[..., Registry]) -> None:
    reg = filled()
    for place in ("models", "models/churn", "models/risk"):
        (reg.root / place).chmod(0o777)
    assert "(and 2 more)" in found(reg)["sharing"].message
