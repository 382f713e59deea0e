"""A repository that DVC and GTO have made comes in, compared with what GTO says of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from registry_cli import Registry
from tests.peers.conftest import DATA, Tools
from tests.support import snapshot

pytestmark = pytest.mark.peers


def test_what_gto_says(reg: Registry, tools: Tools, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    tools.run("sh", DATA / "make_dvc.sh", folder)
    before = snapshot(folder)
    done = reg.import_(f"dvc:{folder}", stages=True)
    assert snapshot(folder) == before
    assert [each.status for each in done] == ["imported"] * 7
    said = json.loads(tools.run("gto", "show", "--repo", folder, "--json"))
    for name in ("churn", "folder", "built", "kept"):
        latest = reg.version(name)
        assert latest.tags["gto_version"] == said[name]["version"]
    stages = said["churn"]["stage"]
    assert reg.version("churn@production").tags["gto_version"] in str(stages["prod"])
    assert reg.version("churn@staging").tags["gto_version"] in str(stages["staging"])
    for number in (1, 2, 3):
        version = reg.version(f"churn@{number}")
        tag = version.lineage["imported"]["tag"]
        subprocess.run(["git", "-C", folder, "checkout", "-q", tag], check=True)
        tools.run("dvc", "--cd", folder, "checkout", "-q", "--force")
        assert reg.path(version.ref, "churn.bin").read_bytes() == (folder / "models" / "churn.bin").read_bytes()
