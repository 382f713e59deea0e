"""``history --checkpoint`` and ``verify --checkpoint``: what one prints, the other takes."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Site
from tests.commands import assert_refused, on_terminal, shell


@pytest.mark.parametrize("form", ["pipe", "terminal"])
def test_what_is_printed_is_taken(form: str, site: Site) -> None:
    words = ("history", "--all", "--checkpoint")
    text = site.run(*words).out if form == "pipe" else on_terminal(*words, root=site.root, columns=40).out
    newest = site.reg.history("churn", limit=1)[0]
    assert text.splitlines()[0].split() == ["churn", "8", newest.hash]
    assert len(text.splitlines()) == 2
    file = site.make("kept", text + "\n")
    site.reg.tag("churn@1", {"a": "b"})
    assert site.run("verify", "--checkpoint", file).code == 0
    assert site.run("verify", "churn", "--quick", "--checkpoint", file).code == 0


def test_the_short_forms(site: Site) -> None:
    [line] = site.run("history", "churn", "--checkpoint", "-q").lines
    item = site.run("history", "churn", "--checkpoint", "--json").json["items"][0]
    assert line == f"churn:8:{item['hash']}"
    assert (item["model"], item["seq"]) == ("churn", 8)
    for words in (["churn", "--checkpoint", line], ["--checkpoint", line], ["churn", "--checkpoint", item["hash"]]):
        assert site.run("verify", *words).code == 0
    place = f'registry -C "{site.root}"'
    assert shell(f'{place} verify churn --checkpoint "$({place} history churn --checkpoint -q)"').code == 0


def test_a_history_that_was_rewritten(site: Site) -> None:
    line = site.run("history", "churn", "--checkpoint", "-q").lines[0]
    other = line.replace(line[-8:], "0" * 8)
    answer = site.run("verify", "churn", "--checkpoint", other)
    assert answer.code == 6
    assert answer.lines[0].split("\t")[:3] == ["error", "journal-rewritten", "churn"]
    found = site.run("verify", "churn", "--checkpoint", line.replace(":8:", ":9:"), "--json")
    assert (found.code, found.json["problems"][0]["code"]) == (6, "journal-rewritten")
    later = site.make("later", json.dumps(None))
    assert_refused(site.run("verify", "--checkpoint", later), 2)


@pytest.mark.parametrize(
    ("given", "code"),
    [("", 3), ("nowhere", 3), ("a" * 64, 2), ("a" * 63, 3), ("churn:8", 3), (f"Churn:8:{'a' * 64}", 2), ("x\0y", 2)],
)
def test_what_is_no_checkpoint(given: str, code: int, still: Site) -> None:
    assert_refused(still.run("verify", "--checkpoint", given), code)


@pytest.mark.parametrize("text", ["", "\n\n", "churn 8\n", "churn 8 xyz\n", b"\xff\xfe", f"churn\t8\t{'a' * 64}\nx\n"])
def test_a_file_that_is_none_of_checkpoints(text: str | bytes, site: Site) -> None:
    assert_refused(site.run("verify", "--checkpoint", site.make("kept", text)), 2)


def test_what_goes_with_a_checkpoint(site: Site) -> None:
    file = site.make("kept", site.run("history", "risk/fraud", "--checkpoint").out)
    refused = site.run("verify", "churn", "--checkpoint", file)
    assert_refused(refused, 2)
    assert "no checkpoint of churn" in refused.err
    assert_refused(site.run("verify", "churn", "risk/fraud", "--checkpoint", "a" * 64), 2)
    for other in (["--follow"], ["--limit", "1"], ["--since", "1d ago"], ["--action", "promoted"]):
        assert_refused(site.run("history", "churn", "--checkpoint", *other), 2)
    assert_refused(site.run("history", "--checkpoint"), 2)


def test_a_model_without_a_history(site: Site) -> None:
    """It was made, and its first writer died: nothing is known of it, and that holds."""
    (site.root / "models/churn/history.jsonl").rename(site.folder / "aside")
    text = site.run("history", "churn", "--checkpoint").out
    (site.folder / "aside").rename(site.root / "models/churn/history.jsonl")
    assert text == f"churn\t0\t{'0' * 64}\n"
    assert site.run("verify", "--checkpoint", site.make("kept", text)).code == 0
