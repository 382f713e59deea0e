"""Files that are no pickles, and can run code all the same: layers of Keras, types of skops, paths of ONNX, tags of YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ..pickles.allowed import Allowed
from ..pickles.judging import DANGEROUS as DENIED
from ..pickles.judging import KNOWN as HARMLESS
from ..pickles.judging import judge, use_of
from ..pickles.log import IMPORT, REFER
from ..pickles.reader import Budget, Stopped
from .bodies import Body, InMemory
from .texts import mappings
from .verdicts import DANGEROUS, KNOWN, NOTE, UNKNOWN, UNSCANNABLE, FileScan

_JSON = 64 << 20
_DEPTH = 200
_LAMBDAS = {"Lambda", "__lambda__", "TFOpLambda", "SlicingOpLambda"}
#: Where Keras' own objects come from.
_KERAS = ("keras", "tensorflow", "tf_keras", "keras_nlp", "keras_hub", "keras_cv", "builtins")
_LAMBDA_TEXT = re.compile(rb'"class_name"\s*:\s*"(?:keras\.layers\.)?(?:Lambda|__lambda__)"')
_ESCAPED_NAME = re.compile(rb'"(?:class_name|\\u[^"]*)"\s*:\s*"[^"]*\\u00')
_PYTABLES = re.compile(rb"PYTABLES_FORMAT_VERSION")
_KEY = re.compile(rb'"class_name"')
_ESCAPED_KEY = re.compile(rb'"[a-z_]{0,10}\\u00[2-7][0-9a-fA-F](?:[a-z_]|\\u00[2-7][0-9a-fA-F]){0,10}"\s*:')
_YAML_TAG = re.compile(rb"(?:!!|tag:yaml\.org,2002:|!<tag:yaml\.org,2002:)python/(object|name|module|apply)")
_LOOK = 1 << 20
_OVERLAP = 256


def skops_schema(scan: FileScan, data: bytes, where: str, allowed: Allowed) -> None:
    """The types that a skops file names. ``skops.io.load`` asks before it takes those that it doesn't trust."""
    document = _loaded(scan, data, where)
    for each in mappings(document):
        module, name = each.get("__module__"), each.get("__class__")
        content = each.get("content")
        if isinstance(content, dict) and isinstance(content.get("module_path"), str):
            _judged(scan, content["module_path"], str(content.get("function")), where, allowed, called=False)
            scan.globals += 1
            continue
        if isinstance(module, str) and isinstance(name, str) and module and name not in ("function", "ufunc"):
            _judged(scan, module, name, where, allowed)
            scan.globals += 1
        func = content.get("func") if isinstance(content, dict) else None
        if isinstance(func, str) and func.startswith("__"):
            scan.found(DANGEROUS, func, "it reaches for what Python keeps inside", where)


def judged(module: str, name: str, allowed: Allowed, *, called: bool = True) -> tuple[str, str]:
    """What it means that something imports, and calls, a global: a verdict and why."""
    judgement = judge(use_of(module, name, IMPORT if called else REFER), allowed)
    level = {HARMLESS: KNOWN, DENIED: DANGEROUS}.get(judgement.level, UNKNOWN)
    return level, judgement.why


def _judged(scan: FileScan, module: str, name: str, where: str, allowed: Allowed, *, called: bool = True) -> None:
    level, why = judged(module, name, allowed, called=called)
    if level != KNOWN:
        scan.found(level, f"{module}.{name}", why, where)


def _loaded(scan: FileScan, data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        scan.found(UNSCANNABLE, "", "its JSON can't be read", where)
        return None


def hdf5(scan: FileScan, body: Body, where: str, budget: Budget) -> None:
    """An HDF5 file is data; but Keras keeps the configuration of a model in it as JSON, anywhere."""
    found = _search(body, (_LAMBDA_TEXT, _ESCAPED_NAME, _PYTABLES), budget)
    if found & {_LAMBDA_TEXT, _ESCAPED_NAME}:
        scan.found(DANGEROUS, "", "a Lambda layer holds Python code", where)
    if _PYTABLES in found:
        scan.found(UNKNOWN, "", "PyTables wrote it, which keeps pickles among its attributes", where)


def saved_model(scan: FileScan, body: Body, where: str, budget: Budget) -> None:
    """Operations of a TensorFlow graph that read or write files, or call Python."""
    names = ("ReadFile", "WriteFile", "PyFunc", "EagerPyFunc", "PyFuncStateless")
    patterns = {re.compile(b"\x12" + bytes([len(name)]) + name.encode()): name for name in names}
    for pattern in _search(body, tuple(patterns), budget):
        scan.found(UNKNOWN, f"tensorflow.{patterns[pattern]}", "an operation of its graph", where)


def _search(body: Body, patterns: tuple[re.Pattern[bytes], ...], budget: Budget) -> set[re.Pattern[bytes]]:
    """Which of the patterns are anywhere in a file, all of which is read."""
    at, before = 0, b""
    found: set[re.Pattern[bytes]] = set()
    while at < body.size and len(found) < len(patterns):
        data = body.at(at, _LOOK)
        budget.seeking -= len(data)
        if budget.seeking < 0:
            raise Stopped("it is longer than is looked at", limit=True)
        found |= {pattern for pattern in patterns if pattern not in found and pattern.search(before + data)}
        before, at = data[-_OVERLAP:], at + len(data)
        if not data:
            break
    return found


#: What to descend into, field by field: a message of ONNX has these messages in it.
_MODEL: dict[int, str] = {7: "graph", 20: "training", 25: "function"}
_INSIDE: dict[str, dict[int, str]] = {
    "model": _MODEL,
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {},
}
_MESSAGES = 5_000_000


def onnx(scan: FileScan, body: Body, where: str) -> None:
    """Tensors of ONNX may lie in other files: their paths must stay in the folder."""
    seen, left = set(), _MESSAGES
    pending = [("model", 0, body.size, 0)]
    while pending:
        kind, start, end, depth = pending.pop()
        if depth > _DEPTH:
            raise Stopped("it is nested too deep", limit=True)
        if kind == "entry":
            entry = _pairs(body.at(start, min(end - start, 1 << 16)))
            if entry.get(1) == b"location":
                seen.add(entry.get(2, b"").decode("utf-8", "replace"))
            continue
        for number, at, length in fields(body, start, end):
            left -= 1
            if left < 0:
                raise Stopped("it has more fields than are looked at", limit=True)
            if inner := _INSIDE[kind].get(number):
                pending.append((inner, at, at + length, depth + 1))
    for path in sorted(seen):
        if path.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", path) or re.match(r"[A-Za-z]:", path):
            scan.found(DANGEROUS, "", f"its data lies outside of the folder: {path}", where)
        else:
            scan.found(NOTE, "", f"its data lies in {path}", where)


def fields(body: Body, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message that hold bytes: number, place and length. :class:`Stopped` when it is none."""
    while start < end:
        head = body.at(start, min(20, end - start))
        key, at = _varint(head, 0)
        number, wire = key >> 3, key & 7
        if number == 0 or wire not in (0, 1, 2, 5):
            raise Stopped("it is no ONNX model to its end")
        if wire == 0:
            _, at = _varint(head, at)
            start += at
            continue
        length = 8 if wire == 1 else 4
        if wire == 2:
            length, at = _varint(head, at)
        if start + at + length > end:
            raise Stopped("it is cut short")
        if wire == 2:
            yield number, start + at, length
        start += at + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise Stopped("it is cut short")


def _pairs(data: bytes) -> dict[int, bytes]:
    return {number: data[at : at + length] for number, at, length in fields(InMemory(data), 0, len(data))}
