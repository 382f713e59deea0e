"""Layout ``torchserve``: a model store of TorchServe. Each version is an archive, and a link says which one is served.

``NAME-7.mar`` is a zip file with ``MAR-INF/MANIFEST.json``, ``NAME.mar`` a link to it.
"""

from __future__ import annotations

import json

from .server_layout import Plan, Release, ServerLayout, find_file

_MANIFEST = "MAR-INF/MANIFEST.json"


def _plan(release: Release, _: bytes | None) -> Plan:
    version = release.version
    own = json.loads(release.read(_MANIFEST)).get("model", {}) if _MANIFEST in release.files else {}
    handler = own.get("handler") or release.target.handler or ("handler.py" if "handler.py" in release.files else "")
    if not handler:
        raise release.refuse("it has no handler.py", "register one with it, or set 'handler' of the target")
    weights = own.get("serializedFile") or find_file(release, ".pt", ".pth", ".bin", ".safetensors", ".onnx")
    model = {**own, "modelName": release.name, "modelVersion": str(version.number), "handler": handler}
    model |= {"serializedFile": weights} if weights else {}
    manifest = {"createdOn": version.created, "runtime": "python", "model": model, "archiverVersion": "0.12.0"}
    written = {_MANIFEST: (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()}
    copies = {path: path for path in release.files if path != _MANIFEST}
    return Plan(copies, f"{release.name}-{version.number}.mar".encode(), written, archive=True)


LAYOUTS = {"torchserve": ServerLayout("", "{name}-{number}.mar", "{name}.mar", _plan, server="torchserve")}
