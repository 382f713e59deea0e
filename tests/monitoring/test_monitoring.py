"""``monitor``: which versions it looks at, the events it records, closed months, gates, and what it prints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from registry_cli import InvalidInput, NotFound, Refused, Registry, RegistryError
from tests.commands import assert_refused, run
from tests.conftest import Clock

RULES = {"window": "7d", "auc": {"min": 0.9, "at_least": 100}}


@pytest.fixture
def churn(reg: Registry, tmp_path: Path) -> Registry:
    """A registry with three versions of a model, the second in production, and a rule about it."""
    for number in (1, 2, 3):
        path = tmp_path / "model.bin"
        path.write_bytes(f"weights {number}".encode())
        reg.register("churn", [path], metrics={"auc": 0.93})
    reg.promote("churn@2", "production")
    write_rules(reg, RULES)
    return reg


def write_rules(reg: Registry, rules: Any, document: str = "registry.yaml") -> None:
    path = Path(reg.root) / document
    text = re.sub(r"\nmonitor: .*\n", "", path.read_text())
    path.write_text(f"{text}\nmonitor: {json.dumps(rules)}\n")


def actions(reg: Registry) -> list[tuple[str, int | None]]:
    wanted = {"alerted", "recovered", "observations-closed", "profiled"}
    return [(e.event.action, e.event.version) for e in list(reg.history("churn"))[::-1] if e.event.action in wanted]


def outcomes(reg: Registry, *refs: str, **options: Any) -> list[tuple[str, str, str, str]]:
    return [(each.ref, each.metric, each.outcome, each.change) for each in reg.monitoring.monitor(refs, **options)]


def test_an_alert_is_one_event_and_so_is_its_end(churn: Registry) -> None:
    churn.monitoring.observe("churn@2", {"auc": 0.8}, samples=100)
    assert outcomes(churn, "churn") == [("churn@2", "auc", "alert", "alerted")]
    for _ in range(3):
        assert outcomes(churn, "churn") == [("churn@2", "auc", "alert", "")]
    churn.monitoring.observe("churn@2", {"auc": 0.99}, samples=10_000)
    assert outcomes(churn, "churn") == [("churn@2", "auc", "ok", "recovered")]
    assert outcomes(churn, "churn") == [("churn@2", "auc", "ok", "")]
    assert actions(churn) == [("alerted", 2), ("recovered", 2)]
    (event, *_) = [e.event for e in churn.history("churn", actions=["alerted"])]
    assert event.detail["metric"] == "auc"
    assert event.detail["value"] == 0.8
    assert event.detail["n"] == 100
    assert event.detail["wanted"] == ">= 0.9"


def test_too_few_samples_do_not_end_an_alert(churn: Registry, clock: Clock) -> None:
    churn.monitoring.observe("churn@2", {"auc": 0.8}, samples=100)
    outcomes(churn, "churn")
    clock.moment += timedelta(days=10)
    churn.monitoring.observe("churn@2", {"auc": 0.99}, samples=1)
    (status,) = churn.monitoring.monitor("churn")
    assert (status.outcome, status.change) == ("alert", "")
    assert status.since
    assert actions(churn) == [("alerted", 2)]


def test_a_dry_run_records_no_event(churn: Registry) -> None:
    churn.monitoring.observe("churn@2", {"auc": 0.8}, samples=100)
    assert outcomes(churn, "churn", dry_run=True) == [("churn@2", "auc", "alert", "alerted")]
    assert actions(churn) == []


def test_two_that_monitor_at_once_record_one_event(churn: Registry) -> None:
    churn.monitoring.observe("churn@2", {"auc": 0.8}, samples=100)
    code = (
        "import sys; from datetime import datetime, timezone; from registry_cli import Registry;"
        "now = lambda: datetime(2026, 3, 2, tzinfo=timezone.utc); Registry(sys.argv[1], now=now).monitoring.monitor()"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(churn.root)]) for _ in range(6)]
    assert [each.wait() for each in started] == [0] * 6
    assert actions(churn) == [("alerted", 2)]


def test_of_a_model_the_live_versions_are_looked_at(churn: Registry) -> None:
    for number in (1, 2, 3):
        churn.monitoring.observe(f"churn@{number}", {"auc": 0.95}, samples=100)
    churn.alias("churn@3", "challenger")
    assert [ref for ref, *_ in outcomes(churn)] == ["churn@2", "churn@3"]
    assert [ref for ref, *_ in outcomes(churn, "churn@1")] == ["churn@1"]
    assert [ref for ref, *_ in outcomes(churn, "churn@challenger", "churn@production")] == ["churn@3", "churn@2"]
    with pytest.raises(NotFound):
        churn.monitoring.monitor("other")


def test_silence_is_an_alert_where_a_rule_says_so(churn: Registry, clock: Clock) -> None:
    write_rules(churn, {"stale": "2d"})
    assert outcomes(churn) == [("churn@2", "stale", "stale", "alerted")], "nothing was ever recorded"
    churn.monitoring.observe("churn@2", {"auc": 0.95})
    assert outcomes(churn) == [("churn@2", "stale", "ok", "recovered"), ("churn@2", "auc", "", "")]
    clock.moment += timedelta(days=3)
    assert ("churn@2", "stale", "stale", "alerted") in outcomes(churn)


def test_a_model_may_have_rules_of_its_own(churn: Registry) -> None:
    churn.monitoring.observe("churn@2", {"auc": 0.8}, samples=100)
    write_rules(churn, {"auc": {"min": 0.7}}, "models/churn/model.yaml")
    (status,) = churn.monitoring.monitor("churn")
    assert (status.outcome, status.wanted) == ("ok", ">= 0.7")
    assert status.file.endswith("model.yaml")
    assert isinstance(status.line, int)


def test_hooks_get_the_events(churn: Registry, clock: Clock) -> None:
    got: list[tuple[str, str]] = []
    listening = Registry(churn.root, now=clock, on_event=lambda name, event: got.append((name, event.action)))
    listening.monitoring.observe("churn@2", {"auc": 0.8}, samples=100)
    listening.monitoring.monitor()
    assert got == [("churn", "alerted")]


def test_the_window_can_be_another(churn: Registry) -> None:
    churn.monitoring.observe("churn@2", {"auc": 0.8}, samples=100, at="2026-02-10")
    assert churn.monitoring.monitor("churn")[0].value is None
    assert churn.monitoring.monitor("churn", window="30d")[0].value == 0.8
    assert churn.monitoring.monitor("churn", window=timedelta(days=30))[0].window == 30 * 86_400
    assert actions(churn) == [], "an alert is what the rules say"


# Closed months


def test_a_month_that_is_over_is_closed_once_and_verified(churn: Registry, clock: Clock) -> None:
    churn.monitoring.observe("churn@2", {"auc": 0.95}, samples=100)
    clock.moment += timedelta(days=31)
    churn.monitoring.monitor()
    assert actions(churn) == []
    clock.moment += timedelta(days=1)
    churn.monitoring.monitor()
    churn.monitoring.monitor()
    assert actions(churn) == [("observations-closed", 2)]
    path = Path(churn.root) / "models/churn/observations/2/2026-03.jsonl"
    path.chmod(0o644)
    whole = path.read_bytes()
    path.write_bytes(whole + whole)
    assert churn.admin.verify().problems == (), "lines of a clock that is behind are no damage"
    path.write_bytes(whole.replace(b"0.95", b"0.99"))
    assert [(each.code, each.severity) for each in churn.admin.verify().problems] == [("changed-observations", "error")]
    assert churn.admin.verify(quick=True).problems == ()
    path.unlink()
    assert [(each.code, each.severity) for each in churn.admin.verify().problems] == [
        ("observations-missing", "warning")
    ]
    path.write_bytes(whole)


# Gates


def gate(churn: Registry, rule: dict[str, Any]) -> str:
    write_rules(churn, RULES)
    path = Path(churn.root) / "models/churn/model.yaml"
    text = path.read_text().partition("\npolicy:")[0]
    path.write_text(f"{text}\npolicy: {json.dumps({'production': {'require': {'monitor': {'auc': rule}}}})}\n")
    (found,) = churn.policies.check("churn@3", "production").rules
    assert found.name == "monitor.auc"
    return f"{found.outcome}: {found.found}"


def test_a_gate_can_ask_for_it(churn: Registry) -> None:
    assert gate(churn, {"min": 0.9}) == "waiting: nothing was observed"
    churn.monitoring.observe("churn@3", {"auc": 0.89}, samples=100)
    assert gate(churn, {"min": 0.9}) == "failed: auc 0.89 of 100 samples"
    assert gate(churn, {"min": 0.9, "at_least": 101}) == "waiting: auc 0.89 of 100 samples"
    assert gate(churn, {"against": "registered-0.05"}) == "passed: auc 0.89 of 100 samples"
    churn.monitoring.observe("churn@3", {"auc": 0.2}, samples=100, slice={"country": "de"})
    assert gate(churn, {"min": 0.8}) == "failed: auc country=de 0.2 of 100 samples"
    with pytest.raises(Refused, match=r"monitor\.auc"):
        churn.promote("churn@3", "production")


def test_a_gate_that_is_not_understood_is_refused(churn: Registry) -> None:
    path = Path(churn.root) / "models/churn/model.yaml"
    text = path.read_text()
    for rule in ("0.9", "{}", "{mim: 1}"):
        path.write_text(f"{text}\npolicy: {{production: {{require: {{monitor: {{auc: {rule}}}}}}}}}\n")
        assert run("check", "churn@3", "production", root=Path(churn.root)).code == 2
    path.write_text(text)


# What is printed


def test_exit_codes_and_what_a_pipe_gets(churn: Registry) -> None:
    root = Path(churn.root)
    answer = run("monitor", root=root)
    assert (answer.code, answer.out) == (0, "")
    assert run("observe", "churn@production", "auc=0.8", "--n", "100", root=root).code == 0
    answer = run("monitor", "churn", root=root)
    assert answer.code == 5
    ref, metric, target, part, value, wanted, count, _, outcome = answer.out.rstrip("\n").split("\t")
    assert (ref, metric, target, part, value, wanted, count, outcome) == (
        "churn@2", "auc", "", "", "0.8", ">= 0.9", "100", "alert",
    )  # fmt: skip
    assert "churn@2 auc: an alert begins: 0.8, wanted >= 0.9" in answer.err
    assert run("monitor", "-q", root=root).out == "churn@2\n"
    (item,) = run("monitor", "--json", root=root).json["items"]
    assert (item["outcome"], item["change"], item["slice"]) == ("alert", None, None)
    assert run("monitor", "--format", "json", root=root).json["kind"] == "monitored"
    assert "alerted\tchurn@2\tauc 0.8, wanted >= 0.9" in run("history", "churn", root=root).out
    assert run("monitor", "--format", "xml", root=root).code == 2
    assert run("monitor", "--window", "soon", root=root).code == 2
    assert run("monitor", "other", root=root).code == 3


def test_a_person_sees_a_table_and_a_plot(churn: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    root = Path(churn.root)
    for days, value in enumerate((0.91, 0.92, 0.95, 0.85)):
        assert run("observe", "churn@2", f"auc={value}", "--n", "100", "--at", f"{days}d ago", root=root).code == 0
    table = run("monitor", "churn", "-n", "--no-color", "--window", "1d", root=root, terminals=[1]).out
    table = re.sub(r"\x1b\[[0-9;]*m", "", table)
    assert max(map(len, table.splitlines())) <= 80
    assert table.split()[:3] == ["REF", "METRIC", "VALUE"]
    assert "▁█▆▅" in table
    plot = run("monitor", "churn", "--plot", "-n", "--window", "1d", root=root, terminals=[1]).out.splitlines()
    assert plot[0] == "churn@2  auc"
    assert sum(line.count("●") for line in plot) == 4
    assert [line.split()[0] for line in plot[1:] if line.strip()[:1] == "0"] == ["0.95", "0.9", "0.85"]
    monkeypatch.setenv("LC_ALL", "C")
    assert "too few observations" in run("monitor", "churn", "--plot", "-n", root=root, terminals=[1]).out


def test_prometheus_text_is_well_formed(churn: Registry) -> None:
    churn.monitoring.observe("churn@2", {"auc": 0.8, 'odd"name\\': 1}, samples=100, slice={"k": 'a"b\\c'}, target="eu")
    write_rules(churn, {**RULES, "stale": "1y"})
    answer = run("monitor", "--format", "prometheus", root=Path(churn.root))
    sample = re.compile(r'([a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\} ([-0-9.e+]+)\Z')
    helped = typed = None
    families: list[str] = []
    for line in answer.out.splitlines():
        if line.startswith("# HELP "):
            helped = line.split()[2]
        elif line.startswith("# TYPE "):
            typed = line.split()[2]
            assert line.endswith(" gauge")
            families.append(typed)
        else:
            match = sample.match(line)
            assert match, line
            assert match[1] == helped == typed
            float(match[3])
    assert len(families) == len(set(families)) >= 4
    assert "\n\n" not in answer.out
    assert answer.out.endswith("\n")


@pytest.mark.skipif(
    not any(os.access(f"{folder}/promtool", os.X_OK) for folder in os.get_exec_path()), reason="promtool"
)
def test_promtool_accepts_it(churn: Registry) -> None:
    churn.monitoring.observe("churn@2", {"auc": 0.8}, samples=100)
    text = run("monitor", "--format", "prometheus", root=Path(churn.root)).out
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("rule", ["{auc: {minn: 0.9}}", "{auc: {min: high}}", "{auc: 0.9}"])
def test_a_mistake_in_a_rule_is_refused_with_its_line(churn: Registry, rule: str) -> None:
    for name in (None, "churn"):
        text = re.sub(r"\nmonitor: .*\n", "", churn.admin.text(name))
        with pytest.raises(InvalidInput, match=r"line \d+: monitor\.auc"):
            churn.admin.check_text(name, f"{text}\nmonitor: {rule}\n")
        churn.admin.check_text(name, f"{text}\nmonitor: {{auc: {{min: 0.9}}}}\n")
    path = Path(churn.root) / "models/churn/model.yaml"
    path.write_text(f"{path.read_text()}\nmonitor: {rule}\n")
    answer = run("config", "show", "churn", root=churn.root)
    assert_refused(answer, 2)
    assert "models/churn/model.yaml, line" in answer.err


def test_a_broken_rule_stops_no_other_model(churn: Registry, tmp_path: Path) -> None:
    for name in ("alpha", "zeta"):
        churn.register(name, [tmp_path / "model.bin"])
        churn.promote(f"{name}@1", "production")
        churn.monitoring.observe(f"{name}@1", {"auc": 0.8}, samples=100)
    write_rules(churn, {"auc": {"minn": 0.9}}, "models/churn/model.yaml")
    with pytest.raises(InvalidInput, match=r"models/churn/model\.yaml, line \d+"):
        churn.monitoring.monitor()
    broken: list[RegistryError] = []
    found = churn.monitoring.monitor(on_damage=broken.append)
    assert [each.ref for each in found] == ["alpha@1", "zeta@1"] and [each.exit_code for each in broken] == [2]
    assert [entry.event.action for entry in churn.history("zeta", limit=1)] == ["alerted"]
    for words, wanted in (((), 2), (("-q",), 2), (("--format", "prometheus"), 2)):
        answer = run("monitor", *words, root=churn.root)
        assert answer.code == wanted and "alpha" in answer.out and "zeta" in answer.out, answer
        assert answer.err.startswith("error: models/churn/model.yaml, line"), answer
    answer = run("monitor", "--json", root=churn.root)
    assert answer.code == 2 and len(json.loads(answer.out)["items"]) == 2
    assert json.loads(answer.err)["error"] == "usage"
    table = churn.root / "models/alpha/stages.yaml"
    text = table.read_text()
    table.write_text("broken: [")
    answer = run("monitor", root=churn.root)
    table.write_text(text)
    assert answer.code == 6 and "zeta@1" in answer.out and "churn" in answer.err
