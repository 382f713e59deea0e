"""Names and references: what is let in, what is refused, and that each has one spelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from registry_cli.core import names
from registry_cli.core.names import Reference, Selector
from registry_cli.errors import InvalidInput

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parents[1] / "bad_inputs.yaml").read_text())["cases"]
#: ``team/model`` is a case of the corpus too, but a group before the slash is our grammar (DESIGN.md, section 5).
BAD_NAMES = [
    case["input"]
    for case in CASES
    if case["category"] == "name" and case["exit"] == 2 and case.get("input", "team/model") != "team/model"
]
PART = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)


@pytest.mark.parametrize("name", ["churn", "risk/churn", "a", "7a", "x" * 63, "a-b_c.d", "v7x", "tabular/v2-large"])
def test_a_good_name_is_taken_as_it_is(name: str) -> None:
    assert names.model_name(name) == name


@pytest.mark.parametrize("name", BAD_NAMES)
def test_the_bad_names_of_the_corpus_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        names.model_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "/", "a/", "/a", "a/b/c", "..", ".", "a..b", "a.", "-a", "_a", ".a", "a b", "a\n", "a\0", "a:b", "a@b", "a\\b",
        "x" * 64, "7", "v7", "007", "con", "nul.txt", "risk/lpt1", "versions", "risk/blobs", "stages", "ünder", "a％", "٧x",
    ],
)  # fmt: skip
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        names.model_name(name)


def test_upper_case_is_refused_with_the_right_spelling() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'risk/churn'"):
        names.model_name("Risk/Churn")


@given(st.text(max_size=80))
def test_a_name_that_passes_is_a_safe_path(text: str) -> None:
    """Whatever is let in has no part that a file system or a shell takes for something else."""
    try:
        name = names.model_name(text)
    except InvalidInput:
        return
    parts = name.split("/")
    assert name == text == text.lower()
    assert len(parts) <= 2
    assert all(part.isascii() and part[0].isalnum() and ".." not in part and len(part) <= 63 for part in parts)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("churn", "churn"),
        ("churn@7", "churn@7"),
        ("churn@v7", "churn@7"),
        ("churn:7", "churn@7"),
        ("churn:production", "churn@production"),
        ("risk/churn@latest", "risk/churn@latest"),
        ("churn@sha256:0123abcd", "churn@sha256:0123abcd"),
        ("models:/churn/7", "churn@7"),
        ("models:/churn/Production", "churn@production"),
        ("models:/risk/churn/7", "risk/churn@7"),
        ("models:/churn@champion", "churn@champion"),
        ("churn@7a", "churn@7a"),
    ],
)
def test_a_reference_is_read_and_written_canonically(text: str, canonical: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == canonical
    assert Reference.parse(canonical) == reference
    assert Reference.coerce(reference) is reference


@pytest.mark.parametrize(
    "text",
    [
        "", "@7", "churn@", "churn:", "churn@0", "churn@07", "churn@-1", "churn@1.0e3 ", "churn@7@8", "churn@sha256:012",
        "churn@sha256:" + "0" * 65, "churn@sha256:0123ABCD", "churn@1234567890", "churn@٧", "churn@7\n", "s3://b/churn",
        "models:/churn", "models:/", "models://churn/7", "https://x/y", "churn@PRODUCTION", "churn @7", "churn@../x",
    ],
)  # fmt: skip
def test_a_bad_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Reference.parse(text)


@given(PART, st.one_of(st.none(), st.integers(1, 10**9 - 1), PART))
def test_what_a_reference_says_reads_back_the_same(name: str, selector: int | str | None) -> None:
    text = name if selector is None else f"{name}@{selector}"
    try:
        reference = Reference.parse(text)
    except InvalidInput:
        return
    assert Reference.parse(str(reference)) == reference
    assert reference.or_latest() == (reference.selector or Selector(latest=True))


@pytest.mark.parametrize("alias", ["champion", "eu-canary", "a.b", "7a", "null", "x" * 63])
def test_a_good_alias(alias: str) -> None:
    assert names.alias_name(alias, ("staging",)) == alias


@pytest.mark.parametrize(
    "alias", ["latest", "7", "v7", "sha256", "sha256abc", "none", "archived", "staging", "A", "a/b", "a..b", "a.", ""]
)
def test_an_alias_never_looks_like_a_selector(alias: str) -> None:
    with pytest.raises(InvalidInput):
        names.alias_name(alias, ("staging",))


@pytest.mark.parametrize("stage", ["development", "a", "eu_prod-1", "x" * 32])
def test_a_good_stage(stage: str) -> None:
    assert names.stage_name(stage) == stage


@pytest.mark.parametrize(
    "stage", ["latest", "none", "archived", "v7", "7", "1a", "A", "a.b", "a/b", "x" * 33, "", "sha256"]
)
def test_a_bad_stage(stage: str) -> None:
    with pytest.raises(InvalidInput):
        names.stage_name(stage)


@given(st.one_of(PART, st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True)))
def test_a_stage_or_alias_can_always_be_selected(name: str) -> None:
    """What may be given a version can be used to name it; nothing is locked away behind a name that can't be typed."""
    for check in (names.stage_name, names.alias_name):
        try:
            check(name)
        except InvalidInput:
            continue
        assert Selector.parse(name) == Selector(name=name)


@pytest.mark.parametrize("text", ["ci-1234", "a" * 128, "github:run/7", "A.b_c-d"])
def test_a_good_request_id(text: str) -> None:
    assert names.request_id(text) == text


@pytest.mark.parametrize("text", ["", "a b", "-a", "a" * 129, "a\n", "ü"])
def test_a_bad_request_id(text: str) -> None:
    with pytest.raises(InvalidInput):
        names.request_id(text)
