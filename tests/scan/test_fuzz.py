"""Whatever bytes come, a scan ends soon with a verdict, and raises nothing; and nothing bad becomes clean by accident."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_cli.inspect.binary.limits import Budget
from registry_cli.inspect.binary.sources import MemorySource, SequentialReader
from registry_cli.scan.pickle.stream_analysis import analyse_stream
from registry_cli.scan.scanner import Scanner
from registry_cli.scan.verdicts import VERDICTS, AllowedGlobals, FileScan
from tests.commands import as_from_a_terminal
from tests.scan.corpus import DATA, EVIL, OBJECTS, call, cases, pickled, stack_global, text, wrapper
from tests.support import memory_below

BUDGET = {"opcodes": 200_000, "kept": 100_000, "unpacked": 8 << 20, "members": 200, "seeking": 8 << 20}
CASES = cases()
ROOT = Path(__file__).resolve().parents[2]


def look(data: bytes, name: str = "m.pkl") -> FileScan:
    found = Scanner(AllowedGlobals(), Budget(**BUDGET)).file(name, MemorySource(data))
    assert found.verdict in VERDICTS
    return found


@contextlib.contextmanager
def bounded(seconds: float = 20, megabytes: int = 200) -> Iterator[None]:
    """The time is far more than is needed: only what has no end at all shall fail here."""
    start = time.process_time()
    with memory_below(megabytes << 20):
        yield
    assert time.process_time() - start < seconds


def test_memory_that_is_taken_is_counted() -> None:
    with memory_below(8 << 20):
        assert len(bytearray(2 << 20)) == 2 << 20
    with pytest.raises(AssertionError, match="bytes"), memory_below(8 << 20):
        assert sum(bytearray(b"1") * (32 << 20)) > 0


@given(st.binary(max_size=2000))
@settings(max_examples=300, deadline=None)
def test_any_bytes(data: bytes) -> None:
    look(data)
    look(b"\x80\x04" + data)
    look(b"\x93NUMPY\1\0" + data)
    look(b"PK\3\4" + data + b"PK\5\6" + bytes(18))


@given(st.lists(st.sampled_from([
    b"(", b".", b"0", b"1", b"2", b"N", b"]", b"}", b")", b"a", b"b", b"d", b"e", b"l", b"o", b"s", b"t", b"u", b"R", b"\x81",
    b"\x85", b"\x86", b"\x87", b"\x8f", b"\x90", b"\x91", b"\x92", b"\x93", b"\x94", b"h\0", b"h\1", b"q\0", b"K\1", b"\x8c\2os",
    b"\x8c\6system", b"cos\nsystem\n", b"ccollections\nOrderedDict\n", b"\x82\1", b"Q", b"\x97", b"\x98", b"C\1x",
    b"\x8c\x0c__setstate__", b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n", b"cbuiltins\ngetattr\n",
]), max_size=60))  # fmt: skip
@settings(max_examples=500, deadline=None)
def test_any_opcodes(parts: list[bytes]) -> None:
    """And what the real unpickler would call is never overlooked: here it calls ``find_class`` for it."""
    data = b"".join(parts)
    asked: list[tuple[str, str]] = []

    class Spy(pickle.Unpickler):
        def find_class(self, module: str, name: str, /) -> object:
            asked.append((module, name))
            return _Harmless

        def persistent_load(self, pid: object, /) -> object:
            return _Harmless()

    with contextlib.suppress(Exception):
        Spy(io.BytesIO(data)).load()
    found = analyse_stream(lambda: SequentialReader(MemorySource(data)), Budget(**BUDGET))
    seen = {(use.module, use.name) for use in found.uses}
    assert set(asked) <= seen or not found.complete or any(trick.severity == "hides" for trick in found.anomalies)


class _Harmless:
    """Stands for whatever is called: it takes anything and does nothing."""

    def __new__(cls, *_: object, **__: object) -> _Harmless:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None: ...


@pytest.mark.parametrize("seed", range(8))
def test_honest_files_with_flipped_bytes(seed: int) -> None:
    chance = random.Random(seed)
    with bounded():
        for path in sorted(DATA.glob("*.*")):
            data = bytearray(path.read_bytes())
            for _ in range(6):
                broken = bytearray(data)
                for _ in range(chance.randint(1, 8)):
                    broken[chance.randrange(len(broken))] = chance.randrange(256)
                cut = chance.randrange(len(broken)) if chance.random() < 0.3 else len(broken)
                look(bytes(broken[:cut]), path.name)


@pytest.mark.parametrize("seed", range(4))
def test_dangerous_files_with_flipped_bytes(seed: int) -> None:
    chance = random.Random(seed)
    with bounded():
        for case in CASES:
            broken = bytearray(case.data[:100_000])
            for _ in range(chance.randint(1, 5)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            look(bytes(broken), case.file)


def test_a_cut_pickle_is_never_clean() -> None:
    """Of protocol 0 and 1, which is text, what is shorter than a line or two is taken for some other text."""
    for path in sorted(DATA.glob("*.pkl")):
        data = path.read_bytes()
        for cut in range(2 if data[0] == 0x80 else 100, len(data) - 1, max(1, len(data) // 60)):
            found = look(data[:cut])
            assert found.verdict in ("unscannable", "dangerous"), (path, cut)
            assert (found.verdict == "dangerous") == bool(found.globals), (path, cut)


def test_a_payload_anywhere_between_two_opcodes_is_found() -> None:
    """Between any two opcodes of honest files: what is called there would be called."""
    import pickletools

    for name in ("logistic-p2.pkl", "logistic-p4.pkl", "forest.pkl"):
        data = (DATA / name).read_bytes()
        places = [place for _, _, place in pickletools.genops(data) if place is not None and place > 11]
        for place in places[:: max(1, len(places) // 80)]:
            inside = data[:place] + b"cos\nsystem\nV\n\x85R0" + data[place:]
            assert look(inside).verdict == "dangerous", (name, place)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("marks", b"(" * 3_000_000),
        ("stack", b"N" * 3_000_000),
        ("memo", b"\x80\x04N" + b"\x94" * 3_000_000),
        ("nesting", b"\x80\x04" + b"]" * 500_000 + b"a" * 499_999 + b"."),
        ("tuples", b"\x80\x04)" + b"\x85" * 1_000_000 + b"."),
        ("doubling", b"\x80\x04]" + b"2\x86" * 100_000 + b"."),
        ("far memo", b"\x80\x04Nr\xff\xff\xff\xff."),
        ("a length without bytes", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ("a long without bytes", b"\x80\x04\x8b\xff\xff\xff\x7f"),
        ("a long line", b"V" + b"x" * 5_000_000),
        ("digits", b"I" + b"9" * 5_000_000 + b"\n."),
        ("globals", b"".join(b"cm\nn%d\n0" % number for number in range(50_000)) + b"N."),
        ("stacked", b"N." * 200_000),
        ("persistent", b"\x80\x04" + b"NQ0" * 200_000 + b"N."),
        ("arrays in arrays", EVIL[:2] + b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}b" * 1000),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_made_to_cost(name: str, data: bytes) -> None:
    with bounded(30, 600):
        look(data, f"{name}.pkl")


def test_a_bomb_ends_at_the_limit() -> None:
    import bz2
    import gzip
    import lzma

    for pack in (gzip.compress, bz2.compress, lzma.compress):
        with bounded(30, 200):
            found = look(pack(b"\x80\x04]" + b"K\1a" * 4_000_000), "m.gz")
            assert found.verdict == "unscannable"
            assert "limit" in found.remarks[0].why or "looked at" in found.remarks[0].why


def test_a_sparse_file_is_not_read(tmp_path: Path) -> None:
    """The bytes of an array of a terabyte are passed over."""
    from registry_cli.scan.scanner import scan

    path = tmp_path / "m.pkl"
    size = 1 << 40
    with path.open("wb") as stream:
        stream.write(b"\x80\x05\x96" + size.to_bytes(8, "little"))
        try:
            os.ftruncate(stream.fileno(), 11 + size)
        except OSError:
            pytest.skip("no sparse file of that size here")
        stream.seek(0, os.SEEK_END)
        stream.write(b"0" + EVIL[2:])
    with bounded(5, 50):
        assert scan({"m.pkl": path}).verdict == "dangerous"


class _Shrinking(MemorySource):
    """A file that is longer when it is opened than when it is read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.size = len(data) + (5 << 20)
        self.calls = 0

    def at(self, offset: int, length: int) -> bytes:
        self.calls += 1
        if self.calls > 1000:
            raise OSError("read again and again")
        return super().at(offset, length)


@pytest.mark.parametrize(
    "data", [b"plain text", b'{"class_name": "Dense"}', b"\xff\xd8\xff\xd9", b"RIFF\4\0\0\0WAVE", b"\x89HDF\r\n\x1a\n"]
)
def test_a_file_that_shrinks_while_it_is_read_is_not_read_for_ever(data: bytes) -> None:
    found = Scanner(AllowedGlobals(), Budget()).file("m.bin", _Shrinking(data))
    assert found.verdict in VERDICTS


#: A value that holds itself twice, sixty times over: to hash, compare, print or walk it in full takes for ever.
TWICE = b")" + b"2\x86" * 60
LISTS = b"]\x94" + b"".join(b"](h%ch%ce\x94" % (at, at) for at in range(60))


@pytest.mark.parametrize("shared", [TWICE, LISTS], ids=["tuples", "lists"])
def test_no_opcode_takes_for_ever_over_values_that_share_their_parts(shared: bytes, tmp_path: Path) -> None:
    """In a process of its own, since what hangs in C hears no signal; looked into and inspected, as ``register`` does."""
    name, ordered = stack_global("ours", "C"), stack_global("collections", "OrderedDict")
    encode = stack_global("_codecs", "encode")
    dtype = call(stack_global("numpy", "dtype"), shared, b"\x89", b"\x88")
    uses = {
        "alone": shared, "encoding": call(encode, text("x"), shared), "argument": call(name, shared, shared),
        "new": name + shared + b"\x85\x81", "new with keywords": name + b"(" + shared + b"t}" + text("k") + shared + b"s\x92",
        "state": call(name) + shared + b"b", "key": b"}" + shared + b"K\1s", "keys of objects": call(ordered) + shared + b"Ns",
        "persistent": shared + b"Q", "module": b"(" + text("module") + shared * 3 + b"tQ", "name": shared + text("x") + b"\x93",
        "element": b"\x8f(" + shared + b"\x90", "list": call(ordered) + shared + b"a", "called": shared + b")R",
        "dtype": wrapper(dtype, b"K\1\x85", b"K\x10"), "shape": wrapper(OBJECTS, shared, b"K\x10"),
        "getattr": call(stack_global("builtins", "getattr"), name, shared), "attribute": call(name) + b"}" + shared + b"Nsb",
        "applied": call(stack_global("torch._tensor", "_rebuild_from_type_v2"), name, name, shared, shared),
        "made": call(stack_global("copyreg", "_reconstructor"), name, shared, shared),
        "step": call(stack_global("sklearn.pipeline", "Pipeline")) + b"}" + text("steps") + b"](" + text("a") + shared + b"\x86esb",
        "checkpoint": b"}" + text("state_dict") + b"}" + shared + shared + b"ss",
    }  # fmt: skip
    for what, body in uses.items():
        (tmp_path / f"{what}.pkl").write_bytes(pickled(body))
        (tmp_path / f"{what}.pt").write_bytes(pickled(body))
    program = (
        "import sys, pathlib; from registry_cli.inspect import inspector; from registry_cli.scan import scanner\n"
        "files = {each.name: each for each in pathlib.Path(sys.argv[1]).iterdir()}\n"
        "scanner.scan(files)\nfor name, path in files.items(): inspector.inspect({name: path}).lineage()\nprint('done')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "done\n", done.stderr


def test_an_interrupt_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "large.pkl"
    path.write_bytes(b"\x80\x04" + b"N0" * 20_000_000 + b"N.")
    with subprocess.Popen(
        [sys.executable, "-m", "registry_cli", "scan", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=as_from_a_terminal,  # noqa: PLW1509
    ) as child:
        time.sleep(2)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130


@pytest.mark.parametrize("seed", range(6))
def test_opcodes_by_chance_end_soon(seed: int) -> None:
    """Programs of opcodes that repeat and share, in a process of its own with a clock on the wall."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.scan.chance", str(seed)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "done\n"
