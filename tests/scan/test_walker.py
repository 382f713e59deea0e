"""The walk of a pickle against Python's own reader of opcodes; what is known of the objects; what is told of globals."""

from __future__ import annotations

import json
import pickle
import pickletools
import re
import sys
from collections import OrderedDict
from decimal import Decimal
from typing import Any

import pytest

from registry_cli.inspect.binary.limits import Budget
from registry_cli.inspect.binary.sources import MemorySource, SequentialReader
from registry_cli.scan.pickle import allow_list
from registry_cli.scan.pickle.global_verdicts import judge, use_of
from registry_cli.scan.pickle.opcode_reader import OPCODES
from registry_cli.scan.pickle.opcodes import TABLE
from registry_cli.scan.pickle.stack_values import Call, Global, SymbolicContainer, attributes, class_of
from registry_cli.scan.pickle.stream_analysis import StreamAnalysis, analyse_stream
from registry_cli.scan.verdicts import DANGEROUS, KNOWN, UNKNOWN, AllowedGlobals
from tests.scan.corpus import DATA, array, call, pickled, stack_global, text, wrapper


def walked(data: bytes, budget: Budget | None = None) -> StreamAnalysis:
    return analyse_stream(lambda: SequentialReader(MemorySource(data)), budget or Budget())


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


def plain(value: Any) -> Any:
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


@pytest.mark.parametrize("protocol", range(6))
def test_constants_come_back_as_themselves(protocol: int) -> None:
    for value in (None, True, False, 0, 7, 300, -5, 1 << 40, -(1 << 70), "text", "ä€", "a\nb\\", "'quoted'", (), (1,),
                  (1, 2, 3), tuple(range(9)), ("a", ("b",))):  # fmt: skip
        found = walked(pickle.dumps(value, protocol))
        assert (plain(found.values), found.complete) == ((value,), True)


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


def test_what_is_done_with_a_global() -> None:
    uses = [use[1:4] for use in walked(pickle.dumps([Decimal("1"), OrderedDict], 4)).uses]
    assert uses == [("Decimal", "import", ()), ("Decimal", "call", ("text",)), ("OrderedDict", "import", ()),
                    ("OrderedDict", "refer", ())]  # fmt: skip


def test_an_array_of_joblib_is_passed_over() -> None:
    found = walked(pickled(array(200) + b"0" + text("behind")))
    assert (found.values, found.arrays, found.complete) == (("behind",), 1, True)


def test_an_array_of_texts_of_numpy_is_a_pickle() -> None:
    """As joblib writes one of ``StringDType``."""
    dtype = call(stack_global("numpy._core._internal", "_convert_to_stringdtype_kwargs"), b"K\1")
    found = walked(pickled(wrapper(dtype, b"K\1\x85", b"N") + pickled(text("inside")) + b"0" + text("behind")))
    assert (found.values, found.arrays, found.complete) == (("behind",), 1, True)


def test_long_bytes_are_not_kept_and_elements_only_up_to_a_limit() -> None:
    found = walked(pickle.dumps([b"x" * 10_000, "y" * 10_000, *range(300_000)], 4))
    kept = found.values[0]
    assert isinstance(kept, SymbolicContainer)
    assert (found.complete, kept.lost, len(kept.items)) == (True, True, 100_000)
    assert not isinstance(kept.items[0], bytes)


def test_limits_are_told_as_such() -> None:
    found = walked(pickle.dumps([None] * 1000), Budget(opcodes=500))
    assert (found.complete, found.limit) == (False, True)


def judged(path: str, how: str = "new", kinds: tuple[str, ...] = (), allow: tuple[str, ...] = ()) -> str:
    module, _, name = path.rpartition(".")
    return judge(use_of(module, name, how, kinds), AllowedGlobals(allow)).level


def test_what_is_known_unknown_and_dangerous() -> None:
    for path in ("sklearn.svm._classes.SVC", "sklearn.ensemble._forest.RandomForestClassifier", "xgboost.core.Booster",
                 "lightgbm.sklearn.LGBMClassifier", "torch.nn.modules.linear.Linear", "scipy.sparse._csr.csr_matrix"):  # fmt: skip
        assert judged(path) == KNOWN, path
        assert judged(path, "state", ("dict",)) == KNOWN, path
        assert judged(path, "call", ("text",)) == UNKNOWN, path
    for path in ("ours.models.Churn", "__main__.Model", "transformers.models.bert.BertModel",
                 "sklearn.metrics._scorer.get_scorer", "sklearn.pipeline.Popen", "sklearn.base.inspect"):  # fmt: skip
        assert judged(path) == UNKNOWN, path
    for path in ("os.system", "numpy.testing.Tester", "numpy.f2py.f2py2e.run_main", "torch.hub.load", "x.y.runstring",
                 "torch.serialization.load", "joblib.numpy_pickle.load", "sklearn.base.__loader__", "a b.c",
                 "commands.getoutput", "cPickle.loads", "sklearn.externals.joblib.load", "uuid._get_command_stdout"):  # fmt: skip
        assert judged(path, "call") == DANGEROUS, path


def test_a_function_that_may_be_referred_to_may_not_be_called() -> None:
    path = "sklearn.feature_selection._univariate_selection.f_classif"
    assert judged(path, "refer") == KNOWN
    assert judged(path, "call", ("text",)) == UNKNOWN
    for path in ("builtins.hash", "builtins.len", "numpy.log1p"):
        assert judged(path, "refer") == KNOWN, path
    assert judge(use_of("builtins", "str.split", "refer"), AllowedGlobals()).level == KNOWN
    assert judge(use_of("builtins", "str.format", "refer"), AllowedGlobals()).level == DANGEROUS
    assert judged("builtins.getattr", "call", ("@builtins.str", "text")) == DANGEROUS
    assert judged("torch.storage._load_from_bytes", "refer") == DANGEROUS


@pytest.mark.parametrize("path", [
    "functools.reduce", "operator.attrgetter", "operator.methodcaller", "builtins.map", "builtins.filter", "types.MethodType",
    "torch._tensor._rebuild_from_type", "numpy.random._pickle.__generator_ctor", "copyreg.__newobj__", "toolz.pipe",
    "copyreg._reconstructor", "ours.tools.apply", "sklearn.base.reduce", "x.y.methodcaller", "itertools.starmap",
])  # fmt: skip
def test_what_calls_what_it_is_given_is_dangerous_but_for_the_arguments_of_honest_files(path: str) -> None:
    for kinds in (("text",), ("text", "@ours.f"), ("tuple*",), ("=ours.C", "text", "text")):
        assert judged(path, "call", kinds) == DANGEROUS, kinds


def test_nested_calls_are_judged_as_calls() -> None:
    """What a known function would call for its caller lies in a tuple of its arguments."""
    apply, tensor = stack_global("torch._tensor", "_rebuild_from_type_v2"), stack_global("torch", "Tensor")
    hidden = call(
        apply, apply, tensor, b"(" + stack_global("os", "system") + tensor + b"(" + text("true") + b"tt", b"}"
    )
    uses = {use[:3] for use in walked(pickled(call(apply, apply, tensor, b"(" + hidden + b"t", b"}"))).uses}
    assert ("os", "system", "refer") in uses
    deep = call(apply, apply, tensor, b"(" + stack_global("os", "system") + tensor + b"(" + text("true") + b"t}t", b"}")
    assert ("os", "system", "call", ("text",)) in {use[:4] for use in walked(pickled(deep)).uses}
    made = walked(pickled(call(stack_global("copyreg", "__newobj__"), stack_global("ours", "C"), b"K\1")))
    assert ("ours", "C", "new", ("number",)) in {use[:4] for use in made.uses}


def test_what_is_allowed_besides() -> None:
    assert judged("ours.models.Churn", allow=("ours.models.Churn",)) == KNOWN
    assert judged("ours.models.Churn", allow=("ours.*",)) == KNOWN
    assert judged("ourselves.Churn", allow=("ours.*",)) == UNKNOWN
    assert judged("numpy.testing.Tester", allow=("numpy.*",)) == DANGEROUS, "a package does not bring what is denied"
    assert judged("cloudpickle.cloudpickle._make_function", allow=("cloudpickle.cloudpickle._make_function",)) == KNOWN


def entries() -> list[tuple[str, str, str]]:
    found = []
    for path in sorted(allow_list._FOLDER.glob("*.json")):
        document = json.loads(path.read_text())
        if path.stem != "library":
            found += [
                (module, name, uses)
                for module, by_use in document["modules"].items()
                for uses, names in by_use.items()
                for name in names.split()
            ]
    return found


def test_the_allow_list_has_exact_names_only_and_nothing_that_runs_what_it_is_given() -> None:
    listed = entries()
    assert len(listed) > 3000
    tops = {"os", "posix", "subprocess", "importlib", "sys", "runpy", "shutil", "socket", "pickle", "marshal", "ctypes"}
    for module, name, _ in listed:
        assert "*" not in module + name
        assert module.partition(".")[0] not in tops
        assert (module, name) not in {
            ("builtins", each) for each in ("eval", "exec", "compile", "open", "__import__", "map")
        }
    calls = {f"{module}.{name}": uses for module, name, uses in listed if "call(@" in uses and "@," not in uses}
    assert not {path for path in calls if path.startswith(("os.", "subprocess."))}
    assert all(
        (allow_list._FOLDER / f"{path.stem}.json").stat().st_size < 100_000
        for path in allow_list._FOLDER.glob("*.json")
    )


@pytest.mark.parametrize("uses", sorted({each for *_, uses in entries() for each in uses.split()}))
def test_each_permitted_use_is_one(uses: str) -> None:
    [(how, patterns, _)] = allow_list._parsed(uses)
    assert how in ("refer", "new", "call", "state", "items")
    for kinds in patterns:
        for kind in kinds:
            assert re.fullmatch(
                r"number|text|bytes|persistent|(tuple|list|dict|set)[+*]?|buffer|unknown|array|@|[@=][\w.<>]+", kind
            ), kind


def test_the_list_of_python_s_library_does_not_depend_on_the_interpreter() -> None:
    library = allow_list.standard_library()
    assert library >= {name for name in sys.stdlib_module_names if not name.startswith("_")}
    assert library >= {"commands", "cPickle", "imp", "asyncore", "distutils", "lib2to3", "pipes", "crypt", "annotationlib",
                       "_winapi", "compression", "popen2", "telnetlib", "concurrent", "nt", "posix"}  # fmt: skip
    assert judged("lib2to3.pgen2.pgen.ParserGenerator", "call", ("text",)) == DANGEROUS
    assert judged("annotationlib.call_annotate_function", "call") == DANGEROUS


def test_a_global_by_another_name_is_that_global() -> None:
    found = walked(pickled(call(stack_global("numpy._core", "_ufunc_reconstruct"), text("numpy"), text("sin"))))
    assert [use.path for use in found.uses if use.how == "import"] == ["numpy._core._ufunc_reconstruct", "numpy.sin"]
    assert isinstance(found.values[0], Global)
    made = walked(pickled(call(stack_global("builtins", "getattr"), stack_global("decimal", "Decimal"), text("real"))))
    assert made.uses[-1].path == "decimal.Decimal.real"
    assert not isinstance(made.values[0], Call)
    for path in ("__builtin__.eval", "commands.getoutput", "urllib2.urlopen", "cPickle.loads", "StringIO.os"):
        assert judged(path, "call", ("text",)) == DANGEROUS, path
