"""Graphs of ONNX and TensorFlow: which operations are in them, and which files they lead to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ..inspect.binary.limits import Stopped
from ..inspect.binary.protobuf import Messages, WireField
from ..inspect.binary.sources import ByteSource
from .text_formats import decoded
from .verdicts import DANGEROUS, NOTE, UNKNOWN, FileScan

_DEPTH = 200

#: What to descend into, message by message: a field's number, and the kind of message in it.
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
#: A value that is longer is a tensor, no path.
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
) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Every message that is descended into: its kind, how deep it lies, and the texts in it."""
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
        yield kind, depth, found


def scan_graph(scan: FileScan, body: ByteSource, head: bytes, name: str, where: str) -> str:
    """The kind of a graph of TensorFlow or ONNX; empty for what only begins like one."""
    if name.endswith(".pbtxt"):
        if text := decoded(head):
            tensorflow_text(scan, body.at(0, min(body.size, _LONGEST_TEXT)), where)
        return "graph" if text else ""
    try:
        if head[:1] == b"\x08" or name.endswith((".onnx", ".mlmodel")):
            if onnx(scan, body, where):
                return "onnx"
            if name.endswith(".mlmodel"):
                return coreml(scan, body, where)
        if (head[:1] in (b"\x08", b"\x0a", b"\x12") or name.endswith(".pb")) and tensorflow(scan, body, where):
            return "saved_model" if name.endswith("saved_model.pb") else "graph"
    except Stopped as error:
        if error.ambiguous or error.limit or name.endswith((".onnx", "saved_model.pb")):
            raise
    return ""


def onnx(scan: FileScan, body: ByteSource, where: str) -> bool:
    """Tensors of ONNX may lie in other files: their paths must stay in the folder. False when there is no graph."""
    paths, kinds, own = set(), set(), set()
    used: dict[str, str] = {}
    for kind, _, texts in _walk(body, "model", _ONNX, _ONNX_TEXTS):
        kinds.add(kind)
        if kind == "entry" and texts.get("key") == "location":
            paths.add(texts.get("value", ""))
        elif kind == "node":
            if texts.get("type") in _PYTHON:
                scan.add_finding(
                    DANGEROUS, f"onnx.{texts['type']}", "an operation that calls functions of Python", where
                )
            used.setdefault(texts.get("domain", ""), texts.get("type", ""))
        elif kind == "function":
            own.add(texts.get("domain", ""))
    if "graph" not in kinds or not (paths or "opset" in kinds):
        return False
    _paths(scan, paths, where)
    for domain, operation in sorted(used.items()):
        if domain not in _DOMAINS and domain not in own:
            scan.add_finding(UNKNOWN, f"{domain}.{operation}", "an operation that needs a library of its own", where)
    return True


def _paths(scan: FileScan, paths: set[str], where: str) -> None:
    for path in sorted(paths):
        outside = path.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", path) or re.match(r"[A-Za-z]:", path)
        if outside or "\0" in path or "://" in path:
            scan.add_finding(DANGEROUS, "", f"its data lies outside of the folder: {path}", where)
        else:
            scan.add_finding(NOTE, "", f"its data lies in {path}", where)


def tensorflow(scan: FileScan, body: ByteSource, where: str) -> bool:
    """A SavedModel, a meta graph or a graph, by what makes sense of it. False when it is none of them."""
    for first in ("saved", "meta", "graph"):
        used, own, files = set(), set(), set()
        try:
            for kind, _, texts in _walk(body, first, _TENSORFLOW, _TENSORFLOW_TEXTS):
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
            judge(scan, used, own, where)
            for path in sorted(files):
                scan.add_finding(DANGEROUS, "tensorflow.PrintV2", f"an operation that writes to {path}", where)
            return True
    return False


def coreml(scan: FileScan, body: ByteSource, where: str) -> str:
    """A model of Core ML: its version and its description; ``custom`` ones need code of their own. Empty when it is none."""
    messages = Messages(body)
    numbers = {field.number for field in messages.fields(messages.message()) if field.is_bytes}
    if 2 not in numbers:
        return ""
    if 555 in numbers:
        scan.add_finding(UNKNOWN, "coreml.customModel", "a model that needs code of its own", where)
    return "coreml"


def tensorflow_text(scan: FileScan, data: bytes, where: str) -> None:
    """The same, written as text."""
    text = data.decode("utf-8", "replace")
    names = {match[2] for match in _OP.finditer(text)}
    if any("\\" in name for name in names) or re.search(r"""\bop\s*:\s*(["']).{0,60}?\1\s*["']""", text):
        scan.add_finding(DANGEROUS, "", "readers differ: the name of an operation is spelled in another way", where)
    if re.search(r"output_stream[^}]{0,100}file:", text):
        scan.add_finding(DANGEROUS, "tensorflow.PrintV2", "an operation that writes to a file", where)
    judge(scan, names, set(re.findall(r'\bname\s*:\s*"(.*?)"', text)), where)


def judge(scan: FileScan, used: set[str], own: set[str], where: str) -> None:
    """Note the operations of TensorFlow that do more than compute; ``own`` are functions of the graph itself."""
    for name in sorted(used):
        if name in HARMFUL:
            scan.add_finding(
                DANGEROUS, f"tensorflow.{name}", "an operation that writes files, or runs something else", where
            )
        elif name in READING:
            scan.add_finding(UNKNOWN, f"tensorflow.{name}", "an operation that reads files", where)
        elif name not in operations() and name not in own:
            scan.add_finding(UNKNOWN, f"tensorflow.{name}", "an operation that is not on the list", where)
