"""Data counts as safe only when its structure can be followed to its end; graphs by their operations, HDF5 by its links."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from registry_cli.scan.graphs import HARMFUL, READING, operations
from registry_cli.scan.scanner import scan
from tests.scan.corpus import DATA, EVIL, GOOD
from tests.scan.test_archives import FORMATS, archive, streamed, tar
from tests.scan.test_configs import LAMBDA, model
from tests.scan.test_corpus import scanned

CONFIG = json.dumps(LAMBDA).encode()


def field(number: int, data: bytes | int) -> bytes:
    """A field of a protocol buffer."""

    def varint(value: int) -> bytes:
        return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)

    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    return varint(number << 3 | 2) + varint(len(data)) + data


# structures


def safetensors(extra: bytes = b"", **header: object) -> bytes:
    said = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, **header}).encode()
    return struct.pack("<Q", len(said)) + said + bytes(8) + extra


def gguf(*pairs: tuple[str, str], extra: bytes = b"") -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    keys = b"".join(text(key) + struct.pack("<I", 8) + text(value) for key, value in pairs)
    tensor = text("w") + struct.pack("<IQIQ", 1, 4, 0, 0)
    data = b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs)) + keys + tensor
    return data.ljust(-(-len(data) // 32) * 32, b"\0") + bytes(16) + extra


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


WHOLE: dict[str, bytes] = {
    "safetensors": safetensors(),
    "gguf": gguf(("general.architecture", "llama")),
    "ubjson": (FORMATS / "xgboost" / "model.ubj").read_bytes(),
    "catboost": (FORMATS / "catboost" / "model.cbm").read_bytes(),
    "png": png(),
    "riff": b"RIFF" + struct.pack("<I", 8) + b"WAVE" + bytes(4),
    "sqlite": b"SQLite format 3\0" + struct.pack(">H", 512) + bytes(10) + struct.pack(">I", 1) + bytes(480),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_format_is_safe_when_it_ends_with_the_file(kind: str, tmp_path: Path) -> None:
    found = scanned(tmp_path, "data", WHOLE[kind])
    assert (found.verdict, found.files[0].kind) == ("safe-format", kind)


@pytest.mark.parametrize("kind", WHOLE)
def test_what_follows_a_format_is_looked_at(kind: str, tmp_path: Path) -> None:
    for rest, right in (
        (EVIL, "dangerous"),
        (b"\x01\xfe\x02\xff" * 20, "unknown-format"),
        (archive({"a": EVIL}), "dangerous"),
    ):
        found = scanned(tmp_path, "data", WHOLE[kind] + rest)
        assert found.verdict == right, found.files[0].worst_first()
    assert scanned(tmp_path, "data", WHOLE[kind] + bytes(64)).verdict == "safe-format"


@pytest.mark.parametrize(
    "magic",
    [b"GGUF", b"CBM1", b"PAR1", b"ARROW1", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"{L\0\0", b"binf", b"%PDF\xff",
     b"SQLite format 3\0", b"lmgg", b"fmgg", b"\x1c\0\0\0TFL3", b"\x10\0\0\0\0\0\0\0{", b"tree\n\xff\xfe"],
)  # fmt: skip
def test_a_magic_number_alone_is_no_evidence(magic: bytes, tmp_path: Path) -> None:
    for rest in (b"\xf1\xf2\0\xf3" * 100, EVIL + b"\xff" * 40):
        assert scanned(tmp_path, "data", magic + rest).verdict != "safe-format"


def test_plain_bytes_are_of_an_unknown_format(tmp_path: Path) -> None:
    for data in (bytes(range(256)) * 4, b"text, and then\n" * 600 + bytes(range(256)), b"\xf1" * 99):
        found = scanned(tmp_path, "embedding.bin", data)
        assert found.verdict == "unknown-format", found.files[0].worst_first()


def test_names_that_are_there_twice_in_a_header(tmp_path: Path) -> None:
    said = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
    assert scanned(tmp_path, "m", struct.pack("<Q", len(said)) + said + bytes(2)).verdict == "dangerous"
    assert scanned(tmp_path, "m", gguf(("a", "1"), ("a", "2"))).verdict == "dangerous"
    gap = safetensors(b={"dtype": "F32", "shape": [1], "data_offsets": [12, 16]}, extra=bytes(8))
    assert scanned(tmp_path, "m", gap).verdict == "unknown-format"


def test_chat_templates_of_gguf(tmp_path: Path) -> None:
    for name in ("tokenizer.chat_template", "tokenizer.chat_template.tool_use"):
        assert scanned(tmp_path, "m", gguf((name, "{{ x.__class__ }}"))).verdict == "dangerous"
    assert scanned(tmp_path, "m", gguf(("tokenizer.chat_template", "{{ x['role'] }}"))).verdict == "safe-format"
    assert scanned(tmp_path, "m", gguf(("general.name", "{{ x.__class__ }}"))).verdict == "safe-format"


def test_types_that_pyarrow_kept_as_pickles(tmp_path: Path) -> None:
    for footer in (b"ARROW:extension:name arrow.py_extension_type", b"x" * 40):
        data = b"ARROW1\0\0" + bytes(8) + footer + struct.pack("<I", len(footer)) + b"ARROW1"
        assert scanned(tmp_path, "m.arrow", data).verdict == ("dangerous" if b"arrow.py" in footer else "safe-format")


# HDF5


def hdf5(content: bytes = b"", block: bytes = b"", end: int | None = None) -> bytes:
    size = 96 + len(content)
    head = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0)
    head += struct.pack("<QQQQ", 0, 2**64 - 1, size if end is None else end, 2**64 - 1)
    return block + head.ljust(96, b"\0") + content


def link(path: bytes, flags: int = 0x08) -> bytes:
    extra = bytes(8) if flags & 4 else b""
    charset = b"\1" if flags & 16 else b""
    value = b"\0" + path + b"\0/weights\0"
    return b"\1" + bytes([flags, 64]) + extra + charset + b"\4name" + struct.pack("<H", len(value)) + value


@pytest.mark.parametrize("at", [512, 1024, 2048, 65_536])
def test_hdf5_behind_a_block(at: int, tmp_path: Path) -> None:
    inside = bytes(8) + CONFIG + bytes(8)
    for block in (bytes(at), b"text " * (at // 5) + b"x" * (at % 5), WHOLE["png"].ljust(at, b"\0")):
        assert scanned(tmp_path, "m.h5", hdf5(inside, block)).verdict == "dangerous"
        assert scanned(tmp_path, "m.h5", hdf5(bytes(9), block)).verdict == "dangerous"
    matlab = b"MATLAB 7.3 MAT-file, Platform".ljust(at, b" ")
    assert scanned(tmp_path, "m.mat", hdf5(bytes(9), matlab)).verdict == "safe-format"
    assert scanned(tmp_path, "m.mat", hdf5(inside, matlab)).verdict == "dangerous"


def test_hdf5_that_leads_to_other_files(tmp_path: Path) -> None:
    for flags in (0x08, 0x0C, 0x18, 0x1C):
        assert scanned(tmp_path, "m.h5", hdf5(bytes(64) + link(b"other.h5", flags))).verdict == "unknown-globals"
        for path in (b"/etc/x.h5", b"../../x.h5", b"C:\\x.h5"):
            assert scanned(tmp_path, "m.h5", hdf5(bytes(64) + link(path, flags))).verdict == "dangerous"
    files = bytes(8) + b"\7\0\x20\0\0\0\0\0\1\0\0\0" + struct.pack("<HHQ", 1, 1, 160) + bytes(28)
    assert scanned(tmp_path, "m.h5", hdf5(files.ljust(64, b"\0") + b"HEAP" + bytes(60))).verdict == "unknown-globals"
    virtual = bytes(8) + b"\4\3" + struct.pack("<QI", 160, 1)
    assert scanned(tmp_path, "m.h5", hdf5(virtual.ljust(64, b"\0") + b"GCOL" + bytes(60))).verdict == "unknown-globals"


def test_hdf5_and_its_end(tmp_path: Path) -> None:
    assert scanned(tmp_path, "m.h5", hdf5(bytes(50))).verdict == "safe-format"
    assert scanned(tmp_path, "m.h5", hdf5(bytes(50), end=100) + EVIL).verdict == "dangerous"


@pytest.mark.parametrize("place", [0, 5, (1 << 20) - 300, (1 << 20) - 97, 3 << 20])
def test_configurations_in_hdf5_are_found_anywhere(place: int, tmp_path: Path) -> None:
    escaped = CONFIG.replace(b"class_name", b"class\\u005fname").replace(b"Lambda", b"\\u004cambda")
    foreign = json.dumps(model({"module": "os", "class_name": "function", "config": "system"})).encode()
    for data in (CONFIG, escaped, foreign):
        assert scanned(tmp_path, "m.h5", hdf5(bytes(place) + data + bytes(9))).verdict == "dangerous"
    honest = json.dumps(model({"module": "keras.layers", "class_name": "Dense", "config": {}})).encode()
    assert scanned(tmp_path, "m.h5", hdf5(bytes(place) + honest + bytes(9))).verdict == "known-globals"


# graphs


def saved_model(*names: str, inside: bool = False, attribute: bytes = b"") -> bytes:
    nodes = b"".join(field(3 if inside else 1, field(1, b"n") + field(2, name.encode()) + attribute) for name in names)
    ordinary = field(1, field(1, b"x") + field(2, b"Placeholder"))
    graph = ordinary + (field(2, field(1, field(1, field(1, b"own_function")) + nodes)) if inside else nodes)
    return field(1, 1) + field(2, field(2, graph))


@pytest.mark.parametrize("inside", [False, True])
def test_operations_of_tensorflow(inside: bool, tmp_path: Path) -> None:
    for name in sorted(HARMFUL):
        assert scanned(tmp_path, "saved_model.pb", saved_model(name, inside=inside)).verdict == "dangerous", name
    for name in [*sorted(READING), "OurOwnOp"]:
        assert scanned(tmp_path, "saved_model.pb", saved_model(name, inside=inside)).verdict == "unknown-globals", name
    ordinary = saved_model(
        "MatMul", "SaveV2", "RestoreV2", "MergeV2Checkpoints", "PrintV2", "ReadVariableOp", inside=inside
    )
    assert scanned(tmp_path, "saved_model.pb", ordinary).verdict == "safe-format"


def test_graphs_of_tensorflow_in_other_places(tmp_path: Path) -> None:
    assert scanned(tmp_path, "saved_model.pb", saved_model("own_function", inside=True)).verdict == "safe-format"
    graph = field(1, field(1, b"n") + field(2, b"WriteFile"))
    for name, data in (("frozen.pb", graph), ("model.ckpt.meta", field(2, graph)), ("model", saved_model("WriteFile"))):
        assert scanned(tmp_path, name, data).verdict == "dangerous"
    printing = field(5, field(1, b"output_stream") + field(2, field(2, b"file:///tmp/x")))
    assert scanned(tmp_path, "saved_model.pb", saved_model("PrintV2", attribute=printing)).verdict == "dangerous"
    group = b"\x93\x03" + field(7, 1) + b"\x94\x03"  # of a field that nobody knows: readers pass over it
    assert scanned(tmp_path, "saved_model.pb", group + saved_model("WriteFile")).verdict == "dangerous"
    assert scanned(tmp_path, "saved_model.pb", saved_model("MatMul")[:-3]).verdict == "unscannable"
    for text in (b'node { name: "a" op: "WriteFile" }', b"node { op: 'WriteFile' }", b'node { op: "Write" "File" }',
                 b'node { op: "Write\\106ile" }', b'node { op: "PrintV2" attr { key: "output_stream" value { s: "file:///x" } } }'):  # fmt: skip
        assert scanned(tmp_path, "saved_model.pbtxt", text).verdict == "dangerous", text
    metadata = field(1, field(1, 2) + field(2, b"root") + field(5, CONFIG))
    assert scanned(tmp_path, "keras_metadata.pb", metadata).verdict == "dangerous"


def test_the_list_of_operations_names_none_that_does_more() -> None:
    assert not operations() & (HARMFUL | READING)
    assert {"MatMul", "Conv2D", "SaveV2"} <= operations()
    assert not [name for name in operations() if name.startswith("PyFunc") or name in ("WriteFile", "ReadFile")]


def onnx(*nodes: bytes, more: bytes = b"") -> bytes:
    return field(1, 9) + field(8, field(2, 17)) + field(7, b"".join(field(1, node) for node in nodes)) + more


def test_operations_of_onnx(tmp_path: Path) -> None:
    honest = field(4, b"MatMul")
    own = field(4, b"Op") + field(7, b"ours.domain")
    assert scanned(tmp_path, "m.onnx", onnx(honest)).verdict == "safe-format"
    assert scanned(tmp_path, "m.onnx", onnx(honest, own)).verdict == "unknown-globals"
    function = field(25, field(1, b"Op") + field(10, b"ours.domain") + field(7, honest))
    assert scanned(tmp_path, "m.onnx", onnx(own, more=function)).verdict == "safe-format"
    python = field(4, b"PythonOp") + field(7, b"com.microsoft")
    assert scanned(tmp_path, "m.onnx", onnx(python)).verdict == "dangerous"
    branch = field(4, b"If") + field(5, field(1, b"then") + field(6, field(1, python)))
    assert scanned(tmp_path, "m.onnx", onnx(branch)).verdict == "dangerous"
    inside = field(25, field(1, b"F") + field(10, b"x") + field(7, python))
    assert scanned(tmp_path, "renamed", onnx(honest, more=inside)).verdict == "dangerous"
    entry = field(13, field(1, b"location") + field(2, b"http://host/weights"))
    tensor = field(1, 9) + field(8, field(2, 17)) + field(7, field(5, entry))
    assert scanned(tmp_path, "m.onnx", tensor).verdict == "dangerous"


def tflite(*customs: str) -> bytes:
    """A flatbuffer with a model that has these operations: each table is behind what leads to it."""
    data = bytearray(struct.pack("<I", 0) + b"TFL3")

    def lead(place: int) -> None:
        data.extend(bytes(-len(data) % 4))
        data[place : place + 4] = struct.pack("<I", len(data) - place)

    def table(place: int, *present: bool) -> list[int]:
        layout = len(data) + (-len(data) % 4)
        data.extend(bytes(-len(data) % 4))
        offsets = [4 + 4 * number if there else 0 for number, there in enumerate(present)]
        data.extend(struct.pack(f"<{2 + len(present)}H", 4 + 2 * len(present), 4 + 4 * len(present), *offsets))
        lead(place)
        start = len(data)
        data.extend(struct.pack("<i", start - layout) + bytes(4 * len(present)))
        return [start + offset for offset in offsets]

    version, codes, graphs = table(0, True, True, True)
    data[version : version + 4] = struct.pack("<I", 3)
    lead(graphs)
    data.extend(struct.pack("<I", 0))
    lead(codes)
    first = len(data) + 4
    data.extend(struct.pack("<I", len(customs)) + bytes(4 * len(customs)))
    for number, name in enumerate(customs):
        custom = table(first + 4 * number, False, True)[1]
        lead(custom)
        data.extend(struct.pack("<I", len(name)) + name.encode() + b"\0")
    return bytes(data)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_signals_end_a_scan(tmp_path: Path) -> None:
    """Of files that take long: a compressed bomb, JSON of numbers, YAML that nests, a graph of many nodes."""
    files = {
        "bomb.gz": zlib.compress(bytes(512 << 20), 1),
        "config.json": b'{"class_name": [' + b"1," * (8 << 20) + b"1]}",
        "m.onnx": onnx(*[field(4, b"MatMul")] * 400_000),
        "m.h5": hdf5((b"\1\x08\x40" + b"\4\3" * 30 + b"class_nam") * 400_000),
    }
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # it is inherited, as from a shell's background
    try:
        _interrupt(tmp_path, files)
    finally:
        signal.signal(signal.SIGINT, ignored)


def _interrupt(tmp_path: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        command = [str(Path(sys.executable).with_name("registry")), "scan", str(tmp_path / name)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
            while spent(process.pid) < 0.7 and alive(process.pid):  # behind the start of Python
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGINT)
            before = spent(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        # in its own time: the machine may have other things to do
        assert usage.ru_utime + usage.ru_stime - before < 1, name


def alive(process: int) -> bool:
    """Whether it has not ended yet."""
    return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def spent(process: int) -> float:
    """The time of the processor that a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


HOSTILE = {
    "zip": archive({"a.txt": b"text" * 20, "b.npy": b"x"}),
    "stream": streamed({"a": b"text" * 99, "b": b"more"}),
    "tar": tar({"a.txt": b"text", "b" * 150: b"1"}),
    "hdf5": hdf5(bytes(40) + CONFIG + link(b"x.h5") + bytes(99)),
    "saved": saved_model("MatMul", "WriteFile", inside=True),
    "onnx": onnx(field(4, b"MatMul")),
    "json": CONFIG,
    "yaml": b"%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!name:os.system\nb: {c: [1, 2]}\n",
    "npy": (DATA / "numbers.npy").read_bytes(),
    **WHOLE,
    "tflite": tflite("FlexWriteFile"),
    "pickle": GOOD,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_any_change_of_a_file_ends_soon_with_a_verdict(name: str, tmp_path: Path) -> None:
    import random

    from registry_cli.inspect.binary.limits import Budget
    from registry_cli.inspect.binary.sources import MemorySource
    from registry_cli.scan.scanner import Scanner
    from registry_cli.scan.verdicts import AllowedGlobals

    chance = random.Random(name)
    data = HOSTILE[name]
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(broken))
            broken[at : at + chance.choice((0, 1, 1, 1, 4))] = bytes(
                chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
                for _ in range(chance.choice((1, 1, 1, 4, 8)))
            )
        budget = Budget(opcodes=200_000, unpacked=8 << 20, members=500, seeking=64 << 20)
        start = time.process_time()
        found = Scanner(AllowedGlobals(), budget).file(f"model.{name}", MemorySource(bytes(broken)))
        assert time.process_time() - start < 10
        assert found.verdicts


def test_a_loader_of_mlflow_that_is_not_its_own(tmp_path: Path) -> None:
    for loader, right in (
        ("mlflow.sklearn", "safe-format"),
        ("ours.loading", "unknown-globals"),
        ("runpy", "dangerous"),
    ):
        text = f"flavors:\n  python_function:\n    loader_module: {loader}\n    code: null\n"
        assert scanned(tmp_path, "MLmodel", text.encode()).verdict == right


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("doctypes.xml", b"<?xml?>" + b"<!DOCTYPE" * (1 << 20)),
        ("tags.yaml", b"-!<" * (1 << 20)),
        ("handles.yaml", b"".join(b"%%TAG !a%d! x\n" % number for number in range(20_000)) + b"a: !a1!b\n" * 20_000),
        ("chat_template.jinja", b"{{ x[" + b"'_" * 100_000 + b"] }}"),
        ("chat_template.jinja", b"{{ [" * 50_000),
        ("saved_model.pbtxt", b"op:'a' " * (1 << 20)),
        ("saved_model.pbtxt", b"output_stream" * (1 << 20)),
        ("keys.json", b"{" + b'"class_name": "' + b"a.>" * (1 << 20)),
        ("open.json", b'{"class_name": ' * 100_000),
        ("blanks.json", b'{"class_name"' + b" " * (8 << 20)),
        ("header.npy", b"\x93NUMPY\1\0\xff\xff" + b"(" * 65_535),
        ("header.npy", b"\x93NUMPY\2\0\xff\xff\3\0" + b"{'descr':" + b"[" * 262_000),
        ("links.h5", hdf5(b"\1\x08\x40\4" * 500_000)),
        ("names.h5", hdf5(b'"class_name": {' * 200_000)),
        ("runs.h5", hdf5(b'class_name\0{' * 200_000)),
        ("locals.zip", b"PK\3\4" * 300_000 + b"PK\5\6" + bytes(18)),
    ],
)  # fmt: skip
def test_what_is_made_to_take_long_ends_soon(name: str, data: bytes, tmp_path: Path) -> None:
    start = time.process_time()
    scanned(tmp_path, name, data)
    assert time.process_time() - start < 20


def test_members_that_lie_over_one_another_are_not_all_looked_into(tmp_path: Path) -> None:
    """A directory of many entries that all lead to one long member."""
    one = archive({"a.txt": bytes(1 << 20)})
    at, end = one.find(b"PK\1\2"), one.rfind(b"PK\5\6")
    count = 60_000
    record = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, (end - at) * count, at, 0)
    start = time.process_time()
    assert scanned(tmp_path, "m.zip", one[:at] + one[at:end] * count + record).verdict == "dangerous"
    assert time.process_time() - start < 20


def test_operations_of_tensorflow_lite(tmp_path: Path) -> None:
    for customs, right in (
        ((), "safe-format"), (("FlexMatMul",), "safe-format"), (("TFLite_Detection_PostProcess",), "safe-format"),
        (("FlexReadFile",), "unknown-globals"), (("OurOp",), "unknown-globals"), (("FlexMatMul", "FlexWriteFile"), "dangerous"),
    ):  # fmt: skip
        data = tflite(*customs)
        assert scanned(tmp_path, "m.tflite", data).verdict == right
        assert scanned(tmp_path, "m.tflite", data + archive({"labels.txt": b"cat"})).verdict == right


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(FORMATS.rglob("*")) if path.is_file()],
    ids=lambda path: str(path.relative_to(FORMATS)),
)
def test_files_of_real_frameworks(path: Path) -> None:
    found = scan({str(path.relative_to(FORMATS)): path})
    name = str(path.relative_to(FORMATS))
    if name in ("keras/lambda.keras", "onnx/escaping.onnx"):
        assert found.verdict == "dangerous"
    elif name == "torchserve/churn.mar":
        assert found.verdict == "unknown-globals", "its handler is code of someone's own"
    else:
        assert found.verdict in ("safe-format", "known-globals", "unknown-format"), found.files[0].worst_first()
    if name.startswith(
        ("gguf/", "keras/", "onnx/", "safetensors/", "tensorflow/", "xgboost/", "catboost/", "lightgbm/", "pt2/")
    ):
        assert found.verdict != "unknown-format" or name.endswith(".bin")
