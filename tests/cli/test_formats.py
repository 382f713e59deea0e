"""``--format``: every command that lists prints every format, and what is printed can be read back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from registry_cli import Registry
from registry_cli.cli import completion, grammar
from tests.cli.conftest import Site
from tests.cli.test_contract import FORMS, Form, named
from tests.commands import assert_inert, assert_refused, run

LISTS = [form for form in FORMS if grammar.VERBS[form.verb].lists and form.kind not in ("card", "recipe", "schema")]
#: What changes from one call to the next: the free space, what there is to repair.
UNSTEADY = ("doctor",)
#: A text with whatever a format could take for its own, and what a terminal or a spreadsheet would act on.
HOSTILE = "=1+1\ttab\\n\nnew \"line\", a=b 'q' | <b> \x1b[31m \u202e \r end"


def parse_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def parse_tsv(text: str) -> list[list[str]]:
    marks = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}

    def cell(found: str) -> str:
        out, at = "", 0
        while at < len(found):
            pair = found[at : at + 2]
            out, at = (out + marks[pair], at + 2) if pair in marks else (out + found[at], at + 1)
        return out

    return [[cell(each) for each in line.split("\t")] for line in text.removesuffix("\n").split("\n")]


def repeatable(form: Form, site: Site) -> list[object]:
    """The words of a command that changes nothing, so that it can be run again."""
    dry = "--dry-run" in completion.options(form.verb) and form.kind not in ("aliases", "holders")
    return [*form.words(site), *(["--dry-run"] if dry else [])]


@pytest.mark.parametrize("form", [form for form in LISTS if form.kind not in UNSTEADY], ids=named)
def test_json_is_the_same_with_both_options(form: Form, site: Site) -> None:
    words = repeatable(form, site)
    assert site.run(*words, "--format", "json").out == site.run(*words, "--json").out
    site.reg.admin.repair()  # what a dry run of repair has left


@pytest.mark.parametrize("form", LISTS, ids=named)
def test_rows_have_a_name_for_each_cell(form: Form, site: Site) -> None:
    answer = site.run(*form.words(site), "--format", "csv")
    assert answer.code == form.code
    head, *rows = parse_csv(answer.out)
    assert {len(row) for row in rows} <= {len(head)}
    assert all(head)
    assert len(head) == len(set(head)) == (form.columns or len(head))


@pytest.mark.parametrize(
    "form", [form for form in LISTS if not grammar.VERBS[form.verb].writes and form.kind not in UNSTEADY], ids=named
)
def test_all_formats_hold_the_same(form: Form, site: Site) -> None:
    words = repeatable(form, site)
    document = site.run(*words, "--json").json
    assert yaml.safe_load(site.run(*words, "--format", "yaml").out) == document
    items = [json.loads(line) for line in site.run(*words, "--format", "jsonl").lines]
    assert items == (document["items"] if isinstance(document.get("items"), list) else [document])
    table = parse_csv(site.run(*words, "--format", "csv").out)
    assert parse_csv(site.run(*words, "--format", "csv", "--no-header").out) == table[1:]
    assert parse_tsv(site.run(*words, "--format", "tsv", "--header").out)[0] == table[0]
    markdown = site.run(*words, "--format", "markdown").lines
    assert len(markdown) == len(table) + 1
    assert markdown[1] == "|" + " --- |" * len(table[0])
    assert site.run(*words, "--format", "table").code == form.code


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Site]:
    site = Site.__new__(Site)
    site.folder, site.root = tmp_path, tmp_path / "registry"
    site.reg = Registry.init(site.root, author="alice")
    name = 'a b,c d"e|f'
    site.reg.register(
        "m", [site.make("f", "x")], metrics={name: 0.1, "auc": 1 / 3}, message=HOSTILE, tags={name: "x=1 y"}
    )
    site.reg.register("m", [site.make("f", "y")], metrics={"auc": 1e-7}, message="'=2", tags={"n": "1"})
    yield site
    assert site.reg.admin.verify().problems == ()


def test_hostile_values_are_read_back(hostile: Site) -> None:
    wanted = {each.ref: each for each in hostile.reg.versions("m")}
    for shown in (
        yaml.safe_load(hostile.run("versions", "m", "--format", "yaml").out)["items"],
        [json.loads(line) for line in hostile.run("versions", "m", "--format", "jsonl").lines],
    ):
        assert {each["ref"]: each["message"] for each in shown} == {r: each.message for r, each in wanted.items()}
        assert {each["ref"]: each["metrics"] for each in shown} == {r: each.metrics for r, each in wanted.items()}
    for table in (
        parse_csv(hostile.run("versions", "m", "--format", "csv").out),
        parse_tsv(hostile.run("versions", "m", "--format", "tsv", "--header").out),
    ):
        head, *rows = table
        for row in (dict(zip(head, row, strict=True)) for row in rows):
            version = wanted[row["ref"]]
            assert json.loads(row["metrics"]) == version.metrics
            assert json.loads(row["tags"]) == version.tags
            assert row["message"] in (version.message, f"'{version.message}")  # csv marks what could be a formula
            assert (row["size"], row["archived"]) == ("1", "false")


def test_no_cell_of_csv_is_a_formula(hostile: Site) -> None:
    hostile.reg.register("m", [hostile.make("f", "z")], message="＝cmd")
    rows = parse_csv(hostile.run("versions", "m", "--columns", "message,metrics.auc", "--format", "csv").out)
    assert [row[0][:2] for row in rows[1:]] == ["'＝", "''", "'="]
    assert rows[2][1] == "1e-07"  # a number is none


def test_a_terminal_gets_nothing_that_acts_on_it(hostile: Site) -> None:
    for form in ("csv", "tsv", "markdown", "yaml", "jsonl", "json", "table"):
        shown = run("versions", "m", "--format", form, "--no-color", root=hostile.root, terminals=(1,))
        assert shown.code == 0
        assert_inert(shown.out)


def test_one_column_for_each_metric(hostile: Site) -> None:
    rows = parse_csv(hostile.run("versions", "m", "--columns", "version,metrics.auc", "--format", "csv").out)
    assert rows == [["version", "metrics.auc"], ["2", "1e-07"], ["1", str(1 / 3)]]


def test_the_default_of_a_pipe_has_a_header_on_request(still: Site) -> None:
    plain = still.run("versions", "churn")
    headed = still.run("versions", "churn", "--header")
    assert headed.lines[1:] == plain.lines
    assert headed.lines[0].split("\t")[:2] == ["ref", "stages"]


def test_a_table_in_a_pipe_is_as_wide_as_columns(still: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (70, 80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown = still.run("history", "churn", "--format", "table")
        assert "\x1b" not in shown.out
        assert shown.lines[0].startswith("# ")
        assert max(map(len, shown.lines)) <= columns


@pytest.mark.parametrize("words", [("xml",), ("csv", "--json"), ("csv", "-q"), ("jsonl", "--json")])
def test_two_forms_or_an_unknown_one_are_refused(words: tuple[str, ...], still: Site) -> None:
    if "--json" in words:
        assert still.run("list", "--format", *words).code == 2
    else:
        assert_refused(still.run("list", "--format", *words), 2)


def test_errors_are_json_for_both_options(still: Site) -> None:
    for words in (["--json"], ["--format", "json"], ["--format=json"]):
        assert json.loads(still.run("show", "churn@99", *words).err)["error"] == "not-found"


def test_following_prints_items(site: Site) -> None:
    assert_refused(site.run("history", "churn", "--follow", "--format", "csv"), 2)


def test_items_are_streamed(tmp_path: Path) -> None:
    from registry_cli.cli.output_formats import iter_items

    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield (number := number + 1)

    lines = iter_items("numbers", endless())
    assert [next(lines), next(lines)] == ["1", "2"]
