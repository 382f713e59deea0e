"""What a model takes and gives, in words that can be compared."""

from __future__ import annotations

from typing import Any

import pytest

from registry_cli.core.records import VersionRecord
from registry_cli.rules.comparison import diff
from registry_cli.rules.io_schema import comparable_signatures, extract_signature, format_tensor, remove_sides


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        ({"name": "x", "type": "float32", "shape": [None, 4]}, "float32[?, 4]"),
        ({"name": "x", "type": "float32", "shape": ["batch", 4]}, "float32[batch, 4]"),
        ({"name": "x", "type": "float32", "shape": []}, "float32[]"),
        ({"name": "x", "type": "double"}, "double"),
        ({"name": "x", "shape": [1]}, "[1]"),
        ({"name": "x"}, "?"),
    ],
)
def test_a_tensor_in_words(tensor: dict[str, Any], said: str) -> None:
    assert format_tensor(tensor) == said


def lineage(**contents: Any) -> dict[str, Any]:
    return {"format": "onnx", "contents": contents}


def test_what_has_no_name_is_named_by_its_place() -> None:
    found = extract_signature(
        lineage(inputs=[{"type": "a"}, {"name": "x", "type": "b"}], outputs=[{"name": "y"}], features=["f", "g"])
    )
    assert found == {
        "inputs.0": "a", "inputs.x": "b", "outputs.y": "?", "features.f": "feature", "features.g": "feature", "features": "f, g",
    }  # fmt: skip


@pytest.mark.parametrize("contents", [None, "text", [], {"inputs": "text", "outputs": [1, None], "features": {"a": 1}}])
def test_what_others_wrote_there_is_no_signature(contents: Any) -> None:
    """The lineage may be given by anybody."""
    assert extract_signature({"contents": contents}) == {}
    kept = remove_sides({"contents": contents}, ("inputs",))["contents"]
    assert kept == (
        {key: value for key, value in contents.items() if key != "inputs"} if isinstance(contents, dict) else contents
    )


def test_the_order_of_features_is_told_where_they_are_the_same() -> None:
    assert comparable_signatures(lineage(features=["a", "b"]), lineage(features=["b", "a"])) == (
        {"features.a": "feature", "features.b": "feature", "features": "a, b"},
        {"features.b": "feature", "features.a": "feature", "features": "b, a"},
    )
    old, new = comparable_signatures(lineage(features=["a", "b"]), lineage(features=["a", "c"]))
    assert (old, new) == (
        {"features.a": "feature", "features.b": "feature"},
        {"features.a": "feature", "features.c": "feature"},
    )


def test_only_what_both_tell_is_compared() -> None:
    tensor = {"name": "x", "type": "float32"}
    assert comparable_signatures(lineage(inputs=[tensor]), lineage(features=["a"])) == ({}, {})
    assert comparable_signatures(lineage(inputs=[tensor], features=["a"]), lineage(inputs=[tensor])) == (
        {"inputs.x": "float32"}, {"inputs.x": "float32"},
    )  # fmt: skip


def record(number: int, **contents: Any) -> VersionRecord:
    return VersionRecord("churn", number, "", "alice", "", 1, 1, lineage=lineage(**contents))


def test_a_diff_has_a_section_of_its_own() -> None:
    before = record(1, inputs=[{"name": "x", "type": "float32"}], trees=5, features=["a"])
    after = record(2, inputs=[{"name": "x", "type": "float64"}], trees=6, features=["a", "b"])
    found = diff(before, after)
    assert [(each.name, each.change) for each in found.signature] == [("features.b", "added"), ("inputs.x", "changed")]
    assert [each.name for each in found.lineage] == ["contents.trees"]
    assert [section for section, _ in found.sections()] == ["signature", "lineage"]
    assert diff(before, before).equal
