"""A query and an order give the same answers as predicates on records and as SQL on the index."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry_cli.core.records import VersionRecord
from registry_cli.errors import InvalidInput
from registry_cli.query.query import parse, parse_sort
from registry_cli.query.sql_schema import COLUMNS, SCHEMA, list_facts, make_row

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=timezone.utc)

KEYS = ("auc", "opt.lr", "a.b", "f1 macro", "größe", "it's", 'say "hi"', "and", "back\\slash", "a.b.c")
NUMBERS = (
    *(0, 1, -2, 7, 10, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, -(2**70), 10**400, -(10**400)),
    *(0.0, -0.0, 0.5, 1.0, 0.9, 2.0**53, 9.3e18, 1e300, -1e-300, float("inf"), float("-inf")),
)
TEXTS = (
    "",
    "a",
    "A",
    "b",
    "ab",
    "aß",
    "İ",
    "a%",
    "a_b",
    "zz\nz",
    "\U0001f600",
    "\uffff",
    "it's",
    "1",
    "true",
    "\\",
    "a\x00b",
)
TIMES = (
    *("2026-11-23T10:00:00.000Z", "2026-11-22T23:59:59.999Z", "2026-11-22T00:00:00.000Z", "2026-11-01T10:00:30.000Z"),
    *("1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z", "", "soon", "2026-02-30T00:00:00Z"),
)
DIGESTS = ("ab12cd34" + "0" * 56, "ab12cd34" + "f" * 56, "12345678" + "9" * 56, "")
scalars = st.one_of(st.sampled_from(NUMBERS), st.sampled_from(TEXTS), st.booleans())
odd = st.one_of(scalars, st.just("\ud800"), st.none(), st.just(float("nan")), st.lists(scalars, max_size=3))
trees = st.recursive(
    odd,
    lambda inner: st.dictionaries(
        st.sampled_from(("a", "b", "c", "a.b", "b.c", "git", "format", "größe")), inner, max_size=3
    ),
    max_leaves=6,
)


@st.composite
def records(draw: st.DrawFn) -> list[VersionRecord]:
    def named(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
        return st.dictionaries(st.sampled_from(KEYS[:5]), values, max_size=3)

    names = st.lists(st.sampled_from(("production", "staging", "champion", "2026q1")), max_size=3, unique=True)
    one = st.builds(
        VersionRecord,
        model=st.sampled_from(("churn", "risk/churn", "risk/a", "b")),
        number=st.sampled_from((1, 2, 9, 10, 100)),
        created=st.sampled_from(TIMES),
        author=st.sampled_from(("", "alice", "Bob", "zoë")),
        digest=st.sampled_from(DIGESTS),
        size=st.sampled_from((0, 1, 1_000, 10**9, 2**40, 2**65)),
        files=st.integers(0, 3),
        message=st.sampled_from(TEXTS),
        params=named(odd),
        metrics=named(st.sampled_from(NUMBERS) | odd),
        tags=named(st.sampled_from(TEXTS)),
        annotations=named(st.sampled_from(TEXTS)),
        lineage=st.dictionaries(st.sampled_from(("a", "a.b", "git", "format", "parents")), trees, max_size=3),
        stages=names.map(tuple),
        aliases=names.map(tuple),
        archived=st.booleans(),
    )
    return draw(st.lists(one, max_size=6, unique_by=lambda record: record.ref))


def quoted(text: str, mark: str = "'") -> str:
    return mark + text.replace("\\", "\\\\").replace(mark, mark * 2) + mark


def keyed(family: str, key: str) -> str:
    return f"{family}.{key}" if key.replace(".", "").isalnum() else f"{family}.{quoted(key)}"


plain_texts = st.one_of(
    st.sampled_from(TEXTS).map(quoted),
    st.sampled_from(TEXTS).map(lambda text: quoted(text, '"')),
    st.sampled_from(("production", "risk/churn", "alice", "a", "2026q1", "7d", "TRUE", "7.x", "sha256:12345678")),
)
numbers = st.one_of(
    st.sampled_from([number for number in NUMBERS if isinstance(number, int) or abs(number) < float("inf")]).map(repr),
    st.sampled_from(("1e-3", "-2", "+7", ".5", "1e999", "-1e999", "1e2", "10.")),
)
keys = st.sampled_from(KEYS)
TEXT_FIELDS = st.one_of(
    st.sampled_from(("model", "group", "author", "format", "message")),
    st.builds(keyed, st.sampled_from(("tags", "annotations")), keys),
)
ANY_FIELDS = st.one_of(
    st.builds(keyed, st.just("params"), keys),
    st.builds(
        keyed,
        st.just("lineage"),
        st.sampled_from(("a", "a.b", "a.b.c", "git", "git.a", "git.format", "parents", "format")),
    ),
)
NUMBER_FIELDS = st.one_of(st.sampled_from(("version", "files", "size")), st.builds(keyed, st.just("metrics"), keys))
TIME_VALUES = st.sampled_from(
    (
        "2026-11-23",
        "2026-11-22T23:59",
        "2026-11-01T10:00:30",
        "2026-11-22T23:59:59.999Z",
        "'1969-12-31'",
        "9999-12-31",
        "0001-01-01",
    )
)
SPANS = st.sampled_from(("0d", "1d", "12h", "22.5d", "60y", "1000y", "0.1s", "'1.5min'"))
ORDERED = st.sampled_from(("=", "==", "!=", "<", "<=", ">", ">="))
EQUAL = st.sampled_from(("=", "==", "!="))


def compared(fields: st.SearchStrategy[str], signs: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> Any:
    single = st.builds("{} {} {}".format, fields, signs, values)
    listed = st.lists(values, min_size=1, max_size=4).map(", ".join)
    return single | st.builds("{} {} ({})".format, fields, st.sampled_from(("in", "not in", "NOT  IN")), listed)


names_of_sets = st.sampled_from(("stage", "alias"))
patterns = st.sampled_from(("'a'", "'^a.b$'", "'(?i)A|z'", r"'\\d'", "''", "'.*z$'", "[a-b]", '"\uffff"'))
likes = st.sampled_from(
    ("'a%'", "'%'", "''", "'_'", "'A_B'", r"'%\%'", "'%z_z'", "'%a%b%'", r"'a\\'", "'%%'", "i̇", "'__%'")
)
digests = st.sampled_from(("ab12cd34", "'sha256:AB12CD34'", "12345678", "1234567899", "'" + DIGESTS[0] + "'"))
terms = st.one_of(
    compared(TEXT_FIELDS, ORDERED, plain_texts),
    compared(TEXT_FIELDS | ANY_FIELDS, EQUAL, st.sampled_from(("007", "1", "1.0", "true", "2026-11-23"))),
    compared(ANY_FIELDS, ORDERED, plain_texts | numbers).filter(lambda text: "TRUE" not in text),
    compared(ANY_FIELDS, EQUAL, st.sampled_from(("true", "False", "1", "'true'"))),
    compared(NUMBER_FIELDS, ORDERED, numbers),
    compared(st.just("size"), ORDERED, st.sampled_from(("1kB", "1GB", "1TiB", "'0.5 kB'"))),
    compared(names_of_sets, EQUAL, plain_texts),
    compared(st.just("archived"), EQUAL, st.sampled_from(("true", "false"))),
    compared(st.just("created"), ORDERED, TIME_VALUES),
    compared(st.just("age"), ORDERED, SPANS),
    compared(st.just("digest"), EQUAL, digests),
    st.builds("{} {} {}".format, TEXT_FIELDS | ANY_FIELDS | names_of_sets, st.sampled_from(("~", "not ~")), patterns),
    st.builds(
        "{} {} {}".format, TEXT_FIELDS | ANY_FIELDS | names_of_sets, st.sampled_from(("like", "not LIKE")), likes
    ),
    st.builds(
        "{} {} {}".format,
        TEXT_FIELDS | ANY_FIELDS | names_of_sets,
        st.sampled_from(("contains", "not contains")),
        plain_texts,
    ),
    st.builds(
        "{}{}".format,
        st.one_of(
            TEXT_FIELDS,
            ANY_FIELDS,
            NUMBER_FIELDS,
            st.sampled_from(("stage", "alias", "created", "age", "digest", "archived")),
        ),
        st.sampled_from(("", " exists", " not exists")),
    ),
)
expressions = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.builds("({})".format, inner),
        st.builds("not {}".format, inner.map("({})".format)),
        st.builds("{} {} {}".format, inner, st.sampled_from(("and", "or", "AND", "oR")), inner),
        st.builds("NOT {}".format, inner),
    ),
    max_leaves=8,
)


def database(versions: Sequence[VersionRecord]) -> sqlite3.Connection:
    """The index of these versions; the id of each is its place in the sequence."""
    made = sqlite3.connect(":memory:")
    for statement in SCHEMA:
        made.execute(statement)
    for place, record in enumerate(versions):
        row = make_row(record, "{}")
        assert len(row) == len(COLUMNS)
        made.execute(f"INSERT INTO versions VALUES (?{', ?' * len(row)})", (place, *row))
        for name, kind, value in list_facts(record):
            made.execute("INSERT OR IGNORE INTO fields(name) VALUES (?)", (name,))
            (field,) = made.execute("SELECT id FROM fields WHERE name = ?", (name,)).fetchone()
            made.execute("INSERT INTO facts VALUES (?, ?, ?, ?)", (field, place, kind, value))
    return made


def answers(made: sqlite3.Connection, text: str, now: datetime = NOW) -> list[int]:
    query = parse(text)
    condition, parameters = query.sql(now)
    for name, function in query.functions.items():
        made.create_function(name, 2, function, deterministic=True)
    with query.bounded():
        found = made.execute(f"SELECT v.id, ({condition}) IS NULL FROM versions v WHERE {condition}", parameters * 2)
        rows = found.fetchall()
        nothing = made.execute(f"SELECT count(*) FROM versions v WHERE ({condition}) IS NULL", parameters).fetchone()
    assert nothing == (0,), "a condition is true or false, never NULL"
    return sorted(place for place, _ in rows)


@settings(deadline=None, max_examples=300)
@given(records(), st.lists(expressions, min_size=1, max_size=8))
@example([VersionRecord("m", 1, "", "", "", 0, 0, params={"auc": 2**53 + 1})], [f"params.auc > {2.0**53}"])
@example([VersionRecord("m", 1, "", "", "", 0, 0, lineage={"a": [1, True, 1.0, "x"]})], ["lineage.a = true"])
def test_predicate_and_sql_agree(versions: list[VersionRecord], texts: list[str]) -> None:
    made = database(versions)
    for text in texts:
        query = parse(text)
        expected = [place for place, record in enumerate(versions) if query.matches(record, NOW)]
        assert answers(made, text) == expected, text
    made.close()


SORTABLE = st.one_of(
    TEXT_FIELDS,
    ANY_FIELDS,
    NUMBER_FIELDS,
    st.sampled_from(("stage", "alias", "created", "age", "digest", "archived", "format", "author")),
)


@settings(deadline=None, max_examples=300)
@given(
    records(),
    st.lists(
        st.builds("{}{}".format, SORTABLE, st.sampled_from(("", ":asc", ":desc", ":DESC"))), min_size=1, max_size=3
    ),
)
def test_the_orders_agree(versions: list[VersionRecord], parts: list[str]) -> None:
    ordering = parse_sort(" , ".join(parts))
    made = database(versions)
    order, parameters = ordering.sql(NOW)
    places = [place for (place,) in made.execute(f"SELECT v.id FROM versions v ORDER BY {order}", parameters)]
    made.close()
    assert [record.ref for record in ordering.sorted(reversed(versions), NOW)] == [
        versions[place].ref for place in places
    ]


def deep(depth: int, width: int = 1) -> str:
    """Brackets in brackets, as many as there may be, with ``width`` terms at each level."""
    text = "metrics.auc > 0"
    for level in range(depth):
        word = ("and", "or")[level % 2]
        more = f" {word} ".join(f"params.p{n} not in ({n})" for n in range(width))
        text = f"{more} {word} not ({text} {('or', 'and')[level % 2]} version > 0)"
    return text


@pytest.mark.parametrize(
    "text",
    [
        deep(100),
        deep(100, 3),
        "(" * 100 + "version = 1" + ")" * 100,
        "not (" * 100 + "version = 2" + ")" * 100,
        "not " * 2_000 + "version = 1",
        " or ".join(f"size={n}" for n in range(800)),
        " and ".join("stage!=x" for _ in range(700)),
        " or ".join(["size"] * 1_000),
        " and ".join(["size"] * 990 + ["not (version = 1 or archived)"]),
        f"version in ({', '.join(map(str, range(999)))})",
        f"created in ({', '.join(['2026-11-23'] * 600)})",
        f"digest not in ({', '.join(['abcdef01'] * 900)})",
        " or ".join(f"params.x{n} = {n} and message ~ 'a{n}'" for n in range(220)),
    ],
)
def test_what_the_bounds_allow_sqlite_can_do(text: str) -> None:
    versions = [
        VersionRecord("m", 1, "2026-11-23T10:00:00.000Z", "a", DIGESTS[0], 1, 1, metrics={"auc": 1}, params={"p0": 1}),
        VersionRecord("m", 2, "", "", "", 1, 1, stages=("x",), message="a7"),
    ]
    made = database(versions)
    query = parse(text)
    assert answers(made, text) == [place for place, each in enumerate(versions) if query.matches(each, NOW)]
    made.close()


def test_user_text_never_becomes_sql() -> None:
    evil = "x') OR 1=1 --"
    key = evil.replace("'", "''")
    for text in (f"model = {quoted(evil)}", f"params.'{key}' = 1", f"tags.'{key}' ~ {quoted('x' + chr(92) + ')')}"):
        condition, parameters = parse(text).sql(NOW)
        assert "OR 1=1" not in condition
        assert any("x" in str(parameter) for parameter in parameters)
        made = database([VersionRecord("m", 1, "", "", "", 1, 1)])
        assert answers(made, text) == []
        made.close()
    order, _ = parse_sort(f"params.'{key}'").sql(NOW)
    assert "OR 1=1" not in order


def test_a_pattern_that_takes_too_long_ends_in_sqlite_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry_cli.query.patterns.TIME_LIMIT", 0.2)
    made = database([VersionRecord("m", 1, "", "", "", 1, 1, message="a" * 60 + "b")])
    with pytest.raises(InvalidInput, match="the pattern takes too long"):
        answers(made, "message ~ '^(a+)+$'")
    assert answers(made, "message ~ 'b$'") == [0]
    made.close()


def test_what_the_index_stores() -> None:
    record = VersionRecord(
        *("risk/churn", 7, "1970-01-01T00:00:01.500Z", "alice", "ab" * 32, 5, 1, "first"),
        params={"depth": 6, "deep": True, "huge": 2**64},
        metrics={"auc": 0.9, "bad": float("nan")},
        tags={"team": ""},
        lineage={
            "git": {"commit": "c0ffee", "dirty": False},
            "parents": ["churn@1", 2, True, None, ["x"]],
            "git.commit": "later",
        },
        stages=("staging", "production"),
    )
    assert make_row(record, "{}") == ("risk/churn", "risk", 7, 0, "alice", 1.5, 5, 1, "ab" * 32, "first", "{}")
    assert list(list_facts(record)) == [
        ("params.depth", "n", 6),
        ("params.deep", "b", 1),
        ("params.huge", "n", 2.0**64),
        ("metrics.auc", "n", 0.9),
        ("tags.team", "t", ""),
        ("lineage.git.commit", "t", "c0ffee"),
        ("lineage.git.dirty", "b", 0),
        ("lineage.parents", "t", "churn@1"),
        ("lineage.parents", "n", 2),
        ("stage", "t", "staging"),
        ("stage", "t", "production"),
    ]
    assert make_row(VersionRecord("m", 1, "soon", "", "", 0, 0))[1:7] == ("", 1, 0, "", None, 0)
