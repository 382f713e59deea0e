"""TAB in a real bash, through a pseudo-terminal: what a person sees after typing it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from registry_cli import Registry
from registry_cli.cli import completion, grammar

BIN = Path(sys.executable).parent


@pytest.fixture
def stocked(tmp_path: Path) -> Registry:
    """Models churn (3 versions, a stage, an alias), charge and risk/heart."""
    reg = Registry.init(tmp_path / "registry")
    source = tmp_path / "model.bin"
    source.write_text("x")
    for name in ("churn", "churn", "churn", "charge", "risk/heart"):
        reg.register(name, [source])
    reg.promote("churn@2", "production")
    reg.alias("churn@1", "champion")
    return reg


@pytest.fixture
def bash(stocked: Registry, tmp_path: Path) -> Iterator[pexpect.spawn[str]]:
    """An interactive bash that has our script, and nothing of the user's."""
    environment = {
        "PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path), "TERM": "dumb", "PS1": "ready> ", "LC_ALL": "C.UTF-8",
        "REGISTRY_HOME": str(stocked.root), "INPUTRC": "/dev/null",
    }  # fmt: skip
    shell = pexpect.spawn("bash", ["--norc", "--noprofile", "-i"], env=environment, encoding="utf-8", timeout=30,
                          cwd=str(tmp_path), dimensions=(40, 200))  # fmt: skip
    for line in ("PS1='ready> '", "bind 'set enable-bracketed-paste off'", "bind 'set completion-query-items 0'",
                 "bind 'set page-completions off'", "bind 'set bell-style none'",
                 'eval "$(registry completion bash)"'):  # fmt: skip
        shell.sendline(line)
    shell.sendline("echo s''et")
    shell.expect("\r\nset\r\nready> ")
    yield shell
    shell.close(force=True)


def completed(shell: pexpect.spawn[str], text: str) -> str:
    """What the line has become after TAB: bash itself prints it."""
    shell.send(f"{text}\t")
    shell.send("\x01printf '<%s>' \"\x05\"\r")
    shell.expect("\r\n<(.*?)>", timeout=30)
    assert isinstance(shell.match, re.Match)
    found = str(shell.match[1])
    shell.expect("ready> ")
    return found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("registry promo", "registry promote "),
        ("registry path chu", "registry path churn"),
        ("registry path churn@prod", "registry path churn@production "),
        ("registry path churn@champ", "registry path churn@champion "),
        ("registry show churn:prod", "registry show churn:production "),
        ("registry show risk/h", "registry show risk/heart"),
        ("registry show risk/heart@lat", "registry show risk/heart@latest "),
        ("registry promote churn@3 sta", "registry promote churn@3 staging "),
        ("registry rollback churn prod", "registry rollback churn production "),
        ("registry versions churn --li", "registry versions churn --limit "),
        ("registry register churn model.b", "registry register churn model.bin "),
        ("registry completion ba", "registry completion bash "),
        ("registry help prom", "registry help promote "),
        ("registry help refer", "registry help references "),
        ("registry list --stage prod", "registry list --stage production "),
        ("registry path churn@2 mod", "registry path churn@2 model.bin "),
        ("registry export churn@2 --format cyc", "registry export churn@2 --format cyclonedx "),
    ],
)
def test_one_answer_is_filled_in(bash: pexpect.spawn[str], text: str, line: str) -> None:
    assert completed(bash, text).rstrip() == line.rstrip()


def test_several_answers_are_listed(bash: pexpect.spawn[str]) -> None:
    bash.send("registry path churn@\t\t")
    bash.expect("ready> registry path churn@$", timeout=30)
    words = set(re.findall(r"[\w@./:-]+", str(bash.before)))
    assert {"latest", "production", "champion", "1", "2", "3"} <= {word.rpartition("@")[2] for word in words}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_is_understood_by(shell: str, stocked: Registry, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / f"registry.{shell}"
    script.write_text(completion.script(shell))
    done = subprocess.run([program, "-n", str(script)], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def answers(line: str, root: Path | None, capfd: pytest.CaptureFixture[str]) -> list[str]:
    environment = {**os.environ, "_REGISTRY_LINE": line, **({"REGISTRY_HOME": str(root)} if root else {})}
    assert completion.answer(environment) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return out.split()


def test_answers(stocked: Registry, capfd: pytest.CaptureFixture[str]) -> None:
    root = stocked.root
    assert answers("registry ", root, capfd) == [name for name in grammar.VERBS if name != "transfer"]
    assert answers("registry show ch", root, capfd) == ["charge", "churn"]
    assert answers("registry show churn", root, capfd) == ["churn@"]
    assert answers("registry show churn@", root, capfd) == [
        "churn@latest", "churn@production", "churn@champion", "churn@3", "churn@2", "churn@1"
    ]  # fmt: skip
    assert answers("registry alias churn ch", root, capfd) == ["champion"]
    assert answers("registry register churn ", root, capfd) == [completion.FILES]
    assert answers("registry inspect ", root, capfd) == [completion.FILES]
    assert answers("registry inspect charge@", root, capfd) == ["charge@latest", "charge@1"]
    assert answers(f"registry -C {root} show risk", None, capfd) == ["risk/heart"]
    assert "--archive-previous" in answers("registry promote churn@1 staging --a", root, capfd)


def test_values_of_options(stocked: Registry, capfd: pytest.CaptureFixture[str]) -> None:
    stocked.register(
        "churn", [stocked.root.parent / "model.bin"], metrics={"auc": 0.9}, params={"depth": 6}, tags={"team": "crm"}
    )
    stages = ["development", "staging", "production"]
    fields = grammar.FIELDS.split()
    for line, found in {
        "list --stage ": stages,
        "list --stage=": [f"--stage={stage}" for stage in stages],
        "history churn --stage pro": ["production"],
        "history churn --action pro": ["promoted", "profiled"],
        "history churn --action promoted --action roll": ["rolled-back"],
        "list --sort up": ["updated"],
        "versions churn --alias ": ["champion"],
        "versions churn --sort metr": ["metrics.auc"],
        "versions churn --columns model,par": ["model,params.depth"],
        "search --columns ": fields,
        "register churn model.bin --scan ": ["warn", "refuse-dangerous", "allowlist"],
        "register churn model.bin --stage st": ["staging"],
        "register churn model.bin --message ": [],
        "export churn@1 --format ": ["mlflow", "hf", "bentoml", "cyclonedx"],
        "init --shared ": ["private", "group"],
        "config ": ["show", "schema"],
        "config show ch": ["charge", "churn"],
        "completion ": ["bash", "zsh", "fish"],
        "promote churn@3 production --expect ": ["none", "4", "3", "2", "1"],
        "rollback churn production --to ": ["latest", "production", "champion", "4", "3", "2", "1"],
        "promote churn@3 --reason because prod": ["production"],
        "promote churn@3 --expect 2 prod": ["production"],
    }.items():
        assert answers(f"registry {line}", stocked.root, capfd) == found, line


def test_files_of_a_version(stocked: Registry, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("config.json", "weights/a.bin", "weights/b.bin", "two words"):
        (tmp_path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "m" / name).write_text(name)
    stocked.register("risk/heart", [tmp_path / "m"], stage="staging")
    stocked.register("risk/heart", [tmp_path / "model.bin"])
    members = ["config.json", "weights/a.bin", "weights/b.bin"]
    for line, found in {
        "path risk/heart@2 ": members,
        "path risk/heart:v2 wei": members[1:],
        "cat risk/heart@staging ": members,
        "cat risk/heart@latest ": ["model.bin"],
        "cat risk/heart ": ["model.bin"],
        "cat risk/heart@2 --only conf": ["config.json"],
        "fetch risk/heart@2 --only ": members,
        "fetch risk/heart@2 --exclude weights/a": ["weights/a.bin"],
        "path risk/heart@9 ": [],
        "path risk/heart@nothing ": [],
        "path risk/heart@.* ": [],
        "path nothing@1 ": [],
    }.items():
        assert answers(f"registry {line}", stocked.root, capfd) == found, line


@pytest.mark.parametrize(
    "line", ["", "registry", "registry show x@", "registry nonsense ", "registry -C", "registry show 'a"]
)
def test_no_line_makes_it_fail(line: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert isinstance(answers(line, tmp_path / "nowhere", capfd), list)
