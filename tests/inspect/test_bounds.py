"""What is too large, too deep, too many or too clever is told in words, and costs next to nothing."""

from __future__ import annotations

import io
import json
import os
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli.inspect import inspector
from registry_cli.inspect.binary import zip_members
from registry_cli.inspect.binary.limits import Budget, Stopped
from registry_cli.inspect.binary.model_files import MOST, ModelFile, ModelFolder
from registry_cli.inspect.binary.ubjson import Decoder
from registry_cli.inspect.formats import gguf, weights
from registry_cli.inspect.inspection import FEATURES, ITEMS, TEXT, Inspection, Tensor
from registry_cli.inspect.inspector import inspect
from tests.inspect.conftest import DATA, inside, made
from tests.support import memory_below


def told(folder: Path, name: str, data: bytes) -> Inspection:
    """What one file is."""
    (found,) = inspect(made(folder, name, data)).found
    return found


def refused(folder: Path, name: str, data: bytes, words: str) -> Inspection:
    """A file that can't be read, within a second and some memory."""
    start = time.process_time()
    with memory_below(64 << 20):
        found = told(folder, name, data)
    assert time.process_time() - start < 5
    assert not found.certain
    assert words in found.problem
    return found


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def keras(config: bytes) -> bytes:
    return zipped({"metadata.json": b'{"keras_version": "3.0.0"}', "config.json": config})


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """The size that is declared is refused, and one that is a lie is found out without unpacking more."""
    bomb = keras(b"[" + b" " * (200 << 20) + b"]")
    assert len(bomb) < 1 << 20
    refused(tmp_path, "model.keras", bomb, "more than the")
    member = zipped({"metadata.json": b"{}", "config.json": b" " * (64 << 20)})
    size = struct.pack("<L", 64 << 20)
    assert member.count(size) == 2  # in the local header and in the directory
    found = refused(
        tmp_path,
        "lying.keras",
        member.replace(size, struct.pack("<L", 1000)),
        "does not unpack to its declared content",
    )
    assert found.format == "keras"


def test_an_archive_in_an_archive_is_not_opened(tmp_path: Path) -> None:
    inner = zipped({"config.json": b"{}"})
    for _ in range(20):
        inner = zipped({"config.json": inner, "metadata.json": inner})
    refused(tmp_path, "model.keras", inner, "")


def test_an_archive_of_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_members, "MAX_MEMBERS", 3)
    refused(tmp_path, "model.skops", zipped({str(at): b"" for at in range(4)}), "an archive of 4 files")


def test_a_broken_archive_may_be_anything(tmp_path: Path) -> None:
    """Its beginning alone says no more than that it is an archive: its name decides."""
    cut = zipped({"schema.json": b"{}" * 100})[:80]
    assert refused(tmp_path, "download", cut, "directory is missing").format == "unknown"
    assert refused(tmp_path, "model.skops", cut, "directory is missing").format == "skops"


def test_archives_beyond_4_gib_are_read(tmp_path: Path) -> None:
    """The fields for large sizes, and bytes in front of the archive; ``zipfile`` reads the same."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, archive.open("schema.json", "w", force_zip64=True) as member:
        member.write(b'{"a": 1}')
    data = bytearray(stream.getvalue())
    # the directory says sizes and place in its field for large ones, as one of a large archive does
    entry = data.rindex(b"PK\x01\x02")
    extra = struct.pack("<2H3Q", 1, 24, 8, 8, 0)
    name = data[entry + 46 : entry + 46 + 11]
    header = bytearray(data[entry : entry + 46])
    header[20:28], header[42:46] = b"\xff" * 8, b"\xff" * 4
    struct.pack_into("<H", header, 30, len(extra))
    directory = bytes(header) + bytes(name) + extra
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(directory), entry)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, entry + len(directory), 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    whole = bytes(data[:entry]) + directory + end64 + locator + end
    assert zipfile.ZipFile(io.BytesIO(whole)).read("schema.json") == b'{"a": 1}'
    (path,) = made(tmp_path, "x.zip", whole).values()
    with ModelFile.opened(path, "x.zip") as file:
        assert zip_members.read_member(file, "schema.json", 100) == b'{"a": 1}'
    (path,) = made(tmp_path, "y.zip", b"#!/bin/sh\n" + zipped({"a": b"inside"})).values()
    with ModelFile.opened(path, "y.zip") as file:
        assert zip_members.read_member(file, "a", 100) == b"inside"


HUGE_COUNT = struct.pack("<Q", 1 << 62)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.safetensors", HUGE_COUNT + b'{"', "its header has"),
        ("b.safetensors", struct.pack("<Q", 90) + b'{"a": 1}', "cut short"),
        ("c.safetensors", struct.pack("<Q", 500_000) + b'{"a":' * 100_000, "recursion"),
        ("d.safetensors", struct.pack("<Q", 66) + b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}    ', "cut short"),
        ("a.gguf", b"GGUF\x03\0\0\0" + HUGE_COUNT + HUGE_COUNT, "tensors and"),
        ("b.gguf", b"GGUF\x09\0\0\0" + bytes(16), "version 9"),
        ("c.gguf", b"GGUF\x03\0\0\0" + bytes(8) + struct.pack("<QQ", 1, 1) + b"k" + struct.pack("<LLQ", 9, 8, 1 << 62), "texts"),
        ("d.gguf", b"GGUF\x03\0\0\0" + bytes(8) + struct.pack("<QQ", 1, 1) + b"k" + struct.pack("<LLQ", 9, 9, 1), "array of type 9"),
        ("e.gguf", b"GGUF\x03\0\0\0" + bytes(8) + struct.pack("<QQ", 1, 1) + b"k" + struct.pack("<LLQ", 9, 4, 1 << 61), "cut short"),
        ("f.gguf", b"GGUF\x03\0\0\0" + bytes(8) + struct.pack("<QQ", 1, 1) + b"k" + struct.pack("<LLQ", 9, 8, 1 << 20), "cut short"),
        ("a.onnx", b"\x08\x08\x12\xff\xff\xff\xff\x7f", "cut short"),
        ("b.onnx", b"\x08\x08\x3a\x09\x5a\x07\x12\x05\x0a\xff\xff\xff\x7f", "cut short"),
        ("c.json", b'{"learner": {"attributes": {}', "not a model of XGBoost"),
        ("d.ubj", b"{L\0\0\0\0\0\0\0\x07learner{", "not a model of XGBoost"),
        ("e.h5", b"\x89HDF\r\n\x1a\n" + b"\x07" + bytes(100), "version 7"),
    ],
)  # fmt: skip
def test_lengths_that_are_lies(name: str, data: bytes, words: str, tmp_path: Path) -> None:
    assert refused(tmp_path, name, data, words).format not in ("", "unknown")


def test_a_type_of_onnx_may_not_be_nested_for_ever(tmp_path: Path) -> None:
    def field(number: int, data: bytes) -> bytes:
        length, size = b"", len(data)
        while size > 127:
            length, size = length + bytes((size & 127 | 128,)), size >> 7
        return bytes((number << 3 | 2,)) + length + bytes((size,)) + data

    kind = field(1, b"\x08\x01")
    for _ in range(500):
        kind = field(4, field(1, kind))
    refused(tmp_path, "deep.onnx", b"\x08\x08" + field(7, field(11, field(2, kind))), "nested too deep")


def test_loops_in_hdf5_come_to_an_end(tmp_path: Path) -> None:
    """A group that holds itself: all addresses of its links are those of the root."""
    data = (DATA / "keras" / "mlp.h5").read_bytes()
    root = data[64:72]
    leaves = data
    for at in range(data.count(b"SNOD")):
        place = [index for index in range(len(data)) if data.startswith(b"SNOD", index)][at]
        for entry in range(int.from_bytes(data[place + 6 : place + 8], "little")):
            start = place + 8 + 40 * entry + 8
            leaves = leaves[:start] + root + leaves[start + 8 :]
    refused(tmp_path, "loop.h5", leaves, "")


def test_values_of_ubjson_are_counted() -> None:
    assert Decoder(b"[#i\x02i\x05SU\x01a").value() == [5, "a"]
    assert Decoder(b"{i\x01aTi\x01b[$d#i\x02" + bytes(8) + b"}").value() == {"a": True, "b": None}
    assert Decoder(b"[i\x01[Z]]").value() == [1, [None]]
    for bad in (
        b"[" * 100,
        b"[$Z#L" + b"\x7f" + b"\xff" * 7,
        b"[$d#L\x7f" + b"\xff" * 7,
        b"SL" + b"\xff" * 8,
        b"?",
        b"{i\x05",
    ):
        with pytest.raises((Stopped, struct.error)):
            Decoder(bad).value()


def test_a_file_gives_so_many_bytes_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with ModelFile.opened(path, "sparse") as file:
        for _ in range(MOST >> 22):
            file.read(1 << 30, 1 << 22)
        with pytest.raises(Stopped, match="more would have to be read"):
            file.read(1 << 30, 1 << 22)
        for offset, length in ((-1, 1), (0, -1), ((1 << 40) - 1, 2)):
            with pytest.raises(Stopped, match="cut short"):
                file.read(offset, length)
    budget = Budget(read=10_000)
    for _ in range(2):
        with ModelFile.opened(path, "sparse", budget=budget) as file:
            assert file.read(1 << 20, 10) == bytes(10)  # reads ahead
    with ModelFolder("", {"sparse": path}).opened("sparse") as file, pytest.raises(Stopped):
        file.whole(100)


def test_sparse_files_of_any_size_are_looked_at_in_no_time(tmp_path: Path) -> None:
    for name, head in (("a.gguf", b"GGUF\x03\0\0\0"), ("a.onnx", b"\x08\x08\x12\x01a"), ("a.h5", b"\x89HDF\r\n\x1a\n"),
                       ("a.json", b'{"learner":'), ("a.txt", b"tree\nversion=v4\n"), ("a.cbm", b"CBM1"),
                       ("a.keras", b"PK\x03\x04"), ("a.safetensors", struct.pack("<Q", 1 << 40) + b'{"')):  # fmt: skip
        path = tmp_path / name
        path.write_bytes(head)
        os.truncate(path, 1 << 40)
        start = time.monotonic()
        inspect({name: path})
        assert time.monotonic() - start < 10, name


def guarded(monkeypatch: pytest.MonkeyPatch, action: Callable[[], Any]) -> Inspection | None:
    monkeypatch.setattr(weights, "read_safetensors", lambda _: action())
    return inspect({"single.safetensors": DATA / "safetensors" / "single.safetensors"}).primary


@pytest.mark.parametrize(
    "error", [ValueError("how odd"), RecursionError(), MemoryError(), OSError(5, "gone"), Stopped("x")]
)
def test_whatever_a_reader_raises_is_told(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise error

    found = guarded(monkeypatch, fail)
    assert found is not None
    assert (found.format, found.certain, bool(found.problem)) == ("safetensors", False, True)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_swallowed(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise kind

    with pytest.raises(kind):
        guarded(monkeypatch, fail)


def test_what_can_not_be_kept_is_a_problem_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that gives nonsense does not get it into a version."""
    found = guarded(monkeypatch, lambda: Inspection("safetensors", inputs=(object(),)))  # type: ignore[arg-type]
    assert found is not None
    assert not found.certain


def test_what_is_kept_is_bounded_and_can_be_written() -> None:
    names = tuple(f"feature {at}" for at in range(100_000))
    found = Inspection(
        "x", "f" * 9999, class_name="a\x1b[31m\nb\ud800" * 1000, features=names, dtypes={str(at): at for at in range(999)},
        inputs=tuple(Tensor("n" * 999, "t", tuple(range(999))) for _ in range(999)), parameters=10**400,
        details={"deep": json.loads("[" * 50 + "]" * 50), "big": 2**70, "nan": float("nan"), "object": object(),
                 "": 1, "list": list(range(999)), "bytes": b"x"},
    ).lineage()  # fmt: skip
    contents = found["contents"]
    assert len(found["framework"]) == TEXT
    assert len(contents["class"]) == TEXT
    assert not set(contents["class"]) & set("\x1b\n\ud800")
    assert (len(contents["features"]), contents["feature_count"]) == (FEATURES, 100_000)
    assert len(contents["dtypes"]) == len(contents["inputs"]) == len(contents["inputs"][0]["shape"]) == ITEMS
    assert "parameters" not in contents
    assert (contents["big"], contents["nan"], len(contents["list"])) == (str(2**70), "nan", ITEMS)
    other = Inspection("x", features=(*names[:-1], "another")).lineage()["contents"]
    assert other["features"] == contents["features"]
    assert other["features_digest"] != contents["features_digest"]


def test_without_its_weights_the_rest_is_told_all_the_same(tmp_path: Path) -> None:
    """Of an archive, of a SavedModel, of a configuration beside shards: only the count is missing, and it is said why."""
    with zipfile.ZipFile(DATA / "keras" / "mlp.keras") as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    cut = zipped({**members, "model.weights.h5": members["model.weights.h5"][:3000]}, zipfile.ZIP_STORED)
    newer = zipped(
        {
            **members,
            "model.weights.h5": b"\x89HDF\r\n\x1a\n\x03\x08\x08"
            + bytes(25)
            + b"\x30"
            + bytes(11)
            + b"OHDR"
            + bytes(20),
        }
    )
    for data, words in ((cut, "model.weights.h5 is cut short"), (newer, "an object of the new layout")):
        found = told(tmp_path, "mlp.keras", data)
        assert (found.class_name, found.parameters, found.details["uncounted"]) == ("Sequential", None, words)
    index = "variables/variables.index"
    broken = made(tmp_path, index, (DATA / "tensorflow" / "scorer" / index).read_bytes()[:-1])
    scorer = inspect({**inside("tensorflow/scorer"), **broken}).primary
    assert scorer is not None
    assert (scorer.parameters, scorer.details["uncounted"]) == (None, "it is not the index of a checkpoint")
    assert scorer.details["signature"] == "serving_default"
    shards = made(tmp_path, "model.safetensors.index.json", b'{"weight_map": {"a": "model-1.safetensors"}}')
    bert = inspect({"config.json": DATA / "transformers" / "bert" / "config.json", **shards}).primary
    assert bert is not None
    assert (bert.class_name, bert.details["uncounted"]) == (
        "BertForSequenceClassification", "1 of 1 shards are missing, the first: model-1.safetensors",
    )  # fmt: skip


def test_packed_weights_are_counted_too(tmp_path: Path) -> None:
    """Keras stores them as they are; somebody may have packed the archive anew."""
    with zipfile.ZipFile(DATA / "keras" / "mlp.keras") as archive:
        packed = zipped({each: archive.read(each) for each in archive.namelist()})
    assert told(tmp_path, "mlp.keras", packed).parameters == 81


def test_gguf_of_the_other_order_of_bytes(tmp_path: Path) -> None:
    def text(value: bytes) -> bytes:
        return struct.pack(">Q", len(value)) + value

    key = text(b"general.architecture") + struct.pack(">L", 8) + text(b"llama")
    tensor = text(b"w") + struct.pack(">LQQLQ", 2, 3, 4, 0, 0)
    found = told(tmp_path, "big.gguf", b"GGUF" + struct.pack(">LQQ", 3, 1, 1) + key + tensor)
    assert (found.class_name, found.parameters, found.dtypes) == ("llama", 12, {"float32": 12})


def test_a_vocabulary_is_gone_through_quickly(tmp_path: Path) -> None:
    """As many texts as a large model has; none is kept."""
    count = 300_000
    texts = b"".join(struct.pack("<Q", len(word)) + word for word in (b"token%d" % at for at in range(count)))
    key = struct.pack("<Q", 21) + b"tokenizer.ggml.tokens" + struct.pack("<LLQ", 9, 8, count)
    (path,) = made(tmp_path, "large.gguf", b"GGUF" + struct.pack("<LQQ", 3, 0, 1) + key + texts).values()
    with memory_below(4 << 20), ModelFile.opened(path, "large.gguf") as file:
        found = gguf.read(file)
    assert found is not None
    assert found.details["vocabulary"] == count


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to(DATA / "onnx" / "mlp.onnx")
    for path in (fifo, link, tmp_path):
        with pytest.raises(OSError, match=r".+"):
            inspect({"model.onnx": path})


def test_the_guard_is_in_one_place() -> None:
    """Readers catch nothing but what they know: everything else reaches the guard."""
    paths = list(Path(inspector.__file__).parent.joinpath("formats").glob("*.py"))
    assert len(paths) >= 20, "the readers are here"
    for path in paths:
        text = path.read_text()
        assert "except Exception" not in text, path
        assert "except BaseException" not in text, path
        assert "except:" not in text, path
