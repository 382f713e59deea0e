"""Dry runs of archive, delete, prune, apply and gc: a summary first, and rows that a person can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_cli import Registry
from tests.cli.conftest import Site
from tests.commands import Answer, assert_refused, run


@pytest.fixture
def many(tmp_path: Path) -> Site:
    """60 versions of a model."""
    site = Site.__new__(Site)
    site.folder, site.root = tmp_path, tmp_path / "registry"
    site.reg = Registry.init(site.root, author="alice")
    for number in range(60):
        site.reg.register("m", [site.make("f", str(number))])
    return site


def shown(site: Site, *words: object) -> Answer:
    return run(*words, "--no-color", root=site.root, terminals=(1, 2))


@pytest.mark.parametrize("verb", ["archive", "prune"])
def test_a_dry_run_starts_with_a_summary_and_states_each_reason_once(verb: str, many: Site) -> None:
    words = ["archive", "m", "--keep", "12"]
    if verb == "prune":
        many.reg.archive([f"m@{number}" for number in range(1, 49)])
        words = ["prune", "m", "--older-than", "0s"]
    answer = shown(many, *words, "--dry-run")
    assert answer.lines[0].startswith(f"would {words[0].replace('prune', 'delete')} 48 versions of m, keep 12; ")
    assert answer.err == ""
    assert len(answer.lines) <= 6
    assert [line.split()[1:3] for line in answer.lines[3:5]] == [["@1-48", "48"], ["@49-60", "12"]]
    only = shown(many, *words, "--dry-run", "--changes-only")
    assert "keep " not in "\n".join(only.lines[2:])
    assert "@1-48" in only.out
    limited = shown(many, *words, "--dry-run", "--limit", "1")
    assert limited.lines[-1] == "… and 1 more row"


def test_a_pipe_has_a_row_for_each_version(many: Site) -> None:
    words = ("archive", "m", "--keep", "12", "--dry-run")
    assert len(many.run(*words).lines) == 60
    assert {line.split("\t")[1] for line in many.run(*words, "--changes-only").lines} == {"archive"}
    assert len(many.run(*words, "--changes-only").lines) == 48
    assert len(many.run(*words, "--limit", "7").lines) == 7
    assert many.run(*words, "--format", "csv", "--limit", "1").lines[0] == "ref,action,reason,frees"
    document = many.run(*words, "--limit", "1", "--changes-only", "--json").json
    assert len(document["items"][0]["verdicts"]) == 60  # JSON is whole


def test_apply_shows_its_plan(many: Site) -> None:
    plan = many.folder / "plan.json"
    assert many.run("archive", "m", "--keep", "12", "--plan", plan, "-q").code == 0
    answer = shown(many, "apply", plan, "--dry-run")
    assert answer.lines[0].startswith("would archive 48 versions of m, keep 12; ")
    assert "@1-48" in answer.out
    assert "keep " not in "\n".join(shown(many, "apply", plan, "--dry-run", "--changes-only").lines[2:])
    assert len(many.run("apply", plan, "--dry-run").lines) == 48  # a pipe gets the references, as ever


def test_nothing_to_do_is_a_sentence(many: Site) -> None:
    assert shown(many, "archive", "m", "--keep", "99", "--dry-run", "--changes-only").lines == [
        "nothing to do: all versions are kept"
    ]


def test_options_about_rows_need_rows(many: Site) -> None:
    for words in (("archive", "m", "--keep", "1"), ("delete", "m@1"), ("prune", "m", "--older-than", "1d")):
        assert_refused(many.run(*words, "--limit", "1"), 2)
        assert_refused(many.run(*words, "--changes-only"), 2)
    assert_refused(many.run("apply", "plan.json", "--limit", "1"), 2)
    assert not many.reg.version("m@1").archived


def test_gc_counts_what_it_would_remove(many: Site) -> None:
    for number in range(3):
        (many.root / f"models/m/versions/.tmp-{number}").mkdir()
    answer = shown(many, "gc", "--older-than", "0s", "--dry-run", "--limit", "2")
    assert answer.err.startswith("would free 0 B in 3 places")
    assert answer.lines[0].startswith("3 ")
    assert answer.lines[-1] == "… and 1 more"
    assert len(many.run("gc", "--older-than", "0s", "--dry-run").lines) == 3
