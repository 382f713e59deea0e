"""The YAML of the project: every document reads back as it was written, here and under a YAML 1.1 reader."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from registry_cli.core.records import Event, StageTable, VersionRecord
from registry_cli.core.version_ranges import VersionRanges
from registry_cli.core.yaml import documents
from registry_cli.errors import InvalidInput
from registry_cli.store import codec

#: Texts that some YAML reader takes for something else than text.
TRICKY = [
    "", " ", "~", "null", "Null", "NULL", "none", "true", "True", "yes", "No", "on", "OFF", "y", "N", "nan", ".nan", ".inf",
    "-.INF", "1", "-1", "+1", "0123", "0o17", "0x1F", "0b1", "1_000", "1e5", "1e-5", "1.", ".5", "1:30", "190:20:30", "12e03",
    "2026-03-01", "2026-03-01T12:00:00Z", "<<", "=", "-", "- a", "?", "? a", ":", "a: b", "a:", "a #b", "#a", "&a", "*a", "!a",
    "|", ">", "%a", "@a", "`a", "'", '"', "it's", "{a}", "[a]", "a, b", "}", "]", ",", "---", "...", "--- a", " a", "a ", "\t",
    "a\tb", "a\nb", "a\n", "\na", "a\n\n", "a\n\nb\n", "a \nb", "a\n  b", "  a\nb", "a\r\nb", "a\rb", "a\x85b", "a\u2028b",
    "a\nb\u2028c\n", "\ufeffa", "a\ufeff", "\ufffe", "\x01", "\x7f", "\x80", "é", "日本語", "😀", "a\n😀\n", "a\n- b\n# c", "a\n\tb",
    "x" * 5000, "word " * 1500, "word  " * 1500, "a\\b", "a\\", "\\n", "a\n---\nb", "a\n...\n", "Infinity", "-a", "a\n ", "é\n\u2029b",
]  # fmt: skip
ANY_TEXT = st.one_of(
    st.sampled_from(TRICKY),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60),
    st.text(
        st.sampled_from(" \t\n\r:#-'\"\\{}[],&*!|>%@`?~=<.0123456789eE+_yno\x85\u2028\ufeff\u00a0é😀"), max_size=20
    ),
)
LINES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=40) | st.sampled_from(
    [text for text in TRICKY if not set(text) & set("\n\r\t\x85\u2028\u2029\x01\x7f\x80")]
)
KEYS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="="), min_size=1, max_size=250
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
PARAMS = st.dictionaries(KEYS, st.booleans() | NUMBERS | LINES, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True) | st.sampled_from(
    ["null", "yes", "no", "on", "y", "true"]
)
POINTERS = st.dictionaries(NAMES, st.integers(1, 10**9 - 1), max_size=4)
EVENTS = st.builds(
    Event, LINES, LINES, LINES, LINES, LINES, st.none() | st.integers(1, 10**6),
    st.dictionaries(st.sampled_from(["stage", "reason", "tags", "versions"]), VALUES, max_size=3),
)  # fmt: skip


def loads(text: str | bytes) -> Any:
    return documents.loads(text if isinstance(text, bytes) else text.encode(), "it")


def same(one: Any, two: Any) -> bool:
    """Equal, and of equal types all the way down: 1, 1.0 and True are three things."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return list(one) == list(two) and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(same(a, b) for a, b in zip(one, two, strict=True))
    return repr(one) == repr(two)


@pytest.mark.parametrize("text", TRICKY)
def test_a_text_stays_a_text(text: str) -> None:
    """As a value, as a key, in a list, in a mapping on one line: for us and for a reader of YAML 1.1."""
    document = {"text": text, "list": [text, text], "inline": {"a": text, "b": 1}, "keys": {text: text}, "after": "x"}
    data = documents.dumps(document)
    assert same(loads(data), document)
    assert same(yaml.safe_load(data), document)
    assert same(yaml.load(data, yaml.SafeLoader), document)


@given(st.dictionaries(ANY_TEXT, VALUES, max_size=5))
def test_any_document_reads_back_as_it_was_written(document: dict[str, Any]) -> None:
    assert same(loads(documents.dumps(document)), document)


@given(
    st.dictionaries(
        ANY_TEXT, st.recursive(ANY_TEXT, lambda inner: st.lists(inner, max_size=3), max_leaves=6), max_size=5
    )
)
def test_texts_read_the_same_under_yaml_1_1(document: dict[str, Any]) -> None:
    assert same(yaml.load(documents.dumps(document), yaml.SafeLoader), document)


@given(st.dictionaries(KEYS, NUMBERS, max_size=8))
def test_numbers_read_the_same_under_yaml_1_1(document: dict[str, Any]) -> None:
    assert same(yaml.load(documents.dumps(document), yaml.SafeLoader), document)


@given(PARAMS, st.dictionaries(KEYS, NUMBERS, max_size=4), st.dictionaries(KEYS, LINES, max_size=4), ANY_TEXT, EVENTS)
def test_a_version_reads_back_as_it_was_sealed(
    params: dict[str, Any], metrics: dict[str, Any], tags: dict[str, str], text: str, event: Event
) -> None:
    record = VersionRecord(
        "m", 7, "2026-03-01T12:00:00.000Z", "alice", "0" * 64, 10, 1,
        message=text, params=params, metrics=metrics, tags=tags, annotations={"purpose": text}, event=event,
    )  # fmt: skip
    document = loads(documents.dumps(codec.version_document(record)))
    assert codec.parse_version(document, "m", 7, "it") == record


@given(POINTERS, POINTERS, st.sets(st.integers(1, 99)), st.none() | EVENTS, st.dictionaries(KEYS, VALUES, max_size=3))
def test_a_stage_table_and_its_redo_read_back(
    stages: dict[str, int], aliases: dict[str, int], numbers: set[int], changed: Event | None, extra: dict[str, Any]
) -> None:
    known = codec.table_document(StageTable()).keys() | {"redo"}
    extra = {key: value for key, value in extra.items() if key not in known}
    table = StageTable(
        12, stages, aliases, VersionRanges.from_numbers(numbers), VersionRanges.from_numbers({5}), changed, extra
    )
    redo = codec.Redo("annotations/7.yaml", {"format": 1, **extra})
    document = loads(documents.dumps(codec.table_document(table, redo)))
    found, again = codec.parse_table(document, "it")
    assert found == table
    assert again is not None
    assert (again.path, again.document) == (redo.path, redo.document)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
@example("a: 1\r\nb: 2")
@example("a: |2\n   x\n  y")
def test_no_text_makes_the_reader_stumble(text: str) -> None:
    try:
        value = loads(text)
    except InvalidInput:
        return
    assert value is None or isinstance(value, (dict, list, str, int, float))


@given(st.binary(max_size=60))
def test_no_bytes_make_the_reader_stumble(data: bytes) -> None:
    try:
        loads(data)
    except InvalidInput:
        return


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("y", "y"), ("1e-5", 1e-5), ("1e5", 1e5), ("0123", "0123"), ("2026-03-01", "2026-03-01"),
        ("12:30", "12:30"), ("0x1F", "0x1F"), ("1_000", "1_000"), ("~", None), ("", None), ("True", True), ("'1'", "1"),
        ("! 1", "1"), ("-7", -7), (".5", 0.5), ("1.", 1.0), ("+3", 3), ("# only a comment", None), ("[1, a]", [1, "a"]),
        ("\ufeffa: 1", {"a": 1}), ("1: x", {"1": "x"}), ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}), ("{? a : 1}", {"a": 1}),
    ],
)  # fmt: skip
def test_what_the_core_schema_says(text: str, value: object) -> None:
    assert same(loads(text), value)


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: 1\nb: 2\na: 3", 3, "is repeated, first in line 1"),
        ("x:\n  a: 1\n  'a': 2", 3, "is repeated, first in line 2"),
        ("a: 1\n1: a\n'1': b", 3, "is repeated"),
        ("a: 1\nb: &x 2", 2, "anchors"),
        ("a: 1\nb: *x", 2, "anchors"),
        ("a: 1\n<<: {b: 2}", 2, "merge"),
        ("a: 1\nb: !!python/object/apply:os.system ['id']", 2, "tag"),
        ("a: 1\nb: !!str 2", 2, "tag"),
        ("a: 1\nb: !x {}", 2, "tag"),
        ("a: 1\n? [b]\n: 2", 2, "key"),
        ("a: 1\n? {b: 1}\n: 2", 2, "key"),
        ("a: 1\n---\nb: 2", 2, "more than one document"),
        ("a: 1\n...\n---\nb: 2", 3, "more than one document"),
        ('a: 1\nb: "x\\0"', 2, "NUL"),
        ('a: 1\nb: "\\ud800"', 2, ""),
        ("a: 1\nb: [", 2, ""),
        ("a: 1\n b: 2", 2, ""),
        ("a: 1\n\tb: 2", 2, ""),
        ("a: 1\nb: 'x", 2, ""),
        ("a: 1\nb: @x", 2, ""),
        ("a: 1\nb: \x01", 2, ""),
        ("a: 1\nb: 2\nc: \0", 3, ""),
        ("a: 1\nb: " + "9" * 101, 2, "whole number"),
        ("a: 1\nb: " + "[" * 40, 2, "nested deeper than 32"),
        ("a: 1\nb: " + "{a: " * 40, 2, "nested deeper than 32"),
    ],
)
def test_what_is_refused_is_told_with_its_line(text: str, line: int, word: str) -> None:
    with pytest.raises(InvalidInput) as told:
        loads(text)
    assert f"it, line {line}:" in told.value.message
    assert word in told.value.message


@pytest.mark.parametrize("data", [b"a: 1\nb: \xff", b"a: 1\nb: \xed\xa0\x80", b"a: 1\nb: \xc0\x80"])
def test_what_is_not_utf_8_is_told_with_its_line(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="it, line 2: not UTF-8 text"):
        loads(data)
    with pytest.raises(InvalidInput):
        loads("a: 1".encode("utf-16"))


def test_a_document_has_bounds() -> None:
    with pytest.raises(InvalidInput, match="1,048,577 bytes"):
        documents.loads(b"#" * (documents.INPUT_LIMIT + 1), "it", limit=documents.INPUT_LIMIT)
    deep = "[" * 32 + "]" * 32
    assert loads(deep)
    with pytest.raises(InvalidInput):
        loads("[" * 100_000)


def test_what_could_not_be_read_again_is_not_written() -> None:
    """A document beyond the limit of reading would make its model unreadable for good: it must fail before a commit."""
    annotations = {str(number): "x" * 65_536 for number in range(1030)}
    with pytest.raises(InvalidInput, match="bytes"):
        documents.dumps({"annotations": annotations})


@pytest.mark.parametrize("text", ["", "- a", "7", "text", "~"])
def test_a_document_of_the_store_is_a_mapping(text: str) -> None:
    with pytest.raises(InvalidInput, match="key: value"):
        documents.loads_mapping(text.encode(), "it")


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", 1j])
def test_only_plain_values_are_written(value: object) -> None:
    with pytest.raises(yaml.YAMLError):
        documents.dumps({"a": value})
