"""Layout ``mlserver``: a model repository of MLServer. ``model-settings.json`` names the one version that is served.

``NAME/7/`` has the model, ``NAME/model-settings.json`` in its ``parameters`` the ``uri`` of it and the ``version``.
"""

from __future__ import annotations

import json
from typing import Any

from .server_layout import Plan, Release, ServerLayout, find_file

SETTINGS = "model-settings.json"
_RUNTIMES = {
    ".joblib": "mlserver_sklearn.SKLearnModel", ".pkl": "mlserver_sklearn.SKLearnModel",
    ".pickle": "mlserver_sklearn.SKLearnModel", ".cbm": "mlserver_catboost.CatboostModel",
    ".bst": "mlserver_xgboost.XGBoostModel", ".ubj": "mlserver_xgboost.XGBoostModel",
}  # fmt: skip
_BY_FRAMEWORK = {"xgboost": "mlserver_xgboost.XGBoostModel", "lightgbm": "mlserver_lightgbm.LightGBMModel"}


def _plan(release: Release, _: bytes | None) -> Plan:
    settings = _load(release) if SETTINGS in release.files else {}
    given = settings.get("parameters")
    parameters: dict[str, Any] = given if isinstance(given, dict) else {}
    number = release.version.number
    uri, implementation = parameters.get("uri"), settings.get("implementation")
    if not uri:
        uri, runtime = _find_model(release, has_runtime=bool(implementation))
        implementation = implementation or runtime
    settings |= {
        "name": release.name, "implementation": implementation,
        "parameters": {**parameters, "uri": _move(str(uri), number), "version": str(number)},
    }  # fmt: skip
    # MLServer looks for settings in all folders below: those of the release must not be there
    copies = {path: path for path in release.files if path.split("/")[-1] != SETTINGS}
    return Plan(copies, (json.dumps(settings, indent=1, sort_keys=True) + "\n").encode())


def _load(release: Release) -> dict[str, Any]:
    try:
        settings = json.loads(release.read(SETTINGS))
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise release.refuse(f"its {SETTINGS} is not a JSON object", "correct it, and register the model again")
    return settings


def _find_model(release: Release, *, has_runtime: bool) -> tuple[str, str]:
    """The path of the model, and the runtime of MLServer for it."""
    if "MLmodel" in release.files:
        return "./", "mlserver_mlflow.MLflowRuntime"
    if path := find_file(release, *_RUNTIMES):
        return path, _RUNTIMES[path[path.rindex(".") :].lower()]
    framework = str(release.version.lineage.get("framework", "")).partition(" ")[0]
    if framework in _BY_FRAMEWORK and (path := find_file(release, ".json", ".txt", ".model")):
        return path, _BY_FRAMEWORK[framework]
    if has_runtime:
        return "./", ""
    raise release.refuse("no runtime of MLServer is known for its files", f"add a {SETTINGS} with 'implementation'")


def _move(uri: str, number: int) -> str:
    """A relative path in the folder of the release; an address or an absolute path stays."""
    return uri if uri.startswith("/") or "://" in uri else f"./{number}/{uri.removeprefix('./')}".rstrip("/")


def _served(switch: bytes, _: str) -> int | None:
    try:
        text = str(json.loads(switch)["parameters"]["version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


LAYOUTS = {
    "mlserver": ServerLayout(
        "{name}", "{name}/{number}", "{name}/model-settings.json", _plan, is_link=False, served=_served, server="v2"
    )
}
