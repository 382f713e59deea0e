"""The walk of a pickle against Python's own reader of opcodes; what is known of the objects; what is told of globals."""

from __future__ import annotations

import pickle
import pickletools
from collections import OrderedDict
from decimal import Decimal
from typing import Any

import pytest

from registry_cli.provenance.pickles import known
from registry_cli.provenance.pickles.allowed import Allowed
from registry_cli.provenance.pickles.judging import DANGEROUS, KNOWN, UNKNOWN, judge
from registry_cli.provenance.pickles.opcodes import TABLE
from registry_cli.provenance.pickles.reader import OPCODES, Budget
from registry_cli.provenance.pickles.values import Call, Global, Many, attributes, class_of
from registry_cli.provenance.pickles.walker import Walk, walk
from registry_cli.provenance.safety.bodies import InMemory, straight

from .corpus import DATA, array, call, pickled, stack_global, text


def walked(data: bytes, budget: Budget | None = None) -> Walk:
    return walk(lambda: straight(InMemory(data)), budget or Budget())


def test_the_table_has_every_opcode() -> None:
    codes = {ord(each.code) for each in pickletools.opcodes}
    assert codes == OPCODES
    assert codes - {ord(".")} == {code for code in range(256) if TABLE[code]}


@pytest.mark.parametrize(
    "path", [each for each in sorted(DATA.glob("*.pkl")) if "legacy" not in each.name], ids=lambda path: path.name
)
def test_every_opcode_of_an_honest_pickle_is_met(path: Any) -> None:
    """As many as pickletools counts, to the same end."""
    data = path.read_bytes()
    count = sum(1 for _ in pickletools.genops(data))
    budget = Budget()
    before = budget.opcodes
    found = walked(data, budget)
    assert (found.complete, found.offset) == (True, len(data))
    if not any(use.path == "torch.storage._load_from_bytes" for use in found.uses):
        assert before - budget.opcodes == count - 1  # STOP is not counted


@pytest.mark.parametrize("protocol", range(6))
def test_constants_come_back_as_themselves(protocol: int) -> None:
    for value in (None, True, False, 0, 7, 300, -5, 1 << 40, -(1 << 70), "text", "ä€", "a\nb\\", "'quoted'", (), (1,),
                  (1, 2, 3), tuple(range(9)), ("a", ("b",))):  # fmt: skip
        found = walked(pickle.dumps(value, protocol))
        assert (found.values, found.complete) == ((value,), True)


@pytest.mark.parametrize("protocol", range(6))
def test_containers_and_objects(protocol: int) -> None:
    made = walked(pickle.dumps({"a": [1, "b"], "c": OrderedDict(x=1), "d": Decimal("1.5"), "e": {1}}, protocol))
    assert made.complete
    said = attributes(made.values[0])
    assert said["a"].items == [1, "b"]
    assert class_of(said["c"]).path == "collections.OrderedDict"  # type: ignore[union-attr]
    assert {use.path for use in made.uses} >= {"collections.OrderedDict", "decimal.Decimal"}
    state = walked(pickle.dumps(_Thing(), protocol)).values[0]
    assert attributes(state) == {"number": 3, "name": "x"}


class _Thing:
    def __init__(self) -> None:
        self.number, self.name = 3, "x"


def test_called_or_only_referred_to() -> None:
    used = {use.path: use.called for use in walked(pickle.dumps([Decimal("1"), OrderedDict], 4)).uses}
    assert used == {"decimal.Decimal": True, "collections.OrderedDict": False}


def test_an_array_of_joblib_is_passed_over() -> None:
    found = walked(pickled(array(200) + b"0" + text("behind")))
    assert (found.values, found.arrays, found.complete) == (("behind",), 1, True)


def test_long_bytes_are_not_kept_and_elements_only_up_to_a_limit() -> None:
    found = walked(pickle.dumps([b"x" * 10_000, "y" * 10_000, *range(300_000)], 4))
    kept = found.values[0]
    assert isinstance(kept, Many)
    assert (found.complete, kept.lost, len(kept.items)) == (True, True, 100_000)
    assert not isinstance(kept.items[0], bytes)


def test_limits_are_told_as_such() -> None:
    found = walked(pickle.dumps(list(range(1000))), Budget(opcodes=500))
    assert (found.complete, found.limit) == (False, True)


def judged(path: str, *, called: bool = True, allow: tuple[str, ...] = ()) -> str:
    module, _, name = path.rpartition(".")
    use = Global(module, name, 0)
    use.called = called
    return judge(use, Allowed(allow)).level


def test_what_is_known_unknown_and_dangerous() -> None:
    for path in ("sklearn.svm._classes.SVC", "collections.OrderedDict", "torch._utils._rebuild_tensor_v2",
                 "sklearn.tree._tree.Tree", "numpy.dtype", "xgboost.core.Booster", "copy_reg._reconstructor",
                 "sklearn._loss._loss.__pyx_unpickle_CyHalfBinomialLoss"):  # fmt: skip
        assert judged(path) == KNOWN, path
    for path in ("ours.models.Churn", "__main__.Model", "transformers.models.bert.BertModel", "functools.partial",
                 "sklearn.metrics._scorer.get_scorer", "sklearn.pipeline.Popen", "umap.umap_.UMAP"):  # fmt: skip
        assert judged(path) == UNKNOWN, path
    for path in ("os.system", "numpy.testing.Tester", "numpy.f2py.f2py2e.run_main", "torch.hub.load", "x.y.runstring",
                 "torch.serialization.load", "joblib.numpy_pickle.load", "sklearn.base.__loader__", "a b.c",
                 "commands.getoutput", "cPickle.loads", "sklearn.externals.joblib.load"):  # fmt: skip
        assert judged(path) == DANGEROUS, path


def test_a_function_that_is_referred_to_is_known_but_not_its_call() -> None:
    path = "sklearn.feature_selection._univariate_selection.f_classif"
    assert judged(path, called=False) == KNOWN
    assert judged(path) == UNKNOWN
    assert judged("builtins.getattr", called=False) == UNKNOWN
    assert judged("builtins.getattr") == DANGEROUS


def test_what_is_allowed_besides() -> None:
    assert judged("ours.models.Churn", allow=("ours.models.Churn",)) == KNOWN
    assert judged("ours.models.Churn", allow=("ours.*",)) == KNOWN
    assert judged("ourselves.Churn", allow=("ours.*",)) == UNKNOWN
    assert judged("numpy.testing.Tester", allow=("numpy.*",)) == DANGEROUS, "a package does not bring what is denied"
    assert judged("cloudpickle.cloudpickle._make_function", allow=("cloudpickle.cloudpickle._make_function",)) == KNOWN


def test_nothing_of_python_itself_is_known_by_accident() -> None:
    """Every callable of the library's modules that can run code: none of them is known."""
    assert not {path for path in known.EXACT if path.split(".")[0] in ("os", "posix", "subprocess", "importlib", "sys")}
    assert known.EXACT.isdisjoint(known.LOADERS)


def test_a_global_by_another_name_is_that_global() -> None:
    found = walked(pickled(call(stack_global("numpy._core", "_ufunc_reconstruct"), text("numpy"), text("sin"))))
    assert [use.path for use in found.uses] == ["numpy._core._ufunc_reconstruct", "numpy.sin"]
    assert isinstance(found.values[0], Global)
    made = walked(pickled(call(stack_global("builtins", "getattr"), stack_global("decimal", "Decimal"), text("real"))))
    assert made.uses[-1].path == "decimal.Decimal.real"
    assert not isinstance(made.values[0], Call)
