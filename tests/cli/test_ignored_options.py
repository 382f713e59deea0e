"""An option that would do nothing beside another is refused, and nothing is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_cli import InvalidInput
from tests.cli.conftest import Site
from tests.commands import terminal
from tests.crash.world import fingerprint

CASES = {
    "--as with several files": (["register", "churn", "A", "B", "--as", "x"], "--as requires a single file"),
    "--as with a folder": (["register", "churn", "DIR", "--as", "x"], "--as requires a single file"),
    "--link with standard input": (["register", "churn", "-", "--as", "x", "--link"], "cannot be used with --link"),
    "--move with standard input": (["register", "churn", "A", "-", "--as", "x", "--move"], "cannot be used with --move"),
    "--update alone": (["register", "churn", "A", "--update"], "--update requires --if-changed"),
    "--reason with --plan": (
        ["archive", "churn", "--keep", "1", "--plan", "P", "--reason", "x"], "--reason has no effect with --plan"
    ),
    "delete --reason with --plan": (
        ["delete", "churn", "--keep", "1", "--plan", "P", "--reason", "x"], "--reason has no effect with --plan"
    ),
    "prune --reason with --plan": (
        ["prune", "churn", "--older-than", "1d", "--plan", "P", "--reason", "x"], "--reason has no effect with --plan"
    ),
    "a text and a file": (["annotate", "churn@1", "k=v", "--from-file", "k=A"], "'k' is given both as text and with --from-file"),
    "a tag set and removed": (["tag", "churn@1", "team=x", "-r", "team"], "'team' is both set and removed"),
    "an annotation set and removed": (["annotate", "churn@1", "k=v", "-r", "k"], "'k' is both set and removed"),
    "a tag of a model": (["describe", "churn", "-t", "a=b", "--remove", "a"], "'a' is both set and removed"),
    "a description": (
        ["describe", "churn", "--description", "x", "--remove", "description"], "'description' is both set and removed"
    ),
    "--reason of nothing": (["describe", "churn", "--reason", "x"], "--reason has no effect without a change"),
    "--depth of a file": (["lineage", "churn@1", "--environment", "--depth", "2"], "--depth has no effect with --environment"),
    "--depth of a patch": (["lineage", "churn@1", "--patch", "--depth", "2"], "--depth has no effect with --patch"),
    "--flavor of a bundle": (["export", "churn@1", "P.tar.gz", "--flavor", "sklearn"], "--flavor has no effect on a bundle"),
    "--review with --yes": (["approve", "churn@1", "staging", "--review", "--yes"], "--yes has no effect with --review"),
    "alias --expect": (["alias", "churn", "--expect", "2"], "missing argument ALIAS"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "message"), CASES.values(), ids=CASES)
def test_it_is_refused(site: Site, tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "work" / "DIR").mkdir(parents=True)
    for name in ("A", "B", "DIR/C"):
        (tmp_path / "work" / name).write_text(name)
    before = fingerprint(site.root)
    given = [str(tmp_path / "work" / each) if each in ("A", "B", "DIR", "P", "P.tar.gz") else each for each in words]
    given = [each.replace("k=A", f"k={tmp_path}/work/A") for each in given]
    answer = site.run(*given, stdin=b"x")
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert fingerprint(site.root) == before
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["A", "B", "DIR"]


def test_the_settings_have_no_history_for_a_reason(site: Site) -> None:
    with terminal("edit", "--reason", "x", root=site.root) as child:
        child.expect_exact("--reason has no effect with registry.yaml")
        child.wait()
        assert child.exitstatus == 2


def test_in_python_too(site: Site, tmp_path: Path) -> None:
    reg = site.reg
    for call in (
        lambda: reg.tag("churn@1", {"team": "x"}, remove=iter(["team"])),
        lambda: reg.annotate("churn@1", {"k": "x"}, remove=["k"]),
        lambda: reg.admin.describe("churn", owner="x", tags={"a": "b"}, remove=["a"]),
        lambda: reg.register("churn", {"x": "-"}, how="move"),
    ):
        with pytest.raises(InvalidInput):
            call()


@pytest.mark.parametrize(
    ("option", "kind", "text"),
    [
        ("--metrics-file", "metrics", "{}"),
        ("--metrics-file", "metrics", '{"log_history": []}'),
        ("--params-file", "params", "{}"),
    ],
)
def test_a_file_without_values_is_named(site: Site, option: str, kind: str, text: str) -> None:
    path = site.make("values.json", text)
    answer = site.run("register", "risk/fraud", site.file, option, path)
    assert answer.code == 0
    assert f"warning: {path} has no {kind}\n" in answer.err
