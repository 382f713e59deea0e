"""diff and compare: on a terminal, in a pipe, as JSON and CSV, and with texts that mean harm."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from registry_cli import Registry
from tests.commands import Answer, assert_inert, assert_refused, environment, on_terminal, run, spawn, uncoloured

_COLOURED = re.compile("\x1b\\[[0-9;]*3[0-9]")
EVIL = "[bold red]x[/] [/nothing] \u202eevil"


class Line:
    """``churn`` with versions 1 to 7 of two files each; 5 is production and champion, 7 staging, 2 archived."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "registry"
        Registry.init(self.root)
        self.reg = Registry(self.root, author="alice", lineage=False)
        model, needs, more = folder / "model.bin", folder / "requirements.txt", folder / "more.txt"
        for number in range(1, 8):
            model.write_bytes(b"x" * 1000 * number)
            needs.write_text(f"numpy==1.26.{number}\npandas==2.2.0\n" + "polars==1.2.0\n" * (number > 6))
            more.write_text("more")
            self.reg.register(
                "churn", [model, needs, *([more] if number == 7 else [])],
                params={"depth": 4 + number // 3, "solver": "adam", **({"lr": 0.1} if number > 5 else {})},
                metrics={"auc": 0.8 + number / 100, "val_loss": 0.5 - number / 100, "drift": number},
                tags={"team": "crm", "month": f"2026-0{number}"}, message=f"run {number}",
                annotations={"purpose": f"First line\nof {number}\nlast line"},
            )  # fmt: skip
        self.reg.promote("churn@5", "production")
        self.reg.alias("churn@5", "champion")
        self.reg.promote("churn@7", "staging")
        self.reg.archive(["churn@2"])
        for tags in ({"evil": EVIL, "+plus": "=cmd()", "sign": "+x"}, {"evil": f"{EVIL}!", "sign": "＝x"}):
            self.reg.register("fraud", [more], tags=tags, params={"neg": -1, "at": "@a", "t": "1"})

    def run(self, *words: object, stdin: bytes = b"") -> Answer:
        return run(*words, root=self.root, stdin=stdin)

    def shown(self, *words: object, columns: int = 80, **variables: str) -> str:
        """What a person sees."""
        env = environment(**{"TERM": "xterm-256color", **variables})
        answer = on_terminal(*words, root=self.root, columns=columns, env=env)
        assert answer.code == 0, answer
        assert "Traceback" not in answer.out
        assert_inert(uncoloured(answer.out))
        return answer.out


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    made = Line(tmp_path_factory.mktemp("line"))
    yield made
    assert made.reg.admin.verify().problems == ()


def test_diff_in_a_pipe(line: Line) -> None:
    answer = line.run("diff", "churn@6", "churn@7")
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines == [
        f"metrics\tauc\tchanged\t{0.8 + 6 / 100}\t{0.8 + 7 / 100}\t{(0.8 + 7 / 100) - (0.8 + 6 / 100)}",
        "metrics\tdrift\tchanged\t6\t7\t1",
        f"metrics\tval_loss\tchanged\t{0.5 - 6 / 100}\t{0.5 - 7 / 100}\t{(0.5 - 7 / 100) - (0.5 - 6 / 100)}",
        "tags\tmonth\tchanged\t2026-06\t2026-07\t",
        r"annotations	purpose	changed	First line\nof 6\nlast line	First line\nof 7\nlast line	",
        "message\tmessage\tchanged\trun 6\trun 7\t",
        "packages\tnumpy\tchanged\t1.26.6\t1.26.7\t",
        "packages\tpolars\tadded\t\t1.2.0\t",
        "files\tmodel.bin\tchanged\t6000\t7000\t1000",
        "files\tmore.txt\tadded\t\t4\t",
        "files\trequirements.txt\tchanged\t28\t42\t14",
    ]
    assert line.run("diff", "churn@7", "churn@6", "-q").lines == [
        "metrics.auc", "metrics.drift", "metrics.val_loss", "tags.month", "annotations.purpose", "message",
        "packages.numpy", "packages.polars", "files.model.bin", "files.more.txt", "files.requirements.txt",
    ]  # fmt: skip


def test_diff_as_json(line: Line) -> None:
    found = line.run("diff", "churn@6", "churn@7", "--json").json
    assert (found["kind"], found["before"], found["after"], found["equal"]) == ("diff", "churn@6", "churn@7", False)
    assert found["params"] == found["lineage"] == []
    drift = found["metrics"][1]
    assert drift == {"name": "drift", "change": "changed", "before": 6, "after": 7, "delta": 1, "percent": 1 / 6 * 100,
                     "better": None}  # fmt: skip
    entries = {entry.path: entry.sha256 for entry in line.reg.artifacts.files("churn@7")}
    assert found["files"][1] == {
        "path": "more.txt", "change": "added", "before": None, "after": {"sha256": entries["more.txt"], "size": 4},
    }  # fmt: skip
    assert found["message"] == [{"name": "message", "change": "changed", "before": "run 6", "after": "run 7"}]


def test_diff_of_equals_says_so(line: Line) -> None:
    for words in (("churn@5", "churn@production"), ("churn@5", "5"), ("churn@5", "@champion")):
        answer = line.run("diff", *words, "--exit-code")
        assert answer == Answer(0, "", "no differences between churn@5 and churn@5\n")
    assert line.run("diff", "churn@5", "5", "-q") == Answer(0, "", "")
    found = line.run("diff", "churn", "7", "--json").json
    assert found["equal"] is True
    assert "no differences between churn@7 and churn@7" in line.shown("diff", "churn", "churn@staging")


def test_the_exit_code_of_diff(line: Line) -> None:
    assert line.run("diff", "churn@6", "7").code == 0
    for form in ([], ["-q"], ["--json"]):
        answer = line.run("diff", "churn@6", "7", "--exit-code", *form)
        assert (answer.code, answer.err) == (1, "")
        assert answer.out
    shown = on_terminal("diff", "churn@6", "7", "--exit-code", root=line.root)
    assert shown.code == 1
    assert "they differ" in line.run("diff", "--help").out
    assert_refused(line.run("diff", "churn@6", "churn@99", "--exit-code"), 3)
    assert_refused(line.run("diff", "churn@6", "Churn"), 2)
    assert_refused(line.run("diff", "churn@6"), 2)


def test_diff_of_two_models(line: Line) -> None:
    found = line.run("diff", "churn@7", "fraud@1", "--json").json
    assert {each["change"] for each in found["files"]} == {"removed"}
    assert [each["path"] for each in found["files"]] == ["model.bin", "requirements.txt"]
    assert found["packages"] == [], "only one of them has an environment"


def test_diff_of_environments(tmp_path: Path) -> None:
    reg = Registry.init(tmp_path / "r")
    for number, names in enumerate(
        (["environment.txt", "requirements.txt"], ["requirements.txt"], ["environment.txt"])
    ):
        paths = []
        for name in names:
            paths.append(tmp_path / name)
            paths[-1].write_text(f"{name[:3]}==1\nnumpy=={number}\n")
        reg.register("m", paths)
    big = tmp_path / "requirements.txt"
    big.write_bytes(b"numpy==9\n" + b"#" * 1_000_000)
    reg.register("m", [big])

    def packages(one: int, other: int) -> list[str]:
        found = run("diff", f"m@{one}", f"m@{other}", "--json", root=reg.root).json["packages"]
        return [f"{each['name']} {each['before']} {each['after']}" for each in found]

    assert packages(1, 2) == ["numpy 0 1"], "the file that both have"
    assert packages(1, 3) == ["numpy 0 2"]
    assert packages(2, 3) == ["env None 1", "numpy 1 2", "req 1 None"]
    assert packages(2, 4) == [], "too large to be one"
    assert run("diff", "m@2", "m@4", "-q", root=reg.root).lines == ["files.requirements.txt"]


def test_a_file_that_is_gone_is_damage(tmp_path: Path) -> None:
    reg = Registry.init(tmp_path / "r")
    file = tmp_path / "f"
    for text in ("one", "two"):
        file.write_text(text)
        reg.register("m", [file])
    stored = reg.path("m@1", "f")
    stored.parent.chmod(0o755)
    stored.unlink()
    assert_refused(run("diff", "m@1", "m@2", root=reg.root), 6)


def test_diff_on_a_terminal(line: Line) -> None:
    shown = uncoloured(line.shown("diff", "churn@6", "churn@7"))
    assert shown.startswith("churn@6 → churn@7\n\nmetrics\n")
    assert re.search(r"^~ drift +6 → +7 +\+1 +\+16.67%$", shown, re.M)
    assert re.search(r"^~ val_loss +0.44 → 0.43 +-0.01 +-2.27%$", shown, re.M)
    assert "    - of 6" in shown
    assert "    + of 7" in shown
    assert re.search(r"^\+ more.txt +4 B$", shown, re.M)
    assert re.search(r"^~ model.bin +6.0 kB → 7.0 kB +\+1.0 kB$", shown, re.M)
    for columns in (40, 80, 120):
        lines = uncoloured(line.shown("diff", "churn@1", "churn@7", columns=columns)).splitlines()
        assert max(map(cell_len, lines)) <= columns


def test_what_looks_alike_and_differs_is_told_apart(tmp_path: Path) -> None:
    reg = Registry.init(tmp_path / "r")
    file = tmp_path / "f"
    for text, number in (("1", 0.93333333), (1, 0.93333334)):
        file.write_text("x")
        long = "x" * 1000 + str(text)
        reg.register("m", [file], params={"n": text, "e": str(text)}, metrics={"auc": number}, tags={"long": long * 2})
    shown = uncoloured(on_terminal("diff", "m@1", "m@2", root=reg.root).out)
    assert '~ n  "1" → 1' in shown
    assert "0.93333333 → 0.93333334" in shown
    assert "~ e" not in shown
    sides = uncoloured(on_terminal("compare", "m", root=reg.root).out)
    assert re.search(r'n +1 +"1"$', sides, re.M)
    assert "*0.93333334" in sides


@pytest.mark.parametrize("words", [("diff", "churn@5", "churn@7"), ("compare", "churn")])
def test_colour_goes_where_it_is_wanted(words: tuple[str, ...], line: Line) -> None:
    assert _COLOURED.search(line.shown(*words))
    assert not _COLOURED.search(line.shown(*words, NO_COLOR="1"))
    assert not _COLOURED.search(line.shown(*words, "--no-color"))
    assert "\x1b" not in line.shown(*words, TERM="dumb")
    assert "\x1b" not in line.run(*words).out


@pytest.mark.parametrize("words", [("diff", "fraud@1", "fraud@2"), ("compare", "fraud")])
@pytest.mark.parametrize("columns", [20, 80, 120])
def test_hostile_texts_stay_texts(words: tuple[str, ...], columns: int, line: Line) -> None:
    shown = uncoloured(line.shown(*words, columns=columns))
    if columns == 120:
        assert "[bold red]x[/] [/nothing]" in shown
        assert r"\u202eevil!" in shown
    for form in ([], ["--json"], ["-q"]):
        assert_inert(line.run(*words, *form).out)


def test_a_terminal_that_knows_ascii_only(line: Line) -> None:
    for words in (("diff", "churn@5", "churn@7"), ("compare", "churn")):
        assert line.shown(*words, LC_ALL="POSIX", PYTHONIOENCODING="ascii").isascii()


def test_compare_in_a_pipe(line: Line) -> None:
    answer = line.run("compare", "churn", "5", "7")
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines == [
        "version\tref\t\tchurn@5\tchurn@7",
        "params\tdepth\t\t5\t6",
        "params\tlr\t\t\t0.1",
        f"metrics\tauc\tchurn@7\t{0.8 + 5 / 100}\t{0.8 + 7 / 100}",
        "metrics\tdrift\t\t5\t7",
        f"metrics\tval_loss\tchurn@7\t{0.5 - 5 / 100}\t{0.5 - 7 / 100}",
        "tags\tmonth\t\t2026-05\t2026-07",
    ]
    assert line.run("compare", "churn", "5", "7", "--lower", "drift").lines[4].startswith("metrics\tdrift\tchurn@5\t")
    assert line.run("compare", "churn", "5", "7", "--higher", "val_loss").lines[5].split("\t")[2] == "churn@5"
    every = line.run("compare", "churn", "5", "7", "--all-rows").lines
    assert "params\tsolver\t\tadam\tadam" in every
    assert "tags\tteam\t\tcrm\tcrm" in every


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["churn"], "7 6 5 4 3"), (["churn", "--limit", "2"], "7 6"), (["churn", "--limit", "9"], "7 6 5 4 3 1"),
        (["churn", "--all", "--limit", "9"], "7 6 5 4 3 2 1"), (["churn", "6", "7"], "6 7"), (["churn@6", "7"], "6 7"),
        (["churn@6", "churn@7"], "6 7"), (["churn", "v6", "@7", "churn:5"], "6 7 5"), (["churn", "6,7"], "6 7"),
        (["churn", "4-6"], "4 5 6"), (["churn", "6-4", "1"], "6 5 4 1"), (["churn", "6-20"], "6 7"),
        (["churn", "production", "staging", "champion", "latest"], "5 7"), (["churn", "2"], "2"),
        (["churn@production", "latest"], "5 7"), (["churn", "churn", "1"], "7 1"),
    ],
)  # fmt: skip
def test_the_versions_that_are_meant(words: list[str], numbers: str, line: Line) -> None:
    assert line.run("compare", *words, "-q").lines == [f"churn@{number}" for number in numbers.split()]


def test_versions_from_standard_input(line: Line) -> None:
    assert line.run("compare", "churn", "-", "-q", stdin=b"churn@6\n4\n").lines == ["churn@6", "churn@4"]
    nothing = line.run("compare", "churn", "-")
    assert (nothing.code, nothing.out) == (0, "")
    assert "no active versions of churn" in nothing.err


def test_versions_by_a_condition(line: Line) -> None:
    found = line.run("compare", "churn", "--where", "metrics.auc >= 0.855", "-q")
    assert found.lines == ["churn@7", "churn@6"]
    assert_refused(line.run("compare", "churn", "--where", ">="), 2)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["churn", "99"], 3, "churn@99"), (["churn", "50-60"], 3, "50-60"), (["churn", "1-5000"], 2, "too large"),
        (["churn", "fraud@1"], 2, "registry diff"), (["churn", "6", "--limit", "3"], 2, "--limit"),
        (["churn@6", "--all"], 2, "--all"), (["churn", "--lower", "los"], 2, "'los'"), (["churn", "--csv", "--json"], 2, ""),
        (["churn", "-q", "--csv"], 2, "--csv"), (["churn", "nobody"], 3, "nobody"), (["nobody"], 3, "nobody"),
        (["6", "7"], 2, "version number"), (["churn", "--limit", "0"], 2, ""),
    ],
)  # fmt: skip
def test_slips(words: list[str], code: int, said: str, line: Line) -> None:
    answer = line.run("compare", *words)
    assert answer.code == code
    assert answer.out == ""
    assert said in answer.err


def test_nothing_beside_nothing_to_tell(line: Line) -> None:
    one = line.run("compare", "churn", "6")
    assert one == Answer(0, "", "churn@6 is the only version: nothing to compare\n")
    assert "\tdepth\t" in line.run("compare", "churn", "6", "--all-rows").out


def test_compare_as_json(line: Line) -> None:
    found = line.run("compare", "churn", "--limit", "2", "--json").json
    assert (found["kind"], found["model"], found["versions"]) == ("comparison", "churn", ["churn@7", "churn@6"])
    assert [row["name"] for row in found["rows"]] == ["auc", "drift", "val_loss", "month"]
    assert found["rows"][1] == {
        "section": "metrics", "name": "drift", "differs": True, "values": [7, 6], "best": [], "lower": None,
    }  # fmt: skip


def test_compare_as_csv(line: Line) -> None:
    rows = list(csv.reader(io.StringIO(line.run("compare", "fraud", "--csv", "--all-rows").out)))
    assert rows[0] == ["section", "name", "best", "fraud@2", "fraud@1"]
    cells = {row[1]: row[3:] for row in rows[1:]}
    assert cells["neg"] == ["-1", "-1"], "a number is no formula"
    assert cells["at"] == ["'@a", "'@a"]
    assert cells["sign"] == ["'＝x", "'+x"]
    assert "\u202e" not in str(cells["evil"])
    assert cells["'+plus"] == ["", "'=cmd()"]
    shown = line.shown("compare", "churn", "--csv")
    assert shown.startswith("section,name,best,churn@7,"), "the same on a terminal"


def test_compare_on_a_terminal(line: Line) -> None:
    shown = uncoloured(line.shown("compare", "churn"))
    head, pointers = shown.splitlines()[:2]
    assert head.split() == ["churn", "@7", "@6", "@5", "@4", "@3"]
    assert pointers.split() == ["staging", "production"]
    assert re.search(r"^  auc +▁▃▅▆█ +\*0.87 +0.86 +0.85 +0.84 +0.83 *$", shown, re.M)
    assert re.search(r"^  lr +0.1 +0.1 +- +- +- *$", shown, re.M)
    assert "* best; lower is better for val_loss" in shown
    assert "showing the newest 5; use --limit N for more" in shown
    assert "solver" not in shown
    assert "the newest" not in line.shown("compare", "churn", "--limit", "6")
    for columns in (20, 40, 80, 120):
        every = uncoloured(line.shown("compare", "churn", "--all", "--limit", "7", "--all-rows", columns=columns))
        table = every.splitlines()
        assert max(map(cell_len, table)) <= columns
        assert {f"@{number}" for number in range(1, 8)} <= set(re.findall(r"@[0-9]\b", every)), "none is cut off"


@pytest.mark.parametrize("words", [("diff", "churn@1", "churn@3"), ("compare", "churn")])
def test_in_a_pipe_nothing_is_imported_that_draws(words: tuple[str, ...], line: Line) -> None:
    code = "import sys; from registry_cli.cli.main import run; run(sys.argv[1:]); sys.exit('rich' in sys.modules)"
    answer = spawn(*words, "-C", line.root, command=(sys.executable, "-c", code))
    assert (answer.code, answer.err) == (0, "")


def test_shell_completion_knows_what_comes_next(line: Line, capfd: pytest.CaptureFixture[str]) -> None:
    from registry_cli.cli import completion

    def offered(text: str) -> list[str]:
        completion.answer({"_REGISTRY_LINE": text, "REGISTRY_HOME": str(line.root)})
        return capfd.readouterr().out.split()

    assert offered("registry compare ch") == ["churn"]
    assert "churn@7" in offered("registry compare churn@")
    assert {"latest", "production", "champion", "7"} <= set(offered("registry compare churn 6 "))
    assert offered("registry compare churn@6 prod") == ["production"]
    assert "churn@7" in offered("registry compare churn churn@")
    assert "churn@7" in offered("registry diff churn@6 churn@")
    assert offered("registry compare churn --all-r") == ["--all-rows"]
