"""Models as XML: networks of OpenVINO, with their numbers in a file beside them, and PMML."""

from __future__ import annotations

from collections import Counter
from math import prod

from ..binary import xml
from ..binary.limits import Stopped
from ..binary.model_files import ModelFile, unless_stopped
from ..inspection import Inspection, Tensor, parameter_counts

MAX_NETWORK = 24 << 20

_DTYPES = {
    "f16": "float16", "f32": "float32", "f64": "float64", "bf16": "bfloat16", "i4": "int4", "i8": "int8", "i16": "int16",
    "i32": "int32", "i64": "int64", "u1": "uint1", "u2": "uint2", "u3": "uint3", "u4": "uint4", "u6": "uint6",
    "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64", "boolean": "bool", "nf4": "nf4",
    "f4e2m1": "float4_e2m1", "f8e4m3": "float8_e4m3", "f8e5m2": "float8_e5m2", "f8e8m0": "float8_e8m0",
    "fp16": "float16", "fp32": "float32", "string": "string",
}  # fmt: skip


def read_openvino(file: ModelFile) -> Inspection | None:
    """Inputs, the version of the runtime that wrote it, and the numbers in its constants."""
    root = xml.find_root(file.head)
    if root is None or root.name != "net" or "version" not in root.attributes or b"<layers" not in file.head:
        return None
    weights = f"{file.name[:-4]}.bin" if file.name.lower().endswith(".xml") else ""
    network = _Network()
    _, uncounted = unless_stopped(lambda: network.run(file.whole(MAX_NETWORK)))
    return Inspection(
        "openvino",
        framework="openvino",
        framework_version=network.notes.get("Runtime_version", "").split("-")[0],
        class_name=root.attributes.get("name", ""),
        **parameter_counts(network.dtypes, uncounted),
        inputs=tuple(network.inputs),
        outputs=tuple(network.outputs),
        details={
            "ir_version": root.attributes["version"],
            "layers": network.layers,
            "runtime": network.notes.get("Runtime_version"),
            "weights_missing": (bool(network.dtypes) and weights not in file.beside) or None,
            "uncounted": uncounted,
        },
        companions=(weights,) if weights in file.beside else (),
    )


class _Network:
    """The layers of one network, collected while its tags are read."""

    def __init__(self) -> None:
        self.layers = 0
        self.dtypes: Counter[str] = Counter()
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.notes: dict[str, str] = {}

    def run(self, data: bytes) -> None:
        layer: dict[str, str] = {}
        kind = ""
        for tag in xml.iter_tags(data):
            inside = tag.parents[-1] if tag.parents else ""
            if (tag.name, inside) in (("layer", "layers"), ("rt_info", "net")):
                self.result(layer, kind)
                layer, kind = tag.attributes if tag.name == "layer" else {}, ""
                self.layers += tag.name == "layer"
            elif tag.name == "data" and inside == "layer":
                self.numbers(layer, tag.attributes)
            elif tag.name == "port" and inside == "input" and layer.get("type") == "Result":
                kind = tag.attributes.get("precision", "")
            elif inside == "rt_info" and "value" in tag.attributes:
                self.notes.setdefault(tag.name, tag.attributes["value"])
        self.result(layer, kind)

    def numbers(self, layer: dict[str, str], data: dict[str, str]) -> None:
        kind = _DTYPES.get(data.get("element_type", "").lower(), data.get("element_type", ""))
        if layer.get("type") == "Parameter":
            self.inputs.append(Tensor(layer.get("name", ""), kind, _shape(data.get("shape", ""))))
        elif layer.get("type") == "Const":
            shape = _shape(data.get("shape", ""))
            if not all(isinstance(size, int) for size in shape):
                raise Stopped("the shape of a constant is broken")
            self.dtypes[kind] += prod(shape)  # type: ignore[arg-type]

    def result(self, layer: dict[str, str], kind: str) -> None:
        if layer.get("type") == "Result":
            self.outputs.append(Tensor(layer.get("name", ""), _DTYPES.get(kind.lower(), kind.lower())))


def _shape(text: str) -> tuple[int | str | None, ...]:
    """``?,3,224,224``: a size may be open, or a range."""
    sizes = [each.strip() for each in text.split(",")] if text.strip() else []
    return tuple(
        int(size) if size.isdigit() and len(size) < 16 else None if size in ("?", "-1") else size for size in sizes
    )


#: So much is read at the front, in bytes: what comes behind the fields of the first model is not needed.
FRONT = 8 << 20
MAX_FIELDS = 20_000

_TYPES = {"double": "float64", "float": "float32", "integer": "int64", "boolean": "bool"}
#: The package whose models an application writes, by a part of its name in lower case.
_APPLICATIONS = (
    ("sklearn", "sklearn"), ("scikit", "sklearn"), ("xgboost", "xgboost"), ("lightgbm", "lightgbm"),
    ("catboost", "catboost"), ("spark", "pyspark"), ("statsmodels", "statsmodels"), ("h2o", "h2o"), ("r2pmml", "r"),
    ("jpmml-r", "r"), ("softwareag", "r"), ("rattle", "r"),
)  # fmt: skip
_UNUSED = ("supplementary", "weight", "group", "order", "frequencyWeight", "analysisWeight")
_TARGETS = ("target", "predicted")


def read_pmml(file: ModelFile) -> Inspection | None:
    """The application that wrote it, the kind of the model, its fields."""
    root = xml.find_root(file.head)
    if root is None or root.name != "PMML" or "version" not in root.attributes:
        return None
    document = _Document()
    try:
        document.run(file.beginning(FRONT))
    except Stopped:
        if file.size <= FRONT:
            raise
    application = document.application
    producer = f"{application.get('name', '')} {application.get('version', '')}".strip()
    framework = next((package for part, package in _APPLICATIONS if part in producer.lower()), "")
    return Inspection(
        "pmml",
        framework=framework,
        class_name=document.kind,
        inputs=document.tensors(document.active),
        outputs=document.tensors(document.targets),
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
    """The parts of one document, collected while its tags are read."""

    def __init__(self) -> None:
        self.application: dict[str, str] = {}
        self.types: dict[str, str] = {}
        self.kind = ""
        self.model: dict[str, str] = {}
        self.active: list[str] = []
        self.targets: list[str] = []
        self.fields = 0

    def run(self, data: bytes) -> None:
        for tag in xml.iter_tags(data):
            attributes = tag.attributes
            if tag.name == "Application" and tag.parents == ("PMML", "Header"):
                self.application = attributes
            elif tag.name == "DataField" and len(self.types) < MAX_FIELDS:
                kind = attributes.get("dataType", "")
                self.types[attributes.get("name", "")] = _TYPES.get(kind, kind)
            elif tag.parents == ("PMML",) and (tag.name.endswith("Model") or attributes.get("functionName")):
                if self.kind:
                    return
                self.kind, self.model = tag.name, attributes
            elif tag.name == "MiningField" and tag.parents == ("PMML", self.kind, "MiningSchema"):
                self.field(attributes.get("usageType", "active"), attributes.get("name", ""))
            elif self.fields and tag.parents == ("PMML", self.kind) and tag.name != "MiningSchema":
                return  # the rest are the numbers of the model

    def field(self, usage: str, name: str) -> None:
        self.fields += 1
        if self.fields > MAX_FIELDS:
            raise Stopped(f"it has more than {MAX_FIELDS:,} fields")
        if usage in _TARGETS:
            self.targets.append(name)
        elif usage not in _UNUSED:
            self.active.append(name)

    def tensors(self, names: list[str]) -> tuple[Tensor, ...]:
        return tuple(Tensor(name, self.types.get(name, "")) for name in names)
