"""Messages, help texts, docstrings and documents avoid phrases that native speakers do not write."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Phrases, and what to write instead.
PHRASES = {
    r"\b(?<!there )(?:is|are) no (?!longer|more\b)[a-z]": "'X is not a Y', 'invalid Y: X'",
    r"\blet a\b": "name the action: 'promote a version', 'clear a stage'",
    r"\b(?:one|a line|a column|one row|a value|one class) an? (?:line|version|event|kind|model)\b": "'one line per version'",
    r"\btells? more\b|\btells all\b": "'run COMMAND for details'",
    r"\b(?:is|are|was) told\b": "'is reported', 'is shown'",
    r"\bfits\b|\bnothing fits\b": "'matches'",
    r"\b(?:nobody|somebody)\b": "'no one else', 'another process', or the passive",
    r"\bit stands\b|\bstands (?:twice|here again|there|beside)\b": "'is set', 'occurs'",
    r"\bwritten to the end\b": "'may be incomplete'",
    r"\bcame in before\b": "'already imported'",
    r"\bfaster: look again\b|\blook again, then\b": "'was changed concurrently; check it and retry'",
    r"\bgone on with\b": "'resume'",
    r"\bleft-over": "'leftover'",
    r"\bfor good\b": "'permanently'",
    r"\btake the # away\b": "'uncomment'",
    r"\bof it new\b": "'all files deduplicated'",
    r"\bsay (?:why|so|how old)\b": "'add --reason', 'set KEY'",
    r"\bis taken: ": "'unchanged: …'",
    r"\ba slip\b|\bmend(?:s|ed)?\b": "'an error', 'repair'",
    r"\bthe nearest says\b|\bhave their turn\b": "'the most specific setting wins', 'are still processed'",
    r"\btour of one minute\b|\bmap of the house\b": "'one-minute tour', 'code map'",
}
BANNED = re.compile("|".join(f"(?:{each})" for each in PHRASES), re.IGNORECASE)
#: Words of others: commands, terms of other programs, and grammar of the language itself.
ALLOWED = re.compile(r"(?:there|they) (?:is|are) no |\bwhich is no longer\b")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*")])


def find_phrases(text: str) -> list[str]:
    """The banned phrases in a text, with a few words around each."""
    flat = " ".join(text.split())
    return [flat[max(0, hit.start() - 30) : hit.end() + 20] for hit in BANNED.finditer(flat)]


def list_texts(path: Path) -> list[tuple[int, str]]:
    """The texts of a module, docstrings among them, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


@pytest.mark.parametrize(
    "text", ["'x' is no model name", "Let a stage point to a version.", "registry verify tells more", "one a line"]
)
def test_the_phrases_are_found(text: str) -> None:
    assert find_phrases(text)


@pytest.mark.parametrize(
    "text", ["there is no version to roll back to", "it is no longer in the store", "one line per version"]
)
def test_plain_english_is_left_alone(text: str) -> None:
    assert not find_phrases(text)


def test_the_program_speaks_plainly() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {phrase}"
        for path in sorted((ROOT / "registry_cli").rglob("*.py"))
        for line, text in list_texts(path)
        for phrase in find_phrases(text)
    ]
    assert found == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_documents_speak_plainly(path: Path) -> None:
    if path.is_file():
        assert find_phrases(path.read_text(encoding="utf-8")) == []
