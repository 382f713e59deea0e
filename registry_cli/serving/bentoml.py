"""Layout ``bentoml``: the model store of BentoML, with the target's folder as ``$BENTOML_HOME``.

``models/NAME/7/`` has the files and ``model.yaml``, ``models/NAME/latest`` the tag that ``NAME:latest`` stands for.
"""

from __future__ import annotations

from ..core.yaml import documents
from ..interop import bentoml
from .server_layout import Plan, Release, ServerLayout


def _plan(release: Release, _: bytes | None) -> Plan:
    before = {}
    if bentoml.DOCUMENT in release.files:
        before = documents.loads_mapping(release.read(bentoml.DOCUMENT), f"{release.version.ref}: {bentoml.DOCUMENT}")
    document = bentoml.build_document(release.version, before, release.name)
    copies = {path: path for path in release.files if path != bentoml.DOCUMENT}
    number = str(release.version.number).encode()
    return Plan(copies, number, {bentoml.DOCUMENT: documents.dumps(document)})


LAYOUTS = {
    "bentoml": ServerLayout("models/{name}", "models/{name}/{number}", "models/{name}/latest", _plan, is_link=False)
}
