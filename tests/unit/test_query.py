"""The query language: what each operator and field means, and where a slip is pointed at."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_cli.core.records import VersionRecord
from registry_cli.errors import InvalidInput
from registry_cli.query import patterns
from registry_cli.query.parser import tokenize
from registry_cli.query.query import parse, parse_field, parse_sort, value

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
DIGEST = "ab12cd34" + "0" * 56
RECORD = VersionRecord(
    "risk/churn",
    12,
    "2026-11-22T10:30:15.250Z",
    "alice",
    DIGEST,
    1_500_000_000,
    3,
    message="Nightly run:\nall data",
    params={"depth": 6, "opt.lr": 1e-3, "solver": "lbfgs", "deep": True, "seed": 2**53 + 1, "code": "007"},
    metrics={"auc": 0.93, "f1 macro": 0.5, "loss": -2, "it's": 1},
    tags={"team": "crm", "reviewed": "true", "empty": "", "build": "7"},
    annotations={"purpose": "who will leave?", "größe": "Straße"},
    lineage={"git": {"commit": "c0ffee12", "dirty": False}, "format": "sklearn", "parents": ["risk/churn@7", "base@1"]},
    stages=("production", "staging"),
    aliases=("champion", "2026q1"),
)
BARE = VersionRecord("churn", 2, "some day", "", "f" * 64, 0, 0, archived=True)


def matches(text: str, record: VersionRecord = RECORD) -> bool:
    return parse(text).matches(record, NOW)


TRUE = """
model = risk/churn
model = 'risk/churn'
model == "risk/churn"
model != churn
model like '%CHURN'
group = risk
group like r_sk
version = 12
version >= 1e1
version in (1, 12.0)
stage = production
stage = staging
stage != development
stage in (production, archive)
stage contains staging
stage like prod%
stage ~ '^stag'
stage exists
alias = champion
alias = 2026q1
alias not in (a, b)
not archived
archived = false
archived != TRUE
archived exists
author = alice
author < bob
author >= alice
author > 'Zoe'
created >= 2026-11-01
created = 2026-11-22
created != 2026-11-23
created = 2026-11-22T10:30
created = 2026-11-22T10:30:15
created = 2026-11-22T10:30:15.250Z
created = 2026-11-22T12:30+02:00
created = '2026-11-22 10:30'
created <= 2026-11-22
created > 2026-11-21
created < 2026-11-22T10:31
created in (2026-11-20, 2026-11-22)
age < 30d
age >= 1d
age < 25.5h
age > 1500min
age = 91784.75s
age <= 91784.75s
age >= 91784.75s
size = 1.5GB
size > 1GB
size < 1.5GiB
size = 1500000000
size in (1GB, '1500 MB')
files = 3
format = sklearn
format ~ sk
digest = ab12cd34
digest = 'sha256:ab12cd34'
digest = AB12CD3400
digest in (ffffffff, ab12cd34)
digest != ffffffff
digest like 'ab%'
message contains 'all data'
message ~ 'run:.all' or message ~ '(?s)run:.all'
message like 'nightly%DATA'
params.depth = 6
params.depth = 6.0
params.depth in (4, 6)
params.depth != 7
params.opt.lr <= 1e-3
params."opt.lr" = .001
params.solver = lbfgs
params.solver ~ ^l.*s$
params.deep = true
params.deep != false
params.deep
params.seed = 9007199254740993
params.seed > 9007199254740992
params.code = 007
params.code = '007'
metrics.auc >= 0.9
metrics.auc exists
metrics."f1 macro" = 0.5
metrics.'f1 macro' = 0.5
metrics.'it''s' = 1
metrics."it's" = 1
metrics.loss = -2
metrics.loss<-1
metrics.loss>-1e1
tags.reviewed
tags.reviewed = true
tags.build = 7
tags.build in (6, 7)
tags.build > '6'
tags.empty exists
tags.empty = ''
annotations.purpose contains leave
annotations.größe = Straße
annotations.größe like 'STRASSE' or annotations.größe like 'straße'
lineage.git.commit = c0ffee12
lineage.git.dirty = false
lineage.parents contains '@7'
lineage.parents = base@1
metrics.none not exists
not metrics.none > 0
not metrics.none != 0
not (model = x or model = y)
NOT model = x AND version = 12 OR model = z
model = x or version = 12 and not archived
model = x and model = y or version = 12
not not version = 12
version=12 and(size>1)or(archived)
"""

FALSE = """
model = Risk/churn
model like 'churn'
stage = development
stage != production
stage not in (production)
stage not like 's%'
stage not contains staging
archived
archived = true
created = 2026-11-23
created > 2026-11-22
created < 2026-11-22
created not in (2026-11-22)
age < 1d
age < 91784.75s
age > 91784.75s
age != 91784.75s
size > 1.5GB
digest = ab12cd35
message like 'all data'
message contains 'ALL'
metrics.none = 1
metrics.none != 1
metrics.none not in (1)
metrics.none
tags.none not like 'a%'
tags.none not contains 'a'
tags.none not ~ a
params.depth > 'a'
params.depth != 'a'
params.depth = '6'
params.depth = true
params.depth not in ('a')
params.deep = 1
params.deep != 0
params.deep > 0
params.solver > 1
params.solver contains x
params.seed = 9007199254740992
lineage.git exists
lineage.git = x
lineage.none.commit exists
lineage.git.commit.more exists
(model = x or version = 12) and archived
params.depth ~ 6
"""


@pytest.mark.parametrize("text", TRUE.strip().splitlines())
def test_what_matches(text: str) -> None:
    assert matches(text)
    assert not matches(f"not ({text})")


@pytest.mark.parametrize("text", FALSE.strip().splitlines())
def test_what_does_not_match(text: str) -> None:
    assert not matches(text)
    assert matches(f"not ({text})")


@pytest.mark.parametrize(
    "field", ["group", "stage", "alias", "author", "created", "age", "format", "message", "lineage.a"]
)
def test_the_empty_is_missing(field: str) -> None:
    assert not matches(field, BARE)
    assert not matches(f"{field} exists", BARE)
    assert matches(f"{field} not exists", BARE)


def test_archived_alone_is_about_its_truth() -> None:
    assert matches("archived and version = 2", BARE)
    assert not matches("archived", RECORD)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("'it''s'", "it's"),
        (r"'it\'s'", "it's"),
        ('"say ""hi"""', 'say "hi"'),
        (r"'back\\slash'", "back\\slash"),
        (r"'\d \"'", r"\d \""),
        ('"it\'s"', "it's"),
        ("''", ""),
    ],
)
def test_quotes(text: str, meant: str) -> None:
    record = VersionRecord("m", 1, "", "", "", 0, 0, tags={"x": meant})
    assert matches(f"tags.x = {text}", record)


@pytest.mark.parametrize(
    ("pattern", "text", "like"),
    [
        ("abc", "ABC", True),
        ("a%c", "abbbc", True),
        ("a%c", "abbb", False),
        ("%a%", "xxaxx", True),
        ("%ab", "abab", True),
        ("ab%ab", "ab", False),
        ("ab%ba", "aba", False),
        ("_", "", False),
        ("_%_", "ab", True),
        ("_%_", "a", False),
        ("%", "", True),
        ("", "", True),
        ("", "a", False),
        (r"5\\%", "5%", True),
        (r"5\\%", "5x", False),
        (r"a\\_b", "a_b", True),
        (r"a\\_b", "axb", False),
        ("a.c", "abc", False),
        ("%a_c%", "xxabcxx", True),
        ("%\n%", "a\nb", True),
        ("ÄB%", "äbc", True),
    ],
)
def test_like(pattern: str, text: str, like: bool) -> None:
    record = VersionRecord("m", 1, "", "", "", 0, 0, tags={"x": text})
    assert matches(f"tags.x like '{pattern}'", record) is like


def test_like_needs_no_time() -> None:
    record = VersionRecord("m", 1, "", "", "", 0, 0, annotations={"x": "a" * 60_000})
    assert not matches(f"annotations.x like '{'%a' * 400}b'", record)


SLIPS = [
    ("", "query: empty", "for example"),
    ("  ", "query: empty", "for example"),
    ("metric.auc > 1", "unknown field 'metric.auc' at column 1", "did you mean 'metrics.auc'?"),
    ("version = 1 and stag = a", "unknown field 'stag' at column 17", "did you mean 'stage'?"),
    ("Model = a", "unknown field 'Model' at column 1", "did you mean 'model'?"),
    ("name = a", "unknown field 'name' at column 1", "did you mean 'model'?"),
    ("stage.x = a", "unknown field 'stage.x' at column 1", "did you mean 'stage'?"),
    ("auc > 0.9", "unknown field 'auc' at column 1", "use metrics.auc"),
    ("metrics > 0.9", "'metrics' requires a name at column 1", "use metrics.NAME"),
    ("%&$ = 1", "unknown field '%&$' at column 1", "use model, group"),
    ("metrics.auc >=", "expected a value at column 15", ""),
    ("metrics.auc > and", "expected a value at column 15", "put it in quotes"),
    ("metrics.auc > (1)", "expected a value at column 15", ""),
    ("0.9 < metrics.auc", "unknown field '0.9' at column 1", ""),
    ("'model' = a", "expected a field at column 1", "put the field first"),
    ("model lik a", "expected an operator, not 'lik' at column 7", "did you mean 'like'?"),
    ("stage is production", "expected an operator, not 'is' at column 7", "did you mean '='?"),
    ("model not", "expected an operator at column 10", ""),
    ("model not = a", "'not' cannot precede '=' at column 11", "use: not model = …"),
    ("model <> a", "unknown operator '<>' at column 7", "did you mean '!='?"),
    ("! archived", "unknown operator '!' at column 1", "use 'not'"),
    ("model = a b", "expected 'and' or 'or' before 'b' at column 11", "put text of several words in quotes"),
    ("archived && stage", "expected an operator, not '&&' at column 10", "did you mean 'and'?"),
    ("model = a && archived", "expected 'and' or 'or' before '&&' at column 11", "did you mean 'and'?"),
    ("model = 'a", "unclosed quote at column 9", "add a closing '"),
    ("(model = a", "unclosed parenthesis at column 1", "add a closing )"),
    ("model = a)", "unmatched ')' at column 10", ""),
    ("()", "expected a field at column 2", ""),
    ("model = a and", "expected a field at column 14", ""),
    ("model in a", "expected '(' at column 10", "use a form like (a, b)"),
    ("model in ()", "expected a value at column 11", ""),
    ("model in (a b)", "expected ',' or ')' at column 13", ""),
    ("model in (a", "expected ',' or ')' at column 12", ""),
    ("age < 'x'", "expected a duration: 'x' is not a valid duration, at column 7", "as in 30d"),
    ("age < 30", "expected a duration: '30' is not a valid duration, at column 7", "as in 30d"),
    ("age < 30m", "at column 7", "use 'min' for minutes"),
    ("age < 2000y", "expected a duration: '2000y' is too long, at column 7", "1000y"),
    ("size > 2026-01-01", "expected a size: '2026-01-01' is not a valid size, at column 8", "as in 1.5GB"),
    ("size > 99999999999TB", "is too large for a size, at column 8", "the limit is"),
    ("stage > 3", "'>' needs ordered values, but stage has no order at column 7", "use =, != or in"),
    ("archived < true", "'<' needs ordered values", "use =, != or in"),
    ("archived = 1", "expected true or false, not 1, at column 12", "use true or false"),
    ("params.x < true", "'<' needs ordered values, but true and false have no order at column 12", ""),
    ("digest = abc", "expected a digest, not abc, at column 10", "8 hex digits"),
    ("digest < abcdef01", "'<' needs ordered values", ""),
    ("created > 7d", "expected a date or time: '7d' is not a valid time, at column 11", "age < 7d"),
    ("created = 2026-02-30", "'2026-02-30' is not a valid time, at column 11", ""),
    ("metrics.auc > '1'", "expected a number, not '1', at column 15", "without quotes"),
    ("metrics.auc = true", "expected a number, not true, at column 15", ""),
    ("metrics.auc in (1, a)", "expected a number, not a, at column 20", ""),
    ("metrics.auc ~ 1", "'~' applies to text, but metrics.auc is a number at column 13", ""),
    ("created like '2026%'", "'like' applies to text, but created is a date or time at column 9", ""),
    ("tags.n > 3", "tags.n is text, not a number at column 10", "'3' in quotes"),
    ("model ~ '('", "'(' is not a valid regular expression, at column 9", "unterminated"),
    ("model ~ 'a{99999999999}'", "is not a valid regular expression, at column 9", ""),
    (f"model ~ '{'(' * 500}{')' * 500}'", "at column 9", ""),
    (f"model ~ '{'a' * 1_001}'", "the pattern has 1,001 characters, at column 9", "the limit is 1,000"),
    (f"model like '{'a' * 1_001}'", "the pattern has 1,001 characters, at column 12", "the limit is 1,000"),
    ("model = '\ud800'", "not valid UTF-8 at column 10", ""),
    ("x\ny = 1", "unknown field 'x' at column 1", ""),
    ("a\x1bb = 1", "unknown field 'a�b' at column 1", ""),
    ("x" * 10_001, "query: 10,001 characters", "the limit is 10,000"),
    ("(" * 101 + "archived" + ")" * 101, "parentheses are nested deeper than 100 at column 101", ""),
    ("(" * 9_000, "parentheses are nested deeper than 100 at column 101", ""),
    (f"version in ({','.join(['1'] * 1_000)})", "more than 1,000 terms at column 2011", ""),
    (" or ".join(["size"] * 1_001), "more than 1,000 terms at column 8001", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "matching"),
    [
        ("created = yesterday", True),
        ("created > yesterday", False),
        ("created >= yesterday 10:30 and stage = production", True),
        ("created > 2 days ago", True),
        ("created < 1 hour ago and age > 1 day", True),
        ("created in (today, Nov 22)", True),
        ("created >= last sunday or alias contains nothing", True),
        ("created = 2026-11 and created = 2026-W47", True),
        ("created < 2026-W47", False),
        ("age < 1 week", True),
        ("not (age < 1 day)", True),
        ("age >= 'an hour ago'", None),
        ("created > yesterday morning", None),
        ("created > yesterday stage = production", None),
        ("created > yesterday stage in (production)", None),
    ],
)
def test_natural_times(text: str, matching: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry_cli.query.parser.utc_now", lambda: NOW)
    if matching is not None:
        assert matches(text) is matching
        return
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    assert ("expected 'and' or 'or' before 'stage'" in str(caught.value)) is ("stage" in text)


@pytest.mark.parametrize(("text", "message", "hint"), SLIPS)
def test_slips(text: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    assert caught.value.message.startswith("query: ")
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


ODD = st.lists(
    st.one_of(
        st.sampled_from(
            (" ", "(", ")", "and", " or ", "not ", "model", "params.x", "metrics.", "=", "!=", "<", "~", "'", '"')
        ),
        st.sampled_from(
            (
                "in",
                " like ",
                "contains",
                " exists",
                "1",
                "-2e3",
                "true",
                "7d",
                "1GB",
                "2026-01-01",
                ",",
                "\\",
                ".",
                "''",
            )
        ),
        st.text(max_size=5),
    ),
    max_size=30,
).map("".join)


@settings(deadline=None, max_examples=500)
@given(st.text() | ODD)
def test_any_text_is_a_query_or_refused(text: str) -> None:
    try:
        query = parse(text)
    except InvalidInput as error:
        assert str(error).isprintable()
        return
    for record in (RECORD, BARE):
        assert query.matches(record, NOW) in (True, False)
    query.sql(NOW)


@settings(deadline=None)
@given(ODD)
def test_columns_point_into_the_text(text: str) -> None:
    try:
        found = list(tokenize(text))
    except InvalidInput:
        return
    assert [each.column for each in found] == sorted({each.column for each in found})
    for each in found[:-1]:
        assert text[each.column - 1 :].startswith(each.text) or each.text == "="


def test_a_query_knows_what_it_is_about() -> None:
    query = parse("metrics.'f1 macro' > 0 and (archived or not stage = x)")
    assert query.fields == {"metrics.f1 macro", "archived", "stage"}
    assert query.text == "metrics.'f1 macro' > 0 and (archived or not stage = x)"
    assert query.functions == {}
    assert set(parse("model ~ a and tags.x like b").functions) == {"registry_regexp", "registry_like"}
    function = parse("model ~ a or model ~ b").functions["registry_regexp"]
    assert [function("a", "xa"), function("b", "xa"), function("a", 7), function("a", None)] == [1, 0, 0, 0]


def test_only_the_beginning_of_a_long_text_is_searched() -> None:
    record = VersionRecord("m", 1, "", "", "", 0, 0, annotations={"x": "a" * 9_999 + "bc"})
    assert matches("annotations.x ~ b", record)
    assert not matches("annotations.x ~ c", record)


def test_patterns_warn_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse("model ~ '[[a]'")


EVIL = VersionRecord("m", 1, "", "", "", 0, 0, message="a" * 60 + "b")


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "TIME_LIMIT", 0.2)


def test_a_pattern_is_stopped_and_all_is_as_before(little_time: None) -> None:
    query = parse("message ~ '^(a+)+$'")
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(InvalidInput, match="query: the pattern takes too long"), query.bounded():
        query.matches(EVIL, NOW)
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    with query.bounded():
        assert not query.matches(RECORD, NOW)


def test_an_exception_that_is_swallowed_is_raised_at_the_end(little_time: None) -> None:
    query = parse("message ~ '^(a+)+$'")
    with pytest.raises(InvalidInput, match="takes too long"), query.bounded(), contextlib.suppress(InvalidInput):
        query.matches(EVIL, NOW)


def test_time_outside_of_the_patterns_does_not_count(little_time: None) -> None:
    query = parse("message ~ b")
    with query.bounded():
        assert sum(range(20_000_000))
        assert query.matches(EVIL, NOW)


def test_a_timer_of_somebody_else_goes_on() -> None:
    def rung(*_: Any) -> None:
        raise AssertionError("too early")

    before = signal.signal(signal.SIGVTALRM, rung)
    signal.setitimer(signal.ITIMER_VIRTUAL, 1_000)
    try:
        with parse("message ~ b").bounded():
            assert signal.getsignal(signal.SIGVTALRM) is not rung
        assert signal.getsignal(signal.SIGVTALRM) is rung
        assert 900 < signal.getitimer(signal.ITIMER_VIRTUAL)[0] <= 1_001
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def test_without_a_pattern_there_is_no_timer() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    with parse("message like '%a%'").bounded():
        assert signal.getsignal(signal.SIGVTALRM) is before


@pytest.mark.parametrize(
    ("pattern", "refused"),
    [
        ("(a+)+", True),
        ("(a*){2,}", True),
        ("(?:x(?:a?b)+)*", True),
        ("(a|ab)*", True),
        ("(?=(a+)+)b", True),
        ("(?P<x>(a+)+)", True),
        ("a+b*c?", False),
        ("(ab){3}", False),
        ("(a+){1}", False),
        ("(ab)+|c", False),
        ("[ab]+(c|de)", False),
    ],
)
def test_other_threads_refuse_repeats_in_repeats(pattern: str, refused: bool) -> None:
    query = parse(f"message ~ '{pattern}'")
    raised: list[InvalidInput] = []

    def evaluate() -> None:
        try:
            with query.bounded():
                pass
        except InvalidInput as error:
            raised.append(error)

    thread = threading.Thread(target=evaluate)
    thread.start()
    thread.join()
    assert bool(raised) is refused
    assert all("nested repeats" in str(error) for error in raised)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("model", "risk/churn"),
        ("group", "risk"),
        ("version", 12),
        ("stage", ["production", "staging"]),
        ("alias", ["champion", "2026q1"]),
        ("archived", False),
        ("created", "2026-11-22T10:30:15.250Z"),
        ("age", 91_784.75),
        ("size", 1_500_000_000),
        ("format", "sklearn"),
        ("digest", DIGEST),
        ("params.opt.lr", 1e-3),
        ('metrics."f1 macro"', 0.5),
        ("metrics.f1 macro", 0.5),
        ("metrics.none", None),
        ("lineage.git.commit", "c0ffee12"),
        ("lineage.parents", ["risk/churn@7", "base@1"]),
        ("lineage.git", None),
    ],
)
def test_values_of_fields(field: str, expected: object) -> None:
    assert value(RECORD, field, NOW) == expected


def test_values_of_a_bare_record() -> None:
    names = ("group", "stage", "alias", "archived", "author", "created", "age", "size", "format", "message")
    assert [value(BARE, name, NOW) for name in names] == [None, [], [], True, None, "some day", None, 0, None, None]


def test_fields_by_name() -> None:
    assert (parse_field("params.opt.lr").family, parse_field("params.opt.lr").key) == ("params", "opt.lr")
    assert parse_field(" model ").name == "model"
    assert parse_field("params.'a b'.\"c\"").name == "params.a b.c"
    for text, hint in (
        ("metric.auc", "did you mean 'metrics.auc'"),
        ("crated", "did you mean 'created'"),
        ("", "use model"),
    ):
        with pytest.raises(InvalidInput, match=hint):
            parse_field(text)


def version(number: int, **more: Any) -> VersionRecord:
    return VersionRecord(
        more.pop("model", "m"), number, more.pop("created", ""), more.pop("author", ""), "", 0, 0, **more
    )


def ordered(text: str, *versions: VersionRecord) -> list[int]:
    return [each.number for each in parse_sort(text).sorted(versions, NOW)]


def test_missing_values_are_last_in_both_directions() -> None:
    versions = [
        version(n, metrics={} if auc is None else {"auc": auc}) for n, auc in ((1, None), (2, 0.5), (10, 0.9), (9, 0.5))
    ]
    assert ordered("metrics.auc", *versions) == [2, 9, 10, 1]
    assert ordered("metrics.auc:asc", *versions) == [2, 9, 10, 1]
    assert ordered("metrics.auc:DESC", *versions) == [10, 2, 9, 1]
    assert ordered("author, metrics.auc : desc", *versions) == [10, 2, 9, 1]


def test_kinds_have_an_order() -> None:
    versions = [version(n, params={"x": x}) for n, x in ((1, True), (2, "a"), (3, 2), (4, "B"), (5, 1.5), (6, False))]
    assert ordered("params.x", *versions) == [5, 3, 4, 2, 6, 1]
    assert ordered("params.x:desc", *versions) == [1, 6, 2, 4, 3, 5]


def test_age_is_the_other_way_round_of_created() -> None:
    versions = [version(n, created=f"2026-11-0{n}T00:00:00.000Z") for n in (2, 1, 3)] + [version(4)]
    assert ordered("created", *versions) == [1, 2, 3, 4]
    assert ordered("age", *versions) == [3, 2, 1, 4]
    assert ordered("age:desc", *versions) == [1, 2, 3, 4]


def test_ties_go_by_model_and_number() -> None:
    versions = [version(10), version(9), version(1, model="z"), version(2, model="a/z")]
    assert ordered("size:desc", *versions) == [2, 9, 10, 1]
    assert ordered("version:desc", *versions) == [10, 9, 2, 1]


def test_keys_with_commas_and_colons() -> None:
    versions = [version(1, tags={"a,b:c": "y"}), version(2, tags={"a,b:c": "x"})]
    assert ordered("tags.'a,b:c'", *versions) == [2, 1]
    assert ordered("tags.'a,b:c':desc,model", *versions) == [1, 2]
    assert parse_sort("tags.a:b").keys[0][0].key == "a:b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a field is missing"),
        ("model,", "a field is missing"),
        ("metric.auc:desc", "did you mean 'metrics.auc'"),
        ("created:dsc", "unknown field"),
        ("model," * 20 + "model", "the limit is 20"),
        ("x" * 10_001, "the limit is 10,000"),
    ],
)
def test_no_orders(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_sort(text)


def test_what_a_query_imports() -> None:
    """Reading a query loads no more than it needs: start-up time is a feature."""
    code = "import sys, registry_cli.query.query as q; q.parse('metrics.auc > 1'); print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(patterns.__file__).parents[2]
    )
    assert not {"difflib", "sqlite3", "yaml", "typer", "rich"} & set(run.stdout.split())
