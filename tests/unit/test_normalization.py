"""One datum has one normal form, however it is handed in; what is not valid is named, all of it."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_cli import InvalidInput
from registry_cli.core import values
from registry_cli.core.normalization import METRIC, PARAM, Collection, normalize
from registry_cli.interop import value_files

INTEGERS = st.integers(-(2**70), 2**70)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
LISTS = st.lists(st.one_of(INTEGERS, FLOATS, st.booleans(), st.none(), TEXTS), max_size=4)
PARAMS = st.one_of(INTEGERS, FLOATS, st.booleans(), TEXTS, LISTS, st.none())


def of_api(kind: str, value: object) -> Any:
    return outcome(lambda: normalize(kind, {"a": {"b": value}}).values)


def of_file(kind: str, path: Path, text: str) -> Any:
    path.write_text(text, encoding="utf-8")

    def read() -> dict[str, Any]:
        collection = Collection(kind)
        collection.add(value_files.read(str(path), kind), str(path))
        return collection.done(skip_invalid=False)[0]

    return outcome(read)


def of_text(kind: str, text: str) -> Any:
    return outcome(lambda: normalize(kind, {"a.b": values.typed(text)}).values)


def outcome(read: Any) -> Any:
    """What was read, with its types; or that it was refused."""
    try:
        found = read()
    except InvalidInput:
        return "refused"
    return {name: (type(value), value) for name, value in found.items()}


@pytest.mark.parametrize("kind", [PARAM, METRIC])
@given(PARAMS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_datum_is_stored_in_one_way(kind: str, tmp_path: Path, value: object) -> None:
    """By the API, in JSON, in YAML, and typed, wherever its text is not that of another datum."""
    wanted = of_api(kind, value)
    assert of_file(kind, tmp_path / "a.json", json.dumps({"a": {"b": value}})) == wanted
    assert of_file(kind, tmp_path / "a.jsonl", json.dumps({"a": {"b": value}}) if kind == METRIC else "") == (
        wanted if kind == METRIC else "refused"
    )
    assert of_file(kind, tmp_path / "a.yaml", json.dumps({"a": {"b": value}}, ensure_ascii=False)) == wanted
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str) or values.typed(value) == value:
        assert of_text(kind, text) == wanted


@given(st.one_of(INTEGERS, FLOATS, st.booleans(), st.lists(st.one_of(INTEGERS, FLOATS), max_size=3)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.skipif(not importlib.util.find_spec("tomllib"), reason="Python 3.10 has no tomllib")
def test_toml_too(tmp_path: Path, value: object) -> None:
    for kind in (PARAM, METRIC):
        assert of_file(kind, tmp_path / "a.toml", f"[a]\nb = {json.dumps(value)}\n") == of_api(kind, value)


@pytest.mark.parametrize(
    "word", ["1e-400", "1e400", "-1E+400", "99999999999999999999", "1.2345678901e-320", "2.5e-324"]
)
def test_a_number_that_a_double_does_not_hold_is_never_changed(tmp_path: Path, word: str) -> None:
    files = {"a.json": f'{{"a": {{"b": {word}}}}}', "a.yaml": f"a:\n  b: {word}\n", "b.yaml": f"{{a: {{b: {word}}}}}"}
    if importlib.util.find_spec("tomllib"):
        files["a.toml"] = f"[a]\nb = {word}\n"
    for name, text in files.items():
        assert of_file(METRIC, tmp_path / name, text) == "refused", name
        assert of_file(PARAM, tmp_path / name, text) == {"a.b": (str, word)}, name
    assert of_file(METRIC, tmp_path / "a.csv", f"a.b\n{word}\n") == "refused"
    assert of_text(METRIC, word) == "refused"
    assert of_text(PARAM, word) == {"a.b": (str, word)}


@given(st.text(max_size=12))
def test_typed_words_are_those_of_yaml(word: str) -> None:
    """A word that stands alone in a YAML file means what it means on the command line."""
    try:
        (event,) = [each for each in yaml.parse(f"- {word}\n") if isinstance(each, yaml.ScalarEvent)]
    except (yaml.YAMLError, ValueError):
        return
    if event.style is None and event.value == word and word not in ("", "None"):
        assert repr(value_files._parse_yaml(f"a: {word}\n", "a.yaml")["a"]) == repr(values.typed(word))


def test_all_that_is_not_valid_is_named() -> None:
    given = {"auc": 0.9, "note": "high", "cm": [[1, 2]], "x": math.nan, "ok": {"f1": 1, "bad": True}, " k": 1}
    with pytest.raises(InvalidInput, match=r"^5 metrics are invalid: ") as caught:
        normalize(METRIC, given)
    for name in ("note", "cm", "'x' is nan", "ok.bad", " k"):
        assert name in str(caught.value)
    found = normalize(METRIC, given, skip_invalid=True)
    assert found.values == {"auc": 0.9, "ok.f1": 1}
    assert {each.name for each in found.skipped} == {"note", "cm", "x", "ok.bad", " k"}
    many = {f"m{number}": "x" for number in range(30)}
    with pytest.raises(InvalidInput, match=r"^30 metrics are invalid: .*; and 25 more; fix them"):
        normalize(METRIC, many)
    with pytest.raises(InvalidInput, match=r"^metric 'auc' is 'x', which is not a number; fix it"):
        normalize(METRIC, {"auc": "x"})


def test_globs_select() -> None:
    given = {"train": {"loss": 1, "note": "x"}, "eval_loss": 2, "eval_f1": 3}
    assert normalize(METRIC, given, only=["eval_*"]).values == {"eval_loss": 2, "eval_f1": 3}
    found = normalize(METRIC, given, only=["*loss", "nothing*"])
    assert (found.values, found.warnings) == ({"train.loss": 1, "eval_loss": 2}, ("no metric matches 'nothing*'",))
    assert normalize(METRIC, given, only="eval_f*").values == {"eval_f1": 3}, "one glob need be no list"


@pytest.mark.parametrize("given", ["ab", ["a"], 3])
def test_something_else_than_a_mapping_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInput, match="give a mapping"):
        normalize(METRIC, given)


def test_what_has_no_value_is_left_out() -> None:
    collection = Collection(PARAM)
    collection.add({"a": None, "b": {}, "c": {"d": None, "e": {}}, "f": [], "g": ""})
    assert collection.values == {"f": "[]", "g": ""}
    assert sorted(collection.empty) == ["a", "b", "c.d", "c.e"]


def test_keys() -> None:
    assert normalize(METRIC, {0: 1, True: 2, None: 3, 0.5: 4, "macro avg": {"f1-score": 5}}).values == {
        "0": 1, "true": 2, "null": 3, "0.5": 4, "macro avg.f1-score": 5,
    }  # fmt: skip
    with pytest.raises(InvalidInput, match="twice"):
        normalize(METRIC, {1: 1, "1": 2})
    with pytest.raises(InvalidInput, match="twice"):
        normalize(METRIC, {"a": {"b": 1}, "a.b": 2})
