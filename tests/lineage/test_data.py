"""What a model was made from: digests that plain tools give, too."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Conflict, InvalidInput, NotFound
from registry_cli.core.progress import Progress
from registry_cli.lineage import data, reproducibility
from tests.lineage.conftest import Lab


def documents(*paths: object) -> list[dict[str, object]]:
    return [source.measured() for source in data.parse(map(str, paths))]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with all kinds of names, and links."""
    for name in (
        b"b.csv",
        b"a.csv",
        b"sub/a b.csv",
        b"sub/deep/x",
        b"-dash",
        b"new\nline",
        b"back\\slash",
        b"\xff.bin",
        "ü".encode(),
    ):
        path = Path(os.fsdecode(os.fsencode(tmp_path / "tree") + b"/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/y").write_text("y")
    (tmp_path / "tree/to file").symlink_to(tmp_path / "outside/y")
    (tmp_path / "tree/to folder").symlink_to(tmp_path / "outside")
    (tmp_path / "tree/dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "tree/fifo")
    return tmp_path / "tree"


def test_files_and_folders(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.parent)
    file, folder = documents("./tree//b.csv", "tree")
    assert file == {
        "path": "tree/b.csv",
        "digest": f"sha256:{hashlib.sha256(b'b.csv').hexdigest()}",
        "size": 5,
        "files": 1,
    }
    assert (folder["path"], folder["files"]) == ("tree/", 11)
    for each in (file, folder):
        command = reproducibility.format_check_command(str(each["path"]), str(each["digest"]))
        assert subprocess.run(["sh", "-c", command], check=False, capture_output=True).returncode == 0, command
    (tree / "sub/deep/x").write_bytes(b"y")
    (tree / "b.csv").write_bytes(b"other")
    for each in (file, folder):
        command = reproducibility.format_check_command(str(each["path"]), str(each["digest"]))
        assert subprocess.run(["sh", "-c", command], check=False, capture_output=True).returncode != 0


def test_a_folder_with_one_file_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it's").mkdir()
    for name in (None, "x"):
        if name:
            (tmp_path / "it's" / name).write_text("x")
        (found,) = documents("it's")
        assert found["files"] == (1 if name else 0)
        command = reproducibility.format_check_command(str(found["path"]), str(found["digest"]))
        assert subprocess.run(["sh", "-c", command], check=False).returncode == 0, command


def test_what_can_not_be_data(tmp_path: Path) -> None:
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop/again").symlink_to(".")
    with pytest.raises(InvalidInput, match="to a parent folder"):
        documents(tmp_path / "loop")
    for wrong, error in (("", InvalidInput), ("/nonexistent", NotFound), ("/dev/null", InvalidInput), ("s3://bucket/key", InvalidInput),
                         ("s3://bucket/key#v1", InvalidInput), (tmp_path / "loop/x/y", NotFound)):  # fmt: skip
        with pytest.raises(error):
            documents(wrong)


def test_addresses() -> None:
    digest = "sha256:" + "a" * 64
    assert documents(f"s3://bucket/key#{digest}", "https://me:pw@example.org/x?token=abc&v=2#etag:9b2c-3") == [
        {"uri": "s3://bucket/key", "digest": digest},
        {"uri": "https://example.org/x?token=***&v=2", "digest": "etag:9b2c-3"},
    ]


def test_what_dvc_says_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/raw.dvc").write_text(
        "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  size: 12\n  nfiles: 3\n  hash: md5\n  path: raw\n"
    )
    assert documents("d/raw.dvc") == [
        {"path": "d/raw", "digest": "md5:0123456789abcdef0123456789abcdef.dir", "size": 12, "files": 3}
    ]
    for wrong in ("outs: []\n", "outs:\n- path: raw\n", "a: [\n", "outs:\n- md5: 'a\"; rm'\n  path: raw\n"):
        (tmp_path / "wrong.dvc").write_text(wrong)
        with pytest.raises(InvalidInput):
            documents("wrong.dvc")


def test_data_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"x" * 100)

    class Meddler(Progress):
        def __call__(self, size: int) -> None:
            path.write_bytes(b"y" * 101)

    with pytest.raises(Conflict):
        data.measure(str(path), Meddler())


def test_registered_with_a_bar_that_comes_to_its_end(lab: Lab, tree: Path, make_file: Callable[..., Path]) -> None:
    told: list[int] = [0, 0]

    class Counter(Progress):
        def expect(self, size: int) -> None:
            told[0] += size

        def __call__(self, size: int) -> None:
            told[1] += size

    lab.reg.register(
        "churn", [make_file("abc")], lineage={"data": [tree], "code": [tree / "b.csv"]}, progress=Counter()
    )
    assert told[0] == told[1] > 3
    found = lab.document()
    assert isinstance(found["data"], list)
    assert found.keys() == {"data", "code"}
    with pytest.raises(NotFound, match=r"'train\.csv'"):  # one path is as good as a list of one
        lab.reg.register("churn", [make_file("abc")], lineage={"data": "train.csv"})
    with pytest.raises(NotFound):
        lab.reg.register("churn", [make_file("abc")], lineage={"data": ["nowhere.csv"]})
    assert lab.reg.model("churn").versions == 1
