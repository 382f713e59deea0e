"""The manifest: a round trip, every name that may not come in, and ``sha256sum -c`` as the judge."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli.core.records import FileEntry
from registry_cli.errors import Damaged, InvalidInput
from registry_cli.store import manifest

HEX = "0" * 64
PARTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=20)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


def accepted(path: str) -> bool:
    try:
        return bool(manifest.check_path(path))
    except InvalidInput:
        return False


@given(st.dictionaries(PATHS.filter(accepted), st.binary(max_size=4), min_size=1, max_size=6))
def test_it_reads_back_as_it_is_written(contents: dict[str, bytes]) -> None:
    entries = [FileEntry(path, hashlib.sha256(data).hexdigest()) for path, data in contents.items()]
    data = manifest.dumps(entries)
    assert set(manifest.loads(data, "manifest")) == set(entries)
    assert data == manifest.dumps(reversed(entries)), "the digest does not depend on the order of reading"
    assert data.count(b"\n") == len(entries)
    assert manifest.digest(data) == hashlib.sha256(data).hexdigest()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_accepts_it_and_finds_a_change(tmp_path: Path) -> None:
    names = [
        "model.pkl",
        "-leading",
        "a b",
        " x ",
        "*star",
        "ünï/cödé",
        "#hash",
        "'quote'",
        "tab(le)",
        "a/b/c/d",
        "\u2028",
    ]
    entries = []
    for name in names:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
        entries.append(FileEntry(manifest.check_path(name), hashlib.sha256(path.read_bytes()).hexdigest()))
    (tmp_path / "manifest-sha256.txt").write_bytes(manifest.dumps(entries))
    command = ["sha256sum", "--check", "--strict", "../manifest-sha256.txt"]
    assert subprocess.run(command, cwd=tmp_path / "files", capture_output=True, check=False).returncode == 0
    (tmp_path / "files" / "-leading").write_text("changed")
    told = subprocess.run(command, cwd=tmp_path / "files", capture_output=True, check=False, text=True)
    assert told.returncode == 1
    assert "-leading: FAILED" in told.stdout


@pytest.mark.parametrize(
    "path",
    [
        "", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\nb", "a\rb", "a\\b", "a\0", "a\x7f", "a\x1b", "\udcff",
        "x" * 256, "ü" * 128, "/".join("a" * 65), "/".join(["x" * 200] * 6),
    ],
)  # fmt: skip
def test_a_bad_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        manifest.check_path(path)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", HEX.encode(), f"{HEX}  a".encode(), f"{HEX} a\n".encode(), f"{HEX} *a\n".encode(),
        f"{HEX.replace('0', 'A')}  a\n".encode(), f"{HEX}  ../a\n".encode(), f"{HEX}  /etc/passwd\n".encode(),
        f"\\{HEX}  a\n".encode(), f"{HEX}  a\r\n".encode(), f"{HEX}  \xff\n".encode("latin-1"), f"{HEX}  a\n\n".encode(),
        f"{HEX}  a\0b\n".encode(), f"{HEX[1:]}  a\n".encode(),
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_damage(data: bytes) -> None:
    with pytest.raises(Damaged):
        manifest.loads(data, "manifest")


def test_one_path_twice_is_damage() -> None:
    """Two digests for one file: a reader that takes the first and one that takes the last would not agree."""
    with pytest.raises(Damaged):
        manifest.loads(f"{HEX}  a\n{'1' * 64}  a\n".encode(), "manifest")


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_stumble(data: bytes) -> None:
    try:
        entries = manifest.loads(data, "manifest")
    except Damaged:
        return
    assert manifest.dumps(entries).count(b"\n") == len(entries)
