"""MLflow's stores, as MLflow left them, become versions here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from registry_cli import InvalidInput, NotFound, Registry
from registry_cli.interop.imported_version import ImportedVersion
from registry_cli.interop.mlflow import mlflow_import
from tests.interop.stores import changed, unpacked
from tests.support import snapshot

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BOTH = pytest.mark.parametrize("kind", ["mlflow-db", "mlflow-files"])


@pytest.fixture
def store(kind: str, tmp_path: Path) -> Path:
    return unpacked(kind, tmp_path)


def read(place: Path, model: str = "churn-model", artifacts: Path | None = None) -> dict[int, ImportedVersion]:
    found = mlflow_import.read(place, artifacts=artifacts)
    return {each.number or 0: each for each in found if each.model == model}


@BOTH
def test_all_that_mlflow_says_comes_along(store: Path) -> None:
    before = snapshot(store)
    first, second, third = read(store).values()
    assert [each.number for each in (first, second, third)] == [1, 2, 3]
    assert (first.message, second.message) == ("the first", "")
    assert first.params == {"depth": 1, "lr": 1e-05, "solver": "lbfgs", "layers": "[1, 2]"}
    assert first.metrics == {"auc": 0.91, "loss": 0.5}
    assert first.tags == {"reviewed": "yes", "team": "crm", "model.domain": "crm"}
    assert first.annotations == {"run_description": "Trained on\nmarch data", "model_description": "Who will leave"}
    assert (first.stages, second.stages, third.stages) == ((), ("production",), ("staging",))
    assert (first.archived, second.archived, third.archived) == (True, False, False)
    assert (first.aliases, second.aliases, third.aliases) == ((), ("champion",), ())
    assert first.author == "alice"
    assert first.created.startswith("20")
    assert first.lineage["git"] == {"commit": COMMIT}
    run = first.lineage["run"]
    assert (run["name"], run["experiment"], run["user"], run["status"]) == ("run-1", "churn study", "alice", "FINISHED")
    assert run["command"] == "train.py"
    assert run["started"] < run["ended"]
    (data,) = first.lineage["data"]
    assert (data["uri"], data["context"]) == ("code:march", "training")
    assert data["digest"].startswith("mlflow:")
    imported = first.lineage["imported"]
    assert (imported["from"], imported["name"], imported["version"]) == ("mlflow", "Churn Model", 1)
    assert imported["mlmodel"]["flavors"]["python_function"] == "mlflow.sklearn"
    assert imported["mlmodel"]["run_id"] == run["id"]
    assert snapshot(store) == before


@BOTH
def test_a_metric_that_is_nan_is_told_not_made_a_number(store: Path) -> None:
    """MLflow's table of a logged model's metrics says 0 where the run says nan."""
    second = read(store)[2]
    assert second.metrics == {"auc": 0.92}
    assert second.lost == ("metric 'loss': it is nan, which cannot be compared",)


@BOTH
def test_they_become_versions_and_come_in_once(store: Path, reg: Registry) -> None:
    done = reg.import_(f"mlflow:{store}", only="Churn Model", name="churn", stages=True, aliases=True)
    assert [(each.status, each.ref) for each in done] == [("imported", f"churn@{number}") for number in (1, 2, 3)]
    assert reg.version("churn@production").number == reg.version("churn@champion").number == 2
    assert reg.version("churn@1").archived
    assert reg.path("churn@1", "MLmodel").read_text().startswith("artifact_path:")
    before = snapshot(reg.root)
    again = reg.import_(f"mlflow:{store}", only="Churn Model", name="churn", stages=True, aliases=True)
    assert [each.status for each in again] == ["skipped"] * 3
    assert snapshot(reg.root) == before


@BOTH
def test_what_is_elsewhere_is_told_and_does_not_stop_the_rest(store: Path, reg: Registry) -> None:
    done = reg.import_(f"mlflow:{store}")
    assert [each.status for each in done] == ["imported", "imported", "imported", "failed"]
    assert (done[3].why, done[3].code) == ("its files are elsewhere: s3://bucket/spam/model", 1)


@BOTH
def test_places_that_a_store_can_be_named_by(store: Path, tmp_path: Path) -> None:
    expected = {number: each.key for number, each in read(store).items()}
    places = [store / "mlflow.db"] if (store / "mlflow.db").exists() else [store / "mlruns"]
    link = tmp_path / "link"
    link.symlink_to(store)
    for place in (*places, link, store / ".." / store.name):
        assert {number: each.key for number, each in read(place).items()} == expected


@BOTH
def test_a_moved_store_finds_its_files(store: Path, tmp_path: Path) -> None:
    """It was made in /srv/ml, which is not here; now its files are elsewhere than its records, too."""
    apart = tmp_path / "apart"
    apart.mkdir()
    if (store / "mlflow.db").exists():
        shutil.move(store / "mlflow.db", apart)
        missing = read(apart)[1]
        assert missing.files == ()
        assert "nor inside the store" in missing.lost[0]
        found = read(apart, artifacts=store)
    else:
        shutil.move(store / "mlruns", apart)
        found = read(apart)
    assert all((each.files[0] / "MLmodel").is_file() for each in found.values())


@BOTH
def test_one_model_alone(store: Path) -> None:
    assert {each.model for each in mlflow_import.read(store, only="Churn Model")} == {"churn-model"}
    with pytest.raises(NotFound, match="no model 'churn'"):
        list(mlflow_import.read(store, only="churn"))


@BOTH
def test_the_folder_of_one_model(store: Path, reg: Registry) -> None:
    folder = read(store)[1].files[0]
    (done,) = reg.import_(f"mlflow:{folder}", name="single")
    assert (done.status, done.ref) == ("imported", "single@1")
    imported = reg.version("single@1").lineage["imported"]
    assert imported["key"] == f"mlflow:{imported['mlmodel']['model_id']}"


def test_nothing_of_mlflow(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not an MLflow store or model"):
        list(mlflow_import.read(tmp_path))
    (tmp_path / "mlflow.db").write_text("no database")
    with pytest.raises(InvalidInput, match="is not an SQLite database"):
        list(mlflow_import.read(tmp_path))
    with pytest.raises(NotFound, match=r"file or folder .* not found"):
        list(mlflow_import.read(tmp_path / "nothing"))
    (tmp_path / "mlruns" / "models").mkdir(parents=True)
    (tmp_path / "mlflow.db").unlink()
    with pytest.raises(NotFound, match="no model is registered"):
        list(mlflow_import.read(tmp_path))


def test_of_several_in_a_stage_the_highest_has_it(tmp_path: Path) -> None:
    store = unpacked("mlflow-db", tmp_path)
    changed(store / "mlflow.db", "UPDATE model_versions SET current_stage = 'Production'")
    first, _, third = read(store).values()
    assert (first.stages, third.stages) == ((), ("production",))
    assert first.lost == ("the stage Production: version 3 is also in it, and a stage has one version",)


def test_names_that_become_one(tmp_path: Path, reg: Registry) -> None:
    store = unpacked("mlflow-db", tmp_path)
    changed(store / "mlflow.db", "UPDATE registered_models SET name = 'churn model' WHERE name = 'spam'")
    changed(store / "mlflow.db", "UPDATE model_versions SET name = 'churn model', source = (SELECT source FROM model_versions "
            "WHERE version = 2), storage_location = NULL, run_id = NULL WHERE name = 'spam'")  # fmt: skip
    done = reg.import_(f"mlflow:{store}")
    assert [each.status for each in done] == ["imported"] * 3 + ["failed"]
    assert (
        done[3].why
        == "the name 'churn-model' is already taken here: import it alone with `only` 'churn model' and another `name`"
    )
    (alone,) = reg.import_(f"mlflow:{store}", only="churn model", name="other")
    assert (alone.status, alone.ref) == ("imported", "other@1")


def test_two_stores_are_not_taken_for_one(tmp_path: Path, reg: Registry) -> None:
    """Both have a first version of Churn Model: it is not the same."""
    one, other = unpacked("mlflow-db", tmp_path), unpacked("mlflow-files", tmp_path)
    reg.import_(f"mlflow:{one}", only="Churn Model")
    done = reg.import_(f"mlflow:{other}", only="Churn Model", merge=True)
    assert [(each.status, each.ref) for each in done] == [("imported", f"churn-model@{number}") for number in (4, 5, 6)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("runs:/{run}/model", True),
        ("file://localhost{root}/mlruns/1/{run}/artifacts/model", True),
        ("mlruns/1/{run}/artifacts/model", True),
        ("./mlruns/1/{run}/artifacts/model", True),
        ("C:\\Users\\bob\\mlruns\\1\\{run}\\artifacts\\model", True),
        ("file:///C:/old%20place/mlruns/1/{run}/artifacts/model", True),
        ("mlflow-artifacts:/1/{run}/artifacts/model", True),
        ("dbfs:/databricks/1/{run}/artifacts/model", False),
        ("/old/1/another-run/artifacts/model", False),
        ("runs:/0000/model", False),
        ("", False),
    ],
)
def test_locations_of_before_mlflow_3(tmp_path: Path, source: str, found: bool) -> None:
    store = unpacked("mlflow-db", tmp_path)
    run = read(store)[1].lineage["run"]["id"]
    folder = store / "mlruns" / "1" / run / "artifacts" / "model"
    shutil.copytree(read(store)[1].files[0], folder)
    named = source.format(run=run, root=store)
    changed(
        store / "mlflow.db", "UPDATE model_versions SET storage_location = NULL, source = ? WHERE version = 1", named
    )
    changed(store / "mlflow.db", "UPDATE runs SET artifact_uri = '/old/mlruns/1/' || run_uuid || '/artifacts'")
    first = read(store)[1]
    assert first.files == ((folder,) if found else ())
    assert bool(first.lost) != found


def test_an_old_schema(tmp_path: Path) -> None:
    """Tables that came later are missing, and so are columns."""
    store = unpacked("mlflow-db", tmp_path)
    run = read(store)[1].lineage["run"]["id"]
    folder = store / "mlruns" / "1" / run / "artifacts" / "model"
    shutil.copytree(read(store)[1].files[0], folder)
    database = store / "mlflow.db"
    for table in (
        "registered_model_aliases",
        "logged_models",
        "datasets",
        "inputs",
        "input_tags",
        "model_version_tags",
    ):
        changed(database, f"DROP TABLE {table}")
    changed(
        database,
        "CREATE TABLE old AS SELECT name, version, creation_time, current_stage, source, run_id FROM model_versions",
    )
    changed(database, "DROP TABLE model_versions")
    changed(database, "ALTER TABLE old RENAME TO model_versions")
    changed(
        database,
        "UPDATE model_versions SET source = ? WHERE version = 1 AND name = 'Churn Model'",
        f"runs:/{run}/model",
    )
    first = read(store)[1]
    assert first.files == (folder,)
    assert first.params["depth"] == 1
