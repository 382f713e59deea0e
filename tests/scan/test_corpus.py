"""Every trick of the corpus is caught, under any name; and no honest file of a real framework is."""

from __future__ import annotations

import pickle
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from registry_cli.inspect.binary.limits import Budget
from registry_cli.scan.scanner import scan
from registry_cli.scan.verdicts import Scan
from tests.scan.corpus import DATA, EVIL, GOOD, Case, _counted, call, cases, evil, glob, pickled, stack_global, text

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


@pytest.mark.parametrize("count", [1, 100, 20_000])
def test_bytes_that_an_old_protocol_writes_as_a_text_are_looked_into(tmp_path: Path, count: int) -> None:
    """A pickle of tensors at protocol 2 has its numbers so."""
    hidden = pickle.dumps([200] * count, 2)
    latin = call(glob("_codecs", "encode"), b"X" + _counted(hidden.decode("latin-1").encode()), text("latin1"))
    data = pickled(call(stack_global("torch.storage", "_load_from_bytes"), latin))
    assert scanned(tmp_path, "m.pkl", data).verdict == "known-globals"


def test_an_attribute_between_underscores_that_python_does_not_know_is_data(tmp_path: Path) -> None:
    """Graphs of networkx have one; an object of a class that is not known stays so."""
    thing = call(stack_global("ours.models", "Graph"))
    state = b"}" + text("__networkx_cache__") + b"}s"
    assert scanned(tmp_path, "m.pkl", pickled(thing + state + b"b")).verdict == "unknown-globals"


class _Holder:
    """Keeps what it is given."""

    def __init__(self, kept: object) -> None:
        self.kept = kept

    def method(self) -> None: ...


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "method",
    [_Holder(1).method, re.compile(r"\w+").findall, " ".join, {"a": 1}.get, [1].index, random.Random(1).choice],
    ids=["object", "pattern", "text", "dict", "list", "random"],
)
def test_a_method_of_an_object_is_no_danger(tmp_path: Path, method: object, protocol: int) -> None:
    """Picklers write it as a call of getattr: vectorizers of scikit-learn have ``findall``, scipy's frozen distributions
    a private one. It can't be called by the pickle; but what it does is not known.
    """
    data = pickle.dumps(_Holder(method), protocol)
    assert scanned(tmp_path, "m.pkl", data).verdict == "unknown-globals"


def test_a_study_of_optuna_in_memory_is_not_dangerous(tmp_path: Path) -> None:
    thing = stack_global("optuna.storages._in_memory", "InMemoryStorage") + b")\x81}b"
    assert scanned(tmp_path, "a.pkl", pickled(thing)).verdict == "unknown-globals"
    assert scanned(tmp_path, "b.pkl", evil("optuna.storages", "RDBStorage")).verdict == "dangerous"


def test_numbers_beside_a_model_are_data_unless_they_are_a_pickle(tmp_path: Path) -> None:
    for name in ("variables.data-00000-of-00001", "fingerprint.pb", "model.onnx_data"):
        assert scanned(tmp_path, name, bytes(range(1, 200))).verdict == "safe-format"
        assert scanned(tmp_path, name, EVIL).verdict == "dangerous"
    assert scanned(tmp_path, "weights.bin", bytes(range(1, 200))).verdict == "unknown-format"
