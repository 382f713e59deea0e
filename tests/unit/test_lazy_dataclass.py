"""The data classes behave as those of the standard library, which are made at the same time of the same text."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from typing import Any

import pytest

from registry_cli.core import lazy_dataclass

TEXT = '''
@dataclass(frozen=True)
class Point:
    """A place."""
    x: int
    y: int = 2
    tags: list = field(default_factory=list, repr=False)

@dataclass(frozen=True)
class Named(Point):
    y: int = 5
    name: str = "n"
    note: str = field(default="", compare=False)

@dataclass
class Mutable:
    items: list = field(default_factory=list)
    total: int = 0
    def __post_init__(self):
        self.total += len(self.items)

@dataclass(frozen=True, eq=False, repr=False)
class Plain:
    a: int = 1
    def __str__(self):
        return f"plain {self.a}"

@dataclass(frozen=True)
class Own:
    a: int
    def __eq__(self, other):
        return True
    def __repr__(self):
        return "own"
'''


@pytest.fixture(params=[dataclasses, lazy_dataclass], ids=["standard", "lazy"])
def made(request: pytest.FixtureRequest) -> Any:
    scope = {"dataclass": request.param.dataclass, "field": request.param.field, "__name__": __name__}
    exec("from __future__ import annotations\n" + TEXT, scope)
    return scope


def test_instances_have_their_values(made: Any) -> None:
    point = made["Point"](1, tags=["a"])
    assert (point.x, point.y, point.tags) == (1, 2, ["a"])
    assert repr(point) == "Point(x=1, y=2)"
    assert point == made["Point"](1, 2, ["a"]) != made["Point"](1, 3, ["a"])
    assert point != made["Named"](1, 2, ["a"])
    assert made["Point"](1).tags is not made["Point"](1).tags
    assert repr(made["Named"](1)) == "Named(x=1, y=5, name='n', note='')"
    assert made["Mutable"]([1, 2]).total == 2
    assert (made["Point"].y, hasattr(made["Point"], "tags")) == (2, False)


def test_no_value_is_compared_when_an_instance_is_made(made: Any) -> None:
    """The comparison of an array with anything is an array, which has no truth value."""

    class Array:
        def __eq__(self, _: object) -> bool:
            raise ValueError("ambiguous")

        __hash__ = None  # type: ignore[assignment]

    array = Array()
    assert made["Point"](array).x is array
    assert made["Point"](x=1, y=array, tags=array).y is array


def test_wrong_arguments_are_refused(made: Any) -> None:
    given: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}), ((1,), {"z": 1}), ((1, 2, [], 4), {}), ((1,), {"x": 2}), ((), {"y": 1}), ((1, 2, []), {"z": 1}),
    ]  # fmt: skip
    for arguments, named in given:
        with pytest.raises(TypeError, match="__init__"):
            made["Point"](*arguments, **named)


def test_frozen_instances_stay(made: Any) -> None:
    point = made["Point"](1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="x"):
        point.x = 3
    with pytest.raises(dataclasses.FrozenInstanceError, match="x"):
        del point.x
    mutable = made["Mutable"]()
    mutable.total = 4
    assert mutable.total == 4


def test_hashes(made: Any) -> None:
    assert hash(made["Named"](1, 2, ())) == hash(made["Named"](1, 2, (), note="x"))
    assert made["Named"](1) == made["Named"](1, note="x") != made["Named"](1, name="x")
    with pytest.raises(TypeError, match="unhashable"):
        hash(made["Mutable"]())
    plain = made["Plain"]()
    assert hash(plain) == object.__hash__(plain)
    assert plain != made["Plain"]()
    assert str(plain) == "plain 1"
    assert repr(plain).startswith("<")
    assert (made["Own"](1) == made["Own"](2), repr(made["Own"](1)), hash(made["Own"](1)) != hash(made["Own"](2))) == (
        True,
        "own",
        True,
    )


def test_standard_functions_take_them(made: dict[str, Any]) -> None:
    point = made["Point"](1, tags=["a"])
    assert dataclasses.is_dataclass(made["Point"]) is True
    assert [each.name for each in dataclasses.fields(made["Point"])] == ["x", "y", "tags"]
    assert dataclasses.asdict(point) == {"x": 1, "y": 2, "tags": ["a"]}
    for replace in (dataclasses.replace, lazy_dataclass.replace) if hasattr(point, "__lazy_fields__") else ():
        assert replace(point, y=7) == made["Point"](1, 7, ["a"])
    assert copy.copy(point) == copy.deepcopy(point) == point
    match point:
        case object(x=1, y=2):
            pass
        case _:
            raise AssertionError


def test_signatures(made: Any) -> None:
    assert list(inspect.signature(made["Named"]).parameters) == ["x", "y", "tags", "name", "note"]
    assert inspect.signature(made["Named"]).parameters["y"].default == 5
    assert made["Named"].__match_args__ == ("x", "y", "tags", "name", "note")


@lazy_dataclass.dataclass(frozen=True)
class Pickled:
    a: int


def test_they_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Pickled(3))) == Pickled(3)


def test_importing_it_imports_nothing_slow() -> None:
    code = (
        "import sys; before = set(sys.modules); import registry_cli.core.lazy_dataclass as m\n"
        "made = m.dataclass(frozen=True)(type('A', (), {'__annotations__': {'a': 'int'}}))(a=1)\n"
        "assert made.a == 1\n"
        "print(sorted({'dataclasses', 'inspect'} & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
