"""Globs have the semantics of gitignore, and take bounded time whatever the pattern."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_cli import InvalidInput
from registry_cli.core.globs import PATTERN_LENGTH, Glob, parse_lines, select

PATHS = [
    "a", "b.log", "a.LOG", "d/a", "d/b.log", "d/e/a", "d/e/f/b.log", "x/d/a", ".hidden", "d/.hidden", "a[1]", "a*b",
    "ab", "abb", "a-b", "e/a", "d/e/f/g/a", "logs/x", "d/logs/y", "#a", "!a", "a b", "b ", "üü", "d/üü", "]", "\\", "-", "Z", "1", "^", "z",
]  # fmt: skip
PATTERNS = [
    "a", "*.log", "d/", "d", "/a", "/d/a", "d/a", "d/*", "d/**", "**/a", "d/**/a", "**/e/**", "*", "**", "**/*.log",
    "?", "a?", "[ab]", "[!a]", "[^a]b", "[a-c]b*", "a\\[1]", "a\\*b", "d/*/a", "d/?/a", "*/*", "logs/", "/logs/",
    "\\#a", "\\!a", "a b", "[]-]", "e/**/a", "./a", "*b", "üü", "**/", "d/**/", "a*b", "d/e/", "[", "a[",
    "[[:alpha:]]", "[[:upper:][:digit:]]", "[^[:alnum:]]", "[![:punct:]]", "[[:alpha:]-]*", "[\\]]", "[\\a]", "[\\\\]", "[]a]",
    "[!]a]", "[a\\-z]", "[z-a]", "[!z-a]", "[--1]", "[a-]", "[a:]", "[[:]", "[^^]", "a**b", "*a*b*", "[a-b-z]", "[\\[-\\]]",
]  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real files in a repository, for git to say what it ignores."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
    (root / ".git" / "info").mkdir(exist_ok=True)
    for path in PATHS:
        if not (root / path).exists():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("x")
    return root


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_selects_what_git_selects(pattern: str, repository: Path) -> None:
    text = pattern.removeprefix("./")  # git takes "./a" for no path at all
    (repository / ".git" / "info" / "exclude").write_text(f"{text}\n")
    told = subprocess.run(
        ["git", "-c", "core.excludesFile=/dev/null", "check-ignore", "-z", "--no-index", "--stdin"],
        cwd=repository, input="\0".join(PATHS).encode() + b"\0", capture_output=True, check=False,
    )  # fmt: skip
    ignored = {path.decode() for path in told.stdout.split(b"\0") if path}
    assert set(select(PATHS, [Glob(pattern)], [])) == ignored


def test_lines_of_a_file_have_comments_and_take_back() -> None:
    found = parse_lines("# a comment\n\n*.log\r\n!keep.log\n  \n\\#real\ntrailing   \nkept\\ \n", "file")
    assert [(glob.text, back) for glob, back in found] == [
        ("*.log", False), ("keep.log", True), ("\\#real", False), ("trailing", False), ("kept\\ ", False),
    ]  # fmt: skip
    assert found[2][0].matches("#real")
    assert found[4][0].matches("kept ")


@pytest.mark.parametrize(
    "pattern", ["", "  ", "/", "..", "a/../b", ".", "x" * (PATTERN_LENGTH + 1), "a\0b", "a\nb", "a\\"]
)
def test_what_is_not_a_glob_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="invalid glob for --exclude"):
        Glob(pattern, "--exclude")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 400 + "b", "a" * 255),
        ("**/" * 300 + "x", "/".join(["a"] * 64)),
        ("**/*a*/" * 140 + "b", "/".join(["aaa"] * 64)),
        ("[a-z]*" * 150 + "!", "a" * 255),
        ("?*" * 500 + "b", "a" * 255),
    ],
)
def test_a_hostile_pattern_takes_no_time(pattern: str, path: str) -> None:
    glob = Glob(pattern)
    begin = time.process_time()
    assert not glob.covers(path)
    assert time.process_time() - begin < 1


@settings(max_examples=300, deadline=2_000)
@given(st.text("ab*?[]!^-\\/.", min_size=1, max_size=40), st.text("ab/.-]", min_size=1, max_size=60))
def test_any_text_is_a_glob_or_an_error(pattern: str, path: str) -> None:
    try:
        glob = Glob(pattern)
    except InvalidInput:
        return
    assert glob.covers(path) in (True, False)
