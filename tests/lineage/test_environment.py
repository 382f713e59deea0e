"""Which packages there are: in real environments, in lists of every kind, and what is said when nobody knows."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli import InvalidInput, NotFound
from registry_cli.lineage import environment
from registry_cli.lineage.process_info import Caller
from tests.lineage.conftest import Lab


def test_packages_of_a_requirements_file() -> None:
    text = """
# numpy==0.1
numpy==1.26.4
Scikit_Learn[extra] == 1.5.0  # pinned
torch===2.3.0+cu121 ; python_version == "3.11"
pandas==2.2.0 \\
    --hash=sha256:abc==
-r other==1
tool @ file:///x==1
loose>=1
wild==1.*,<2
"""
    assert environment.parse_requirements(text) == {
        "numpy": "1.26.4", "scikit-learn": "1.5.0", "torch": "2.3.0+cu121", "pandas": "2.2.0", "wild": "1.*",
        "tool": "file:///x==1",
    }  # fmt: skip
    assert environment.parse_requirements("a" + " " * 900_000 + "\nb==1") == {"b": "1"}, "in a moment"
    assert environment.parse_requirements(" " * 900_000 + "==" + " " * 10 + "\0") == {}


@given(st.text())
def test_any_text_may_be_an_environment_file(text: str) -> None:
    assert all(name and value for name, value in environment.parse_requirements(text).items())


@pytest.mark.parametrize(
    "text",
    [
        '[[package]]\nname = "numpy"\nversion = "2.1.0"\nsource = { registry = "x" }\n\n[[package]]\nname = "Py_Yaml"\nversion = "6"\n',
        "package:\n  - name: numpy\n    version: 2.1.0\n    manager: conda\n  - name: py.yaml\n    version: '6'\n",
        "# packages in environment\nnumpy=2.1.0=py311h1\npy-yaml=6=h2\n",
        "# conda numpy=2.1.0=py311h1\npy-yaml==6\n",
    ],
    ids=["uv and poetry", "conda-lock", "conda list --export", "ours"],
)
def test_lists_of_every_kind(text: str) -> None:
    assert environment.parse_packages(text) == {"numpy": "2.1.0", "py-yaml": "6"}


@pytest.mark.parametrize("part", ["\n", " ", "- ", "name:", "#", "a=", "a==b", "\t\n", 'name = "'])
def test_no_list_takes_long(part: str) -> None:
    start = time.process_time()
    environment.parse_packages(part * 200_000)
    assert time.process_time() - start < 5


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small environment with packages of every kind: from an index, from git, from a folder, an old one, odd names."""
    folder = tmp_path_factory.mktemp("env") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    for name in ("numpy-2.1.0", "torch-2.3.0+cu121", "tool-1.0", "here-0.1", "evil\n-1.0", "no version", "-1"):
        (site / f"{name}.dist-info").mkdir()
    origin = {"url": "https://me:pw@example.org/tool.git", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}}
    (site / "tool-1.0.dist-info/direct_url.json").write_text(json.dumps(origin))
    (site / "here-0.1.dist-info/direct_url.json").write_text('{"url": "file:///home/me/here"}')
    (site / "old.egg-info").mkdir()
    (site / "old.egg-info/PKG-INFO").write_text("Name: old\nVersion: 3.0\n")
    (site / "older-2.0-py3.9.egg-info").write_text("")
    return folder


LINES = [
    "# here==0.1  # from file:///home/me/here", "numpy==2.1.0", "old==3.0", "older==2.0",
    "tool @ git+https://example.org/tool.git@" + "a" * 40, "torch==2.3.0+cu121",
]  # fmt: skip
PYTHON = ".".join(map(str, sys.version_info[:3]))


def test_an_environment_is_read_without_its_python(venv: Path) -> None:
    found = environment.inspect_folder(str(venv))
    assert (found.python, found.lines, found.why) == (PYTHON, LINES, "")
    for path in (venv, venv / "bin/python"):
        assert (
            environment.find_environment(None, str(path)) == found
            or environment.find_environment(None, str(path)).lines == LINES
        )


def test_a_python_outside_of_an_environment_is_asked() -> None:
    base = Path(sys.base_prefix, "bin", f"python3.{sys.version_info[1]}")
    found = environment.find_environment(None, str(base))
    assert found.python == PYTHON
    assert any(line.startswith("pip==") for line in found.lines)


def test_what_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\necho 3.11\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(InvalidInput):
        environment.find_environment(None, str(tmp_path / "python"))
    for name in ("nothing", "."):
        with pytest.raises(NotFound):
            environment.find_environment(None, str(tmp_path / name))


def test_a_null_byte_in_the_configuration_of_an_environment(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("version = 3.11.4\ninclude-system-site-packages = true\nhome = a\0b/bin\n")
    found = environment.inspect_folder(str(tmp_path))
    assert (found.python, found.lines, found.why) == ("3.11.4", [], "")


def test_an_environment_of_conda(tmp_path: Path) -> None:
    for name in ("python-3.11.4-h1_0_cpython", "numpy-1.26.0-py311h2_0", "history"):
        (tmp_path / "conda-meta").mkdir(exist_ok=True)
        (tmp_path / "conda-meta" / f"{name}.json").write_text("{}")
    (tmp_path / "lib/python3.11/site-packages/rich-13.0.dist-info").mkdir(parents=True)
    found = environment.inspect_folder(str(tmp_path))
    assert found.python == "3.11.4"
    assert found.lines == ["# conda numpy=1.26.0=py311h2_0", "# conda python=3.11.4=h1_0_cpython", "rich==13.0"]


def test_who_is_meant(venv: Path, tmp_path: Path) -> None:
    def of(**variables: str) -> environment.Environment:
        return environment.find_environment(Caller(str(tmp_path), variables))

    assert of(VIRTUAL_ENV=str(venv), CONDA_PREFIX="/nonexistent").lines == LINES
    assert of().why == environment.UNKNOWN
    assert of(VIRTUAL_ENV="/nonexistent").why == "$VIRTUAL_ENV: no environment in /nonexistent"
    own = environment.find_environment(Caller("", {"VIRTUAL_ENV": str(venv)}, python="3.12.1", modules=[]))
    assert (own.python, own.lines) == ("3.12.1", []), "a program that tells of itself is believed"


def test_cards(tmp_path: Path) -> None:
    assert environment.describe_gpus(str(tmp_path)) == {}
    for bus, name in (("0000:01:00.0", "NVIDIA A100-SXM4-40GB"), ("0000:02:00.0", "NVIDIA H100")):
        (tmp_path / "gpus" / bus).mkdir(parents=True)
        (tmp_path / "gpus" / bus / "information").write_text(f"Model: \t\t {name}\nIRQ:   \t\t 1\n")
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug\nGCC version: 12\n"
    )
    assert environment.describe_gpus(str(tmp_path)) == {
        "gpu": ["NVIDIA A100-SXM4-40GB", "NVIDIA H100"], "driver": "535.104.05"
    }  # fmt: skip


def test_the_command_never_takes_its_own_packages_for_the_models(lab: Lab, venv: Path) -> None:
    lab.register()
    assert lab.document()["environment"].keys() == {"platform", "unknown"}  # type: ignore[attr-defined]
    lab.register("--if-changed", env={"VIRTUAL_ENV": str(venv)})
    lab.register(env={"VIRTUAL_ENV": str(venv)})
    found = lab.document(2)["environment"]
    assert isinstance(found, dict)
    assert (found["python"], found["packages"]) == (PYTHON, len(LINES))
    kept = lab.run("lineage", "churn@2", "--environment")
    assert (kept.code, kept.out.splitlines(), kept.err) == (0, LINES, "")
    lab.register("--python", venv / "bin/python")
    assert lab.document(3)["environment"] == found
    assert lab.reg.admin.verify().problems == ()


def test_a_given_list_is_kept_as_it_is(lab: Lab, tmp_path: Path) -> None:
    lock = tmp_path / "uv.lock"
    lock.write_bytes(b'[[package]]\r\nname = "numpy"\nversion = "2.1.0"\n\xff\n')
    lab.register("--environment", lock, "--no-lineage")
    found = lab.document()["environment"]
    assert isinstance(found, dict)
    assert (found["file"], "platform" in found) == ("uv.lock", False)
    assert lab.reg.lineage.sidecar("churn@1", "environment.txt") == lock.read_bytes()
    for wrong, code in (("/nonexistent", 3), (tmp_path, 2), ("/dev/null", 2)):
        assert lab.run("register", "churn", lab.model, "--environment", wrong).code == code
    assert lab.reg.admin.verify().problems == ()


def test_what_came_from_files_of_this_machine_is_a_remark(tmp_path: Path) -> None:
    """An index may have another package of that name, by anybody; our own package is no part of a model's environment."""
    site = tmp_path / "site-packages"
    origins = {
        "registry_cli-0.1.0": {"url": "file:///home/me/registry", "dir_info": {"editable": True}},
        "mine-1.0": {"url": "file:///home/me/mine", "dir_info": {"editable": True}},
        "wheel-1.0": {"url": "file:///home/me/wheel-1.0.whl", "archive_info": {}},
        "far-1.0": {"url": "https://me:pw@example.org/far-1.0.whl", "archive_info": {}},
        "vcs-1.0": {"url": "https://me:pw@example.org/vcs.git", "vcs_info": {"vcs": "git", "commit_id": "b" * 40}},
    }
    for name, origin in origins.items():
        (site / f"{name}.dist-info").mkdir(parents=True)
        (site / f"{name}.dist-info/direct_url.json").write_text(json.dumps(origin))
    (site / "numpy-2.0.dist-info").mkdir()
    checkout = tmp_path / "checkout"
    (checkout / "work.egg-info").mkdir(parents=True)
    (checkout / "work.egg-info/PKG-INFO").write_text("Name: work\nVersion: 3.0\n")
    found = environment.list_installed([str(site), str(checkout)])
    assert found == [
        "far @ https://example.org/far-1.0.whl", "# mine==1.0  # editable, from file:///home/me/mine", "numpy==2.0",
        "vcs @ git+https://example.org/vcs.git@" + "b" * 40, "# wheel==1.0  # from file:///home/me/wheel-1.0.whl",
        f"# work==3.0  # from file://{checkout}",
    ]  # fmt: skip


def test_a_list_of_an_earlier_release_is_installed_without_them(lab: Lab, venv: Path, tmp_path: Path) -> None:
    from registry_cli.lineage import reproducibility

    text = "numpy==2.0\nregistry_cli==0.1.0\nmine==1.0  # from file:///home/me/mine\n# wheel==1.0  # from file:///x\n"
    done = subprocess.run(
        f"cat{reproducibility._WITHOUT_LOCAL}", shell=True, input=text, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "numpy==2.0", "# mine==1.0  # from file:///home/me/mine", "# wheel==1.0  # from file:///x",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_environment_file_is_stored_without_secrets(lab: Lab, encoding: str) -> None:
    password = "s3cr" + "etpw9X"
    text = f"--extra-index-url https://u:{password}@h/simple\nnumpy==2.1.0\nx @ git+https://u:{password}@h/r@v1\n"
    version = lab.reg.register(
        "churn", [lab.model], lineage={"environment": lab.repo.write("requirements.txt", text.encode(encoding))}
    )
    kept = lab.reg.lineage.sidecar(version.ref, "environment.txt")
    assert kept == text.replace(f"u:{password}@", "").encode(encoding)
    assert version.lineage["environment"]["digest"] == f"sha256:{hashlib.sha256(kept).hexdigest()}"
    assert lab.reg.admin.verify().ok
    for path in lab.reg.root.rglob("*"):
        assert path.is_dir() or password.encode(encoding)[2:] not in path.read_bytes(), path


def test_an_environment_file_without_secrets_is_stored_as_it_is(lab: Lab) -> None:
    data = b"\xef\xbb\xbfnumpy==2.1.0\r\n# caf\xe9 \x85 \xff\n\x0csecrets==1.0.2"
    version = lab.reg.register("churn", [lab.model], lineage={"environment": lab.repo.write("requirements.txt", data)})
    assert lab.reg.lineage.sidecar(version.ref, "environment.txt") == data
