"""Layout ``fastapi``: a folder that runs as a server, for each version, and a link ``current``.

``NAME/releases/7/`` has ``app.py``, ``requirements.txt``, ``Dockerfile``, ``release.json`` and ``model/``.
``uvicorn --app-dir TARGET/NAME/current app:app`` serves what ``current`` points to; ``POST /reload`` switches to it.
"""

from __future__ import annotations

import json
import re

from ..interop import exported_files
from .server_layout import Plan, Release, ServerLayout, find_file

#: How ``app.py`` loads a model: the ending of its file, what it needs besides the framework, and the code.
_LOADERS = {
    ".skops": ("scikit-learn skops", "import skops.io\n    return skops.io.load(path)"),
    ".joblib": ("scikit-learn joblib", "import joblib\n    return joblib.load(path)"),
    ".pkl": ("scikit-learn joblib", "import joblib\n    return joblib.load(path)"),
    ".onnx": ("onnxruntime numpy", "import onnxruntime\n    return onnxruntime.InferenceSession(path)"),
    ".ubj": (
        "xgboost numpy",
        "import xgboost\n    model = xgboost.Booster()\n    model.load_model(path)\n    return model",
    ),
    ".cbm": ("catboost", "import catboost\n    return catboost.CatBoost().load_model(path)"),
}
_PREDICT = {
    ".onnx": "import numpy\n    name = model.get_inputs()[0].name\n"
    "    return model.run(None, {name: numpy.asarray(rows, dtype=numpy.float32)})[0].tolist()",
    ".ubj": "import numpy\n    import xgboost\n    return model.predict(xgboost.DMatrix(numpy.asarray(rows))).tolist()",
}
_DEFAULT = "return model.predict(rows).tolist()"
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==[^\s;#]+\Z")

_APP = '''"""Serves a version of a model. Written by 'registry deploy'."""

import json
import os
import threading

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

HERE = os.path.dirname(os.path.abspath(__file__))  # may be the link "current": it is followed when a model is loaded


class Rows(BaseModel):
    instances: list


def load_model(path):
    %(load)s


def predict_rows(model, rows):
    %(predict)s


def load_release():
    folder = os.path.realpath(HERE)
    with open(os.path.join(folder, "release.json")) as stream:
        release = json.load(stream)
    return release, load_model(os.path.join(folder, "model", %(file)r))


app = FastAPI()
lock = threading.Lock()
served = load_release()  # replaced as a whole: a request sees one version


@app.get("/health")
def health():
    return {"status": "ok"}


@app.get("/version")
def version():
    return served[0]


@app.post("/predict")
def predict(body: Rows):
    release, model = served
    try:
        found = predict_rows(model, body.instances)
    except (ValueError, TypeError) as error:
        raise HTTPException(422, str(error)) from None
    return {"model": release["model"], "version": release["version"], "predictions": found}


@app.post("/reload")
def reload():
    global served
    with lock:
        served = load_release()
    return served[0]
'''
_OWN_LOAD = """import importlib.util

    spec = importlib.util.spec_from_file_location("predict", os.path.join(os.path.dirname(path), "predict.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, module.load(os.path.dirname(path))"""
_DOCKERFILE = """FROM python:%s-slim
WORKDIR /srv
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
EXPOSE 8000
CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"]
"""


def _plan(release: Release, _: bytes | None) -> Plan:
    version = release.version
    if "predict.py" in release.files:
        file, packages, load, predict = "predict.py", "", _OWN_LOAD, "return model[0].predict(model[1], rows)"
    else:
        found = find_file(release, *_LOADERS)
        if found is None:
            raise release.refuse(
                f"no file of it ends with {', '.join(_LOADERS)}",
                "register it with a predict.py that has load(folder) and predict(model, rows)",
            )
        file, ending = found, found[found.rindex(".") :].lower()
        (packages, load), predict = _LOADERS[ending], _PREDICT.get(ending, _DEFAULT)
    facts = {"model": version.model, "version": version.number, "digest": f"sha256:{version.digest}"}
    python = ".".join((exported_files.get_python_release(version) or "3.12").split(".")[:2])
    written = {
        "app.py": _APP % {"load": load, "predict": predict, "file": file},
        "requirements.txt": _requirements(release, packages.split()),
        "Dockerfile": _DOCKERFILE % python,
        "release.json": json.dumps(facts) + "\n",
    }
    copies = {f"model/{path}": path for path in release.files}
    return Plan(copies, b"releases/%d" % version.number, {path: text.encode() for path, text in written.items()})


def _requirements(release: Release, packages: list[str]) -> str:
    """The server's packages, and those of the model: with the versions that it was made with, where they are known."""
    framework, number = exported_files.get_framework(release.version)
    pinned = {exported_files.PACKAGES.get(framework, framework): number} if number else {}
    if "requirements.txt" in release.files:
        text = release.read("requirements.txt").decode("utf-8", "replace")
        own = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "-"))]
        named = {match[1].lower() for line in own if (match := _REQUIREMENT.match(line))}
        packages = [each for each in packages if each not in named]
    else:
        own = []
    wanted = [f"{each}=={pinned[each]}" if each in pinned else each for each in packages]
    return "\n".join(["fastapi", "uvicorn", *wanted, *own]) + "\n"


LAYOUTS = {
    "fastapi": ServerLayout("{name}", "{name}/releases/{number}", "{name}/current", _plan, probe="/version#/version")
}
