"""A format is reported only on evidence that no other format has: each file has one reader, and most files have none."""

from __future__ import annotations

import io
import json
import random
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from registry_cli.inspect.binary.model_files import ModelFile
from registry_cli.inspect.formats import FILES, Format
from registry_cli.inspect.inspection import UNKNOWN
from registry_cli.inspect.inspector import _read_guarded, inspect
from tests.inspect.conftest import ARTIFACTS, DATA, files_of, made

SINGLE = tuple(path for path in ARTIFACTS if path.is_file())
NOISE = random.Random(20).randbytes(4096)


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table models (name text, version integer)")
    connection.commit()
    data = bytes(connection.serialize()) if hasattr(connection, "serialize") else b"SQLite format 3\0" + bytes(4080)
    connection.close()
    return data


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = struct.pack(">2L5B", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


TOKENIZER: dict[str, Any] = {
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},
}  # fmt: skip
DOCUMENTS: dict[str, Any] = {
    "tokenizer.json": TOKENIZER,
    "package.json": {"version": "1.0.0", "name": "app", "dependencies": {}},
    "metadata.json": {"version": [1, 2, 3], "created": "2026-01-01"},
    "version.json": {"version": [1, 7, 6]},
    "experiment.json": {"learner": {"lr": 0.1, "steps": 100}, "seed": 1},
    "learner.json": {"learner": {}},
    "features.json": {"features_info": {"age": "years", "spend": "euro"}},
    "features-list.json": {"features_info": [{"name": "age"}]},
    "config.json": {"learning_rate": 0.1, "version": "3"},
    "config-model.json": {"model": {"type": "mlp"}, "architectures": {"a": 1}},
    "config-styles.json": {"architectures": ["gothic", "art deco"]},
    "modules.json": [{"name": "app", "path": "src"}],
    "model_index.json": {"models": ["a", "b"]},
    "meta.json": {"name": "site", "lang": "en", "version": "1"},
    "adapter_config.json": {"adapter": "usb", "speed": 9600},
    "Manifest.json": {"fileFormatVersion": "1.0.0", "files": []},
    "manifest.webmanifest": {"name": "app", "start_url": "/"},
    "notebook.ipynb": {"cells": [], "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5},
    "topology.json": {"weightsManifest": "none", "format": "layers"},
    "weights.json": {"modelTopology": None, "weights": []},
    "base.json": {"base_code": {"magic": "other", "version": 1}},
    "data.json": {"data": [1, 2, 3]},
    "empty.json": {},
    "quantization.json": {"quantization": {"bits": 4}},
    "_METADATA": {"version": 1},
    "_CHECKPOINT_METADATA": {"step": 5},
    "spacy.json": {"spacy_version": ">=3", "vectors": {}},
}  # fmt: skip
TEXTS: dict[str, bytes] = {
    "table.csv": b"name,calls,spend\nada,3,4.5\nbob,1,2.0\n",
    "numbers.csv": b"1.5,2.5\n3.5,4.5\n",
    "digits.txt": b"7767518\n3 3\n",
    "magic.param": b"7767517\nnothing of that kind\n",
    "notes.txt": b"could you please look at this model?\n",
    "README.md": b"---\nlicense: mit\n---\n\n# Model\n",
    "config.yaml": b"model: churn\nlayers: [1, 2, 3]\n",
    "tree.txt": b"tree\n  apple\n  pear\n",
    "page.html": b"<!DOCTYPE html>\n<html><body><p>hello</p></body></html>\n",
    "page.xml": b'<?xml version="1.0"?>\n<project version="4"><component name="x"/></project>\n',
    "net.xml": b'<?xml version="1.0"?>\n<net version="2"><host name="a"/></net>\n',
    "network.xml": b"<network><name>default</name></network>\n",
    "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="1"/></svg>\n',
    "main.py": b"import os\n\nprint(os.getcwd())\n",
    "list.txt": b"(one)\n(two)\n",
    "brackets.txt": b"]]]]\n}}}}\n",
    "poem.txt": b"In the morning.\nIt rained.\n",
    "bom.json": b"\xef\xbb\xbf" + json.dumps({"version": "1"}).encode(),
    "lines.jsonl": b'{"a": 1}\n{"a": 2}\n',
    "module.mil": b"program(1.0)\n",
}
BINARIES: dict[str, bytes] = {
    "picture.png": png(),
    "program.elf": b"\x7fELF\x02\x01\x01" + bytes(9) + NOISE[:200],
    "report.docx": zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w:document/>"}),
    "tool.jar": zipped({"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n", "a/B.class": b"\xca\xfe\xba\xbe"}),
    "tool-1.0-py3-none-any.whl": zipped({"tool/__init__.py": b"", "tool-1.0.dist-info/METADATA": b"Name: tool\n"}),
    "mixed.zip": zipped({"a.npy": b"\x93NUMPY\x01\0", "readme.txt": b"x"}),
    "config.zip": zipped({"config.json": b"{}"}),
    "schema.zip": zipped({"schema.json": b'{"type": "object"}'}),
    "archive_format.zip": zipped({"a/archive_format": b"other"}),
    "both.zip": zipped({"config.json": b"{}", "metadata.json": b"{}"}),
    "empty.zip": zipped({}),
    "files.tar": tarred({"a.txt": b"hello"}),
    "configured.tar": tarred({"model_config.yaml": b"target: app.Model\n"}),
    "data.parquet": b"PAR1" + NOISE[:400] + b"PAR1",
    "data.orc": b"ORC" + NOISE[:400],
    "data.arrow": b"ARROW1\0\0" + NOISE[:400],
    "models.sqlite": database(),
    "vectors.bin": struct.pack("<100f", *range(100)),
    "zeros.bin": bytes(4096),
    "ones.bin": b"\xff" * 4096,
    "noise.bin": NOISE,
    "small.bin": b"\x06\0\0\0\x04\0abc\0",
    "map.msgpack": b"\x82\xa1a\x01\xa1b\xa1c",
    "message.pb": b"\x0a\x05hello\x12\x05world",
    "saved.pb": b"\x08\x01\x12\x03abc",
    "counts.pb": b"\x08\x07\x12\x04\x0a\x02hi\x38\x01",
    "hello.wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(24),
    "book.pdf": b"%PDF-1.7\n" + NOISE[:200],
}


def decoys() -> dict[str, tuple[str, bytes]]:
    """Names of cases, each a name of a file and its bytes."""
    found = {name: (name, data) for name, data in {**TEXTS, **BINARIES}.items()}
    for name, document in DOCUMENTS.items():
        found[f"{name} pretty"] = name, json.dumps(document, indent=2).encode()
        found[f"{name} compact"] = name, json.dumps(document, separators=(",", ":")).encode()
    return found


DECOYS = decoys()


@pytest.mark.parametrize("case", DECOYS)
def test_what_is_not_a_model_is_not_reported_as_one(case: str, tmp_path: Path) -> None:
    """Neither as a model nor as a damaged one; alone, and as one of several files in a folder."""
    name, data = DECOYS[case]
    for place in (name, f"folder/{name}"):
        (found,) = inspect(made(tmp_path, place, data)).found
        assert found.format == UNKNOWN, found.problem
    assert inspect(made(tmp_path, name, data)).lineage() == {}


def claims(row: Format, path: Path, name: str) -> str:
    """What one reader says a file is, for certain."""
    with ModelFile.opened(path, name, {name: path}) as file:
        said = _read_guarded(row, file)
    return said.format if said is not None and said.certain else ""


@pytest.mark.parametrize("path", SINGLE, ids=lambda path: str(path.relative_to(DATA)))
@pytest.mark.parametrize("named", [True, False])
def test_each_file_is_claimed_by_one_reader(path: Path, named: bool) -> None:
    """All readers are asked, whatever the file begins with."""
    name = path.name if named else "download"
    found = {row.module: claim for row in FILES if (claim := claims(row, path, name))}
    assert len(found) == 1, found


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: str(path.relative_to(DATA)))
def test_the_format_is_that_of_the_library_that_wrote_it(path: Path) -> None:
    said = {
        "gguf-parts": "gguf", "onnx-constants": "onnx", "numpy": "npy-npz", "onnxruntime": "ort", "tensorflow": "saved-model",
    }  # fmt: skip
    library = path.parent.name
    found = inspect(files_of(path)).primary
    assert found is not None
    assert found.format.startswith(said.get(library, library))


#: Beginnings of two bytes or more; of eight and more no other format has the same.
MAGICS = sorted(
    {
        (bytes(row.offset) + magic, row.module)
        for row in FILES
        for magic in row.magics
        if 2 <= len(magic) < 8 or not any(magic)
    }
)


@pytest.mark.parametrize("name", ["download", "model.bin", "data.json", "x.xml", "weights.model"])
@pytest.mark.parametrize(
    ("magic", "module"), MAGICS, ids=lambda value: value.hex() if isinstance(value, bytes) else value
)
def test_a_few_bytes_and_noise_are_not_a_damaged_model(magic: bytes, module: str, name: str, tmp_path: Path) -> None:
    """The first bytes of a format, and then anything: the name says nothing either."""
    for seed in range(6):
        noise = random.Random(seed).randbytes(600)
        (found,) = inspect(made(tmp_path, name, magic + noise)).found
        assert found.format == UNKNOWN, (found.format, found.problem)


@pytest.mark.parametrize("path", SINGLE, ids=lambda path: str(path.relative_to(DATA)))
def test_a_file_that_is_cut_is_its_own_format_or_none(path: Path, tmp_path: Path) -> None:
    whole = inspect({path.name: path}).primary
    assert whole is not None
    data = path.read_bytes()
    for part in (8, 16, 64, 300, len(data) // 2, len(data) - 1):
        (found,) = inspect(made(tmp_path, path.name, data[:part])).found
        assert found.format in (UNKNOWN, whole.format), part


@pytest.mark.parametrize("path", SINGLE, ids=lambda path: str(path.relative_to(DATA)))
def test_a_file_that_lost_its_last_bytes_is_its_own_format_or_none(path: Path, tmp_path: Path) -> None:
    """Of an archive that holds another one, the last directory that is left is the one of the archive inside."""
    whole = inspect({path.name: path}).primary
    assert whole is not None
    data = path.read_bytes()
    for lost in (1, 10, 21, 22, 23, 40, 60, 80, 100, 150):
        if lost < len(data):
            (found,) = inspect(made(tmp_path, path.name, data[:-lost])).found
            assert found.format in (UNKNOWN, whole.format), lost


def test_folders_of_other_things_are_not_models(tmp_path: Path) -> None:
    """Every document whose name marks a folder, together in one."""
    files: dict[str, Path] = {}
    for name, document in DOCUMENTS.items():
        files |= made(tmp_path, name, json.dumps(document).encode())
    files |= made(tmp_path, "model.bin", NOISE)
    files |= made(tmp_path, "config.cfg", b"[server]\nport = 1\n")
    files |= made(tmp_path, "manifest.ocdbt", b"not that one")
    assert {each.format for each in inspect(files).found} == {UNKNOWN}


def test_a_little_pickle_does_not_make_a_folder_a_pickle(tmp_path: Path) -> None:
    """Paddle writes one beside the numbers: it is told by what is in it."""
    import pickle

    info = pickle.dumps({"conv2d_0.w_0": {"stop_gradient": False, "trainable": True}}, 2)
    files = {
        **made(tmp_path, "inference.pdiparams", bytes(20_000)),
        **made(tmp_path, "inference.pdmodel", b"\x0a\x06\x0a\x02feed" + bytes(5000)),
        **made(tmp_path, "inference.pdiparams.info", info),
    }
    assert inspect(files).lineage()["format"] == "paddle"
    other = made(tmp_path, "other.info", pickle.dumps({"a": {"stop_gradient": False, "more": 1}}, 2))
    assert inspect(other).lineage()["format"] == "pickle"


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["prob_emit.p", "model.pkl", "download", "state.bin"])
def test_pickles_of_all_protocols_are_what_the_scan_says(protocol: int, name: str, tmp_path: Path) -> None:
    import pickle

    from registry_cli.scan.scanner import scan

    for value in ({"a": 1.0}, [1, 2], ("x", None), "text", 3.5, {"a": {"b": [None, True]}}):
        path = made(tmp_path, name, pickle.dumps(value, protocol))
        (found,) = inspect(path).found
        assert found.format == "pickle"
        (scanned,) = scan(path).files
        assert scanned.kind == "pickle"
