"""Changing single keys of a text that people wrote: it says what was wanted, and their comments are still there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli.core.yaml import documents, text_edits
from registry_cli.errors import InvalidInput

WORDS = st.from_regex(r"[a-z][a-z_]{0,7}", fullmatch=True)
TEXTS = st.one_of(WORDS, st.sampled_from(["yes", "1", "a: b", "# no comment", "it's", "two\nlines\n", "é", " x "]))
MAPPINGS = st.dictionaries(WORDS, TEXTS, min_size=1, max_size=4)
COMMENTS = st.lists(st.sampled_from(["# a remark", "", "#policy:", "#  production:"]), max_size=2)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A document with comments between its keys, behind values, and inside of mappings; and its comments."""
    lines, remarks = [], []
    for at, (key, value) in enumerate(draw(st.dictionaries(WORDS, st.one_of(TEXTS, MAPPINGS), min_size=1)).items()):
        lines += [comment and f"{comment} {at}" for comment in draw(COMMENTS)]
        block = documents.dumps({key: value}).decode().splitlines()
        if isinstance(value, dict) and draw(st.booleans()):
            block = [f"{key}:", *(f"  {line}" for line in documents.dumps(value).decode().splitlines())]
            block.insert(draw(st.integers(1, 1)), f"  # inside {at}")
        elif len(block) == 1 and draw(st.booleans()):
            block[0] += f"   # behind {at}"
        lines += block
    remarks = [line[line.index("#") :] for line in lines if line.lstrip().startswith("#") or "   # behind" in line]
    return "".join(f"{line}\n" for line in lines), remarks


def said(before: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    after = dict(before)
    for key, value in wanted.items():
        old = before.get(key)
        after[key] = {**(old if isinstance(old, dict) else {}), **value} if isinstance(value, dict) else value
    return after


@given(written(), st.dictionaries(WORDS, st.one_of(TEXTS, MAPPINGS), min_size=1, max_size=2))
def test_it_says_what_was_wanted_and_keeps_remarks(given: tuple[str, list[str]], wanted: dict[str, Any]) -> None:
    text, remarks = given
    before = documents.loads(text.encode(), "x")
    changed = text_edits.changed(text, wanted, "x")
    assert documents.loads(changed.encode(), "x") == said(before, wanted)
    untouched = [remark for remark in remarks if remark.startswith(("# a remark", "#policy", "#  production"))]
    assert all(changed.count(remark) >= text.count(remark) for remark in untouched)


def test_comments_inside_and_behind_stay() -> None:
    text = "# head\nformat: 1\nowner: alice  # for now\ntags: # labels\n  a: b   # why\n  # more\n  c: d\n\n# foot\n"
    changed = text_edits.changed(
        text, {"owner": "bob", "tags": {"a": "z", "c": None, "n": "new"}, "description": "x"}, "m"
    )
    assert changed == (
        "# head\nformat: 1\nowner: bob  # for now\ntags: # labels\n  a: z   # why\n  'n': new\n  # more\n\n# foot\ndescription: x\n"
    )
    assert text_edits.changed(changed, {"tags": {"a": None, "n": None}}, "m").count("tags") == 0


@pytest.mark.parametrize(
    "text", ["{format: 1, owner: alice}\n", "'format': 1\n? owner\n: alice\n", "format: 1\nowner:\n  alice\n"]
)
def test_odd_spellings_are_changed_rightly_or_not_at_all(text: str) -> None:
    try:
        changed = text_edits.changed(text, {"owner": "bob"}, "m")
    except InvalidInput as error:
        assert "edit it with 'registry edit'" in str(error)
    else:
        assert documents.loads(changed.encode(), "m") == {"format": 1, "owner": "bob"}


def test_nothing_to_do_is_nothing_done() -> None:
    text = "format: 1\nowner: 'alice' # x\ntags: {a: b}\n"
    assert text_edits.changed(text, {"owner": "alice", "tags": {"a": "b"}, "gone": None}, "m") == text
