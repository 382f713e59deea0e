"""Files that were made to cost much, or to say something untrue: each reader ends within a second and some memory."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from registry_cli.inspect.formats import onnx
from registry_cli.inspect.inspection import Inspected
from registry_cli.inspect.inspector import inspect
from tests.inspect.conftest import DATA, made
from tests.support import memory_below


def bounded(files: dict[str, Path]) -> Inspected:
    """What an artifact is, soon and with little memory."""
    start = time.process_time()
    with memory_below(96 << 20):
        found = inspect(files)
    assert time.process_time() - start < 5
    return found


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes((number & 127 | 128,)), number >> 7
    return found + bytes((number,))


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def npy(header: str) -> bytes:
    data = header.encode()
    return b"\x93NUMPY\x02\0" + struct.pack("<L", len(data)) + data


def coreml(depth: int) -> bytes:
    block = field(3, field(1, b"const"))
    for _ in range(depth):
        block = field(3, field(4, block))
    function = field(3, field(1, b"x") + field(2, block))
    program = field(2, field(1, b"main") + field(2, function))
    return b"\x08\x07" + field(2, field(1, field(1, b"x"))) + field(502, program)


def onnx_of(nodes: bytes) -> bytes:
    return b"\x08\x08" + field(7, nodes + field(2, b"g")) + field(8, b"\x10\x0f")


def branches(depth: int) -> bytes:
    node = field(1, field(2, b"c") + field(4, b"Constant"))
    for _ in range(depth):
        node = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, node)))
    return node


def flatbuffer(identifier: bytes, count: int) -> bytes:
    """A table whose fields are all one vector of ``count`` tables, each of them that table again."""
    table = 64
    vtable = struct.pack("<2H", 20, 8) + struct.pack("<8H", *[4] * 8)
    head = struct.pack("<L", table) + identifier + bytes(8) + vtable
    vector = struct.pack("<L", count) + b"".join(
        struct.pack("<l", 0) for _ in range(min(count, 1000))
    )  # an offset of 0 leads to itself
    data = head.ljust(table, b"\0") + struct.pack("<l", table - 16) + struct.pack("<L", 4) + vector
    return data.ljust(4096, b"\0")


def tarred(count: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for at in range(count):
            archive.addfile(tarfile.TarInfo(f"{at}.txt"))
    return stream.getvalue()


def pt2(sizes: list[Any]) -> bytes:
    value = {"dtype": 7, "sizes": sizes}
    graph = {"inputs": [], "outputs": [], "nodes": [], "tensor_values": {"w": value}}
    signature = {"input_specs": [{"parameter": {"arg": {"name": "w"}}}], "output_specs": []}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("m/archive_format", "pt2")
        archive.writestr("m/models/model.json", json.dumps({"graph_module": {"graph": graph, "signature": signature}}))
    return stream.getvalue()


NESTED_XML = b"<?xml version='1.0'?><net name='n' version='11'><layers>" + b"<a>" * 200_000
ENTITIES = b'<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><net version="11"><layers>&b;</layers></net>'
HOSTILE: dict[str, bytes] = {
    "shape.npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 60_000 + ",), }"),
    "dimensions.npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9," * 20_000 + "), }"),
    "length.npy": b"\x93NUMPY\x02\0\xff\xff\xff\xff" + bytes(100),
    "nested.npy": npy("{'descr': " + "[" * 30_000 + ", 'fortran_order': False, 'shape': (1,), }"),
    "loop.tflite": flatbuffer(b"TFL3", 900),
    "count.tflite": flatbuffer(b"TFL3", 1 << 31),
    "loop.ort": flatbuffer(b"ORTM", 900),
    "blocks.mlmodel": coreml(2000),
    "branches.onnx": onnx_of(branches(400)),
    "nested.xml": NESTED_XML,
    "entities.xml": ENTITIES,
    "entities.pmml": ENTITIES.replace(b"net", b"PMML"),
    "quotes.xml": b'<net version="11"><layers><a b="' + b">" * 3_000_000,
    "comment.xml": b'<net version="11"><layers>' + b"<!--" * 500_000,
    "attributes.xml": b'<net version="11"><layers><layer ' + b'a="b" ' * 10_000 + b"/></layers></net>",
    "tags.xml": b'<net version="11"><layers>' + b"<a/>" * 2_000_000 + b"</layers></net>",
    "fields.pmml": b'<PMML version="4"><DataDictionary>' + b'<DataField name="a"/>' * 100_000,
    "nested.msgpack": b"\x81\xa1a" * 100_000,
    "count.msgpack": b"\xdf\xff\xff\xff\xff" + b"\xa1a\xc0" * 100_000,
    "array.msgpack": b"\x81\xa1a\xc7\xff\x01\x93\xdd\xff\xff\xff\xff" + b"\x7f" * 300,
    "text.msgpack": b"\x81\xdb\xff\xff\xff\xffabc",
    "model.bin": struct.pack("<LH", 6, 12) + b"WhisperSpec\0" + struct.pack("<LL", 1, 1 << 31) + b"\xff" * 500,
    "rank.bin": struct.pack("<LH", 6, 12) + b"WhisperSpec\0" + struct.pack("<LL", 1, 5) + struct.pack("<H", 2) + b"a\0\xff" + b"\xff" * 2000,
    "numbers.pdiparams": bytes(16) + struct.pack("<L", 13) + b"\x08\x05\x10" + b"\xff" * 9 + b"\x01" + bytes(50),
    "variables.pdmodel": field(1, b"\x08\x00\x10\x00" + field(3, field(1, b"x") + field(2, b"")) * 200_000),
    "many.nemo": tarred(3000),
    "bomb.nemo": gzip.compress(bytes(300 << 20), 9),
    "layers.param": b"7767517\n9 9\n" + b"Input a 0 1 b\n" * 400_000,
    "weights.json": json.dumps({"modelTopology": {}, "weightsManifest": [{"paths": [], "weights": [{"shape": [1 << 60], "dtype": "x"}]}]}).encode(),
    "deep.json": b'{"modelTopology": ' + b"[" * 200_000,
    "sizes.pt2": pt2([{"as_int": 1 << 62}] * 1000),
    "expression.pt2": pt2([{"as_expr": {"expr_str": "Symbol('" * 20_000}}]),
    "pieces.model": field(1, field(1, b"a") + b"\x15\0\0\0\0") * 350_000,
    "forest.tl": struct.pack("<3i2BQiB?", 4, 1, 1, 2, 2, 1 << 23, 4, 1, False) + bytes(100),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_costs_little_and_is_not_believed(name: str, tmp_path: Path) -> None:
    found = bounded(made(tmp_path, name, HOSTILE[name])).found
    assert not any(each.certain and each.parameters for each in found)
    for each in found:
        assert len(json.dumps(each.lineage())) < 50_000


@pytest.mark.parametrize("name", ["entities.xml", "entities.pmml"])
def test_a_document_type_is_refused(name: str, tmp_path: Path) -> None:
    (found,) = inspect(made(tmp_path, name, HOSTILE[name])).found
    assert not found.certain


def test_nodes_are_searched_so_far_and_then_it_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs, outputs and versions are read all the same."""
    monkeypatch.setattr(onnx, "MAX_SEARCHED", 200)
    found = inspect({"constants.onnx": DATA / "onnx-constants" / "constants.onnx"}).primary
    assert found is not None
    assert (found.certain, found.parameters, found.details["uncounted"]) == (
        True,
        None,
        "it has more than 200 bytes of nodes",
    )
    assert [each.name for each in found.inputs] == ["x"]


SINGLE = (
    "weights.npy",
    "plain.tflite",
    "net.mlmodel",
    "net.pt2",
    "plans.bin",
    "flax_model.msgpack",
    "churn.pmml",
    "asr.nemo",
)


@pytest.mark.parametrize("name", SINGLE)
def test_only_the_headers_of_large_files_are_read(name: str, tmp_path: Path) -> None:
    """A file of a terabyte that begins as a whole one does."""
    import os

    (source,) = DATA.rglob(name)
    path = tmp_path / name
    path.write_bytes(source.read_bytes())
    os.truncate(path, 1 << 40)
    bounded({name: path})


def test_a_folder_of_a_thousand_parts_ends(tmp_path: Path) -> None:
    """Shards and parts that are named, but missing, and a list of them that names itself."""
    index = json.dumps({"weight_map": {f"w{at}": f"part-{at}.safetensors" for at in range(5000)}}).encode()
    files = {
        **made(tmp_path, "config.json", b'{"model_type": "bert", "quantization": {"bits": 0}}'),
        **made(tmp_path, "model.safetensors.index.json", index),
        **made(tmp_path, "modules.json", json.dumps([{"type": "sentence_transformers.models.Transformer", "path": "../.."}] * 40).encode()),
        **made(tmp_path, "model_index.json", json.dumps({"_class_name": "P", "_diffusers_version": "1", **{f"p{at}": ["d", "C"] for at in range(5000)}}).encode()),
    }  # fmt: skip
    found = bounded(files).primary
    assert found is not None
    assert (found.format, found.parameters) == ("sentence-transformers", None)
