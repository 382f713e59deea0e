"""list, search, find, and the past, as a person or a script sees them."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from registry_cli import Registry
from tests.cli.conftest import Site
from tests.commands import Answer, assert_refused, on_terminal


def refused(answer: Answer, code: int, words: str) -> None:
    assert_refused(answer, code)
    assert words in answer.err


def test_what_is_live(still: Site) -> None:
    (line,) = still.run("list", "--stage", "production").lines
    assert line.split("\t")[0] == "churn@1"
    assert "auc=0.90" in line
    assert still.run("list", "--stage", "production", "-q").lines == ["churn@1"]
    refused(still.run("list", "--stage", "live"), 2, "unknown stage 'live'")


def test_lists_with_a_condition(still: Site) -> None:
    assert still.run("list", "--where", "tags.team = crm", "-q").lines == ["churn"]
    assert still.run("list", "-w", "metrics.auc > 2", "-q").lines == []
    assert still.run("versions", "churn", "-w", "version < 2", "-q").lines == ["churn@1"]
    assert still.run("versions", "churn", "--stage", "staging", "-q").lines == ["churn@2"]
    assert still.run("versions", "churn", "--all", "--sort", "version", "-q").lines == ["churn@1", "churn@2", "churn@3"]
    assert still.run("search", "--alias", "champion", "-q").lines == ["churn@2"]
    assert still.run("search", "-t", "team", "-q").lines == ["churn@2", "churn@1"]
    assert still.run("search", "-t", "team=ops", "-q").lines == []
    assert still.run("search", "-q").lines == ["churn@2", "churn@1", "risk/fraud@1"]
    assert still.run("search", "archived", "-q").lines == ["churn@3"]
    assert still.run("search", "-q", "--limit", "1", "--sort", "metrics.auc:desc", "--all").lines == ["churn@3"]


def test_columns(still: Site) -> None:
    answer = still.run("search", "model = churn", "--columns", "model,version,metrics.auc,stage,tags.team,params.none")
    assert answer.lines == [
        "churn\t2\t0.9066666666666667\tstaging\tcrm\t",
        "churn\t1\t0.9033333333333333\tproduction\tcrm\t",
    ]
    refused(still.run("search", "--columns", "metric.auc"), 2, "did you mean 'metrics.auc'")


@pytest.mark.parametrize(
    ("query", "words"),
    [("metrics.auc >", "column 14"), ("metric.auc > 1", "metrics.auc"), ("auc > 1", "metrics.auc"), ("(a", "query")],
)
def test_a_slip_in_a_query_is_told_in_a_line(still: Site, query: str, words: str) -> None:
    refused(still.run("search", query), 2, words)
    refused(still.run("versions", "churn", "--where", query), 2, words)
    refused(still.run("list", "--where", query), 2, words)


@pytest.mark.parametrize("value", ["it's", 'say "no"', "back\\slash", "a and b", "' or archived or tags.x = '"])
def test_the_value_of_a_tag_is_data(site: Site, value: str) -> None:
    site.reg.tag("churn@1", {"note": value})
    assert site.run("search", "--tag", f"note={value}", "-q").lines == ["churn@1"]


def test_with_and_without_the_index(still: Site, tmp_path: Path) -> None:
    for words in (("list",), ("search", "metrics.auc > 0.9"), ("versions", "churn", "--all"), ("show", "churn@1")):
        for form in ((), ("--json",), ("-q",)):
            with_it, without = still.run(*words, *form), still.run(*words, *form, "--no-index")
            assert (with_it.code, with_it.out) == (0, without.out)


def test_which_version_is_this_file(site: Site) -> None:
    place = site.folder / "server"
    shutil.copytree(site.reg.path("churn@1"), place)
    (line,) = site.run("find", place / "model.pkl").lines
    assert line.split("\t") == [str(place / "model.pkl"), "churn@1", "model.pkl", "production", "", "false"]
    whole, _ = site.run("find", place).lines
    assert whole.split("\t")[:3] == [f"{place}/", "churn@1", ""]
    assert site.run("find", place, "-q").lines == ["churn@1"]
    (place / "other.txt").write_text("not registered")
    answer = site.run("find", place)
    assert (answer.code, [line.split("\t")[1] for line in answer.lines]) == (3, ["churn@1", ""])
    assert answer.err.startswith(f"error: {place}/other.txt is not a registered file; ")
    found = json.loads(site.run("find", place / "model.pkl", "--json").out)["items"]
    assert [(each["version"]["ref"], each["path"]) for each in found] == [("churn@1", "model.pkl")]
    refused(site.run("find", site.folder / "nowhere"), 3, "nowhere' not found")


def test_the_past(site: Site) -> None:
    assert site.run("list", "--as-of", "2020-01-01").out == ""
    refused(site.run("path", "churn@production", "--as-of", "2020-01-01"), 3, "model 'churn' did not exist")
    assert site.run("path", "churn@production", "--as-of", "now").out == site.run("path", "churn@production").out
    assert site.run("show", "churn", "--as-of", "now", "--json").code == 0
    refused(site.run("show", "churn", "--as-of", "someday"), 2, "someday")


def test_a_list_goes_on_without_what_is_damaged(site: Site) -> None:
    path = site.root / "models/churn/versions/2/version.yaml"
    sound = path.read_bytes()
    for each in (path, path.parent):
        os.chmod(each, 0o755 if each.is_dir() else 0o644)
    path.write_text("format: [")
    try:
        for words in (("search",), ("versions", "churn"), ("search", "--json"), ("versions", "churn", "--no-index")):
            answer = site.run(*words)
            assert answer.code == 6, words
            assert "churn@1" in answer.out
            assert "churn@2" not in answer.out
            assert "churn@2" in answer.err
    finally:
        path.write_bytes(sound)
        os.chmod(path, 0o444)
        os.chmod(path.parent, 0o555)
        assert site.run("verify", "churn").code == 0  # so that lists look at the file again, which was mended in place


def test_a_person_sees_a_table(site: Site) -> None:
    # A registry of this minute: the age of an older one is wider.
    screen = on_terminal("list", root=site.root).out
    assert "METRIC" in screen
    assert "auc 0.906" in screen
    assert "No versions match." in on_terminal("search", "metrics.auc > 2", root=site.root).out
    assert "AUC" in on_terminal("search", "--columns", "model,metrics.auc", root=site.root).out.upper()


def test_an_expression_can_not_break_out_of_its_shorthands(still: Site) -> None:
    refused(still.run("search", "model = a) or (model = churn", "--tag", "team"), 2, "column 10")
    assert still.run("search", "model = churn or model = none", "--tag", "team", "-q").lines == ["churn@2", "churn@1"]


def test_models_come_in_one_order(site: Site) -> None:
    for name in ("a/x", "a-b", "a.c", "ab"):
        site.reg.register(name, [site.file])
    for verb in ("search", "list"):
        with_it, without = site.run(verb, "-q"), site.run(verb, "-q", "--no-index")
        assert with_it.out == without.out


def test_columns_that_were_asked_for_are_all_shown(still: Site) -> None:
    columns = "model,version,author,size,age,created,archived,tags.team,params.note"
    screen = on_terminal("search", "--columns", columns, root=still.root, columns=60).out
    assert all(part in screen.replace("\n", "").upper() for part in ("AUTH", "AGE", "SIZE"))
    assert still.run("search", "--columns", 'tags."a,b",version', "-q").code == 0
    refused(still.run("search", "--sort", "metrics.auc:down"), 2, "not a sort direction")


def test_the_condition_is_about_the_time_that_is_asked_for(still: Site) -> None:
    now = still.run("list", "--where", "version = 1 and stage = production", "--as-of", "now", "-q")
    assert now.lines == ["churn"]
    assert still.run("list", "--where", "stage = production", "--as-of", "2020-01-01", "-q").lines == []


def test_quiet_changes_nothing_of_a_json_document(site: Site) -> None:
    copy, unknown = site.make("a copy.bin", Path(site.file).read_text()), site.make("unknown.bin", "of no version")
    words = ("find", site.file, copy, unknown, "--json")
    assert site.run(*words, "-q").out == site.run(*words).out
    assert len(json.loads(site.run(*words, "-q").out)["items"]) >= 3


def test_models_in_the_order_that_was_asked_for(site: Site) -> None:
    """What was changed last, by whatever kind of change; the newest and the most first."""

    def order(key: str, *more: str) -> list[str]:
        found = [site.run("list", "--sort", key, "-q", *more, *index).lines for index in ((), ("--no-index",))]
        assert found[0] == found[1]
        return found[0]

    site.reg.register("a/new", [site.file])
    assert order("updated") == ["a/new", "risk/fraud", "churn"]
    changes: list[Callable[[], object]] = [
        lambda: site.reg.tag("churn@1", {"a": "b"}),
        lambda: site.reg.alias("churn@1", "eu"),
        lambda: site.reg.register("churn", [site.make("model.pkl", "content 4")]),
        lambda: site.reg.admin.describe("churn", owner="bob"),
        lambda: site.reg.approvals.approve("churn@1", "staging", reason="ok"),
    ]
    for change in changes:
        change()
        assert order("updated")[0] == "churn"
        site.reg.tag("risk/fraud@1", {"turn": str(changes.index(change))})
        assert order("updated") == ["risk/fraud", "churn", "a/new"]
        time.sleep(0.002)  # times are in milliseconds
    assert order("updated:asc") == ["a/new", "churn", "risk/fraud"]
    assert order("created") == ["a/new", "risk/fraud", "churn"]
    assert order("name:desc") == ["risk/fraud", "churn", "a/new"]
    assert order("versions")[0] == "churn"
    assert order("owner")[-1] == "churn"
    assert order("updated", "--stage", "production") == ["churn@1"]
    items = site.run("list", "--sort", "updated", "--json").json["items"]
    newest = site.reg.history("risk/fraud", limit=1)[0].event.at
    assert (items[0]["name"], items[0]["updated"]) == ("risk/fraud", newest)
    assert site.run("show", "risk/fraud", "--json").json["updated"] == newest
    assert site.run("list", "--sort", "updated").lines[0].split("\t")[0] == "risk/fraud"
    assert "UPDATED" in on_terminal("list", "--sort", "updated", root=site.root, columns=120).out
    refused(site.run("list", "--sort", "update"), 2, "did you mean 'updated'?")
    refused(site.run("list", "--sort", "name:up"), 2, "with :asc or :desc")


def test_the_last_change_at_a_time(tmp_path: Path) -> None:
    moments = iter(datetime(2026, 3, day, tzinfo=timezone.utc) for day in range(1, 9))
    reg = Registry.init(tmp_path / "r", author="alice", now=lambda: next(moments))
    (tmp_path / "f").write_text("x")
    reg.register("m", [tmp_path / "f"])
    reg.tag("m@1", {"a": "b"})
    first, second = (each.event.at for each in reversed(reg.history("m")))
    assert reg.model("m").updated == second
    assert reg.model("m", as_of=first).updated == first
