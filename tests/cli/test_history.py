"""``history``: one model or all, some events only, and following what comes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pexpect
import pytest

from registry_cli import Registry
from registry_cli.errors import InvalidInput
from tests.cli.conftest import Site
from tests.commands import (
    Answer,
    assert_inert,
    assert_refused,
    begin,
    ended,
    environment,
    on_terminal,
    shell,
    spawn,
    terminal,
)


def test_some_events_only(still: Site) -> None:
    answer = still.run("history", "churn", "--action", "promoted", "--action", "archived", "--limit", "2")
    assert [line.split("\t")[3] for line in answer.lines] == ["archived", "promoted"]
    since = still.run("history", "churn", "--limit", "1").lines[0].split("\t")[1]
    assert still.run("history", "churn", "--since", since, "-q").lines[0] == "churn@3"
    assert still.run("history", "churn", "--until", "1h ago").out == ""
    assert len(still.run("history", "churn", "--since", "1h ago", "--json").json["items"]) == 8
    refused = still.run("history", "churn", "--action", "promote")
    assert_refused(refused, 2)
    assert "did you mean 'promoted'?" in refused.err
    assert_refused(still.run("history", "churn", "--since", "whenever"), 2)


def test_moves_of_one_stage(still: Site) -> None:
    answer = still.run("history", "churn", "--stage", "production")
    assert [line.split("\t")[3:6] for line in answer.lines] == [
        ["promoted", "churn@1", "production: 2 → 1; “drifts”"],
        ["promoted", "churn@2", "production: nothing → 2; “first”"],
    ]
    assert still.run("history", "--all", "--stage", "staging", "-q").lines == ["churn@2"]
    assert still.run("history", "churn", "--stage", "staging", "--action", "demoted").out == ""
    refused = still.run("history", "churn", "--stage", "produktion")
    assert_refused(refused, 2)
    assert "production" in refused.err
    with pytest.raises(InvalidInput, match="produktion"):
        still.reg.history("churn", stage="produktion")


def test_times_are_local_on_a_terminal_and_in_utc_elsewhere(tmp_path: Path) -> None:
    reg = Registry.init(
        tmp_path / "r", author="alice", now=lambda: datetime(2026, 10, 25, 0, 30, 7, tzinfo=timezone.utc)
    )
    (tmp_path / "f").write_text("x")
    reg.register("m", [tmp_path / "f"])
    berlin = environment(TERM="dumb", TZ="Europe/Berlin")

    def shown(*words: str, zone: dict[str, str] = berlin) -> str:
        return on_terminal(*words, root=reg.root, columns=120, env=zone).out

    assert "2026-10-25 02:30:07" in shown("history", "m")
    assert "UTC" not in shown("history", "m")
    for text in (shown("history", "m", "--utc"), shown("history", "m", zone={**berlin, "TZ": "UTC"})):
        assert "2026-10-25 00:30:07" in text
        assert "TIME (UTC)" in text
    assert "2026-10-25 02:30:07 CEST" in shown("show", "m@1")
    assert "2026-10-25 02:30:07" in shown("versions", "m", "--columns", "version,created")
    for words in (("history", "m"), ("history", "m", "--json"), ("show", "m@1")):
        assert "2026-10-25T00:30:07.000Z" in spawn(*words, root=reg.root, env=berlin).out


def test_natural_times_begin_and_end_a_history(still: Site) -> None:
    for words in (("--since", "1 hour ago"), ("--since", "1h"), ("--since", "yesterday 10:00"), ("--until", "now")):
        assert len(still.run("history", "churn", *words).lines) == 8
    assert still.run("history", "churn", "--until", "last monday").out == ""
    refused = still.run("history", "churn", "--since", "last blursday")
    assert_refused(refused, 2)
    assert "'last tuesday'" in refused.err


def test_all_models(still: Site) -> None:
    answer = still.run("history", "--all")
    assert_inert(answer.out)
    assert [line.split("\t")[:2] for line in answer.lines[:2]] == [["risk/fraud", "1"], ["churn", "8"]]
    assert {line.count("\t") for line in answer.lines} == {6}
    items = still.run("history", "--all", "--json", "--limit", "2").json["items"]
    assert [(each["model"], each["seq"]) for each in items] == [("risk/fraud", 1), ("churn", 8)]
    assert still.run("history", "--all", "-q", "--limit", "2").lines == ["risk/fraud@1", "churn@3"]


def test_one_model_or_all_and_nothing_between(still: Site) -> None:
    assert_refused(still.run("history"), 2)
    assert_refused(still.run("history", "churn", "--all"), 2)
    assert_refused(still.run("history", "churn@1"), 2)
    assert_refused(still.run("history", "churn", "--follow", "--until", "now"), 2)
    assert_refused(still.run("history", "other"), 3)
    assert_refused(still.run("history", "other", "--follow"), 3)


def test_a_damaged_model_does_not_hide_the_others(site: Site) -> None:
    table = site.root / "models/churn/stages.yaml"
    before = table.read_bytes()
    table.write_bytes(b"stages: [")
    answer = site.run("history", "--all", "-q")
    assert (answer.code, answer.lines) == (6, ["risk/fraud@1"])
    table.write_bytes(before)


def _next(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout
    return process.stdout.readline().decode()


def _interrupted(process: subprocess.Popen[bytes]) -> Answer:
    process.send_signal(signal.SIGINT)
    answer = ended(process)
    assert answer.code == 130
    assert "Traceback" not in answer.err
    return answer


def test_following_tells_what_comes_until_ctrl_c(site: Site) -> None:
    process = begin("history", "churn", "--follow", "--limit", "2", root=site.root)
    assert [_next(process).split("\t")[0] for _ in range(2)] == ["7", "8"]
    site.reg.promote("churn@2", "production", reason="back")
    assert _next(process).rstrip("\n").split("\t")[3:] == ["promoted", "churn@2", "production: 1 → 2; “back”"]
    assert _interrupted(process).err == ""


def test_following_in_json_is_a_document_a_line(site: Site) -> None:
    process = begin("history", "--all", "--follow", "--json", "--limit", "1", root=site.root)
    first = json.loads(_next(process))
    assert list(first)[:4] == ["schema", "kind", "model", "seq"]
    assert (first["kind"], first["model"]) == ("event", "risk/fraud")
    site.reg.tag("churn@1", {"a": "b"})
    site.reg.register("new", [site.file])
    found = {(each["model"], each["action"]) for each in (json.loads(_next(process)) for _ in range(2))}
    assert found == {("churn", "tagged"), ("new", "registered")}
    assert json.loads(_interrupted(process).err)["error"] == "interrupted"


def test_following_ends_when_nobody_reads_any_more(site: Site) -> None:
    """Also while nothing happens: ``registry history churn --follow | head -1``."""
    process = begin("history", "churn", "--follow", "-q", root=site.root)
    assert _next(process) == "churn@1\n"
    assert process.stdout
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.stdin
    process.stdin.close()


def test_following_on_a_terminal(site: Site) -> None:
    site.reg.annotate("churn@1", {"k": "x"})
    site.reg.promote("churn@2", "production", reason="\u202ered")
    with terminal("history", "churn", "-f", "--limit", "1", root=site.root, columns=200) as child:
        child.expect("promoted  churn@2  production: 1 → 2; “.u202ered”")
        child.sendintr()
        child.expect(pexpect.EOF)
        assert "interrupted" not in child.before
        child.wait()
        assert (child.exitstatus, child.signalstatus) == (130, None)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk to write to")
def test_following_onto_a_full_disk_fails(site: Site) -> None:
    answer = shell(f'registry -C "{site.root}" history churn --follow >/dev/full')
    assert answer.code == 1
    assert "cannot write the result" in answer.err
