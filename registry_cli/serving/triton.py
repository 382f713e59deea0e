"""Layout ``triton``: a model repository of NVIDIA Triton. ``config.pbtxt`` names the one version that is served.

``models/NAME/7/`` has the model, ``models/NAME/config.pbtxt`` a line ``version_policy: { specific { versions: [ 7 ] } }``.
The model repository is ``models/``: Triton takes each folder in it for a model, also ``.registry``.
"""

from __future__ import annotations

import re

from .server_layout import Plan, Release, ServerLayout

CONFIG = "config.pbtxt"
#: The backend or platform for the file that Triton expects, by the name of the file.
_FILES = {
    "model.onnx": 'backend: "onnxruntime"', "model.pt": 'platform: "pytorch_libtorch"',
    "model.plan": 'platform: "tensorrt_plan"', "model.py": 'backend: "python"', "model.xml": 'backend: "openvino"',
    "model.savedmodel/saved_model.pb": 'platform: "tensorflow_savedmodel"',
    "model.graphdef": 'platform: "tensorflow_graphdef"', "model.dali": 'backend: "dali"',
    "checkpoint.tl": 'backend: "fil"', "xgboost.json": 'backend: "fil"', "xgboost.model": 'backend: "fil"',
}  # fmt: skip
#: A model file that may have any name is renamed to the one that Triton expects.
_RENAMED = {".onnx": "model.onnx", ".plan": "model.plan", ".pt": "model.pt"}
_TOP_FIELD = re.compile(r"(?m)^[ \t]*(name|version_policy)[ \t]*:?[ \t]*")
_VERSION_FOLDER = re.compile(r"[0-9]+/")
_SERVED = re.compile(rb"(?m)^version_policy: \{ specific \{ versions: \[ ([1-9][0-9]{0,8}) \] \} \}$")


def _plan(release: Release, _: bytes | None) -> Plan:
    config = release.read(CONFIG).decode("utf-8", "replace") if CONFIG in release.files else ""
    copies = {
        _VERSION_FOLDER.sub("", path, count=1) if _VERSION_FOLDER.match(path) else path: path
        for path in release.files
        if path != CONFIG
    }
    own = _strip(config)
    if not config:
        if not copies.keys() & _FILES.keys():
            ending = next((end for end in _RENAMED if sum(path.endswith(end) for path in copies) == 1), None)
            if ending is None:
                raise release.refuse(
                    "it has neither config.pbtxt nor a model file that Triton knows", "add config.pbtxt"
                )
            found = next(path for path in copies if path.endswith(ending))
            copies[_RENAMED[ending]] = copies.pop(found)
        own = _FILES[next(name for name in _FILES if name in copies)] + "\n"
    number = release.version.number
    policy = f"version_policy: {{ specific {{ versions: [ {number} ] }} }}"
    return Plan(copies, f'name: "{release.name}"\n{own.strip()}\n{policy}\n'.encode())


def _strip(config: str) -> str:
    """A ``config.pbtxt`` without its own name and version policy."""
    kept, at = [], 0
    for match in _TOP_FIELD.finditer(config):
        if match.start() < at or config[: match.start()].count("{") != config[: match.start()].count("}"):
            continue  # inside another field: that of an input
        kept.append(config[at : match.start()])
        at = _end_of_value(config, match.end())
    return "".join([*kept, config[at:]])


def _end_of_value(config: str, at: int) -> int:
    """Where the value that begins at ``at`` ends: a block in braces, or the rest of the line."""
    if config[at : at + 1] != "{":
        return (config + "\n").index("\n", at)
    depth = 0
    for end in range(at, len(config)):
        depth += {"{": 1, "}": -1}.get(config[end], 0)
        if not depth:
            return end + 1
    return len(config)


def _served(switch: bytes, _: str) -> int | None:
    match = _SERVED.search(switch)
    return int(match[1]) if match else None


LAYOUTS = {
    "triton": ServerLayout(
        "models/{name}",
        "models/{name}/{number}",
        "models/{name}/config.pbtxt",
        _plan,
        is_link=False,
        served=_served,
        server="v2",
    )
}
