"""PMML: models as XML: what the header, the dictionary of fields and the first model say."""

from __future__ import annotations

from typing import Any

from ..binary import xml
from ..binary.limits import Stopped
from ..binary.model_files import File
from ..inspection import Inspection, Tensor

#: So much is read at the front, in bytes: what comes behind the fields of the first model is not needed.
FRONT = 8 << 20
#: The most fields that are listed.
FIELDS = 20_000

_TYPES = {"double": "float64", "float": "float32", "integer": "int64", "boolean": "bool"}
#: The package whose models an application writes, by a part of its name in lower case.
_APPLICATIONS = (
    ("sklearn", "sklearn"), ("scikit", "sklearn"), ("xgboost", "xgboost"), ("lightgbm", "lightgbm"),
    ("catboost", "catboost"), ("spark", "pyspark"), ("statsmodels", "statsmodels"), ("h2o", "h2o"), ("r2pmml", "r"),
    ("jpmml-r", "r"), ("softwareag", "r"), ("rattle", "r"),
)  # fmt: skip
_UNUSED = ("supplementary", "target", "predicted", "weight", "group", "order", "frequencyWeight", "analysisWeight")
_TARGETS = ("target", "predicted")


def read(file: File) -> Inspection | None:
    """The application that wrote it, the kind of the model, its fields."""
    root = xml.root(file.head)
    if root is None or root.name != "PMML" or "version" not in root.attributes:
        return None
    document = _Document()
    try:
        document.run(file.beginning(FRONT))
    except Stopped:
        if not document.kind and document.fields:
            raise
        if file.size <= FRONT:
            raise
    application = document.application
    producer = f"{application.get('name', '')} {application.get('version', '')}".strip()
    framework = next((package for part, package in _APPLICATIONS if part in producer.lower()), "")
    types = document.types
    return Inspection(
        "pmml",
        framework=framework,
        class_name=document.kind,
        inputs=tuple(Tensor(name, types.get(name, "")) for name in document.active),
        outputs=tuple(Tensor(name, types.get(name, "")) for name in document.targets),
        features=tuple(document.active),
        details={
            "producer": producer,
            "pmml_version": root.attributes["version"],
            "name": document.model.get("modelName"),
            "function": document.model.get("functionName"),
            "algorithm": document.model.get("algorithmName"),
            "uncounted": "numbers in PMML are not counted",
        },
    )


class _Document:
    """The parts of one document, as they come by."""

    def __init__(self) -> None:
        self.application: dict[str, str] = {}
        self.types: dict[str, str] = {}
        self.kind = ""
        self.model: dict[str, str] = {}
        self.active: list[str] = []
        self.targets: list[str] = []
        self.fields = 0

    def run(self, data: bytes) -> None:
        for tag in xml.tags(data):
            said = tag.attributes
            if tag.name == "Application" and tag.parents == ("PMML", "Header"):
                self.application = said
            elif tag.name == "DataField" and len(self.types) < FIELDS:
                self.types[said.get("name", "")] = _TYPES.get(said.get("dataType", ""), said.get("dataType", ""))
            elif tag.parents == ("PMML",) and (tag.name.endswith("Model") or said.get("functionName")):
                if self.kind:
                    return
                self.kind, self.model = tag.name, said
            elif tag.name == "MiningField" and tag.parents == ("PMML", self.kind, "MiningSchema"):
                self.field(said)
            elif self.fields and tag.parents == ("PMML", self.kind) and tag.name != "MiningSchema":
                return  # the rest are the numbers of the model

    def field(self, said: dict[str, Any]) -> None:
        self.fields += 1
        if self.fields > FIELDS:
            raise Stopped(f"it has more than {FIELDS:,} fields")
        usage = said.get("usageType", "active")
        if usage in _TARGETS:
            self.targets.append(said.get("name", ""))
        elif usage not in _UNUSED:
            self.active.append(said.get("name", ""))
