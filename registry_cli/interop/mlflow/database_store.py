"""An MLflow store in SQLite: ``mlflow.db``, of any version of its schema that has registered models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ...errors import InvalidInput
from ..source_tree import lookup_text
from .mlflow_records import LoggedModel, ModelVersion, RegisteredModel, Run, RunData
from .sqlite_reader import Tables, open_database

_VERSION = (
    "version workspace name source storage_location run_id current_stage status description user_id creation_time"
)
_RUN = "run_uuid name experiment_id user_id status source_name start_time end_time artifact_uri"


class MlflowDatabase:
    """An open database, read in one transaction."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._tables = Tables(stack.enter_context(open_database(path)))
        if not (self._tables.has("registered_models") and self._tables.has("model_versions")):
            raise InvalidInput(f"'{path}' is no store of MLflow", "it has no table of registered models")
        self._experiments = {
            row["experiment_id"]: lookup_text(row, "name")
            for row in self._tables.rows("experiments", "experiment_id name")
        }

    def models(self) -> Iterator[RegisteredModel]:
        for row in list(self._tables.rows("registered_models", "name workspace description")):
            trouble: list[str] = []
            table = "registered_model_aliases"
            aliases = self._pairs(table, "alias version", **self._filter(row, table))
            yield RegisteredModel(
                name=str(row["name"]),
                workspace=lookup_text(row, "workspace"),
                description=lookup_text(row, "description"),
                tags=self._pairs("registered_model_tags", "key value", **self._filter(row, "registered_model_tags")),
                aliases={alias: number for alias, number in aliases.items() if isinstance(number, int)},
                versions=tuple(self._versions(row, trouble)),
                trouble=tuple(trouble),
            )

    def _filter(self, model: Mapping[str, Any], table: str) -> dict[str, Any]:
        """What selects the rows of a model in a table: its name, and its workspace where the schema has workspaces."""
        where = {"name": model["name"]}
        if model["workspace"] is not None and self._tables.has(table, "workspace"):
            where["workspace"] = model["workspace"]
        return where

    def _versions(self, model: Mapping[str, Any], trouble: list[str]) -> Iterator[ModelVersion]:
        tags = self._filter(model, "model_version_tags")
        for row in list(self._tables.rows("model_versions", _VERSION, **self._filter(model, "model_versions"))):
            number = row["version"]
            if not isinstance(number, int) or number < 1:
                trouble.append(f"a version with the number {str(number)[:40]!r}")
                continue
            own_tags = self._pairs("model_version_tags", "key value", **tags, version=number)
            yield ModelVersion.from_row(number, row, row["creation_time"], own_tags)

    def run(self, run_id: str) -> Run | None:
        for row in self._tables.rows("runs", _RUN, run_uuid=run_id):
            params, tags = (self._pairs(table, "key value", run_uuid=run_id) for table in ("params", "tags"))
            return Run.from_row(
                run_id,
                RunData(params, self._latest_metrics(run_id), tags),
                row,
                name=lookup_text(row, "name"),
                experiment=self._experiments.get(row["experiment_id"], ""),
                status=lookup_text(row, "status"),
                datasets=tuple(self._datasets(run_id)),
            )
        return None

    def logged(self, model_id: str) -> LoggedModel | None:
        for row in self._tables.rows("logged_models", "artifact_location source_run_id", model_id=model_id):
            measured: dict[str, tuple[Any, ...]] = {}
            columns = "metric_name metric_step metric_timestamp_ms metric_value"
            for each in self._tables.rows("logged_model_metrics", columns, model_id=model_id):
                moment = (each["metric_step"] or 0, each["metric_timestamp_ms"] or 0, each["metric_value"])
                name = str(each["metric_name"])
                measured[name] = max(measured.get(name, moment), moment, key=lambda at: at[:2])
            data = RunData(
                self._pairs("logged_model_params", "param_key param_value", model_id=model_id),
                {name: moment[2] for name, moment in measured.items()},
                self._pairs("logged_model_tags", "tag_key tag_value", model_id=model_id),
            )
            return LoggedModel(model_id, data, lookup_text(row, "artifact_location"), lookup_text(row, "source_run_id"))
        return None

    def _pairs(self, table: str, columns: str, **where: Any) -> dict[str, Any]:
        name, value = columns.split()
        return {str(row[name]): row[value] for row in self._tables.rows(table, columns, **where)}

    def _latest_metrics(self, run_id: str) -> dict[str, Any]:
        rows = self._tables.rows("latest_metrics", "key value is_nan", run_uuid=run_id)
        return {str(row["key"]): math.nan if row["is_nan"] else row["value"] for row in rows}

    def _datasets(self, run_id: str) -> Iterator[dict[str, Any]]:
        where = {"destination_type": "RUN", "destination_id": run_id, "source_type": "DATASET"}
        for used in list(self._tables.rows("inputs", "input_uuid source_id", **where)):
            context = self._pairs("input_tags", "name value", input_uuid=used["input_uuid"])
            columns = "name digest dataset_source_type dataset_source"
            for row in self._tables.rows("datasets", columns, dataset_uuid=used["source_id"]):
                source = {"source_type": row["dataset_source_type"], "source": row["dataset_source"]}
                yield {**row, **source, "context": context.get("mlflow.data.context")}
