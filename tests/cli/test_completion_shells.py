"""TAB where ``test_completion`` does not go: other word breaks, many models, odd lines, zsh and fish for real."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from registry_cli import Registry
from registry_cli.cli import completion
from tests.commands import spawn
from tests.crash.world import fingerprint

BIN = Path(sys.executable).parent
#: What bash-completion leaves of bash's own word breaks, once programs have asked for it.
_FEWER_BREAKS = 'COMP_WORDBREAKS="${COMP_WORDBREAKS//[:@]/}"'


@pytest.fixture
def stocked(tmp_path: Path) -> Registry:
    """Models churn (2 versions, a stage, an alias), charge and risk/heart."""
    reg = Registry.init(tmp_path / "registry")
    source = tmp_path / "a model.bin"
    source.write_text("x")
    for name in ("churn", "churn", "charge", "risk/heart"):
        reg.register(name, [source])
    reg.promote("churn@2", "production")
    reg.alias("churn@1", "champion")
    return reg


@contextmanager
def shell(words: list[str], setup: list[str], reg: Registry) -> Iterator[pexpect.spawn[str]]:
    """An interactive shell that has our script, and nothing of the user's."""
    folder = str(reg.root.parent)
    environment = {
        "PATH": f"{BIN}:/usr/bin:/bin", "HOME": folder, "TERM": "dumb", "LC_ALL": "C.UTF-8", "ZDOTDIR": folder,
        "REGISTRY_HOME": str(reg.root), "INPUTRC": "/dev/null", "XDG_CONFIG_HOME": folder, "XDG_DATA_HOME": folder,
    }  # fmt: skip
    child = pexpect.spawn(
        words[0], words[1:], env=environment, encoding="utf-8", timeout=30, cwd=folder, dimensions=(60, 250)
    )
    for line in setup:
        child.sendline(line)
    child.sendline("echo s''et")
    child.expect("\r\nset\r\n")
    yield child
    child.close(force=True)


def bash(reg: Registry, *setup: str) -> object:
    lines = ["PS1='ready> '", "bind 'set enable-bracketed-paste off'", "bind 'set bell-style none'",
             'eval "$(registry completion bash)"', *setup]  # fmt: skip
    return shell(["bash", "--norc", "--noprofile", "-i"], lines, reg)


def filled(child: pexpect.spawn[str], text: str) -> str:
    """What the line has become after TAB: the shell prints it."""
    child.send(f"{text}\t")
    child.send("\x01printf '<%s>' \"\x05\"\r")
    child.expect("\r\n<(.*?)>", timeout=30)
    assert isinstance(child.match, re.Match)
    return str(child.match[1]).rstrip()


@pytest.mark.parametrize("setup", [[], [_FEWER_BREAKS]], ids=["bash alone", "fewer word breaks"])
def test_references_in_bash_with_and_without_word_breaks(setup: list[str], stocked: Registry) -> None:
    with bash(stocked, *setup) as child:  # type: ignore[attr-defined]
        for text, line in (
            ("registry path churn@prod", "registry path churn@production"),
            ("registry path churn:champ", "registry path churn:champion"),
            ("registry path risk/", "registry path risk/heart"),
            (f"registry -C {stocked.root} show cha", f"registry -C {stocked.root} show charge"),
            ("registry versions --limit 5 chu", "registry versions --limit 5 churn"),
            ("registry promote --reason why churn@2 st", "registry promote --reason why churn@2 staging"),
            ("registry alias churn champ", "registry alias churn champion"),
            ("registry register churn a", "registry register churn a\\ model.bin"),
            ("registry promote churn@1 staging --arch", "registry promote churn@1 staging --archive-previous"),
        ):
            assert filled(child, text) == line


def test_nothing_is_said_where_nothing_is_known(stocked: Registry) -> None:
    with bash(stocked, "cd /", "unset REGISTRY_HOME") as child:  # type: ignore[attr-defined]
        assert filled(child, "registry path churn@") == "registry path churn@latest"  # which any model may have
        assert filled(child, "registry show x") == "registry show x"


def _needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def test_zsh(stocked: Registry) -> None:
    _needs("zsh")
    setup = ["PS1='ready> '", "unsetopt beep prompt_cr zle_bracketed_paste", "bindkey -e", "autoload -U compinit",
             "compinit -u -D", 'eval "$(registry completion zsh)"']  # fmt: skip
    with shell(["zsh", "-f", "-i"], setup, stocked) as child:
        for text, line in (
            ("registry pro", "registry promote"),
            ("registry path churn@prod", "registry path churn@production"),
            ("registry path churn:champ", "registry path churn:champion"),
            ("registry show risk/h", "registry show risk/heart@"),
            ("registry promote churn@1 st", "registry promote churn@1 staging"),
        ):
            child.send(f"{text}\t")
            child.send("\x01print -r -- '<\x05>'\r")
            child.expect("\n<(.*?)>", timeout=30)
            assert isinstance(child.match, re.Match)
            assert str(child.match[1]).rstrip() in (line, line.rstrip("@"))


def test_fish(stocked: Registry, tmp_path: Path) -> None:
    """``complete -C`` asks what TAB would offer; fish's own drawing needs a real screen."""
    _needs("fish")
    script = tmp_path / "registry.fish"
    script.write_text(completion.script("fish"))
    for text, offers in (
        ("registry pro", {"promote"}),
        ("registry path churn@prod", {"churn@production"}),
        ("registry path churn:champ", {"churn:champion"}),
        ("registry show risk/h", {"risk/heart"}),
        ("registry promote churn@1 st", {"staging"}),
        ("registry register churn a", {"a\\ model.bin", "a model.bin"}),
    ):
        code = f"source {script}; complete -C {text!r}"
        variables = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path), "REGISTRY_HOME": str(stocked.root)}
        answer = spawn(command=("fish", "--no-config", "-c", code), env=variables, cwd=stocked.root.parent)
        assert {line.split("\t")[0] for line in answer.lines} & offers, (text, answer)


def answers(line: str, root: Path, capfd: pytest.CaptureFixture[str]) -> list[str]:
    assert completion.answer({**os.environ, "_REGISTRY_LINE": line, "REGISTRY_HOME": str(root)}) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return out.split()


def test_words_behind_options(stocked: Registry, capfd: pytest.CaptureFixture[str]) -> None:
    root = stocked.root
    assert answers("registry --json show cha", root, capfd) == ["charge"]
    assert answers("registry -C list show cha", root, capfd) == []
    assert answers("registry register -m auc=1 --tag a=b chu", root, capfd) == ["churn"]
    assert answers("registry register churn -m auc=1 ", root, capfd) == [completion.FILES]
    assert answers("registry archive churn@1 churn@prod", root, capfd) == ["churn@production"]
    assert answers("registry alias churn@1 --remove ch", root, capfd) == ["champion"]
    assert answers("registry register churn --stage ", root, capfd) == ["development", "staging", "production"]
    assert answers("registry fetch churn@1 -o ", root, capfd) == [completion.FILES]
    assert answers("registry promote churn@1 staging ", root, capfd) == []
    assert answers("registry show --", root, capfd) == completion.long_options("show")


def test_a_thousand_models_and_no_trace(stocked: Registry, capfd: pytest.CaptureFixture[str]) -> None:
    """The answers are bounded, nothing is written or locked, and a broken store is no reason to speak."""
    models = stocked.root / "models"
    for number in range(1000):
        (models / f"zz{number:04}").mkdir()
        (models / f"zz{number:04}/model.yaml").write_text("format: 1\n")
    (stocked.root / "models/churn/stages.yaml").write_bytes(b"\xff\x00 not: [yaml")
    before = fingerprint(stocked.root)
    assert len(answers("registry show ", stocked.root, capfd)) == 100
    assert answers("registry show zz0999", stocked.root, capfd) == ["zz0999@"]
    assert "churn@1" in answers("registry show churn@", stocked.root, capfd)
    assert fingerprint(stocked.root) == before
    assert not (models / "zz0999/.lock").exists()
