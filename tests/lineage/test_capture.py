"""What a registration keeps of where a version comes from: from a shell, from a script, part by part, and never a secret."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import InvalidInput, NotFound, Registry
from registry_cli.lineage import capture
from registry_cli.lineage.process_info import PARTS
from tests.commands import COMMAND, spawn
from tests.commands import environment as variables
from tests.lineage.conftest import Lab


def test_from_a_shell(lab: Lab) -> None:
    lab.repo.write("train.py", "print(2)\n")
    answer = lab.register(
        "--command", "python train.py --token=abc | tee log", "-p", "api_key=abc", folder="lib",
        env={"CUDA_VISIBLE_DEVICES": "0,1", "HF_TOKEN": "abc", "SLURM_JOB_ID": "12", "PYTHONHASHSEED": ""},
    )  # fmt: skip
    assert answer.err == ("warning: params.api_key: a secret was replaced by '***'\nregistered churn@1: 1 file, 7 B\n")
    found: dict[str, Any] = lab.document()
    assert found["git"]["commit"] == lab.repo.head
    assert found["run"]["command"] == "python train.py --token=*** | tee log"
    assert found["run"]["folder"] == "lib"
    assert found["run"]["variables"] == {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_JOB_ID": "12"}
    assert found["run"]["host"] == os.uname().nodename
    assert "api_key=***" in found["run"]["register"]
    assert found["environment"]["platform"].startswith("Linux ")
    patch = lab.reg.lineage.sidecar("churn@1", "changes.patch")
    assert found["git"]["patch"] == f"sha256:{hashlib.sha256(patch).hexdigest()}"
    assert b"abc" not in (lab.reg.root / "models/churn/versions/1/version.yaml").read_bytes()
    for name in ("changes.patch", "version.yaml"):
        assert (lab.reg.root / "models/churn/versions/1" / name).stat().st_mode & 0o777 == 0o444
    assert lab.reg.admin.verify().problems == ()


SCRIPT = """
import sys
from registry_cli import Registry
version = Registry.open(sys.argv[1]).register("churn", [sys.argv[2]])
print(version.ref)
"""


def test_from_a_script(lab: Lab) -> None:
    """Even when it is called from somewhere else."""
    path = lab.repo.write("jobs/train.py", SCRIPT)
    commit = lab.repo.commit("jobs")
    words = [str(lab.reg.root), str(lab.model), "--password", "hunter2"]
    answer = spawn(*words, command=(sys.executable, str(path)), cwd=lab.root, env=variables(PYTHONHASHSEED="3"))
    assert answer.code == 0, answer
    found: dict[str, Any] = lab.document()
    assert found["git"]["commit"] == commit
    run = found["run"]
    assert run["command"] == f"{Path(sys.executable).name} {path} {lab.reg.root} {lab.model} --password '***'"
    assert (run["folder"], run["variables"]) == (str(lab.root), {"PYTHONHASHSEED": "3"})
    assert run["started"] <= lab.reg.version("churn@1").created
    assert found["environment"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert b"pytest==" in lab.reg.lineage.sidecar("churn@1", "environment.txt"), (
        "its own modules, for it is the one that trains"
    )


def test_a_registry_that_knows_no_program_keeps_nothing(reg: Registry, make_file: Callable[..., Path]) -> None:
    reg.register("churn", [make_file()])
    assert reg.version("churn@1").lineage.keys() == {"scan"}
    with pytest.raises(InvalidInput, match="lineage=True"):
        reg.register("churn", [make_file()], lineage={"capture": ["git"]})
    reg.register("churn", [make_file()], lineage={"command": "make model", "capture": []})
    assert reg.version("churn@2").lineage.keys() == {"run", "scan"}
    assert reg.version("churn@2").lineage["run"] == {"command": "make model"}


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (("--no-lineage",), set()),
        (("--lineage", "none"), set()),
        (("--lineage", "git"), {"git"}),
        (("--lineage", "run, environment"), {"run", "environment"}),
    ],
)
def test_each_part_can_be_left_out(words: tuple[str, ...], kept: set[str], lab: Lab) -> None:
    lab.repo.write("train.py", "print(2)\n")
    lab.register(*words)
    found: dict[str, Any] = lab.document()
    assert found.keys() == kept
    if "git" in kept:
        assert found["git"]["patch_kept"] is False, "the changes are a part of their own"
    assert not (lab.reg.root / "models/churn/versions/1/changes.patch").exists()


def test_a_registry_says_what_is_captured(lab: Lab) -> None:
    config = lab.reg.root / "registry.yaml"
    before = config.read_text()
    config.write_text(f"{before}lineage: [git, patch]\n")
    lab.register()
    assert lab.document().keys() == {"git"}
    lab.register("--lineage", "run")
    assert lab.document(2).keys() == {"run"}
    config.write_text(f"{before}lineage: []\n")
    lab.register()
    assert lab.document(3) == {}
    for line, words in (
        ("lineage: [gti]", "unknown lineage part 'gti'"),
        ("lineage: {git: true}", "must be a list"),
        ("linage: []", "did you mean 'lineage'"),
    ):
        config.write_text(f"{before}{line}\n")
        answer = lab.run("register", "churn", lab.model)
        assert answer.code == 2
        assert words in answer.err
    config.write_text(before)
    assert lab.run("register", "churn", lab.model, "--lineage", "gti").code == 2
    assert lab.run("register", "churn", lab.model, "--lineage", "git", "--no-lineage").code == 2


def test_parts() -> None:
    assert capture.resolve_parts(None) == PARTS
    assert capture.resolve_parts(["run", "git"]) == ("git", "run")
    assert capture.resolve_parts(None, False) == ()


def test_parents_are_kept_by_number(lab: Lab) -> None:
    lab.register("--no-lineage")
    lab.reg.register("risk/base", [lab.model])
    lab.reg.promote("churn@1", "production")
    digest = lab.reg.version("risk/base@1").digest
    lab.register("--parent", "churn@production", "--parent", f"risk/base@sha256:{digest[:12]}", "--no-lineage")
    identities = {f"{name}@1": lab.reg.model(name).id for name in ("churn", "risk/base")}
    assert lab.document(2) == {"parents": ["churn@1", "risk/base@1"], "parent_models": identities}
    for wrong, code in (("churn@9", 3), ("other", 3), ("Churn", 2)):
        assert lab.run("register", "churn", lab.model, "--parent", wrong).code == code
    one = lab.reg.register("churn", [lab.model], lineage={"parents": "churn@1"})
    assert one.lineage["parents"] == ["churn@1"], "one text is one parent"
    with pytest.raises(NotFound):
        lab.reg.register("new", [lab.model], lineage={"parents": ["new@1"]})
    assert lab.reg.admin.model_names() == ["churn", "risk/base"], "nothing was made"


def test_what_was_given_stands_above_what_is_found(lab: Lab) -> None:
    given = {"git": {"branch": "release"}, "environment": "a container", "format": "onnx"}
    lab.told().register("churn", [lab.model], lineage={"extra": given})
    found: dict[str, Any] = lab.document()
    assert (found["git"]["branch"], found["git"]["commit"]) == ("release", lab.repo.head)
    assert (found["environment"], found["format"]) == ("a container", "onnx")
    for part, key in (("environment", "digest"), ("git", "patch")):
        with pytest.raises(InvalidInput, match="not a file yet"):
            lab.reg.register("churn", [lab.model], lineage={"extra": {part: {key: f"sha256:{'a' * 64}"}}})
    assert lab.reg.admin.verify().problems == ()


def test_a_git_that_hangs_is_one_warning_and_no_failure(lab: Lab, tmp_path: Path) -> None:
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    start = time.monotonic()
    answer = lab.register(env={"PATH": f"{program.parent}:/usr/bin:/bin"})
    assert time.monotonic() - start < 6
    assert answer.err.splitlines()[0] == "warning: lineage: git did not answer within 1.5 seconds"
    quiet = lab.register("--json", env={"PATH": f"{program.parent}:/usr/bin:/bin"})
    assert quiet.json["warnings"] == ["lineage: git did not answer within 1.5 seconds"]
    found: dict[str, Any] = lab.document()
    assert found["git"]["commit"] == lab.repo.head


def test_odd_texts_can_be_stored(lab: Lab) -> None:
    folder = lab.repo.folder / os.fsdecode(b"f\xff\x1b[31m")
    folder.mkdir()
    data = folder / "train.csv"
    data.write_text("x")
    command = [*COMMAND, "-C", str(lab.reg.root), "register", "churn", str(lab.model), "--data", "train.csv"]
    answer = spawn("--command", b"a \xff\x07\nb".decode("utf-8", "surrogateescape"), command=command, cwd=folder)
    assert answer.code == 0, answer
    found: dict[str, Any] = lab.document()
    assert found["run"]["command"] == "a \\xff\\x07\nb"
    assert found["run"]["folder"] == "f\\xff\\x1b[31m"
    assert lab.run("lineage", "churn@1").code == 0
    assert lab.run("reproduce", "churn@1").code == 0


def test_a_folder_that_is_gone(lab: Lab, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'cd "{gone}" && rmdir "{gone}" && exec "$@"'
    words = ("-C", lab.reg.root, "register", "churn", lab.model)
    answer = spawn(*words, command=("sh", "-c", script, "sh", *COMMAND))
    assert answer.code == 0, answer


def test_it_can_be_searched_for(lab: Lab) -> None:
    lab.register()
    lab.repo.write("train.py", "print(2)\n")
    lab.register("--environment", lab.repo.write("requirements.txt", "numpy==2.1.0\n"))
    for query, found in (
        (f"lineage.git.commit = '{lab.repo.head}'", ["churn@2", "churn@1"]),
        ("lineage.git.dirty = true", ["churn@2"]),
        ("lineage.environment.packages = 1", ["churn@2"]),
        ("lineage.run.host exists and lineage.environment.unknown exists", ["churn@1"]),
    ):
        for more in ((), ("--no-index",)):
            assert lab.run("search", query, "-q", *more).lines == found, query


@pytest.mark.parametrize("name", ["environment.txt", "changes.patch"])
def test_what_is_beside_a_version_is_checked(name: str, lab: Lab) -> None:
    lab.repo.write("train.py", "print(2)\n")
    lab.register("--environment", lab.repo.write("requirements.txt", "numpy==2.1.0\n"))
    folder = lab.reg.root / "models/churn/versions/1"
    path, twin = folder / name, lab.root / "twin"
    shutil.copytree(lab.reg.root, twin)
    option = "--environment" if name == "environment.txt" else "--patch"

    def codes(*, quick: bool = False) -> list[tuple[str, str]]:
        return [(each.code, each.where) for each in lab.reg.admin.verify(quick=quick).problems]

    folder.chmod(0o755)
    good = path.read_bytes()
    path.chmod(0o644)
    assert ("mode", "churn@1") in codes()
    path.write_bytes(b"x" + good[1:])
    path.chmod(0o444)
    folder.chmod(0o555)
    assert codes() == [("changed-file", "churn@1")]
    assert codes(quick=True) == []
    assert lab.run("lineage", "churn@1", option).code == 6
    folder.chmod(0o755)
    path.unlink()
    folder.chmod(0o555)
    assert codes() == [("missing-file", "churn@1")]
    assert lab.run("lineage", "churn@1", option).code == 6
    folder.chmod(0o755)
    path.symlink_to(twin / "models/churn/versions/1" / name)
    folder.chmod(0o555)
    assert codes() == [("changed-file", "churn@1")]
    assert lab.run("lineage", "churn@1", option).code == 6
    folder.chmod(0o755)
    path.unlink()
    path.write_bytes(good)
    path.chmod(0o444)
    (folder / "environment.txt~").write_text("")
    folder.chmod(0o555)
    assert codes() == [("extra-file", "churn@1")]


def test_a_version_without_has_none_and_may_not(lab: Lab) -> None:
    lab.register("--no-lineage")
    folder = lab.reg.root / "models/churn/versions/1"
    folder.chmod(0o755)
    (folder / "environment.txt").write_text("numpy==1\n")
    folder.chmod(0o555)
    assert {(each.code, each.severity) for each in lab.reg.admin.verify().problems if each.code != "mode"} == {
        ("extra-file", "error")
    }
    assert lab.run("lineage", "churn@1", "--environment").code == 3


def test_they_are_not_fetched_and_go_with_the_version(lab: Lab) -> None:
    lab.repo.write("train.py", "print(2)\n")
    lab.register("--environment", lab.repo.write("requirements.txt", "numpy==2.1.0\n"))
    assert lab.run("fetch", "churn@1", "-o", lab.root / "out").code == 0
    assert [path.name for path in (lab.root / "out").iterdir()] == ["model.pkl"]
    lab.reg.archive(["churn@1"])
    lab.reg.delete(["churn@1"])
    assert not (lab.reg.root / "models/churn/versions/1").exists()
    assert not list(lab.reg.root.rglob("changes.patch"))
    assert lab.reg.admin.verify().problems == ()


def test_it_is_instant(lab: Lab) -> None:
    """No figure of a benchmark: only that nothing slow has crept in."""
    origin = capture.LineageCapture(
        capture.UserLineage(), lab.repo.caller(VIRTUAL_ENV=str(Path(sys.prefix))), PARTS, "alice"
    )
    origin.capture()
    times = []
    for _ in range(5):
        start = time.monotonic()
        origin.capture()
        times.append(time.monotonic() - start)
    assert min(times) < 0.1


def test_a_lineage_that_is_given_is_stored_without_secrets(lab: Lab) -> None:
    password = "s3cr" + "etpw9X"
    given = {"source": {"url": f"https://u:{password}@h/x", "token": password, "rows": 7}}
    for _ in range(2):  # the same again is the same version
        made = lab.reg.register("churn", [lab.model], lineage={"extra": given}, if_changed=True)
        assert made.lineage["source"] == {"url": "https://h/x", "token": "***", "rows": 7}
    assert made.not_stored == ()
