"""Graphs of ONNX and TensorFlow: their operations, and the files that they refer to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ..inspect.binary.limits import Stopped
from ..inspect.binary.protobuf import Messages, WireField
from ..inspect.binary.sources import ByteSource
from .text_formats import decode_head
from .verdicts import DANGEROUS, NOTE, UNKNOWN, ScanContext, leaves_folder

_DEPTH = 200

#: The messages to descend into: for each the numbers of fields, and the kinds of the messages in them.
_ONNX: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {},
    "opset": {},
}
#: The fields that are read as text.
_ONNX_TEXTS = {"node": {4: "type", 7: "domain"}, "function": {10: "domain"}, "entry": {1: "key", 2: "value"}}
#: Domains of operations that come with the runtimes.
_DOMAINS = frozenset((
    "", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training", "com.microsoft",
    "com.microsoft.nchwc", "com.microsoft.experimental", "com.ms.internal.nhwc",
))  # fmt: skip
#: Operations of onnxruntime that call functions of Python.
_PYTHON = frozenset(("PyOp", "PythonOp", "PythonOpGrad", "PyCustomOp", "OnnxPythonOp"))

_TENSORFLOW: dict[str, dict[int, str]] = {
    "saved": {2: "meta"},
    "meta": {2: "graph"},
    "graph": {1: "node", 2: "library"},
    "library": {1: "function"},
    "function": {1: "signature", 3: "node"},
    "node": {5: "attribute"},
    "attribute": {},
    "signature": {},
}
_TENSORFLOW_TEXTS = {"node": {2: "op"}, "signature": {1: "name"}, "attribute": {1: "key", 2: "value"}}
#: The longest value that may be a path; longer ones are tensors.
_VALUE = 4096
_LONGEST_TEXT = 64 << 20
#: Operations that write files, call Python or other programs, or talk to other machines.
HARMFUL = frozenset(str.split(
    "BigQueryReader CacheDataset CacheDatasetV2 CreateSummaryDbWriter CreateSummaryFileWriter DatasetToTFRecord DebugIdentity "
    "DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary DebugNumericSummaryV2 DistributedSave DumpTensor EagerPyFunc "
    "ExperimentalDatasetToTFRecord FileSystemSetConfiguration PyFunc PyFuncStateless RegisterDataset RegisterDatasetV2 "
    "RemoteCall RpcCall RpcClient RpcServer RpcServerRegister RpcServerStart SaveDataset SaveDatasetV2 Snapshot SnapshotDataset "
    "SnapshotDatasetV2 StatsAggregatorSetSummaryWriter TfLiteSubgraphExecute WriteAudioSummary WriteFile WriteGraphSummary "
    "WriteHistogramSummary WriteImageSummary WriteRawProtoSummary WriteScalarSummary WriteSummary XlaCustomCall XlaCustomCallV2"
))  # fmt: skip
#: Operations that read files, or get something from elsewhere.
READING = frozenset(str.split(
    "CSVDataset CSVDatasetV2 DTensorRestoreV2 DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4 "
    "DecodeProtoV2 EncodeProto ExperimentalCSVDataset ExperimentalLMDBDataset ExperimentalMatchingFilesDataset "
    "ExperimentalSqlDataset FixedLengthRecordDataset FixedLengthRecordDatasetV2 FixedLengthRecordReader FixedLengthRecordReaderV2 "
    "FixedUnigramCandidateSampler GenerateVocabRemapping GeneratorDataset IdentityReader IdentityReaderV2 ImmutableConst "
    "InitializeTableFromTextFile InitializeTableFromTextFileV2 LMDBDataset LMDBReader LoadAndRemapMatrix LoadDataset MatchingFiles "
    "MatchingFilesDataset ReadFile ReaderRead ReaderReadUpTo ReaderReadUpToV2 ReaderReadV2 RecordInput Recv Send "
    "SnapshotChunkDataset SnapshotDatasetReader SnapshotNestedDatasetReader SqlDataset TFRecordDataset TFRecordDatasetV2 "
    "TFRecordReader TFRecordReaderV2 TPUCompile TPUExecute TextLineDataset TextLineReader TextLineReaderV2 WholeFileReader "
    "WholeFileReaderV2 XlaCallModule XlaHostCompute XlaLaunch XlaLaunchV2 XlaRecvFromHost XlaSendToHost"
))  # fmt: skip
_OP = re.compile(r"""\bop\s*:\s*(["'])(.*?)\1""")


@cache
def operations() -> frozenset[str]:
    """The operations of TensorFlow that only compute, or keep variables in checkpoints."""
    document = json.loads(Path(__file__).with_name("tensorflow_ops.json").read_text(encoding="utf-8"))
    return frozenset(document["operations"])


def _walk(
    body: ByteSource, first: str, inside: dict[str, dict[int, str]], named: dict[str, dict[int, str]]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each message that is descended into: its kind, and the texts in it."""
    messages = Messages(body)
    pending = [(first, 0, body.size, 0)]
    while pending:
        kind, start, end, depth = pending.pop()
        if depth > _DEPTH:
            raise Stopped("it is nested too deep", limit=True)
        found: dict[str, str] = {}
        wanted, names = inside[kind], named.get(kind, {})
        for field in messages.fields(WireField(0, 0, start, end)):
            if not field.is_bytes:
                continue
            if inner := wanted.get(field.number):
                pending.append((inner, field.start, field.end, depth + 1))
            elif (name := names.get(field.number)) and not (kind == "attribute" and field.size > _VALUE):
                found[name] = messages.text(field)
        yield kind, found


def scan_graph(ctx: ScanContext, body: ByteSource, head: bytes, name: str) -> str:
    """The kind of a graph of TensorFlow or ONNX; empty for what only begins like one."""
    if name.endswith(".pbtxt"):
        if text := decode_head(head):
            _scan_tensorflow_text(ctx, body.at(0, min(body.size, _LONGEST_TEXT)))
        return "graph" if text else ""
    try:
        if head[:1] == b"\x08" or name.endswith((".onnx", ".mlmodel")):
            if _scan_onnx(ctx, body):
                return "onnx"
            if name.endswith(".mlmodel"):
                return _scan_coreml(ctx, body)
        if (head[:1] in (b"\x08", b"\x0a", b"\x12") or name.endswith(".pb")) and _scan_tensorflow(ctx, body):
            return "saved_model" if name.endswith("saved_model.pb") else "graph"
    except Stopped as error:
        if error.ambiguous or error.limit or name.endswith((".onnx", "saved_model.pb")):
            raise
    return ""


def _scan_onnx(ctx: ScanContext, body: ByteSource) -> bool:
    """Scan a model of ONNX, whose tensors may lie in other files of the folder. False when it has no graph."""
    paths, kinds, own = set(), set(), set()
    used: dict[str, str] = {}
    for kind, texts in _walk(body, "model", _ONNX, _ONNX_TEXTS):
        kinds.add(kind)
        if kind == "entry" and texts.get("key") == "location":
            paths.add(texts.get("value", ""))
        elif kind == "node":
            if texts.get("type") in _PYTHON:
                ctx.add_finding(DANGEROUS, "an operation that calls functions of Python", f"onnx.{texts['type']}")
            used.setdefault(texts.get("domain", ""), texts.get("type", ""))
        elif kind == "function":
            own.add(texts.get("domain", ""))
    if "graph" not in kinds or not (paths or "opset" in kinds):
        return False
    _check_paths(ctx, paths)
    for domain, operation in sorted(used.items()):
        if domain not in _DOMAINS and domain not in own:
            ctx.add_finding(UNKNOWN, "an operation that needs a library of its own", f"{domain}.{operation}")
    return True


def _check_paths(ctx: ScanContext, paths: set[str]) -> None:
    for path in sorted(paths):
        if leaves_folder(path, "[A-Za-z]:") or "\0" in path or "://" in path:
            ctx.add_finding(DANGEROUS, f"its data is outside the folder: {path}")
        else:
            ctx.add_finding(NOTE, f"its data lies in {path}")


def _scan_tensorflow(ctx: ScanContext, body: ByteSource) -> bool:
    """Scan a SavedModel, a meta graph or a graph, whichever it can be read as. False when it is none of them."""
    for first in ("saved", "meta", "graph"):
        used, own, files = set(), set(), set()
        try:
            for kind, texts in _walk(body, first, _TENSORFLOW, _TENSORFLOW_TEXTS):
                if kind == "node":
                    used.add(texts.get("op", ""))
                elif kind == "signature":
                    own.add(texts.get("name", ""))
                elif texts.get("key") == "output_stream" and "file:" in texts.get("value", ""):
                    files.add(texts["value"].partition("file:")[2])
        except Stopped as error:
            if error.limit or error.ambiguous:
                raise
            continue
        if used and all(re.fullmatch(r"[\w>./:-]+", name) for name in used):
            _check_operations(ctx, used, own)
            for path in sorted(files):
                ctx.add_finding(DANGEROUS, f"an operation that writes to {path}", "tensorflow.PrintV2")
            return True
    return False


def _scan_coreml(ctx: ScanContext, body: ByteSource) -> str:
    """Scan a model of Core ML; empty when it is none."""
    messages = Messages(body)
    numbers = {field.number for field in messages.fields(messages.message()) if field.is_bytes}
    if 2 not in numbers:
        return ""
    if 555 in numbers:
        ctx.add_finding(UNKNOWN, "a model that needs code of its own", "coreml.customModel")
    return "coreml"


def _scan_tensorflow_text(ctx: ScanContext, data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    names = {match[2] for match in _OP.finditer(text)}
    if any("\\" in name for name in names) or re.search(r"""\bop\s*:\s*(["']).{0,60}?\1\s*["']""", text):
        ctx.add_finding(DANGEROUS, "readers differ: the name of an operation is spelled in another way")
    if re.search(r"output_stream[^}]{0,100}file:", text):
        ctx.add_finding(DANGEROUS, "an operation that writes to a file", "tensorflow.PrintV2")
    _check_operations(ctx, names, set(re.findall(r'\bname\s*:\s*"(.*?)"', text)))


def _check_operations(ctx: ScanContext, used: set[str], own: set[str]) -> None:
    """Add the operations of TensorFlow that do more than compute; ``own`` are functions of the graph itself."""
    for name in sorted(used):
        if name in HARMFUL:
            ctx.add_finding(DANGEROUS, "an operation that writes files, or runs something else", f"tensorflow.{name}")
        elif name in READING:
            ctx.add_finding(UNKNOWN, "an operation that reads files", f"tensorflow.{name}")
        elif name not in operations() and name not in own:
            ctx.add_finding(UNKNOWN, "an operation that is not on the list", f"tensorflow.{name}")


def check_tflite_operation(ctx: ScanContext, operation: str) -> None:
    """Check an operation of TensorFlow Lite that is not its own: one of TensorFlow, or of some library."""
    plain = operation.removeprefix("Flex")
    if plain != operation:
        _check_operations(ctx, {plain}, set())
    elif operation not in ("TFLite_Detection_PostProcess", "VarHandle", "ReadVariable", "AssignVariable"):
        ctx.add_finding(UNKNOWN, "an operation that needs a library of its own", f"tflite.{operation}")
