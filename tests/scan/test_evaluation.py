"""No file of the malicious corpus gets a good verdict, and each gets its verdict soon."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from pathlib import Path

import pytest

from registry_cli.scan.scanner import scan
from registry_cli.scan.verdicts import CLEAN
from tests.scan.make_corpus import corpus

#: More than ten times what the slowest takes, on a machine that does nothing else.
_SECONDS = 60


@pytest.mark.slow
def test_nothing_malicious_is_known_or_safe(tmp_path: Path) -> None:
    clean, slow, kinds = [], [], Counter[str]()
    for kind, name, data in corpus():
        path = tmp_path / "file"
        path.write_bytes(data)
        start = time.process_time()
        found = scan({name: path})
        if time.process_time() - start > _SECONDS:
            slow.append(name)
        if found.verdict in CLEAN:
            clean.append(f"{found.verdict}: {name}")
        kinds[kind] += 1
    assert clean == []
    assert slow == []
    assert kinds.total() >= 300
    assert len(kinds) >= 10


@pytest.mark.slow
def test_the_corpus_is_always_the_same_and_hardly_a_file_is_twice_in_it() -> None:
    first = [(name, hashlib.sha256(data).digest()) for _, name, data in corpus()]
    assert first == [(name, hashlib.sha256(data).digest()) for _, name, data in corpus()]
    assert len({digest for _, digest in first}) >= 800, "a few contents lie under several names, which matter"
