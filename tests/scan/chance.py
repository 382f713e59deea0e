"""Scan programs of opcodes that are made by chance, and end with an error if one of them takes too long or too much."""

from __future__ import annotations

import random
import resource
import sys
import time

from registry_cli.inspect.binary.limits import Budget
from registry_cli.inspect.binary.sources import MemorySource
from registry_cli.scan.scanner import Scanner
from registry_cli.scan.verdicts import AllowedGlobals
from tests.scan.corpus import stack_global, text

PARTS = (
    b"(", b"0", b"1", b"2", b"N", b"]", b"}", b")", b"a", b"b", b"e", b"s", b"t", b"u", b"R", b"\x81", b"\x85", b"\x86", b"\x87",
    b"\x8f", b"\x90", b"\x91", b"\x92", b"\x94", b"h\0", b"h\1", b"h\5", b"h\x20", b"K\1", b"Q", b"l", b"d", b"o", b"\x93",
    b"V" + b"x" * 300 + b"\n", b"I12\n", b"C\3abc", text("append"), text("name"), b"G" + bytes(8), b"\x95" + bytes(8),
    stack_global("ours", "C"), stack_global("collections", "OrderedDict"), stack_global("copyreg", "_reconstructor"),
    stack_global("_codecs", "encode"), stack_global("torch._tensor", "_rebuild_from_type_v2"), stack_global("functools", "partial"),
    stack_global("joblib.numpy_pickle", "NumpyArrayWrapper"), stack_global("numpy", "dtype"), text("latin1"),
)  # fmt: skip
SECONDS, MEGABYTES = 30, 1200


def program(chance: random.Random) -> bytes:
    """Opcodes, some of them many times, some in blocks that come again."""
    parts: list[bytes] = []
    for _ in range(chance.randint(3, 30)):
        block = b"".join(chance.choice(PARTS) for _ in range(chance.randint(1, 8)))
        parts.append(block * chance.choice((1, 1, 1, 2, 60, 2000, 20_000)))
    return b"\x80\x04" + b"".join(parts)[: 2 << 20] + b"."


def main(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        data = program(chance)
        start = time.process_time()
        Scanner(AllowedGlobals(), Budget()).file("m.pkl", MemorySource(data))
        assert time.process_time() - start < SECONDS, data[:200]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10 < MEGABYTES
    print("done")


if __name__ == "__main__":
    main(int(sys.argv[1]))
