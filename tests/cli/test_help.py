"""``registry help``: verbs, topics, and the same for programs; the documents are installed with the package."""

from __future__ import annotations

import glob
import re
from pathlib import Path

import pytest

from registry_cli.cli import completion, grammar, topics
from tests.commands import REPOSITORY, assert_refused, run

DOCUMENTS = sorted(path for path in (REPOSITORY / "docs").rglob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("verb", ["promote", "list", "help"])
def test_help_of_a_verb_is_that_of_its_option(verb: str) -> None:
    assert run("help", verb) == run(verb, "--help")


@pytest.mark.parametrize("verb", grammar.VERBS)
def test_help_names_topics_and_not_files_of_the_source(verb: str) -> None:
    shown = run("help", verb).out
    assert "docs/" not in shown
    assert all(
        name in {*topics.list_topics(), *grammar.VERBS} for name in re.findall(r"registry help\s+([a-z][a-z-]+)", shown)
    )


def test_every_document_is_a_topic() -> None:
    found = topics.list_topics()
    assert sorted(Path(path).resolve() for path in found.values()) == [
        path for path in DOCUMENTS if path.suffix == ".md"
    ]
    assert not found.keys() & grammar.VERBS.keys(), "help VERB would hide it"
    assert {"query", "policy", "references", "exit-codes", "formats", "python", "environment", "json", "metrics",
            "scan-guide", "format", "gates", "retention", "cron", "makefile", "tutorial"} <= found.keys()  # fmt: skip


@pytest.mark.parametrize("name", topics.list_topics())
def test_a_topic_in_a_pipe_is_its_document(name: str) -> None:
    answer = run("help", name)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == Path(topics.list_topics()[name]).read_text(encoding="utf-8")
    assert run("help", name, "--json").json == {"schema": 1, "kind": "topic", "name": name, "text": answer.out}


@pytest.mark.parametrize("name", topics.list_topics())
def test_a_topic_on_a_terminal_is_readable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("help", name, terminals=(1,), stdin=None).out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(map(len, plain.splitlines())) <= 80
    assert not re.search(r"^#|\]\(|^\|(?! None\b)", plain, re.MULTILINE), "Markdown was shown"
    assert "\x1b" not in run("help", name, "--no-color", terminals=(1,)).out


def test_what_a_document_refers_to_is_named_at_its_end() -> None:
    end = run("help", "exit-codes", "--no-color", terminals=(1,)).lines[-3:]
    assert "See also: registry help commands" in " ".join(end)


def test_all_has_every_verb_and_topic() -> None:
    answer = run("help", "--all")
    for name, verb in grammar.VERBS.items():
        assert not verb.group or re.search(rf"^  {name} +{re.escape(verb.summary)}$", answer.out, re.MULTILINE)
    assert all(re.search(rf"^  {name} +\S", answer.out, re.MULTILINE) for name in topics.list_topics())
    assert run("help", "-a") == answer


def test_json_describes_every_command() -> None:
    document = run("help", "--json").json
    assert (document["schema"], document["kind"]) == (1, "help")
    assert [each["verb"] for each in document["verbs"]] == [*grammar.VERBS]
    for each in document["verbs"]:
        shared = document["options"]["every"] + document["options"]["writing"] * each["writing"]
        shared += document["options"]["listing"] * each["lists"]
        options = each["options"] + shared + document["options"]["indexed"] * each["indexed"]
        names = {name for option in options for name in option["names"]} | {"--help", "-h"}
        assert names == completion.options(each["verb"]).keys()
        assert {name: option["value"] is None for option in options for name in option["names"]} == {
            name: kind == "" for name, kind in completion.options(each["verb"]).items() if name not in ("--help", "-h")
        }
        assert each["group"] in [*document["groups"], None]
        assert each["examples"] and {"0", "2"} <= each["exit_codes"].keys()
    assert document["exit_codes"]["5"] == "refused by a policy or a check"
    assert [each["name"] for each in document["topics"]] == [*topics.list_topics()]


def test_json_of_one_verb() -> None:
    (promote,) = run("help", "promote", "--json").json["verbs"]
    assert [each["name"] for each in promote["arguments"]] == ["REF", "STAGE"]
    assert promote["options"][0] == {
        "names": ["--expect"], "value": "VERSION|none", "meaning": promote["options"][0]["meaning"], "repeated": False
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "hint"),
    [("qurey", "did you mean 'query'?"), ("promot", "did you mean 'promote'?"), ("zzz", "see 'registry help --all'"), ("ls", "did you mean 'list'?")],
)  # fmt: skip
def test_what_is_neither_verb_nor_topic(word: str, hint: str) -> None:
    assert run("help", word).err == f"error: there is no verb or topic '{word}'; {hint}\n"
    assert_refused(run("help", "query", "--all"), 2)


def test_the_documents_come_with_the_wheel() -> None:
    """As setuptools expands the patterns of the package data: links to folders are followed."""
    pattern = re.findall(r'"(cli/docs/[^"]+)"', (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))[0]
    found = glob.glob(str(REPOSITORY / "registry_cli" / pattern), recursive=True)
    assert sorted(Path(path).resolve() for path in found) == DOCUMENTS
