"""Model cards: what stands in them, what they lack, and that nobody's text changes their structure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from registry_cli import Conflict, InvalidInput, Registry
from registry_cli.core.records import ModelRecord, VersionRecord
from registry_cli.core.results import Approval
from registry_cli.interop.cards import licenses, model_card
from registry_cli.interop.cards.model_card import Card, CardInput
from registry_cli.registry import ArtifactOperations
from tests.commands import run

MARKDOWN = MarkdownIt("commonmark").enable("table")
SAID = """
description: Who leaves within a month
intended_use: Letters to those who may leave
limitations: |
  Only adults.
  # no heading
data: The customers of March
ethics: <b>none</b>
licence: apache-2.0
"""


def parts(text: str) -> tuple[dict[str, Any], str]:
    """The front matter as any reader of YAML has it, and the text below."""
    if not text.startswith("---\n"):
        return {}, text
    head, mark, body = text[4:].partition("\n---\n")
    assert mark
    return yaml.safe_load(head) or {}, body


def structure(body: str) -> tuple[list[tuple[str, str]], set[str]]:
    """The headings of a document, each with its level, and the kinds of all its parts."""
    found = MARKDOWN.parse(body)
    kinds = {each.type for token in found for each in (token, *(token.children or ()))}
    heads = [
        (token.tag, "".join(each.content for each in found[at + 1].children or ()))
        for at, token in enumerate(found) if token.type == "heading_open"
    ]  # fmt: skip
    return heads, kinds


@pytest.fixture
def churn(reg: Registry, tmp_path: Path) -> Registry:
    """A version of which all is known."""
    (tmp_path / "m.bin").write_bytes(b"m")
    reg.register(
        "risk/churn", [tmp_path / "m.bin"], params={"max_depth": 6}, metrics={"auc": 0.9, "loss": 1e-7}, message="First",
        tags={"pipeline_tag": "tabular-classification", "language": "en, de", "team": "crm"},
        annotations={"special_considerations": "a clinician decides", "note": "n"},
        lineage={"extra": {
            "framework": "sklearn 1.5.2", "format": "pickle", "parents": ["base@3"], "git": {"commit": "abc", "dirty": True},
            "contents": {"class": "Forest", "parameters": 1200, "inputs": [{"name": "x", "type": "float32", "shape": [None, 3]}]},
            "data": [{"path": "data/march.csv", "digest": "sha256:1", "size": 3}],
        }},
    )  # fmt: skip
    with (reg.root / "models/risk/churn/model.yaml").open("a") as stream:
        stream.write(SAID)
    reg.promote("risk/churn@1", "staging")
    reg.approvals.approve("risk/churn@1", "production", reason="looked at")
    return reg


def test_all_that_is_known(churn: Registry) -> None:
    card = churn.artifacts.card("risk/churn")
    head, body = parts(card.text)
    assert head == {
        "language": ["en", "de"], "license": "apache-2.0", "library_name": "sklearn", "pipeline_tag": "tabular-classification",
        "tags": ["team:crm"], "metrics": ["auc", "loss"],
        "model-index": [{"name": "risk/churn", "results": [{
            "task": {"type": "tabular-classification"}, "dataset": {"type": "march.csv", "name": "march.csv"},
            "metrics": [{"type": "auc", "value": 0.9}, {"type": "loss", "value": 1e-7}],
        }]}],
    }  # fmt: skip
    assert head == card.head
    heads, kinds = structure(body)
    assert heads == [
        ("h1", "risk/churn"), ("h2", "Intended use"), ("h2", "Limitations"), ("h2", "Training data"), ("h2", "Evaluation"),
        ("h2", "Ethical considerations"), ("h2", "Inside"), ("h2", "Parameters"), ("h2", "Provenance"), ("h2", "Approvals"),
        ("h2", "Notes"), ("h3", "Note"),
    ]  # fmt: skip
    assert not kinds & {"html_block", "html_inline"}
    for row in (
        "| max_depth | 6 |", "| data/march.csv | sha256:1 | 3 |", "| input | x | float32 | (?, 3) |", "| Parameters | 1,200 |",
        "| Commit | abc, with uncommitted changes |", "| Derived from | base@3 |", "| Scan | safe-format |",
        "| Stages | staging |", "| Licence | Apache-2.0 |",
    ):  # fmt: skip
        assert row in body
    assert card.lacking == ()


def test_what_a_new_model_lacks(reg: Registry, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"m")
    reg.register("churn", [tmp_path / "m.bin"])
    card = reg.artifacts.card("churn")
    assert [item.name for item in card.lacking] == ["description", "licence", "intended_use", "limitations", "data"]
    assert parts(card.text)[0] == {}
    answer = run("card", "churn", "--check", root=reg.root)
    assert answer.code == 5
    assert "description\trequired\tmissing\tdescription in model.yaml" in answer.lines
    assert answer.err.startswith("error: the card of churn@1 lacks description, license")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("limitations: [a]", "line {line}: limitations: must be text"),
        ("licence: MIT\nlicense: ISC", "license: differs from 'licence'"),
        ("intended-use: x", "unknown setting 'intended-use'; did you mean 'intended_use'"),
        ("limitation: x", "did you mean 'limitations'"),
    ],
)
def test_slips_in_model_yaml(churn: Registry, said: str, words: str) -> None:
    path = churn.root / "models/risk/churn/model.yaml"
    before = path.read_text().partition("description:")[0]
    path.write_text(before + said + "\n")
    with pytest.raises(InvalidInput, match=words.format(line=before.count("\n") + 1)):
        churn.artifacts.card("risk/churn")


def test_a_licence_that_is_none_is_told(churn: Registry) -> None:
    path = churn.root / "models/risk/churn/model.yaml"
    path.write_text(path.read_text().replace("licence: apache-2.0", "license: Apache 2"))
    card = churn.artifacts.card("risk/churn")
    assert [(item.name, item.state, item.hint) for item in card.lacking] == [
        ("licence", "wrong", "'Apache 2' is not an SPDX identifier; did you mean Apache-2.0?")
    ]
    assert (card.head["license"], card.head["license_name"]) == ("other", "apache-2")
    answer = run("card", "risk/churn", root=churn.root)
    assert (answer.code, answer.out) == (0, card.text)
    assert "did you mean Apache-2.0?" in answer.err


def test_both_spellings_are_read_and_must_not_differ(churn: Registry) -> None:
    path = churn.root / "models/risk/churn/model.yaml"
    path.write_text(path.read_text().replace("licence: apache-2.0", "license: MIT\nlicence: MIT"))
    (item,) = [each for each in churn.artifacts.card("risk/churn").items if each.name == "licence"]
    assert (item.hint, item.field) == ("MIT", "license")
    for spelling in ("license", "licence"):
        churn.tag("risk/churn@1", {spelling: "ISC"})
        assert churn.artifacts.card("risk/churn@1").head["license"] == "isc"
    churn.tag("risk/churn@1", {"licence": "MIT"})
    with pytest.raises(InvalidInput, match="'license' and 'licence' of risk/churn@1 differ: 'ISC', 'MIT'"):
        churn.artifacts.card("risk/churn@1")


def test_a_licence_of_ones_own(reg: Registry, tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("All of it")
    reg.register("churn", [tmp_path / "LICENSE"], tags={"license": "LicenseRef-Acme-2"})
    head = reg.artifacts.card("churn").head
    assert (head["license"], head["license_name"], head["license_link"]) == ("other", "acme-2", "LICENSE")
    reg.tag("churn", {"license": "busl-1.1"})
    assert reg.artifacts.card("churn").head["license_name"] == "busl-1.1"


def test_a_parent_from_hugging_face_is_the_base(reg: Registry, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"m")
    reg.register(
        "base",
        [tmp_path / "m.bin"],
        lineage={"extra": {"imported": {"from": "hf", "name": "acme/tiny", "key": "hf:acme/tiny:1"}}},
    )
    reg.register("churn", [tmp_path / "m.bin"], lineage={"parents": ["base@1"]})
    assert reg.artifacts.card("churn").head["base_model"] == ["acme/tiny"]


def test_a_file_is_written_once(churn: Registry, tmp_path: Path) -> None:
    target = tmp_path / "README.md"
    assert churn.artifacts.card("risk/churn", target).text == target.read_text()
    with pytest.raises(Conflict, match="already exists"):
        churn.artifacts.card("risk/churn", target)
    target.write_text(target.read_text() + "\nA note.\n")
    churn.artifacts.card("risk/churn", target, replace=True)
    assert target.read_text() == churn.artifacts.card("risk/churn").text
    target.write_text("mine")
    with pytest.raises(Conflict, match="was not written by this command"):
        churn.artifacts.card("risk/churn", target, replace=True)
    assert target.read_text() == "mine"
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidInput, match="is a folder"):
        churn.artifacts.card("risk/churn", tmp_path / "folder", replace=True)


def test_edits_of_a_card_are_lost_with_force_only_as_help_says(churn: Registry, tmp_path: Path) -> None:
    target = tmp_path / "README.md"
    churn.artifacts.card("risk/churn", target)
    edited = target.read_text() + "\n## Contact\n\nThe risk team.\n"
    target.write_text(edited)
    refused = run("card", "risk/churn", "-o", str(target), root=churn.root)
    assert refused.code == 4
    assert target.read_text() == edited
    assert run("card", "risk/churn", "-o", str(target), "--force", root=churn.root).code == 0
    assert target.read_text() == churn.artifacts.card("risk/churn").text
    words = " ".join(run("card", "--help", root=churn.root).out.split())
    assert "Replace FILE if it is a card of this registry, including edits made by hand; otherwise exit 4." in words
    assert "including edits made by hand" in " ".join((ArtifactOperations.card.__doc__ or "").split())


def test_the_card_among_the_files_is_told_of(reg: Registry, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    reg.register("churn", [tmp_path / "README.md"], annotations={"card": "mine"})
    answer = run("card", "churn", root=reg.root)
    assert "contains its own README.md" in answer.err
    assert "mine" not in answer.out


HOSTILE = st.lists(
    st.sampled_from([
        "# x", "## Provenance", "---", "===", "```", "~~~", "<script>", "<!--", "-->", "</b>", "a", "> ", "- ", "1. ", "    ",
        "\t", "\n", "\n\n", "\r", "|", "\\", "`", "[a]: http://x", "license: mit", "...", "&lt;", "\u2028", "\x85", "\x0c", "\0",
        "* ", "+ ", "#", "<", "<?x", "[", "](", "!", "http://x", "\u202e", "0) ",
    ]),
    max_size=12,
).map("".join)  # fmt: skip
TEXT = HOSTILE | st.text(max_size=40)
EVENT_TIME = "2026-11-23T10:00:00.000Z"


@given(st.lists(TEXT, min_size=14, max_size=14), st.dictionaries(TEXT, TEXT, max_size=3))
def test_whatever_people_say_the_structure_is_ours(said: list[str], annotations: dict[str, str]) -> None:
    lineage = {"framework": said[0], "contents": {"class": said[1], "inputs": [{"name": said[2]}], "features": [said[3]]},
               "data": [{"path": said[4]}], "parents": [said[5]], "git": {"remote": said[6]}}  # fmt: skip
    version = VersionRecord(
        "churn", 1, EVENT_TIME, said[7], "0" * 64, 1, 1, said[8], {said[9]: said[10]}, {said[9]: 1e-7},
        {"pipeline_tag": said[11], "license": said[12], "language": said[0], said[1]: said[2]},
        {"limitations": said[3], "purpose": said[13], **annotations}, lineage, stages=("staging",),
    )  # fmt: skip
    model = ModelRecord("churn", EVENT_TIME, said[7], said[8])
    approval = Approval("churn@1", "staging", said[7], EVENT_TIME, True, said[13], "in-force")
    known = CardInput(
        version, model, {"intended_use": said[4], "data": said[5], "ethics": said[6]}, (), (approval,), (said[9],)
    )
    card: Card = model_card.make_card(known)
    head, body = parts(card.text)
    assert head == card.head
    heads, kinds = structure(body)
    assert not kinds & {"html_block", "html_inline"}, body
    ours = ["Intended use", "Limitations", "Training data", "Evaluation", "Ethical considerations", "Inside", "Parameters",
            "Provenance", "Approvals", "Notes"]  # fmt: skip
    level2 = [text for tag, text in heads if tag == "h2"]
    assert [heads[0], level2] == [("h1", "churn"), [title for title in ours if title in level2]], body
    assert {"Provenance", "Approvals"} <= set(level2)
    rest = [tag for tag, _ in heads[1:] if tag != "h2"]
    assert rest == ["h3"] * len(known.rest())
    assert all(heads.index(("h2", "Notes")) < at for at, (tag, _) in enumerate(heads) if tag == "h3")


class TestLicences:
    def test_the_list_is_of_spdx(self) -> None:
        spdx = pytest.importorskip("packaging.licenses._spdx", reason="packaging before 24.2 has no list")
        known = {each["id"] for each in spdx.LICENSES.values() if not each["deprecated"]}
        assert licenses.IDS - known == set()
        assert licenses._EXCEPTIONS - {each["id"] for each in spdx.EXCEPTIONS.values()} == set()
        assert len(licenses.IDS) >= 200

    @pytest.mark.parametrize(
        ("text", "spdx", "word"),
        [
            ("mit", "MIT", "mit"), ("GPL-3.0+", "GPL-3.0-or-later", "gpl-3.0"), ("agpl-3.0", "AGPL-3.0-only", "agpl-3.0"),
            ("mit or (apache-2.0 and isc)", "MIT OR (Apache-2.0 AND ISC)", "other"), ("llama3", "", "llama3"),
            ("GPL-2.0-only with classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0", "other"),
            ("LicenseRef-Acme", "LicenseRef-Acme", "other"), ("MIT OR", "", "other"), ("MIT WITH", "", "other"),
            ("(MIT", "", "other"), ("MIT)", "", "other"), ("MIT ISC", "", "other"), ("", "", "other"), ("ODbL-1.0", "ODbL-1.0", "odbl"),
        ],
    )  # fmt: skip
    def test_what_is_one(self, text: str, spdx: str, word: str) -> None:
        found = licenses.parse_license(text)
        assert (found.spdx, found.word) == (spdx, word)

    @pytest.mark.parametrize(
        ("text", "near"),
        [("Apache License, Version 2.0", "Apache-2.0"), ("gplv3", "GPL-3.0-only"), ("CC BY 4.0", "CC-BY-4.0"),
         ("cc-by", "CC-BY-4.0"), ("the MIT license", "MIT"), ("cc0", "CC0-1.0"), ("Acme EULA", "")],
    )  # fmt: skip
    def test_what_was_meant(self, text: str, near: str) -> None:
        assert licenses.parse_license(text).near == near

    @given(TEXT)
    def test_any_text_is_answered(self, text: str) -> None:
        found = licenses.parse_license(text)
        assert found.word
        assert licenses.parse_license(found.spdx).spdx == found.spdx or not found.spdx
