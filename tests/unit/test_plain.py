"""The plain form: what is read and written without YAML is what YAML would read and write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_cli.core.yaml import documents, dumper, fast_loader, loader
from registry_cli.errors import InvalidInput

ODD = st.sampled_from(
    ["yes", "No", "null", "~", "1e5", "1.5", "-0", "0x1", ".5", "a  b", "it's", "", "-", "- x", "007", "1_0", "nan", ".inf",
     "a:", ": b", "#", "a #b", "{", "}", "[a]", "&a", "*a", "!t", "|", ">", "%", "@a", "`", "\t", "a\nb", " a", "a ", "é", "\\"]
)  # fmt: skip
TEXTS = st.one_of(st.text(alphabet="abz09 .:'-_/+@%()", max_size=12), st.from_regex(r"[a-z][a-z0-9_.]{0,9}\Z"), ODD)
NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=9)),
    max_leaves=12,
)
WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,9}\Z").filter(fast_loader.is_word)
EASY = st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.floats(-1e9, 1e9), WORDS, st.just("x: 'y'"))
EASY_VALUES = st.recursive(
    EASY,
    lambda inner: st.one_of(st.lists(EASY | st.dictionaries(WORDS, inner, max_size=9), max_size=3),
                            st.dictionaries(WORDS, inner, max_size=9)),
    max_leaves=12,
)  # fmt: skip


def agree(data: bytes) -> bool:
    """Whether the plain reader takes ``data``; what it takes, the real loader must take alike, to the type."""
    found = fast_loader.loads(data)
    if found is not None:
        assert repr(found) == repr(loader.loads(data, "x")), data
    return found is not None


@given(st.dictionaries(TEXTS, VALUES, max_size=8))
def test_what_is_written_plainly_is_what_yaml_writes(document: dict[str, Any]) -> None:
    written = fast_loader.dumps(document)
    assert written is None or written == dumper.dumps(document)
    agree(dumper.dumps(document))


@given(st.dictionaries(WORDS, EASY_VALUES, min_size=1, max_size=8))
def test_ordinary_documents_are_plain(document: dict[str, Any]) -> None:
    written = fast_loader.dumps(document)
    assert written == dumper.dumps(document)
    assert agree(written) and repr(fast_loader.loads(written)) == repr(document)


PIECES = st.sampled_from(
    [b"\n", b" ", b"  ", b"- ", b": ", b":", b"'", b"''", b"{", b"}", b"[", b"]", b", ", b"#", b"a", b"1", b".", b"e", b"-",
     b"null", b"yes", b"\t", b"---\n", b"...\n", b"? ", b"<<: ", b"&a ", b"*a", b"!t ", b"|\n", b"\\", b'"', b"\r", b"\x00", b"\xff",
     b"# note\n", b"  # note\n"]
)  # fmt: skip


@settings(max_examples=150)
@given(
    st.dictionaries(WORDS, EASY_VALUES, min_size=1, max_size=4),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 3), PIECES), max_size=3),
)
def test_a_document_that_was_changed_is_read_alike_or_not_at_all(
    document: dict[str, Any], changes: list[tuple[float, int, bytes]]
) -> None:
    data = dumper.dumps(document)
    for place, cut, piece in changes:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + cut :]
    agree(data)


@settings(max_examples=150)
@given(st.lists(PIECES, max_size=14).map(b"".join))
def test_pieces_of_yaml_are_read_alike_or_not_at_all(data: bytes) -> None:
    agree(data + b"\n")


@pytest.mark.parametrize(
    "text",
    ["a: 1\na: 2\n", "a:b\n", "a: \n", "a: b: c\n", "{a: 1}\n", "- a\n", "a: [b, [c]]\n", "a: [b,c]\n", "a: {b: {c: 1}}\n", "a: 1 # x\n",
     "a: 'b' c\n", " a: 1\n", "a:\n   b: 1\n", "a:\nb: 1\n", "a: 1\n---\nb: 1\n", "a: {b: 1, }\n", "a: 1", "a: |\n  b\n", "",
     "a: ~\n", "a: yes\n", "a: +1\n", "a: 1.\n", "a: 012\n", "a: {b: 1}}\n", "a:\n- b\n - c\n", "'a\tb': 1\n", "a: 'b\n"],
)  # fmt: skip
def test_what_is_not_plainly_ours_is_left_to_yaml(text: str) -> None:
    assert fast_loader.loads(text.encode()) is None


def test_comments_and_empty_lines_say_nothing() -> None:
    text = b"# settings\n\nformat: 1\n  # odd place\nstages: [development, production]\n#policy:\n#  x: 1\n"
    assert agree(text) and fast_loader.loads(text) == {"format": 1, "stages": ["development", "production"]}


def test_mistakes_are_told_by_the_real_loader() -> None:
    with pytest.raises(InvalidInput, match="line 2: 'a' is repeated"):
        documents.loads(b"a: 1\na: 2\n", "x")
