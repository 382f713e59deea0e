"""Makes an MLflow store with MLflow itself: ``make_mlflow.py db|files FOLDER``; with ``told``, prints what it says, as JSON.

Three versions of ``Churn Model``: the first archived, the second in production and the champion, with a metric that is
nan, the third in staging. Beside it ``spam``, whose files were removed, and ``empty``.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", MLFLOW_ALLOW_FILE_STORE="true", LOGNAME="alice")
os.environ["MLFLOW_DISABLE_AUTO_LOGGING_WARNINGS"] = "true"
warnings.simplefilter("ignore")

ROWS = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]]
LABELS = [0, 0, 1, 1]


def tracking(kind: str, folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db" if kind == "db" else f"file:{folder}/mlruns"


def make(kind: str, folder: Path) -> None:
    import mlflow
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    mlflow.set_tracking_uri(tracking(kind, folder))
    client = mlflow.MlflowClient()
    mlflow.set_experiment("churn study")
    for depth in (1, 2, 3):
        with mlflow.start_run(run_name=f"run-{depth}"):
            mlflow.log_params({"depth": depth, "lr": 1e-5, "solver": "lbfgs", "layers": "[1, 2]"})
            mlflow.log_metric("auc", 0.8 + depth / 100, step=1)
            mlflow.log_metric("auc", 0.9 + depth / 100, step=2)
            mlflow.log_metric("loss", math.nan if depth == 2 else 0.5)
            mlflow.set_tags({"team": "crm", "mlflow.source.git.commit": "0123456789abcdef0123456789abcdef01234567"})
            mlflow.set_tag("mlflow.note.content", "Trained on\nmarch data")
            data = mlflow.data.from_numpy(np.array(ROWS), name="march", targets=np.array(LABELS))
            mlflow.log_input(data, context="training")
            mlflow.sklearn.log_model(
                LogisticRegression().fit(ROWS, LABELS), name="model", registered_model_name="Churn Model",
                serialization_format="cloudpickle", input_example=np.array(ROWS[:2]), pip_requirements=["scikit-learn"],
            )  # fmt: skip
    client.update_registered_model("Churn Model", "Who will leave")
    client.set_registered_model_tag("Churn Model", "domain", "crm")
    client.update_model_version("Churn Model", "1", "the first")
    client.set_model_version_tag("Churn Model", "1", "reviewed", "yes")
    client.set_registered_model_alias("Churn Model", "Champion", "2")
    for number, stage in (("1", "Archived"), ("2", "Production"), ("3", "Staging")):
        client.transition_model_version_stage("Churn Model", number, stage)
    client.create_registered_model("empty")
    client.create_registered_model("spam")
    client.create_model_version("spam", "s3://bucket/spam/model")
    shutil.rmtree(folder / "mlruns" / "0", ignore_errors=True)


def told(kind: str, folder: Path) -> dict[str, Any]:
    """What MLflow says of each version of ``Churn Model``, by its number."""
    import mlflow

    mlflow.set_tracking_uri(tracking(kind, folder))
    client = mlflow.MlflowClient()
    model = client.get_registered_model("Churn Model")
    found = {}
    for version in client.search_model_versions("name = 'Churn Model'"):
        run = client.get_run(version.run_id)
        found[str(version.version)] = {
            "created": version.creation_timestamp,
            "description": version.description,
            "stage": version.current_stage,
            "tags": dict(version.tags),
            "aliases": [alias for alias, number in model.aliases.items() if str(number) == str(version.version)],
            "run": version.run_id,
            "run_name": run.info.run_name,
            "user": run.info.user_id,
            "started": run.info.start_time,
            "ended": run.info.end_time,
            "params": dict(run.data.params),
            "metrics": {name: str(value) for name, value in run.data.metrics.items()},
            "run_tags": dict(run.data.tags),
            "datasets": [[each.dataset.name, each.dataset.digest] for each in run.inputs.dataset_inputs],
            "model_description": model.description,
            "model_tags": dict(model.tags),
        }
    return found


if __name__ == "__main__":
    if sys.argv[1] == "told":
        print(json.dumps(told(sys.argv[2], Path(sys.argv[3]).absolute())))
    else:
        make(sys.argv[1], Path(sys.argv[2]).absolute())
