"""Core ML: ``.mlmodel``, a protocol buffer; ``.mlpackage``, a folder with one and its weights; ``.mlmodelc``, compiled."""

from __future__ import annotations

from collections import Counter
from math import prod
from posixpath import join

from ..binary.limits import Limit, Stopped
from ..binary.model_files import FIELDS, ModelFile, ModelFolder, unless_stopped
from ..binary.protobuf import Messages, WireField
from ..inspection import Inspection, Shape, Tensor, parameter_counts

MAX_LISTED, MAX_DEPTH = 1_000, 32

#: What a model can be, by the number of its field.
_TYPES = {
    200: "pipelineClassifier", 201: "pipelineRegressor", 202: "pipeline", 300: "glmRegressor",
    301: "supportVectorRegressor", 302: "treeEnsembleRegressor", 303: "neuralNetworkRegressor",
    304: "bayesianProbitRegressor", 400: "glmClassifier", 401: "supportVectorClassifier", 402: "treeEnsembleClassifier",
    403: "neuralNetworkClassifier", 404: "kNearestNeighborsClassifier", 500: "neuralNetwork",
    501: "itemSimilarityRecommender", 502: "mlProgram", 555: "customModel", 556: "linkedModel",
    560: "classConfidenceThresholding", 600: "oneHotEncoder", 601: "imputer", 602: "featureVectorizer",
    603: "dictVectorizer", 604: "scaler", 606: "categoricalMapping", 607: "normalizer", 609: "arrayFeatureExtractor",
    610: "nonMaximumSuppression", 900: "identity", 2000: "textClassifier", 2001: "wordTagger", 2002: "visionFeaturePrint",
    2003: "soundAnalysisPreprocessing", 2004: "gazetteer", 2005: "wordEmbedding", 2006: "audioFeaturePrint",
    3000: "serializedModel",
}  # fmt: skip
_PROGRAM = 502
_VERSIONS = range(1, 64)
_ARRAYS = {65552: "float16", 65568: "float32", 65600: "float64", 131080: "int8", 131104: "int32"}
_KINDS = {1: "int64", 2: "float64", 3: "string", 4: "image", 6: "dictionary", 7: "sequence", 8: "state"}
#: Types of tensors in programs.
_DTYPES = {
    1: "bool", 2: "string", 10: "float16", 11: "float32", 12: "float64", 13: "bfloat16", 21: "int8", 22: "int16",
    23: "int32", 24: "int64", 25: "int4", 31: "uint8", 32: "uint16", 33: "uint32", 34: "uint64", 35: "uint4",
    36: "uint2", 37: "uint1", 38: "uint6", 39: "uint3",
}  # fmt: skip
_TEXTS = {1: "description", 2: "model_version", 3: "author", 4: "license"}
_SOURCE, _CONVERTER = "com.github.apple.coremltools.source", "com.github.apple.coremltools.version"


def read(thing: ModelFile | ModelFolder) -> Inspection | None:
    """A file; or a folder, by the model that its manifest names."""
    if isinstance(thing, ModelFile):
        return _Model(thing).run()
    if "Manifest.json" not in thing.files:
        if not any(name in thing.files for name in ("model.mil", "model.espresso.net", "metadata.json")):
            return None  # a compiled model has one of these beside it
        return Inspection("coreml", framework="coreml", details={"uncounted": "compiled models are only recognised"})
    manifest = thing.json_object("Manifest.json")
    items = manifest.get("itemInfoEntries")
    if not isinstance(items, dict) or not isinstance(root := items.get(manifest.get("rootModelIdentifier")), dict):
        return None
    with thing.opened(join("Data", str(root.get("path")))) as file:
        return _Model(file).run()


class _Model:
    """The parts of one model, collected while its fields are read."""

    def __init__(self, file: ModelFile) -> None:
        self.wire = Messages(file, FIELDS)
        self.version = 0
        self.kinds: list[int] = []
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.texts: dict[str, str] = {}
        self.properties: dict[str, str] = {}
        self.weights: Counter[str] = Counter()
        self.operations = 0
        self.described = False

    def run(self) -> Inspection | None:
        program: WireField | None = None
        for field in self.wire.fields(self.wire.message()):
            if field.number == 1:
                self.version = field.value
            elif field.number == 2 and field.end:
                self.described = True
                self.description(field)
            elif field.number in _TYPES:
                self.kinds.append(field.number)
                program = field if field.number == _PROGRAM else None
        if self.version not in _VERSIONS or len(self.kinds) != 1 or not self.described:
            return None
        uncounted = "only the weights of ML programs are counted"
        if program:
            _, uncounted = unless_stopped(lambda: self.program(program), Limit)
        return Inspection(
            "coreml",
            framework="coreml",
            class_name=_TYPES[self.kinds[0]],
            **parameter_counts(self.weights, uncounted),
            inputs=tuple(self.inputs),
            outputs=tuple(self.outputs),
            details={
                "specification": self.version,
                **self.texts,
                "source": self.properties.pop(_SOURCE, None),
                "coremltools": self.properties.pop(_CONVERTER, None),
                "properties": self.properties,
                "operations": self.operations or None,
                "uncounted": uncounted,
            },
        )

    def description(self, message: WireField) -> None:
        for field in self.wire.fields(message):
            if field.number in (1, 10):
                (self.inputs if field.number == 1 else self.outputs).append(self.feature(field))
                if len(self.inputs) + len(self.outputs) > MAX_LISTED:
                    raise Stopped(f"more than {MAX_LISTED:,} inputs and outputs")
            elif field.number == 100:
                for part in self.wire.fields(field):
                    if part.number in _TEXTS:
                        self.texts[_TEXTS[part.number]] = self.wire.text(part)
                    elif part.number == 100 and len(self.properties) < MAX_LISTED:
                        key, value = self.wire.pair(part)
                        self.properties[key] = self.wire.text(value)

    def feature(self, message: WireField) -> Tensor:
        parts = self.wire.last(message)
        kind, shape = "", None
        for part in self.wire.fields(parts[3]):
            if part.number == 5:
                kind, shape = self.array(part)
            elif part.number in _KINDS:
                kind = _KINDS[part.number]
        return Tensor(self.wire.text(parts[1]), kind, shape)

    def array(self, message: WireField) -> tuple[str, Shape]:
        kind, shape = "", list[int]()
        for field in self.wire.fields(message):
            if field.number == 1:
                shape += self.wire.numbers(field)
            elif field.number == 2:
                kind = _ARRAYS.get(field.value, str(field.value))
        return kind, tuple(shape)

    def program(self, message: WireField) -> None:
        """Count the numbers that the operations of all functions hold."""
        for function in self.wire.select(message, 2):
            for block in self.wire.select(self.wire.pair(function)[1], 3):
                self.block(self.wire.pair(block)[1], MAX_DEPTH)

    def block(self, message: WireField, depth: int) -> None:
        if not depth:
            raise Stopped("blocks are nested too deep")
        for operation in self.wire.select(message, 3):
            self.operations += 1
            self.operation(operation, depth)

    def operation(self, message: WireField, depth: int) -> None:
        """Count a constant by the shape of its output, however it is compressed; single numbers are settings."""
        kind, outputs = "", []
        for field in self.wire.fields(message):
            if field.number == 1:
                kind = self.wire.text(field)
            elif field.number == 3:
                outputs.append(field)
            elif field.number == 4:
                self.block(field, depth - 1)
        if kind == "const" or kind.startswith("constexpr_"):
            for output in outputs:
                self.weight(self.wire.last(self.wire.last(output)[2])[1])

    def weight(self, message: WireField) -> None:
        kind, shape = "", list[int]()
        for part in self.wire.fields(message):
            if part.number == 1:
                kind = _DTYPES.get(part.value, "")
            elif part.number == 3:
                size = self.wire.last(self.wire.last(part)[1])
                shape.append(size[1].value)
        if shape and kind.startswith(("float", "bfloat")):
            self.weights[kind] += prod(shape)
