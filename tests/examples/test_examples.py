"""Every file in examples/, run for real."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Registry
from tests.examples.conftest import EXAMPLES, Run, lines
from tests.support import snapshot


def test_every_example_is_told_of_in_the_readme() -> None:
    told = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.iterdir():
        if path.is_file() and path.name != "README.md":
            assert f"`{path.name}`" in told
            assert bool(path.stat().st_mode & stat.S_IXUSR) == (path.suffix == ".sh"), f"the mode of {path.name}"


class TestQuickstart:
    def test_tells_the_whole_story_twice(self, run: Run, tmp_path: Path) -> None:
        pytest.importorskip("sklearn", reason="needs the extra [demo]")
        for _ in range(2):
            done = run("bash", EXAMPLES / "quickstart.sh", "a demo")
            assert done.returncode == 0, done.stderr
        registry = Registry.open(tmp_path / "work" / "a demo" / "models-registry")
        assert registry.admin.verify().problems == ()
        assert dict(registry.model("cancer").stages) == {"staging": 2, "production": 2}
        third, second, first = registry.versions("cancer")
        assert first.metrics["auc"] < second.metrics["auc"] < third.metrics["auc"]
        assert third.params == {"model.depth": 8, "model.trees": 200, "seed": 7}
        actions = [entry.event.action for entry in registry.history("cancer")]
        assert actions == [
            "rolled-back", "promoted", "registered", "promoted", "promoted", "registered", "registered",
        ]  # fmt: skip

        shown = done.stdout
        assert str(registry.path("cancer@3", "model.joblib")) in shown
        assert "patient 1: predicted " in shown
        assert "OK: 1 model, 3 versions, " in done.stderr
        verbs = {line.split()[2] for line in lines(shown, "$ registry")}
        assert verbs == {
            "init", "register", "promote", "versions", "path", "rollback", "history", "list", "verify",
        }  # fmt: skip
        assert [line for line in lines(shown, "$ ") if len(line) > 80] == []

    def test_goes_on_with_a_model_in_operation(self, run: Run, tmp_path: Path) -> None:
        pytest.importorskip("sklearn", reason="needs the extra [demo]")
        assert run("bash", EXAMPLES / "quickstart.sh", "a demo").returncode == 0
        done = run("bash", EXAMPLES / "operate.sh", "a demo")
        assert done.returncode == 0, done.stderr
        assert "exit code 5: an alert" in done.stdout
        assert lines(done.stdout, '{"version"') == ['{"version": 3}', '{"version": 2}']
        folder = tmp_path / "work" / "a demo"
        registry = Registry.open(folder / "models-registry")
        assert registry.admin.verify().problems == ()
        actions = [entry.event.action for entry in registry.history("cancer", limit=6)]
        assert actions == ["deployed", "deploying", "rolled-back", "alerted", "deployed", "deploying"]
        assert (folder / "server/cancer/current").resolve().name == "2"
        assert "clinic" in (folder / "report/index.html").read_text()

    def test_leaves_a_folder_alone_that_is_not_its_own(self, run: Run, tmp_path: Path) -> None:
        mine = tmp_path / "work" / "mine"
        mine.mkdir(parents=True)
        (mine / "thesis.txt").write_text("all of it")
        done = run("bash", EXAMPLES / "quickstart.sh", "mine")
        assert (done.returncode, done.stdout) == (4, "")
        assert (mine / "thesis.txt").read_text() == "all of it"


class TestMakefile:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        pytest.importorskip("sklearn", reason="needs the extra [demo]")
        folder = tmp_path / "a shop"
        folder.mkdir()
        for name in ("Makefile", "train_recommender.py", "gate.py"):
            shutil.copy(EXAMPLES / name, folder)
        return folder

    def test_deploys_and_then_has_nothing_to_do(self, run: Run, folder: Path, reg: Registry) -> None:
        done = run("make", "deploy", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "no recall_at_10 of recommender@production to compare with" in done.stdout
        assert dict(reg.model("recommender").stages) == {"staging": 1, "production": 1}
        version = reg.version("recommender@production")
        assert version.params == {"factors": 12, "seed": 7}
        assert version.metrics["recall_at_10"] >= 0.2

        before = snapshot(reg.root / "models" / "recommender")
        assert run("make", "deploy", cwd=folder).returncode == 0
        assert snapshot(reg.root / "models" / "recommender") == before

        assert run("make", "export", cwd=folder).returncode == 0
        live = reg.path("recommender@production", "model.joblib")
        copied = folder / "build" / "live.joblib"
        assert copied.read_bytes() == live.read_bytes()
        assert copied.stat().st_mode & 0o200, "who is not root could not export again"
        copied.chmod(0o444)
        inode = copied.stat().st_ino
        assert run("make", "export", cwd=folder).returncode == 0
        assert copied.stat().st_ino != inode, "whoever reads it meanwhile has the old one, whole"
        assert copied.read_bytes() == live.read_bytes()

    def test_keeps_a_worse_model_from_going_live(self, run: Run, folder: Path, reg: Registry) -> None:
        assert run("make", "deploy", cwd=folder).returncode == 0
        done = run("make", "deploy", "FACTORS=1", "OUT=worse", cwd=folder)
        assert done.returncode != 0
        assert "FAILED recall_at_10" in done.stdout
        assert dict(reg.model("recommender").stages) == {"staging": 2, "production": 1}

    def test_exports_nothing_while_nothing_is_live(self, run: Run, folder: Path) -> None:
        done = run("make", "export", cwd=folder)
        assert done.returncode != 0
        assert "model 'recommender' not found" in done.stderr
        assert not (folder / "build").exists()


class TestGate:
    @pytest.fixture(autouse=True)
    def versions(self, reg: Registry, make_file: Callable[..., Path]) -> None:
        reg.register("shop", [make_file("one")], metrics={"recall": 0.25})
        reg.register("shop", [make_file("two")], metrics={"recall": 0.5})
        reg.promote("shop@1", "production")

    @pytest.mark.parametrize(
        ("conditions", "code"),
        [
            (["recall>=0.5"], 0),
            (["recall>=5e-1", "recall<=1"], 0),
            (["recall>=0.51"], 1),
            (["recall>=0.51", "recall<=1"], 1),
            (["recall>=shop@production"], 0),
            (["recall<=shop@production"], 1),
            (["recall>=shop@staging"], 0),
            (["recall>=0"], 0),
            (["precision>=0"], 1),
            (["recall"], 1),
        ],
    )
    def test_conditions(self, run: Run, conditions: list[str], code: int) -> None:
        assert run("python", EXAMPLES / "gate.py", "shop@2", *conditions).returncode == code

    def test_tells_each_condition(self, run: Run) -> None:
        done = run("python", EXAMPLES / "gate.py", "shop@2", "recall>=0.9", "recall>=0.1")
        assert done.stdout == "FAILED recall = 0.5 (wanted >= 0.9)\nok     recall = 0.5 (wanted >= 0.1)\n"

    def test_a_version_that_is_not_there(self, run: Run) -> None:
        done = run("python", EXAMPLES / "gate.py", "shop@9", "recall>=0")
        assert (done.returncode, done.stderr) == (1, "error: version shop@9 not found\n")


class TestTrainingWithTheApi:
    def test_stages_what_is_better(self, run: Run, reg: Registry) -> None:
        pytest.importorskip("sklearn", reason="needs the extra [demo]")
        said = []
        for trees in ("1", "20", "5"):
            done = run("python", EXAMPLES / "train_with_api.py", "--trees", trees)
            assert (done.returncode, done.stderr) == (0, "")
            said.append(done.stdout)
        assert "risk/progression@1 is staged" in said[0]
        assert "risk/progression@2 is staged" in said[1]
        assert "staged" not in said[2]
        version = reg.version("risk/progression@staging")
        assert version.number == 2
        assert version.params["trees"] == 20
        assert version.tags == {"specialty": "endocrinology"}
        assert version.annotations["special_considerations"].startswith("not validated for")
        assert reg.history("risk/progression")[1].event.detail["reason"] == "best auc so far"


class TestLineage:
    def test_from_the_data_to_the_commands_that_make_it_again(self, run: Run, reg: Registry) -> None:
        pytest.importorskip("sklearn", reason="needs the extra [demo]")
        done = run("python", EXAMPLES / "lineage.py", "out")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("cellar/wine@2 was made from cellar/wine@1\nwith train-106.csv, sha256:")
        assert "    python lineage.py out\n" in done.stdout
        assert "    git checkout --detach " in done.stdout or "git" not in reg.version("cellar/wine@2").lineage
        first, second = reg.version("cellar/wine@1"), reg.version("cellar/wine@2")
        assert second.lineage["parents"] == ["cellar/wine@1"]
        assert first.lineage["data"][0]["digest"] != second.lineage["data"][0]["digest"]
        assert [kin.ref for kin in reg.lineage(first.ref).children] == [second.ref]
        assert second.lineage["environment"]["packages"] > 5


class TestTrainingWithoutTheRegistry:
    @pytest.mark.parametrize(
        ("script", "options"),
        [
            ("train.py", ["--trees", "5"]),
            ("train_fraud.py", ["--rounds", "5"]),
            ("train_recommender.py", ["--factors", "4"]),
        ],
    )
    def test_the_same_twice_is_one_version(
        self, run: Run, trained: Callable[..., list[str]], script: str, options: list[str], reg: Registry
    ) -> None:
        for expected in (True, False):
            files = trained(script, *options)
            done = run("registry", "register", "twice", *files, "--if-changed", "--json")
            assert (done.returncode, json.loads(done.stdout)["new"]) == (0, expected), done.stderr
        assert reg.version("twice").metrics
