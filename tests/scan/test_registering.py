"""What a registry does with the verdict of a scan: its setting, the stricter option, the override, what is recorded."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import InvalidInput, Refused, Registry, scan_files
from tests.crash.world import fingerprint
from tests.scan.corpus import DATA, EVIL, GOOD, evil

UNKNOWN = evil("ours.models", "Churn")
CUT = GOOD[:-5]


@pytest.fixture
def reg(tmp_path: Path) -> Registry:
    return Registry.init(tmp_path / "registry", author="alice")


Make = Callable[[bytes], Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(data: bytes) -> Path:
        path = tmp_path / "model.pkl"
        path.write_bytes(data)
        return path

    return made


def set_scan(reg: Registry, words: str) -> Registry:
    with (reg.root / "registry.yaml").open("a") as stream:
        stream.write(f"scan: {words}\n")
    return Registry(reg.root, author="alice")


def test_what_is_dangerous_is_refused_and_nothing_is_written(reg: Registry, make: Make) -> None:
    before = fingerprint(reg.root)
    with pytest.raises(Refused, match=r"dangerous: model.pkl: os.system: it can run commands or code") as refused:
        reg.register("churn", [make(EVIL)])
    assert "`unsafe`" in refused.value.hint
    assert fingerprint(reg.root) == before
    reg.register("churn", [make(GOOD)])
    with pytest.raises(Refused):
        reg.register("churn", [make(EVIL)], how="move")
    assert make(EVIL).exists()
    assert reg.model("churn").versions == 1
    assert reg.admin.verify().ok


def test_files_that_were_to_be_linked_get_their_mode_back(reg: Registry, make: Make) -> None:
    path = make(EVIL)
    path.chmod(0o640)
    with pytest.raises(Refused):
        reg.register("churn", [path], how="link")
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("words", "lets_in"),
    [
        ("off", {"good", "unknown", "cut", "evil"}),
        ("warn", {"good", "unknown", "cut", "evil"}),
        ("refuse-dangerous", {"good", "unknown", "cut"}),
        ("{mode: refuse-dangerous}", {"good", "unknown", "cut"}),
        ("allowlist", {"good"}),
        ("{mode: allowlist, allow: [ours.models.Churn]}", {"good", "unknown"}),
        ("{mode: allowlist, allow: ['ours.*', 'os.*']}", {"good", "unknown"}),
        ("{allow: [os.system]}", {"good", "unknown", "cut", "evil"}),
    ],
)
def test_each_mode(words: str, lets_in: set[str], reg: Registry, make: Make) -> None:
    reg = set_scan(reg, words)
    for name, data in {"good": GOOD, "unknown": UNKNOWN, "cut": CUT, "evil": EVIL}.items():
        if name in lets_in:
            scan = reg.register("churn", [make(data)]).lineage.get("scan")
            assert (scan is None) == (words == "off")
        else:
            with pytest.raises(Refused):
                reg.register("churn", [make(data)])
    assert reg.admin.verify().ok


def test_an_option_may_only_be_stricter(reg: Registry, make: Make) -> None:
    with pytest.raises(Refused, match="allowlist"):
        reg.register("churn", [make(UNKNOWN)], scan="allowlist")
    for laxer in ("off", "warn"):
        with pytest.raises(Refused, match="weaker"):
            reg.register("churn", [make(GOOD)], scan=laxer)
    with pytest.raises(InvalidInput, match=r"invalid value for `scan`: 'none'"):
        reg.register("churn", [make(GOOD)], scan="none")
    lax = set_scan(reg, "off")
    with pytest.raises(Refused, match="dangerous"):
        lax.register("churn", [make(EVIL)], scan="refuse-dangerous")
    warned = lax.register("churn", [make(EVIL)], scan="warn")
    assert warned.lineage["scan"]["verdict"] == "dangerous"


def test_the_override_is_recorded(reg: Registry, make: Make) -> None:
    version = reg.register("churn", [make(EVIL)], unsafe="made by ourselves")
    assert version.lineage["scan"] == {
        "verdict": "dangerous", "globals": ["os.system"], "allowed": "made by ourselves",
        "reasons": ["model.pkl: os.system: it can run commands or code"],
    }  # fmt: skip
    assert version.event is not None
    assert dict(version.event.detail) == {"unsafe": "dangerous", "reason": "made by ourselves"}
    [entry] = reg.history("churn")
    assert entry.event.detail == version.event.detail
    harmless = reg.register("churn", [make(GOOD)], unsafe="not needed")
    assert harmless.lineage["scan"] == {"verdict": "known-globals"}
    assert harmless.event is not None
    assert not harmless.event.detail
    assert reg.admin.verify().ok


def test_a_verdict_can_t_be_given(reg: Registry, make: Make) -> None:
    given = {"scan": {"verdict": "safe-format"}, "note": "mine"}
    version = reg.register("churn", [make(UNKNOWN)], lineage={"extra": given})
    assert (version.lineage["scan"]["verdict"], version.lineage["note"]) == ("unknown-globals", "mine")


def test_it_can_be_searched_and_asked_for_by_a_policy(reg: Registry, make: Make) -> None:
    with (reg.root / "registry.yaml").open("a") as stream:
        stream.write(
            "policy: {production: {require: {where: \"lineage.scan.verdict in ('safe-format', 'known-globals')\"}}}\n"
        )
    for data in (GOOD, UNKNOWN, CUT):
        reg.register("churn", [make(data)])
    reg.register("churn", [DATA / "state.pt"])
    found = {version.number for version in reg.search("lineage.scan.verdict = 'known-globals'")}
    assert found == {1, 4}
    assert reg.policies.check("churn@1", "production").passed
    assert not reg.policies.check("churn@2", "production").passed
    with pytest.raises(Refused):
        reg.promote("churn@3", "production")
    reg.promote("churn@4", "production")


def test_several_files_are_told_by_their_worst(reg: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "README.md").write_text("# A model\n")
    (folder / "model.pkl").write_bytes(UNKNOWN)
    (folder / "other.pkl").write_bytes(GOOD)
    said = reg.register("churn", [folder]).lineage["scan"]
    assert said == {
        "verdict": "unknown-globals", "files": {"safe-format": 1, "known-globals": 1, "unknown-globals": 1},
        "globals": ["ours.models.Churn"], "reasons": ["model.pkl: ours.models.Churn: it is called with text"],
    }  # fmt: skip
    assert reg.artifacts.scan("churn@1").verdict == "unknown-globals"
    assert reg.artifacts.scan("churn@1", allow=["ours.models.Churn"]).verdict == "known-globals"


def test_a_version_is_scanned_with_what_the_registry_allows(reg: Registry, make: Make) -> None:
    reg = set_scan(reg, "{allow: ['ours.*']}")
    reg.register("churn", [make(UNKNOWN)])
    assert reg.artifacts.scan("churn@1").verdict == "known-globals"
    assert scan_files([make(UNKNOWN)]).verdict == "unknown-globals"


@pytest.mark.parametrize(
    "words",
    ["maybe", "[off]", "7", "true", "", "{mode: of}", "{modes: off}", "{allow: ours}", "{allow: [7]}", "{allow: ['*']}",
     "{allow: ['a b.c']}", "{allow: [ours]}", "{mode: off, allow: ['ours.*.x']}"],
)  # fmt: skip
def test_a_mistake_in_the_setting_is_told(words: str, reg: Registry) -> None:
    with pytest.raises(InvalidInput) as told:
        set_scan(reg, words)
    assert told.value.hint


def test_a_slip_of_its_name_is_told(reg: Registry) -> None:
    with (reg.root / "registry.yaml").open("a") as stream:
        stream.write("scans: off\n")
    with pytest.raises(InvalidInput, match="did you mean 'scan'"):
        Registry(reg.root)


def test_a_limit_that_is_reached_in_a_pickle_refuses_by_default(
    reg: Registry, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a limit is a way past the scan."""
    from registry_cli.inspect.binary.limits import Budget

    monkeypatch.setattr(Budget.__init__, "__defaults__", (50, *(Budget.__init__.__defaults__ or ())[1:]))
    data = b"\x80\x04](" + b"N" * 100 + b"e."
    with pytest.raises(Refused, match=r"scan verdict: unscannable.*more opcodes"):
        reg.register("churn", [make(data)])
    for name, padded in {"text.csv": b"(" + data[2:], "packed.pkl.gz": gzip.compress(data)}.items():
        path = make(data).with_name(name)
        path.write_bytes(padded)
        with pytest.raises(Refused, match="unscannable"):
            reg.register("churn", [path])
    said = reg.register("churn", [make(data)], unsafe="a large one").lineage["scan"]
    assert (said["verdict"], said["limited"], said["allowed"]) == ("unscannable", True, "a large one")
    warned = set_scan(reg, "warn")
    assert warned.register("churn", [make(data)]).lineage["scan"]["limited"] is True


def test_what_joblib_would_unpack_and_this_cannot_is_refused_by_default(reg: Registry, make: Make) -> None:
    """joblib.load opens lz4 by itself: otherwise its four bytes are a way past the scan."""
    with pytest.raises(Refused, match=r"scan verdict: unscannable.*lz4"):
        reg.register("churn", [make(b"\x04\x22\x4d\x18" + bytes(40))])
    assert reg.register("churn", [make(b"7z\xbc\xaf\x27\x1c" + bytes(40))]).lineage["scan"]["verdict"] == "unscannable"
