"""The golden store of format 1: made once, readable for ever."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from registry_cli import NotFound, Registry
from tests.format import make_golden, second_reader

GOLDEN: dict[str, Any] = json.loads(make_golden.GOLDEN.read_text(encoding="utf-8"))


@pytest.fixture
def golden(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "registry"
    make_golden.unpack(GOLDEN["store"], root)
    yield root
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o700)


@pytest.fixture
def reg(golden: Path) -> Registry:
    return Registry(golden, author="bob", now=lambda: datetime(2026, 6, 1, tzinfo=timezone.utc))


def assert_within(wanted: Any, found: Any, where: str = "") -> None:
    """``found`` has everything that ``wanted`` has; a later release may tell more, never less or other."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            assert key in found, f"{where}.{key} is gone"
            assert_within(value, found[key], f"{where}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for at, (value, other) in enumerate(zip(wanted, found, strict=True)):
            assert_within(value, other, f"{where}[{at}]")
    else:
        assert (type(found), found) == (type(wanted), wanted), where


def test_it_is_small() -> None:
    assert make_golden.GOLDEN.stat().st_size < 100_000


def test_packing_loses_nothing(golden: Path) -> None:
    assert make_golden.pack(golden) == GOLDEN["store"]


def test_every_reading_verb_says_what_it_said_on_the_first_day(golden: Path) -> None:
    assert_within(GOLDEN["said"], make_golden.say(golden))


def test_a_second_reader_agrees(golden: Path) -> None:
    said = GOLDEN["said"]
    for name, model in second_reader.models(golden).items():
        for version in said["versions"][name]:
            document = model.version(version["number"])
            assert document["metrics"] == version["metrics"]
            assert document["tags"] == version["tags"]
            assert document.get("params", {}) == version["params"]
            assert len(model.files(version["number"])) == version["files"]
        assert [line["hash"] for line in reversed(model.lines())] == [entry["hash"] for entry in said["history"][name]]


def test_some_of_it_by_hand(reg: Registry) -> None:
    """What nobody need trust a program for."""
    version = reg.version("churn@production")
    assert (version.number, version.author, version.created) == (2, "alice", "2026-03-01T12:00:03.000Z")
    assert version.params == {
        "depth": 6,
        "eta": 1e-05,
        "country": "no",
        "seed": "007",
        "early": True,
        "size": 2**53 + 1,
    }
    assert version.metrics == {"auc": 0.9201, "rows": 120_000, "auc_live": 0.875}
    assert version.tags == {"on": "yes", "größe": "groß", "site": "eu", "note": "a: b #c"}
    assert version.annotations == {"purpose": "who leaves\n  and: why", "data": "calls of 2025\nand 2026"}
    assert version.message == "run 2\n\nnightly"
    assert [entry.path for entry in reg.artifacts.files("churn@2")] == [
        "Größe (1).txt", "model.bin", "tokens/empty.txt", "tokens/vocabulary.json",
    ]  # fmt: skip
    stream = io.BytesIO()
    reg.artifacts.cat("churn@2", "model.bin", stream)
    assert stream.getvalue() == bytes(range(64)) + b"2"
    with pytest.raises(NotFound, match=r"was deleted on 2026-03-01 by alice: wrong data"):
        reg.version("churn@3")
    assert [version.number for version in reg.versions("churn")] == [6, 5, 4, 2]


def test_it_is_sound(reg: Registry) -> None:
    outcome = reg.admin.verify()
    assert outcome.problems == ()
    assert (outcome.models, outcome.versions) == (2, 6)
    assert reg.admin.repair() == []
    assert reg.admin.gc() == []
    for number in (1, 2, 4, 5, 6):
        assert reg.artifacts.verify_files(f"churn@{number}").number == number


def test_sha256sum_agrees(golden: Path) -> None:
    files = golden / "models/churn/versions/2/files"
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "../manifest-sha256.txt"], cwd=files, check=True)


def test_fetching(reg: Registry, tmp_path: Path) -> None:
    reg.fetch("churn@champion", tmp_path / "out")
    assert (tmp_path / "out/tokens/vocabulary.json").read_text() == '{"yes": 1, "no": 2}\n'


def test_every_writing_verb_goes_on_from_there(reg: Registry, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"new")
    assert reg.register("churn", [tmp_path / "m.bin"], request_id="nightly-2").ref == "churn@2", "a request of then"
    assert reg.register("churn", [tmp_path / "m.bin"], stage="staging", alias="next").ref == "churn@7"
    assert reg.register("risk/fraud", [tmp_path / "m.bin"]).ref == "risk/fraud@2"
    assert reg.register("risk/new", [tmp_path / "m.bin"]).ref == "risk/new@1"
    assert reg.rollback("churn", "staging").after == 6
    assert reg.promote("churn@7", "production", expect=2).before == 2
    assert reg.demote("churn", "staging").before == 6
    assert reg.alias("churn@5", "champion").before == 2
    assert reg.alias("churn", "eu-canary", remove=True).before == 6
    reg.tag("churn@2", {"team": "hr"}, remove=["site"])
    assert reg.version("churn@2").tags == {"on": "yes", "größe": "groß", "note": "a: b #c", "team": "hr"}
    reg.annotate("churn@2", {"since": "2026"})
    reg.log_metric("churn@2", {"auc_live": 0.8})
    reg.archive(["churn@4"])
    reg.restore(["churn@4"])
    reg.delete(["churn@1"], force=True, reason="old")
    assert reg.admin.gc() == []
    assert reg.admin.repair() == []
    assert reg.admin.verify().problems == ()
    assert [version.number for version in reg.versions("churn")] == [7, 6, 5, 4, 2]
    assert [model.lines()[-1]["seq"] for model in second_reader.models(reg.root).values()]


@pytest.mark.parametrize("verb", ["archive", "promote", "tag"])
def test_a_rollback_remembers_moves_of_then(reg: Registry, verb: str) -> None:
    """Archived meanwhile, version 1 is what production held before."""
    assert reg.admin.earlier_holders("churn", "production") == (1,)
    reg.restore(["churn@1"])
    if verb == "promote":
        reg.promote("churn@6", "production")
        assert reg.rollback("churn", "production").after == 2
    elif verb == "tag":
        reg.tag("churn@1", {"a": "b"})
    assert reg.rollback("churn", "production", again=True).after == 1
    assert reg.admin.verify().problems == ()
