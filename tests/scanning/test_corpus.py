"""Every trick of the corpus is caught, under any name; and no honest file of a real framework is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from registry_cli.provenance.pickles.reader import Budget
from registry_cli.provenance.safety.verdicts import Scan
from registry_cli.provenance.scanning import scan

from .corpus import DATA, EVIL, GOOD, Case, cases

CASES = cases()


def scanned(folder: Path, name: str, data: bytes, *allow: str, budget: Budget | None = None) -> Scan:
    path = folder / name
    path.write_bytes(data)
    return scan({name: path}, allow, budget)


def test_the_corpus_is_large_enough_and_each_case_has_a_name_of_its_own() -> None:
    assert len(CASES) >= 200
    assert [name for name, count in Counter(case.name for case in CASES).items() if count > 1] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_trick_is_caught(case: Case, tmp_path: Path) -> None:
    found = scanned(tmp_path, case.file, case.data)
    assert found.verdict in case.right, found.files[0].worst_first()
    assert found.reasons(found.verdict), "and it is said why"


@pytest.mark.parametrize("path", sorted(DATA.glob("*.*")), ids=lambda path: path.name)
def test_no_honest_file_is_a_false_alarm(path: Path) -> None:
    found = scan({path.name: path})
    assert found.verdict in ("safe-format", "known-globals"), found.files[0].worst_first()


def test_a_good_pickle_is_known(tmp_path: Path) -> None:
    assert scanned(tmp_path, "a.pkl", GOOD).verdict == "known-globals"
    assert scanned(tmp_path, "b.pkl", EVIL).files[0].remarks[0].name == "os.system"


def test_numbers_beside_a_model_are_data_unless_they_are_a_pickle(tmp_path: Path) -> None:
    for name in ("variables.data-00000-of-00001", "fingerprint.pb", "model.onnx_data"):
        assert scanned(tmp_path, name, bytes(range(1, 200))).verdict == "safe-format"
        assert scanned(tmp_path, name, EVIL).verdict == "dangerous"
    assert scanned(tmp_path, "weights.bin", bytes(range(1, 200))).verdict == "unknown-format"
