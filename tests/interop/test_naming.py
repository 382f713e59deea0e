"""Names and values that other tools allow, as they are allowed here."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry_cli.core import names, values
from registry_cli.core.times import format_milliseconds, format_timestamp
from registry_cli.core.yaml import documents
from registry_cli.interop import name_mapping
from registry_cli.interop.imported_version import ImportedMetadata, to_plain_value


def test_names() -> None:
    expected = {
        "Churn Model": "churn-model", "churn": "churn", "Größe/Été 2": "groe/ete-2", "a/b/c": "a/b-c", "  ": "model",
        "--x--": "x", "7": "model-7", "v7": "model-v7", "con": "model-con", "versions": "model-versions",
        "日本": "model", "a..b.": "a.b", "x" * 90: "x" * 63, "main.default.Churn": "main.default.churn",
    }  # fmt: skip
    assert {text: name_mapping.to_model_name(text) for text in expected} == expected


@given(st.text(max_size=80))
def test_every_name_becomes_an_allowed_one(text: str) -> None:
    name = name_mapping.to_model_name(text)
    assert names.is_model_name(name)
    assert name_mapping.to_model_name(name) == name


def test_one_that_is_allowed_keeps_its_name() -> None:
    assert name_mapping.assign_names(["Churn", "churn", "CHURN", "other"]) == {
        "churn": "churn", "CHURN": None, "Churn": None, "other": "other",
    }  # fmt: skip


def test_aliases() -> None:
    assert [name_mapping.to_alias(text) for text in ("Champion", "eu-canary", "latest", "V7", "a b", "7")] == [
        "champion", "eu-canary", None, None, None, None,
    ]  # fmt: skip


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=10), inside, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=300), ANYTHING, max_size=6))
def test_whatever_is_said_can_be_kept_or_is_told(mapping: dict[str, object]) -> None:
    metadata = ImportedMetadata()
    metadata.add_params(mapping)
    metadata.add_metrics(mapping)
    metadata.add_tags(mapping)
    for name, value in mapping.items():
        metadata.annotate(name, value)
    assert values.checked(metadata.params, values.check_param) == metadata.params
    assert values.checked(metadata.metrics, values.check_metric) == metadata.metrics
    assert values.checked(metadata.tags, values.check_line) == metadata.tags
    assert values.checked(metadata.annotations, values.check_text) == metadata.annotations
    assert len(metadata.lost) >= len(mapping.keys() - metadata.metrics.keys())
    kept = {"lineage": to_plain_value(mapping)}
    assert documents.loads(documents.dumps(kept), "kept") == kept


def test_what_came_first_stays() -> None:
    metadata = ImportedMetadata()
    metadata.add_tags({"team": "crm", "same": "x"})
    metadata.add_tags({"team": "risk", "same": "x"}, " of the run")
    assert metadata.tags == {"team": "crm", "same": "x"}
    assert metadata.lost == ["tag 'team' of the run (risk): the version itself has crm"]


def test_times() -> None:
    assert format_milliseconds(1_795_527_030_043) == "2026-11-24T13:30:30.043Z"
    assert [format_milliseconds(when) for when in (None, "x", True, 0, -1, 1e30, float("nan"))] == [""] * 7
    assert format_timestamp("2026-11-24 13:30:39.238847") == "2026-11-24T13:30:39.238Z"
    assert format_timestamp("2026-11-24T14:30:39+01:00") == "2026-11-24T13:30:39.000Z"
    assert [format_timestamp(when) for when in (None, 5, "soon", "")] == [""] * 4
