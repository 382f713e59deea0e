"""``--force``: what counts as an earlier copy, and that nothing else is ever replaced, whenever it comes."""

# mypy: disable-error-code="func-returns-value"
from __future__ import annotations

import errno
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, InvalidInput, Registry, RegistryError
from registry_cli.core.progress import Progress
from registry_cli.store.filesystem import removal, replacement
from tests.commands import run
from tests.support import snapshot

Make = Callable[..., Path]


@pytest.fixture
def churn(reg: Registry, make_file: Make) -> Registry:
    """churn@1 and churn@2, with files in folders; another model that shares nothing with it."""
    make_file("{}", "folder/config.json")
    make_file("vocabulary", "folder/sub/vocabulary.txt")
    for number in (1, 2):
        reg.register("churn", [make_file(f"weights {number}", "folder/sub/weights.bin").parents[1]])
    reg.register("fraud", [make_file("other", "other/model.bin").parent])
    return reg


@pytest.fixture
def out(churn: Registry, tmp_path: Path) -> Path:
    """Where churn@1 was fetched to."""
    churn.fetch("churn@1", tmp_path / "place" / "out")
    return tmp_path / "place" / "out"


def contents(folder: Path) -> dict[str, object]:
    return {name: (state[0], state[1], state[3], state[5]) for name, state in snapshot(folder).items()}


def text(path: Path, content: str = "mine") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file": (lambda out: text(out / "notes.txt"), "notes.txt;"),
    "a hidden file": (lambda out: text(out / ".env"), ".env;"),
    "a file in a folder": (lambda out: text(out / "sub/notes.txt"), "sub/notes.txt;"),
    "a file of the same name": (lambda out: text(out / "config.json"), "config.json;"),
    "a file of the same name and size": (lambda out: text(out / "config.json", "[]"), "config.json;"),
    "a file under another name": (lambda out: (out / "config.json").rename(out / "mine.json"), "mine.json;"),
    "a version's file in another folder": (lambda out: text(out / "sub/config.json", "{}"), "sub/config.json;"),
    "files of two versions": (
        lambda out: (text(out / "sub/weights.bin", "weights 2"), text(out / "model.bin", "other")), "model.bin;",
    ),
    "an empty folder": (lambda out: (out / "empty").mkdir(), "empty/;"),
    "only empty folders": (lambda out: ([each.unlink() for each in out.rglob("*") if each.is_file()]), "sub/;"),
    "a link": (lambda out: (out / "link").symlink_to("config.json"), "link;"),
    "a link in the place of a file": (
        lambda out: ((out / "config.json").rename(out.parent / "c"), (out / "config.json").symlink_to("../c")),
        "config.json;",
    ),
    "a link in the place of a folder": (
        lambda out: ((out / "sub").rename(out.parent / "sub"), (out / "sub").symlink_to("../sub")), "sub;",
    ),
    "a FIFO": (lambda out: os.mkfifo(out / "pipe"), "pipe;"),
    "a name that is not UTF-8": (lambda out: Path(os.fsdecode(os.fsencode(out) + b"/\xff")).write_text("x"), ";"),
    "many files": (
        lambda out: [text(out / f"{number:02}") for number in range(40)], "00, 01, 02, 03, 04 and 35 more;",
    ),
}  # fmt: skip


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("verb", ["fetch", "hf"])
def test_a_folder_with_anything_else_in_it_is_not_replaced(churn: Registry, out: Path, foreign: str, verb: str) -> None:
    prepare, named = FOREIGN[foreign]
    prepare(out)
    before = contents(out.parent)
    with pytest.raises(Conflict) as caught:
        if verb == "fetch":
            churn.fetch("churn@2", out, replace=True)
        else:
            churn.export("churn@2", out, format=verb, replace=True)
    assert f"files from elsewhere: {named}" in str(caught.value) or named == ";"
    assert contents(out.parent) == before
    answer = run("fetch", "churn@2", "-o", str(out), "--force", root=churn.root)
    assert answer.code == 4
    assert contents(out.parent) == before


def packed(reg: Registry) -> None:
    reg.archive(["churn@1"])
    reg.archive(["churn@1"], compress="gzip")


OURS: dict[str, Callable[[Registry, Path], object]] = {
    "a version": lambda reg, out: None,
    "some of its files": lambda reg, out: (out / "config.json").unlink(),
    "one file": lambda reg, out: [(out / "config.json").unlink(), (out / "sub/vocabulary.txt").unlink()],
    "an empty folder": lambda reg, out: [(out.rename(out.with_name("x"))), out.mkdir()],
    "nothing": lambda reg, out: out.rename(out.with_name("x")),
    "other modes and times": lambda reg, out: [
        (out / "config.json").chmod(0o400),
        os.utime(out / "config.json", (1, 1)),
    ],
    "a sealed folder": lambda reg, out: [(out / "sub").chmod(0o555), out.chmod(0o555)],
    "an archived version": lambda reg, out: reg.archive(["churn@1"]),
    "a packed version": lambda reg, out: packed(reg),
    "a deleted version": lambda reg, out: reg.delete(["churn@1"], reason="old"),
    "a renamed model": lambda reg, out: reg.admin.rename("churn", "group/churn"),
    "another model": lambda reg, out: [out.rename(out.with_name("x")), reg.fetch("fraud@1", out)],
    "an export": lambda reg, out: [out.rename(out.with_name("x")), reg.export("churn@1", out, format="hf")],
}


@pytest.mark.parametrize("ours", OURS)
def test_an_earlier_copy_is_replaced(churn: Registry, out: Path, ours: str) -> None:
    OURS[ours](churn, out)
    ref = "group/churn@2" if ours == "a renamed model" else "churn@2"
    beside = {path.name for path in out.parent.iterdir()} | {"out"}
    churn.fetch(ref, out, replace=True)
    assert (out / "sub/weights.bin").read_text() == "weights 2"
    assert sorted(path.name for path in out.rglob("*")) == ["config.json", "sub", "vocabulary.txt", "weights.bin"]
    assert {path.name for path in out.parent.iterdir()} == beside, "nothing is left beside it"


def test_some_files_of_a_deleted_version_are_not_known_any_more(churn: Registry, out: Path) -> None:
    churn.delete(["churn@1"], reason="old")
    (out / "config.json").unlink()
    with pytest.raises(Conflict, match=r"files from elsewhere: sub/weights.bin;"):
        churn.fetch("churn@2", out, replace=True)


@pytest.mark.parametrize("kind", ["mlflow", "bentoml", "hf"])
def test_an_export_is_replaced_whatever_was_said_of_it_since(
    reg: Registry, make_file: Make, tmp_path: Path, kind: str
) -> None:
    flavor = "sklearn" if kind == "mlflow" else None
    for number in (1, 2):
        files = [
            make_file(b"\x80\x04." + b"%d" % number, "model.pkl"),
            make_file(b"x" * (9 << 20) if kind == "hf" else b"x", "large.bin"),
        ]
        reg.register("churn", files if kind != "mlflow" else files[:1], tags={"team": "crm"})
    reg = Registry(reg.root, author="alice")  # whose clock is that of the files
    reg.promote("churn@1", "production")
    out = tmp_path / "out"
    reg.export("churn@production", out, format=kind, flavor=flavor)
    reg.promote("churn@2", "production")
    reg.approvals.approve("churn@1", "staging", reason="fine")
    if kind != "hf":  # its card is text, in which nobody can tell what was said from what was added
        reg.tag("churn@1", {"team": "fraud", "old": "yes"})
        reg.log_metric("churn@1", {"auc_live": 0.5})
        reg.admin.describe("churn", description="Who leaves.")
    reg.export("churn@production", out, format=kind, replace=True, flavor=flavor)
    document = next(path for path in out.iterdir() if path.name in ("MLmodel", "model.yaml", "README.md"))
    assert "churn@2" in document.read_text()
    document.write_text(document.read_text() + "# a change by hand\n")
    before = contents(tmp_path / "out")
    for replaced in (lambda: reg.export("churn@1", out, format=kind, replace=True, flavor=flavor),
                     lambda: reg.fetch("churn@1", out, replace=True)):  # fmt: skip
        with pytest.raises(Conflict, match=f"files from elsewhere: .*{document.name}"):
            replaced()
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("what", ["link to a copy", "dangling link", "file", "FIFO"])
def test_only_a_folder_is_replaced_by_one(churn: Registry, out: Path, what: str) -> None:
    target = out.parent / "target"
    if "link" in what:
        target.symlink_to("out" if "copy" in what else "nowhere")
    elif what == "file":
        target.write_text("mine")
    else:
        os.mkfifo(target)
    before = contents(out.parent)
    for replace in (False, True):
        with pytest.raises(Conflict):
            churn.fetch("churn@2", target, replace=replace)
        with pytest.raises(Conflict):
            churn.export("churn@2", target, format="hf", replace=replace)
    assert contents(out.parent) == before


@pytest.mark.parametrize("target", [".", "..", "../out", "~", "~/.."])
def test_the_folder_that_one_is_in_stays(
    churn: Registry, out: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """A copy of a version as it is: to replace it would leave the shell in a folder without a name."""
    inside = out / "sub"
    monkeypatch.chdir(inside if target == ".." else out)
    monkeypatch.setenv("HOME", str(out))
    before = contents(out.parent)
    place = os.path.expanduser(target)
    for verb in (lambda: churn.fetch("churn@2", place, replace=True),
                 lambda: churn.export("churn@2", place, format="hf", replace=True)):  # fmt: skip
        with pytest.raises((Conflict, InvalidInput)):
            verb()
    assert contents(out.parent) == before


class Meanwhile(Progress):
    """Somebody does something while the files are copied."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self._deed, self._done = deed, False

    def __call__(self, _: int) -> None:
        if not self._done:
            self._done = True
            self._deed()


LATE: dict[str, Callable[[Path], object]] = {
    "a new file": lambda folder: text(folder / "late.txt"),
    "a new file in a folder": lambda folder: text(folder / "sub/late.txt"),
    "a new folder": lambda folder: (folder / "late").mkdir(),
    "a change": lambda folder: text(folder / "config.json", "changed"),
    "a change of the same size": lambda folder: text(folder / "config.json", "[]"),
    "another file": lambda folder: (folder / "config.json").unlink() or text(folder / "config.json", "{}"),
    "a file less": lambda folder: (folder / "config.json").unlink(),
}


@pytest.mark.parametrize("late", LATE)
def test_what_comes_while_the_copy_is_made_stays(churn: Registry, out: Path, late: str) -> None:
    with pytest.raises(Conflict, match="was changed while its replacement was written"):
        churn.fetch("churn@2", out, replace=True, progress=Meanwhile(lambda: LATE[late](out)))
    assert (out / "sub/weights.bin").read_text() == "weights 1"
    assert "late" not in late or (out / "late.txt").exists()
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_what_comes_where_there_was_nothing_stays(churn: Registry, tmp_path: Path) -> None:
    for replace in (False, True):
        target = tmp_path / f"place-{replace}" / "out"
        with pytest.raises(Conflict):
            churn.fetch("churn@2", target, replace=replace, progress=Meanwhile(lambda: text(target / "mine")))  # noqa: B023
        assert [path.name for path in target.iterdir()] == ["mine"]
        assert [path.name for path in target.parent.iterdir()] == ["out"]
        bundle = target.parent / "out.tar"
        with pytest.raises(Conflict):
            churn.export(["churn@2"], bundle, replace=replace, progress=Meanwhile(lambda: text(bundle)))  # noqa: B023
        assert bundle.read_text() == "mine"
        assert sorted(path.name for path in target.parent.iterdir()) == ["out", "out.tar"]


@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("exchange", [True, False])
def test_what_comes_right_before_the_exchange_stays(
    churn: Registry, out: Path, monkeypatch: pytest.MonkeyPatch, late: str, exchange: bool
) -> None:
    """Between the last look and the step there is a moment; the exchange is undone then."""
    done: list[bool] = []
    original, rename = replacement.renameat2, os.rename

    def late_then(step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if not done and out in args:
                done.append(True)
                LATE[late](out)
            return step(*args, **options)

        return call

    monkeypatch.setattr(replacement, "renameat2", late_then(original) if exchange else lambda *_: False)
    if not exchange:
        monkeypatch.setattr(os, "rename", late_then(rename))
    with pytest.raises(Conflict, match="was changed while its replacement was written"):
        churn.fetch("churn@2", out, replace=True)
    assert done
    monkeypatch.undo()
    assert (out / "sub/weights.bin").read_text() == "weights 1"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("late", ["a new file", "a new file in a folder", "a change", "another file"])
def test_what_comes_after_the_last_look_is_put_aside(
    churn: Registry, out: Path, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    remove = removal.remove

    def late_remove(path: Path, below: Path, **options: Any) -> None:
        if path.name.startswith(".out.tmp-"):
            LATE[late](path)
        remove(path, below, **options)

    monkeypatch.setattr(removal, "remove", late_remove)
    with pytest.warns(RuntimeWarning, match="was replaced, but not all of its old copy"):
        churn.fetch("churn@2", out, replace=True)
    assert (out / "sub/weights.bin").read_text() == "weights 2"
    [aside] = [path for path in out.parent.iterdir() if path != out]
    left = {path.name: path.read_text() for path in aside.rglob("*") if path.is_file()}
    assert left in ({"late.txt": "mine"}, {"config.json": "changed"}, {"config.json": "{}"})


def test_an_old_copy_that_can_not_be_removed_is_told_of(
    churn: Registry, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is done, and says so: exit 0, with a warning that names what is left."""
    unlink = os.unlink

    def failing(path: Any, **options: Any) -> None:
        if path == "weights.bin":
            raise PermissionError(13, "Permission denied", path)
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", failing)
    answer = run("fetch", "churn@2", "-o", str(out), "--force", root=churn.root)
    assert answer.code == 0, answer.err
    assert "warning: " in answer.err
    assert str(out.parent) in answer.err
    assert (out / "sub/weights.bin").read_text() == "weights 2"
    answer = run("export", "churn@1", str(out), "--format", "hf", "--force", root=churn.root)
    assert answer.code == 0, answer.err
    assert "warning: " in answer.err


_READER = """
import os, sys
missing = looks = 0
print("ready", flush=True)
while True:
    try:
        os.stat(sys.argv[1])
    except FileNotFoundError:
        missing += 1
    looks += 1
    if looks % 1000 == 0 and os.path.exists(sys.argv[2]):
        break
print(missing, looks, flush=True)
"""


def test_who_reads_beside_it_never_misses_the_folder(churn: Registry, out: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-S", "-c", _READER, str(out), str(tmp_path / "stop")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        for turn in range(40):
            churn.fetch(f"churn@{1 + turn % 2}", out, replace=True)
        (tmp_path / "stop").touch()
        missing, looks = map(int, process.stdout.readline().split())
    assert looks > 40
    if replacement.renameat2(out, out, 2):  # else two renames are all that there is
        assert missing == 0


def test_files_that_are_outputs_are_replaced_only_by_their_like(churn: Registry, tmp_path: Path) -> None:
    bundle, bom, card = tmp_path / "x.tar", tmp_path / "bom.json", tmp_path / "README.md"
    churn.export(["churn@1"], bundle)
    churn.export("churn@1", bom, format="cyclonedx")
    churn.artifacts.card("churn@1", card)
    verbs: dict[Path, Callable[[Path], object]] = {
        bundle: lambda path: churn.export(["churn@2"], path, replace=True),
        bom: lambda path: churn.export("churn@2", path, format="cyclonedx", replace=True),
        card: lambda path: churn.artifacts.card("churn@2", path, replace=True),
    }
    for path, verb in verbs.items():
        for other in verbs:
            target = path if other == path else other.with_name(f"other{path.suffix}")
            if other != path:
                target.write_bytes(other.read_bytes())
                with pytest.raises(Conflict, match="was not written by this command"):
                    verb(target)
            link = tmp_path / f"link{path.suffix}"
            link.symlink_to(path)
            with pytest.raises(Conflict, match="is a symbolic link"):
                verb(link)
            link.unlink()
        for foreign in (
            b"mine",
            b"{}",
            b'{"metadata": {"component": {"hashes": [{"content": "x"}]}}}',
            b"\x1f\x8b mine",
        ):
            target = tmp_path / f"foreign{path.suffix}"
            target.write_bytes(foreign)
            with pytest.raises(Conflict):
                verb(target)
            assert target.read_bytes() == foreign
    churn.delete(["churn@1"], reason="old")
    for path, verb in verbs.items():
        before = path.read_bytes()
        verb(path)
        assert path.read_bytes() != before


@pytest.fixture(autouse=True)
def _no_other_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def test_the_removal_leaves_what_is_mounted_inside(tmp_path: Path) -> None:
    """Another file system in a tree that is to be removed: not a file of it goes."""
    tree, other = tmp_path / "below" / "tree", tmp_path / "other"
    text(tree / "sub" / "file")
    text(other / "dear")
    (tree / "mounted").mkdir()
    if subprocess.run(["mount", "--bind", other, tree / "mounted"], check=False, capture_output=True).returncode:
        pytest.skip("this user can't mount")
    try:
        with pytest.raises(OSError, match=r".*"):
            removal.remove(tree, tmp_path / "below")
        assert (other / "dear").read_text() == "mine"
    finally:
        subprocess.run(["umount", tree / "mounted"], check=True)
    removal.remove(tree, tmp_path / "below")
    assert not tree.exists()


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK])
def test_a_file_is_written_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """And no ``renameat2`` either, as on some FUSE file systems; an existing file stays."""

    def refuse(*_: object, **options: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(replacement, "renameat2", lambda *_: False)
    monkeypatch.setattr(os, "link", refuse)
    with replacement.atomic_output(tmp_path / "card.md") as temporary:
        temporary.write_text("first")
    with pytest.raises(Conflict, match="exists already"), replacement.atomic_output(tmp_path / "card.md") as temporary:
        temporary.write_text("second")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("card.md", "first")]


def test_an_error_of_a_rename_is_no_missing_system_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EINVAL of ``renameat2`` says that the file system has no such call; of ``rename`` that nothing was renamed."""

    def refuse(*_: object, **options: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(replacement, "renameat2", refuse)
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        with pytest.raises(OSError, match="Invalid"), replacement.atomic_output(tmp_path / "out") as temporary:
            temporary.mkdir()
    assert list(tmp_path.iterdir()) == []


def test_a_path_outside_of_what_is_trusted_is_refused(tmp_path: Path) -> None:
    text(tmp_path / "dear")
    (tmp_path / "below").mkdir()
    for path in (tmp_path / "dear", tmp_path / "below" / ".." / "dear"):
        with pytest.raises(ValueError, match=r".*"):
            removal.remove(path, tmp_path / "below")
    assert (tmp_path / "dear").exists()


def test_registry_errors_are_all_that_a_person_sees(churn: Registry, out: Path) -> None:
    (out / "sub").chmod(0)
    try:
        with pytest.raises((RegistryError, PermissionError)):
            (out / "late").touch()
            churn.fetch("churn@2", out, replace=True)
    finally:
        (out / "sub").chmod(0o755)
