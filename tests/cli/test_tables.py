"""Tables on terminals of any width: cut, never wrapped; what is left out is announced."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from rich.cells import cell_len

from registry_cli import Registry
from registry_cli.cli.session import TableView
from registry_cli.cli.views import tables
from tests.cli.conftest import Site
from tests.commands import run

NAME = "vision/document-classifier-multilingual"
METRICS = ("accuracy", "auc_roc", "f1_macro", "f1_weighted", "latency_p95_ms", "log_loss", "precision", "recall")


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site.__new__(Site)
    site.folder = tmp_path_factory.mktemp("wide")
    site.root = site.folder / "registry"
    site.reg = Registry.init(site.root, author="alice")
    for number in range(3):
        site.reg.register(
            NAME, [site.make("f", str(number))], metrics=dict.fromkeys(METRICS, 0.123456 + number),
            message="模型 retrained on the invoices of the third quarter with the corrected labels of the team",
            tags={"team": "document-ai"}, params={"empty": "", "zero": 0, "off": False},
        )  # fmt: skip
    site.reg.promote(f"{NAME}@2", "production", reason="better on all languages, and within the budget of latency")
    yield site


@pytest.mark.parametrize("columns", [72, 80, 100, 120, 160, 240])
def test_a_row_is_a_line_within_the_width(columns: int, wide: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words, rows in ((("list",), 1), (("versions", NAME), 3), (("search",), 3), (("history", NAME), 4)):
        shown = run(*words, "--no-color", root=wide.root, terminals=(1,)).lines
        hint = [line for line in shown if line.startswith("+")]
        assert len(shown) == 1 + rows + len(hint)
        assert max(map(cell_len, shown)) <= columns
        listed = [name for name in METRICS if re.search(rf"\b{name.upper()}\b", shown[0])]
        if words[0] in ("versions", "search"):
            counted = [int(number) for line in hint for number in re.findall(r"\+(\d+) metric", line)]
            assert len(METRICS) - len(listed) == sum(counted)
        assert words[0] != "history" or hint == [], "a history loses no column"


def test_a_whole_name_and_the_number_alone(wide: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert f"{NAME}@3 " in run("search", root=wide.root, terminals=(1,)).out
    assert NAME in run("list", root=wide.root, terminals=(1,)).out
    for verb in ("versions", "history"):
        assert NAME not in run(verb, NAME, root=wide.root, terminals=(1,)).out


def test_show_has_what_is_empty_and_one_line_for_the_digest(wide: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("show", f"{NAME}@2", root=wide.root, terminals=(1,)).lines
    pairs = dict(line.split(None, 1) for line in lines if line.startswith(("params", "digest")))
    assert {key: pairs[f"params.{key}"] for key in ("empty", "zero", "off")} == {
        "empty": '""', "zero": "0", "off": "false"
    }  # fmt: skip
    assert re.fullmatch("sha256:[0-9a-f]{12}…", pairs["digest"])
    monkeypatch.setenv("COLUMNS", "120")
    assert re.search("sha256:[0-9a-f]{64}$", run("show", f"{NAME}@2", root=wide.root, terminals=(1,)).out, re.M)


def test_show_tells_of_approvals(site: Site) -> None:
    Registry(site.root, author="bob").approvals.approve("churn@2", "production", reject=True, reason="worse recall")
    shown = run("show", "churn@2", root=site.root, terminals=(1,)).out
    assert re.search(r"^approvals.production +rejected by bob, in force “worse recall”$", shown, re.M)
    (approval,) = site.run("show", "churn@2", "--json").json["approvals"]
    assert (approval["by"], approval["state"]) == ("bob", "in-force")
    assert "approvals." not in site.run("show", "churn@2").out  # the lines of a pipe stay as they are


def test_one_value_is_no_curve(site: Site) -> None:
    site.reg.log_metric("churn@1", {"once": 0.5})
    shown = run("compare", "churn", "--all", "--no-color", root=site.root, terminals=(1,)).out
    (line,) = [line for line in shown.splitlines() if line.strip().startswith("once")]
    assert not re.search("[▁▂▃▄▅▆▇█]", line)
    assert re.search("auc +[▁▂▃▄▅▆▇█]", shown)


def test_a_word_is_coloured_in_its_column_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    tables.draw(
        TableView(("stage", "message"), [["production", "production failed"], ["preproduction", ""]]), no_color=False
    )
    out = capsys.readouterr().out
    assert len(re.findall("\x1b\\[1;[0-9;]+mproduction\x1b", out)) == 1
    assert "failed\x1b" not in out


def test_the_ellipsis_is_ascii_where_it_has_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tables.cut("a long text", 6) in ("a lon…", "a l...")
    monkeypatch.setattr(tables, "supports_unicode", lambda: False)
    assert tables.cut("a long text", 6) == "a l..."
    monkeypatch.setattr(tables, "supports_unicode", lambda: True)
    assert cell_len(tables.cut("模型模型模型", 6)) <= 6
