"""Where else deployments show: rollback --sync, lineage, info, the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Damaged, Registry
from tests.commands import run
from tests.serving.conftest import Change

Add = Callable[..., str]


@pytest.fixture
def deployed(reg: Registry, targets: Change, add: Add) -> Path:
    """churn@2 is in production and on eu, which follows it; us has churn@1 and follows nothing."""
    folder = targets(eu={"layout": "plain", "follows": "production"}, us={"layout": "plain"})
    for _ in range(2):
        reg.promote(add(), "production")
    reg.deployments.deploy("churn@2", "eu")
    reg.deployments.deploy("churn@1", "us")
    return folder


def test_rollback_with_sync(reg: Registry, deployed: Path) -> None:
    answer = run("rollback", "churn", "production", "--sync", root=reg.root)
    assert (answer.code, answer.out) == (0, "churn@1\n")
    assert "eu has churn@1 now (was churn@2), placed" in answer.err
    assert (deployed / "churn/current").readlink() == Path("releases/1")
    (deployed / "churn/releases/2").rename(deployed / "aside")
    (deployed / "churn/releases/2").mkdir()
    answer = run("rollback", "churn", "production", "--to", "2", "--again", "--sync", root=reg.root)
    assert (answer.code, answer.out) == (4, "churn@2\n")
    assert "was not made by the registry" in answer.err
    assert run("rollback", "churn", "production", "--list", "--sync", root=reg.root).code == 2


@pytest.mark.usefixtures("deployed")
def test_lineage_names_the_targets(reg: Registry) -> None:
    assert reg.lineage("churn@2").deployments == ("eu",)
    assert "target\tchurn@2\teu\t" in run("lineage", "churn@2", root=reg.root).lines
    assert json.loads(run("lineage", "churn@1", "--json", root=reg.root).out)["deployments"] == ["us"]


@pytest.mark.usefixtures("deployed")
def test_info_counts_them(reg: Registry) -> None:
    answer = run("info", root=reg.root)
    assert answer.lines[-2:] == ["deployments\t2", "unhealthy_deployments\t0"]
    reg.promote("churn@1", "production")
    reg.deployments(check=True)
    assert (reg.admin.info().deployments, reg.admin.info().unhealthy_deployments) == (2, 1)
    reg.deployments.sync()
    assert reg.admin.info().unhealthy_deployments == 0


def test_info_without_deployments_is_as_before(reg: Registry) -> None:
    assert run("info", root=reg.root).lines[-1] == "problems\t0"


@pytest.mark.usefixtures("deployed")
def test_the_report_shows_them(reg: Registry, tmp_path: Path) -> None:
    reg.promote("churn@1", "production")
    reg.monitoring.report(tmp_path / "site")
    pages = {path.name: path.read_text() for path in (tmp_path / "site").rglob("*.html")}
    assert len(pages) == 2
    for text in pages.values():
        assert "<h2>Deployments</h2>" in text
        assert "production: 1" in text
        assert ">behind<" in text
    (reg.root / "targets.yaml").write_text("targets: [")
    assert "<h2>Deployments</h2>" not in _single(reg, tmp_path)


def _single(reg: Registry, folder: Path) -> str:
    reg.monitoring.report(folder / "page.html")
    return (folder / "page.html").read_text()


@pytest.mark.usefixtures("deployed")
def test_the_index_answers_as_the_files_do(reg: Registry, tmp_path: Path) -> None:
    indexed = Registry(reg.root, cache=tmp_path / "cache")
    for _ in range(2):
        assert indexed.deployments() == reg.deployments() != []
        assert indexed.deployments(target="us") == reg.deployments(target="us")
        reg.promote("churn@1", "production")
        reg.deployments.sync()
    path = reg.root / "models/churn/deployments.yaml"
    content = path.read_bytes()
    path.unlink()
    path.write_text("format: 1\n")
    with pytest.raises(Damaged):
        indexed.deployments()
    path.write_bytes(content)
    assert indexed.deployments() == reg.deployments()
