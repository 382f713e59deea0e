"""The documents are true: generated pages are up to date, every command shown runs and prints what is shown."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from registry_cli.cli import grammar, shapes

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_up_to_date() -> None:
    """`make docs` writes them anew. A signature looks alike from Python 3.11 on."""
    made = generator()
    assert (ROOT / "docs/reference/commands.md").read_text() == made.commands()
    if sys.version_info >= (3, 11):
        assert (ROOT / "docs/reference/python-api.md").read_text() == made.python_api()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{page.name} links to {target}"
        if anchor and place.suffix == ".md":
            heads = [re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-")
                     for head in re.findall(r"^#+ (.+)$", place.read_text(), re.MULTILINE)]  # fmt: skip
            assert anchor in heads, f"{page.name} links to {target}"


def test_every_exit_code_is_told() -> None:
    told = (ROOT / "docs/reference/exit-codes.md").read_text()
    assert [code for code in grammar.EXIT_CODES if f"| {code} |" not in told and f"| {code} " not in told] == []


def test_every_key_of_the_json_shapes_is_told() -> None:
    """Every key that a shape writes stands in json.md, in code."""
    source = Path(shapes.__file__).read_text()
    told = (ROOT / "docs/reference/json.md").read_text()
    assert [key for key in set(re.findall(r'^ +"(\w+)":', source, re.MULTILINE)) if f"`{key}`" not in told] == []


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_the_console_blocks_run_as_shown(page: str, tmp_path: Path) -> None:
    """All blocks of a page in one shell session; `...` stands for anything, standard error is shown too."""
    blocks = re.findall(r"^```console\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    steps = [step for block in blocks for step in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)]
    assert len(steps) > 5
    script = "exec 2>&1\n" + "".join(f"echo '<<<'\n{command}\n" for command, _ in steps) + "echo '<<<'\n"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    shell = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    printed = shell.stdout.split("<<<\n")[1:-1]
    assert len(printed) == len(steps)
    for (command, expected), actual in zip(steps, printed, strict=True):
        pattern = ".*".join(re.escape(part) for part in expected.rstrip("\n").split("..."))
        assert re.fullmatch(pattern, actual.rstrip("\n")), f"{page}: {command}\nshown: {expected!r}\nis: {actual!r}"
