"""Params, metrics, tags and annotations: spelling, bounds, and what a program or a notebook may hand in."""

from __future__ import annotations

import enum
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli.core import values
from registry_cli.core.conversion import Literal
from registry_cli.errors import InvalidInput


class Kind(str, enum.Enum):
    TREE = "tree"


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class Scalar:
    """As NumPy's scalars are: no int or float, but with an ``item``."""

    def __init__(self, value: object) -> None:
        self._value = value

    def item(self) -> object:
        return self._value


class Plain(enum.Enum):
    NAMED = (1, 2)
    TEN = 10


class Estimator:
    pass


class Numbers:
    """As an array is: with a shape."""

    def __init__(self, content: object, shape: tuple[int, ...]) -> None:
        self._content, self.shape = content, shape

    def tolist(self) -> object:
        return self._content

    def item(self) -> object:
        return self._content


class Wide:
    """As NumPy's longdouble is: ``item`` gives itself."""

    def __init__(self, text: str) -> None:
        self._text = text

    def item(self) -> object:
        return self

    def __str__(self) -> str:
        return self._text


class Array:
    def item(self) -> object:
        raise ValueError("can only convert an array of size 1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("-3", -3), ("0", 0), ("1e-5", 1e-5), ("0.5", 0.5), ("1E6", 1e6), ("true", True), ("false", False),
        ("007", "007"), ("nan", "nan"), ("inf", "inf"), ("1e400", "1e400"), ("1e-400", "1e-400"), ("True", True), ("yes", "yes"), ("", ""),
        ("1_000", "1_000"), ("0x10", "0x10"), (" 3", " 3"), (".5", 0.5), ("+3", 3), ("٣", "٣"), (".nan", "nan"), ("-.inf", "-inf"),
        ("99999999999999999999", "99999999999999999999"), ("[1, 2]", "[1, 2]"), ("[1,1e-400,null]", "[1, 1e-400, null]"),
        ("[a]", "[a]"), ('[{"a": 1, "a": 2}]', '[{"a": 1, "a": 2}]'), ("5e-324", 5e-324), ("4.9e-324", "4.9e-324"),
        ("9223372036854775807", 2**63 - 1), ("a=b", "a=b"),
    ],
)  # fmt: skip
def test_a_param_as_typed(text: str, value: object) -> None:
    read = values.param(text, "p")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "abc", "", "1,5", "0x10", "1e400", "007", "true", "1 ", "１", "1e-400", "1.2345678901e-320",
                                  "9" * 20, "null", "None", "[1]", ".nan"])  # fmt: skip
def test_a_metric_as_typed_is_a_finite_number(text: str) -> None:
    with pytest.raises(InvalidInput):
        values.metric(text, "auc")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_typed_as_python_writes_it_is_that_float(number: float) -> None:
    assert values.metric(repr(number), "m") == number


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ([1, "a", None], '[1, "a", null]'), ((1, 2), "[1, 2]"), (math.inf, "inf"), (math.nan, "nan"),
        (2**63, str(2**63)), (-(2**63), -(2**63)), (True, True), (0.1, 0.1), ("text", "text"), (Scalar(7), 7),
        (Scalar(0.5), 0.5), (Scalar(True), True), (Kind.TREE, "tree"), (Level.HIGH, 3), (Text("word"), "word"),
        ({2, 1}, "[1, 2]"), (range(2), "[0, 1]"), ([{"a": (1,)}], '[{"a": [1]}]'), (Decimal("1.50"), 1.5),
        (Decimal("1E+2"), 100.0), (Decimal("NaN"), "nan"), (Decimal("1e-400"), "1E-400"), (Fraction(1, 2), 0.5),
        (Fraction(4, 2), 2), (Fraction(1, 10**400), f"1/{10**400}"), (Plain.NAMED, "NAMED"), (Plain.TEN, 10),
        (Path("a/b"), "a/b"), (datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"), (date(2026, 1, 2), "2026-01-02"),
        (timedelta(minutes=1), 60.0), (UUID(int=1), str(UUID(int=1))), (Estimator(), "Estimator"), (object(), "object"),
        (Estimator, f"{__name__}.Estimator"), (int, "int"), (math.sqrt, "math.sqrt"), ([Estimator()], '["Estimator"]'),
        (Array(), "Array"), (Numbers([[1, 2]], (1, 2)), "[[1, 2]]"), (Numbers(7, ()), 7), (Wide("0.5"), 0.5),
        (Wide("1e+4000"), "1e+4000"), (10**60, str(10**60)), ("two\nlines\t", "two\nlines\t"), ("x" * 65_536, "x" * 65_536),
    ],
)  # fmt: skip
def test_a_param_as_a_program_gives_it(given: object, value: object) -> None:
    """What comes out is of a plain type: anything else could not be written, and would be found out too late."""
    read = values.check_param(given, "p")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "given", [None, {"a": 1}, b"bytes", 1j, [b"x"], 10**150, "x" * 65_537, "\x1b[31m", "a\x85b", "a\rb", "\x7f", "\0"]
)
def test_a_param_of_another_type_is_refused(given: object) -> None:
    with pytest.raises(InvalidInput):
        values.check_param(given, "p")


@pytest.mark.parametrize(
    ("given", "value"), [(1, 1), (0.5, 0.5), (Scalar(0.25), 0.25), (2**63, float(2**63)), (Level.HIGH, 3), (-0.0, -0.0),
                         (Fraction(1, 2), 0.5), (Decimal("0.1"), 0.1), (Numbers(0.5, ()), 0.5), (Wide("0.25"), 0.25)],
)  # fmt: skip
def test_a_metric_as_a_program_gives_it(given: object, value: float) -> None:
    read = values.check_metric(given, "m")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "given",
    [
        True,
        None,
        "0.9",
        math.nan,
        math.inf,
        10**400,
        Scalar(math.nan),
        Scalar(True),
        Array(),
        [1],
        2**63 + 1,
        Decimal("1e400"),
        Fraction(1, 10**400),
        Numbers([0.5], (1,)),
        Wide("1e+4000"),
        {"a": 1},
        Estimator(),
        Literal("1e-400"),
    ],
)
def test_a_metric_that_is_no_finite_number_is_refused(given: object) -> None:
    with pytest.raises(InvalidInput):
        values.check_metric(given, "m")


@pytest.mark.parametrize(
    ("given", "value"), [(True, "true"), (3, "3"), ("crm", "crm"), (Kind.TREE, "tree"), (Text("word"), "word")]
)
def test_a_tag_is_a_line_of_text(given: object, value: str) -> None:
    read = values.check_line(given, "t")
    assert read == value
    assert type(read) is str


@pytest.mark.parametrize("bad", ["a\nb", "a\0", "\x1b[31m", "a\x85b", "a\u2028b", "\ud800", "x" * 8193, "\x7f"])
def test_a_line_with_anything_else_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInput):
        values.check_line(bad, "t")


def test_a_tag_without_a_value_is_refused() -> None:
    with pytest.raises(InvalidInput, match="has no value"):
        values.check_line(None, "t")


def test_an_annotation_is_any_text() -> None:
    assert values.check_text("two\nlines\t\x1b", "purpose") == "two\nlines\t\x1b"
    assert type(values.check_text(Text("word"), "purpose")) is str
    for bad in ("\0", "\ud800", "x" * 65_537):
        with pytest.raises(InvalidInput):
            values.check_text(bad, "purpose")
    with pytest.raises(InvalidInput):
        values.check_text(7, "purpose")


@pytest.mark.parametrize("bad", ["", " a", "a ", "a=b", "a\nb", "x" * 251, "\ud800", "a\0"])
def test_a_bad_key_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInput):
        values.key(bad)
    with pytest.raises(InvalidInput):
        values.checked({bad: "x"}, values.check_line)


def test_keys_are_plain_text_too() -> None:
    assert [type(name) for name in values.checked({Kind.TREE: "x", 7: "y"}, values.check_line)] == [str, str]  # type: ignore[dict-item]


def test_too_many_at_once_are_refused() -> None:
    with pytest.raises(InvalidInput, match="20,001"):
        values.checked({str(number): number for number in range(20_001)}, values.check_param)


def test_pairs() -> None:
    assert values.pairs(["depth=6", "lr=1e-3", "name=a=b", "empty="], values.param) == {
        "depth": 6, "lr": 1e-3, "name": "a=b", "empty": "",
    }  # fmt: skip
    for bad in (["depth"], ["=6"], ["a=1", "a=2"]):
        with pytest.raises(InvalidInput):
            values.pairs(bad, values.param)


def test_a_tree_is_flattened_with_dots() -> None:
    assert values.flatten({"train": {"lr": 0.1, "opt": {"name": "adam"}}, "seed": 1}) == {
        "train.lr": 0.1, "train.opt.name": "adam", "seed": 1,
    }  # fmt: skip
