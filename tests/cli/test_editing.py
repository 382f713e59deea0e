"""edit: a person's editor on model.yaml and registry.yaml, with what follows a slip, a race and a change of mind."""

from __future__ import annotations

from pathlib import Path

import pexpect
import pytest

from tests.cli.conftest import Site
from tests.commands import assert_refused, environment, terminal


def editor(site: Site, script: str) -> dict[str, str]:
    """An environment whose editor is a script; ``$1`` is the file."""
    path = site.folder / "editor.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return environment(TERM="xterm-256color", EDITOR=str(path))


def edited(site: Site, script: str, *answers: str, words: tuple[str, ...] = ("edit", "churn")) -> tuple[int, str]:
    """The exit code, and what was on the screen, of an edit in which somebody answers so."""
    seen = ""
    with terminal(*words, root=site.root, env=editor(site, script)) as child:
        for answer in answers:
            child.expect_exact("] ")
            seen += child.before
            child.sendline(answer)
        child.expect(pexpect.EOF)
        child.wait()
        return child.exitstatus, (seen + child.before).replace("\r\n", "\n")


def document(site: Site) -> Path:
    return site.root / "models/churn/model.yaml"


def test_what_was_edited_is_shown_and_kept_if_wanted(site: Site) -> None:
    before = document(site).read_text()
    code, seen = edited(site, "echo 'description: ours # yes' >>$1", "n")
    assert code == 0 and "+description: ours # yes" in seen and "nothing was changed" in seen
    assert document(site).read_text() == before
    code, seen = edited(site, "echo 'description: ours # yes' >>$1", "y")
    assert code == 0 and "changed description of churn" in seen
    assert document(site).read_text() == f"{before}description: ours # yes\n"
    assert site.reg.model("churn").description == "ours"


def test_a_slip_is_told_with_its_line_and_edited_again(site: Site) -> None:
    script = "if grep -q descripton $1; then sed -i s/descripton/description/ $1; else echo 'descripton: x' >>$1; fi"
    code, seen = edited(site, script, "", "y")
    assert code == 0 and "did you mean 'description'?" in seen and "model.yaml, line " in seen
    assert site.reg.model("churn").description == "x"
    code, seen = edited(site, "echo 'format: 9' >>$1", "n")
    assert code == 2 and "is repeated" in seen


def test_who_was_faster_wins(site: Site) -> None:
    other = f"{document(site)}"
    code, seen = edited(site, f"echo '# mine' >>$1; echo '# theirs' >>{other}", "y")
    assert code == 4 and "changed concurrently" in seen
    assert document(site).read_text().endswith("# theirs\n")


def test_nothing_edited_is_nothing_changed(site: Site) -> None:
    code, seen = edited(site, "true")
    assert code == 0 and "nothing was changed" in seen
    code, seen = edited(site, "exit 3")
    assert code == 2 and "exited with code 3" in seen


def test_the_settings_are_edited_likewise(site: Site) -> None:
    code, seen = edited(site, "sed -i 's/^stages:.*/stages: [a, b]/' $1", "y", words=("edit",))
    assert code == 0 and "changed registry.yaml" in seen
    assert "stages: [a, b]" in (site.root / "registry.yaml").read_text()


@pytest.mark.parametrize("words", [("edit", "churn"), ("edit",)])
def test_without_a_terminal_nobody_edits(words: tuple[str, ...], site: Site) -> None:
    assert_refused(site.spawn(*words), 2)


def test_unknown_models_and_editors(site: Site) -> None:
    with terminal("edit", "chrun", root=site.root, env=editor(site, "true")) as child:
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 3
    missing = environment(TERM="xterm", EDITOR="/no/such/editor")
    with terminal("edit", "churn", root=site.root, env=missing) as child:
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 2 and "cannot start editor" in child.before


def test_an_invalid_monitor_rule_is_not_saved(site: Site) -> None:
    for words, path in ((("edit", "churn"), document(site)), (("edit",), site.root / "registry.yaml")):
        before = path.read_text()
        code, seen = edited(site, "echo 'monitor: {auc: {minn: 0.9}}' >>$1", "n", words=words)
        assert code == 2 and "did you mean 'min'?" in seen and f"{path.name}, line " in seen
        assert path.read_text() == before
