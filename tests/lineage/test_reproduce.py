"""Made again: the commands are run for real, in a clone, and what does not hold is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from registry_cli.lineage import reproducibility
from tests.commands import COMMAND, assert_refused
from tests.commands import environment as variables
from tests.lineage.conftest import Lab

TRAIN = """
import pathlib, sys
pathlib.Path(sys.argv[1]).write_text(pathlib.Path("train.csv").read_text() * int(sys.argv[2]))
"""


@pytest.fixture
def made(lab: Lab) -> Lab:
    """churn@1: made by a script with a change that was not committed, in a folder of a repository with a remote."""
    lab.repo.write("work/train.csv", "a,b\n")
    lab.repo.write("train.py", "import sys; sys.exit('not this one')\n")
    lab.repo.commit("broken")
    lab.repo.write("train.py", TRAIN)
    lab.repo.git("remote", "add", "origin", str(lab.repo.folder))
    lab.model.write_text("a,b\n" * 3)
    lab.reg.register("base", [lab.model])
    lab.register(
        "--command", "python3 ../train.py 'the model' 3", "--data", "train.csv", "--parent", "base", folder="work"
    )
    return lab


def test_the_script_makes_it_again(made: Lab, tmp_path: Path) -> None:
    script = made.run("reproduce", "churn").out
    assert subprocess.run(["sh", "-n"], input=script.encode(), check=False).returncode == 0
    shim = tmp_path / "bin/registry"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {COMMAND[0]} -m registry_cli "$@"\n')
    shim.chmod(0o755)
    place = tmp_path / "again"
    place.mkdir()
    env = variables(PATH=f"{shim.parent}:{Path(sys.executable).parent}:/usr/bin:/bin")
    done = subprocess.run(["sh"], input=script.encode(), cwd=place, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode() + script
    again = place / "churn-1/code/work/the model"
    assert again.read_text() == "a,b\n" * 3
    assert made.run("find", again, "-q").lines == ["base@1", "churn@1"]
    made.repo.write("work/train.csv", "other\n")
    made.repo.commit("other data")


def test_parents_have_the_names_that_they_have_now(made: Lab) -> None:
    made.reg.admin.rename("base", "ground")
    made.model.write_text("another")
    other = made.reg.register("base", [made.model], reuse_name=True)
    assert other.number == 1
    script = made.run("reproduce", "churn@1").out
    assert "path ground@1\n" in script
    assert "path base@1" not in script
    shutil.rmtree(made.reg.root / "models" / "ground")
    script = made.run("reproduce", "churn@1").out
    assert " path " not in script
    assert "# unknown: it was derived from base@1: base is now another model" in script


def test_a_list_of_packages_becomes_an_environment(made: Lab) -> None:
    made.register("--environment", made.repo.write("requirements.txt", "numpy==2.1.0\n"), "--lineage", "environment")
    script = made.run("reproduce", "churn@2").out
    assert '-m venv "$here"/venv' in script
    assert "lineage churn@2 --environment >" in script
    for name, words in (
        ("uv.lock", "uv sync --frozen"),
        ("conda-lock.yml", "conda-lock install"),
        ("poetry.lock", "poetry install"),
    ):
        made.register("--environment", made.repo.write(name, "x"))
        assert words in made.run("reproduce", "churn").out


def test_what_is_not_known_is_said(lab: Lab) -> None:
    lab.register("--no-lineage")
    script = lab.run("reproduce", "churn@1").out
    assert subprocess.run(["sh", "-n"], input=script.encode(), check=False).returncode == 0
    for words in ("# unknown: the commit of the code", "# Python unknown", "# unknown: the command that produced it"):
        assert words in script
    answer = lab.run("reproduce", "churn@1", "--check")
    assert answer.code == 5
    assert "churn@1 has no recorded lineage to check" in answer.err
    assert {line.split("\t")[1] for line in answer.lines} == {"unknown"}


def test_secrets_have_to_be_put_in(lab: Lab) -> None:
    lab.register("--command", "python train.py --token=abc")
    script = lab.run("reproduce", "churn@1").out
    assert "# python train.py --token=***" in script
    assert "\npython train.py" not in script


EVIL = "x'; touch /tmp/evil; '\n$(touch evil)`touch evil`\ntouch evil #"


def test_nothing_of_a_lineage_gets_out_of_its_quotes(lab: Lab, tmp_path: Path) -> None:
    """All fields are evil; the command, which is one, is left out."""
    lineage: dict[str, Any] = {
        "git": {"remote": EVIL, "commit": "a" * 40, "branch": EVIL, "unknown": EVIL, "untracked": EVIL, "dirty": True},
        "run": {"folder": EVIL, "host": EVIL, "register": EVIL, "variables": {"PYTHONHASHSEED": EVIL, EVIL: EVIL}},
        "environment": {"python": EVIL, "platform": EVIL, "unknown": EVIL, "file": EVIL, "gpu": [EVIL], "driver": EVIL},
        "data": [{"path": EVIL, "digest": f"sha256:{'a' * 64}"}, {"path": f"{EVIL}/", "digest": f"sha256:{'a' * 64}"},
                 {"uri": EVIL, "digest": EVIL}, {"path": EVIL, "digest": f"md5:{'a' * 32}"}],
        "parents": [EVIL, "churn@1"],
    }  # fmt: skip
    listed = lab.repo.write("requirements.txt", "x==1\n")
    lab.reg.register("churn", [lab.model], lineage={"environment": listed, "extra": lineage})
    script = reproducibility.format_script(lab.reg.lineage.reproduce("churn@1"))
    place = tmp_path / "run"
    place.mkdir()
    for name in ("git", "registry", "python3", "python", "sha256sum", "md5sum", "cd"):
        program = place / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o755)
    careless = script.replace("set -eu", "")
    env = {"PATH": f"{place / 'bin'}:/usr/bin:/bin"}
    subprocess.run(["sh"], input=careless.encode(), cwd=place, env=env, capture_output=True, check=False, timeout=30)
    assert not list(tmp_path.rglob("evil"))
    assert not Path("/tmp/evil").exists()


def _outcomes(lab: Lab, *words: object, **options: Any) -> dict[str, str]:
    answer = lab.run("reproduce", "churn@1", "--check", "--json", *words, **options)
    return {each["condition"]: each["outcome"] for each in answer.json["items"]}


def test_what_holds_here(made: Lab, tmp_path: Path) -> None:
    python = {"python": "unknown", "packages": "unknown"}
    rest = {
        "commit": "holds",
        "changes": "holds",
        "data train.csv": "holds",
        "command": "holds",
        "parent base@1": "holds",
    }
    assert _outcomes(made) == {**rest, **python}, "from anywhere in the repository"
    answer = made.run("reproduce", "churn@1", "--check", folder="work")
    assert (answer.code, answer.err) == (0, "")
    made.repo.write("work/train.csv", "other\n")
    assert _outcomes(made)["data train.csv"] == "differs"
    (made.repo.folder / "work/train.csv").unlink()
    answer = made.run("reproduce", "churn@1", "--check", "-q")
    assert (answer.code, answer.lines) == (5, ["data train.csv"])
    made.reg.archive(["base@1"])
    made.reg.delete(["base@1"], force=True, reason="room")
    assert _outcomes(made)["parent base@1"] == "differs"
    elsewhere = made.run("reproduce", "churn@1", "--check", "-q", env={"PATH": "/nonexistent"})
    assert "commit" in elsewhere.lines
    assert_refused(made.run("reproduce", "churn@1", "--python", "x"), 2)
    assert_refused(made.run("reproduce", "churn@9", "--check"), 3)


def test_environments_are_compared(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    (site / "numpy-2.1.0.dist-info").mkdir()
    lab.register("--python", folder)
    assert _outcomes(lab)["packages"] == "differs", "no environment is active"
    assert _outcomes(lab, "--python", folder)["packages"] == "holds"
    assert _outcomes(lab, env={"VIRTUAL_ENV": str(folder)})["python"] == "holds"
    (site / "numpy-2.1.0.dist-info").rename(site / "numpy-2.2.0.dist-info")
    answer = lab.run("reproduce", "churn@1", "--check", "--python", folder)
    assert answer.code == 5
    assert "1 differ: numpy 2.1.0 is 2.2.0" in answer.out


def test_a_diff_tells_the_commits_and_the_packages(lab: Lab) -> None:
    first = lab.repo.write("requirements.txt", "numpy==1.0\nold==1\n")
    lab.register("--environment", first)
    lab.repo.write("train.py", "print(2)\n")
    lab.repo.commit("a better way \x1b[31m")
    lab.repo.write("train.py", "print(3)\n")
    lab.repo.commit("an even better one")
    first.write_text("numpy==2.0\nnew==1\n")
    lab.register("--environment", first)
    found = lab.run("diff", "churn@1", "churn@2", "--json").json
    assert [(each["change"], each["after"]) for each in found["commits"]] == [
        ("added", "an even better one"), ("added", "a better way \x1b[31m"),
    ]  # fmt: skip
    assert [(each["name"], each["before"], each["after"]) for each in found["packages"]] == [
        ("new", None, "1"), ("numpy", "1.0", "2.0"), ("old", "1", None),
    ]  # fmt: skip
    back = lab.run("diff", "churn@2", "churn@1", "--json").json
    assert {each["change"] for each in back["commits"]} == {"removed"}
    (lab.root / "elsewhere").mkdir()
    away = lab.run("diff", "churn@1", "churn@2", "--json", folder="../elsewhere").json
    assert (away["commits"], away["packages"]) == ([], found["packages"])
    assert "run.started" not in {each["name"] for each in found["lineage"]}
    lab.register("--environment", first)
    assert lab.run("diff", "churn@2", "churn@3", "--exit-code").code == 0
