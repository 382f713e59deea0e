"""Inspection of an artifact: which files are opened, which reader each gets, and what it is as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..core.lazy_dataclass import replace
from ..errors import RegistryError
from .binary.limits import Budget, Stopped
from .binary.model_files import ModelFile, ModelFolder
from .formats import COMMON_SUFFIXES, FILES, FOLDERS, Format
from .inspection import NO_WEIGHTS, UNKNOWN, Inspected, Inspection, to_single_line

#: The most files of an artifact that are opened: those with the name of a format first, then the others.
FILES_LIMIT = 64

#: What a folder that wraps a model takes from the model where the folder does not have it.
_INNER_FIELDS = (
    "framework", "framework_version", "class_name", "parameters", "dtypes", "inputs", "outputs", "features", "feature_count",
)  # fmt: skip
_MARKERS = {marker: [row for row in FOLDERS if marker in row.markers] for row in FOLDERS for marker in row.markers}
_ENDS = tuple(marker[1:] for marker in _MARKERS if marker[0] == "*")
#: What models of transformers are converted to: beside its configuration this is the model.
_EXPORTS = ("gguf", "onnx", "ort", "openvino", "tflite", "coreml", "executorch", "tensorrt", "rknn", "ggml")
#: Formats that more often accompany a model than are one: of several files another is the primary.
_AUXILIARY = ("npy-npz", "hdf5", "sentencepiece")
_SUFFIXES = (*COMMON_SUFFIXES, *(suffix for row in FILES for suffix in row.suffixes))


def inspect(files: Mapping[str, Path]) -> Inspected:
    """Recognise the formats of an artifact, and read what they say of the model.

    A folder of a known layout is one reading, and the files in it are not inspected one by one, unless it wraps models
    of other formats. Outside of such folders an unrecognised file has the format ``unknown``.

    Args:
        files: The files by their paths in the artifact.

    Raises:
        OSError: A file can't be opened. The content of a file raises nothing.
    """
    budget = Budget()
    found, covered = _inspect_folders(files, budget)
    loose = {name: path for name, path in files.items() if not name.startswith(covered)} if covered else files
    # names with a suffix of a format first, and of these the ones near the top
    chosen = sorted(loose, key=lambda name: (not name.lower().endswith(_SUFFIXES), name.count("/"), name))[:FILES_LIMIT]
    readings = [_inspect_file(name, files, budget) for name in chosen]
    folders = tuple(f"{each.path}/" if each.path else "" for each in found)
    described = _companions(readings)
    found += [
        each
        for each in readings
        if each.path not in described and (each.format != UNKNOWN or not (folders and each.path.startswith(folders)))
    ]
    return Inspected(_choose_primary(found, files), tuple(found), len(files), len(loose) - len(chosen))


def _companions(readings: list[Inspection]) -> set[str]:
    """The files that are described with another. Of two that name each other, the one with more of them describes both."""
    described: set[str] = set()
    for each in sorted(readings, key=lambda each: -len(each.companions)):
        if each.format != UNKNOWN and each.path not in described:
            described.update(path for path in each.companions if path != each.path)
    return described


def _inspect_folders(files: Mapping[str, Path], budget: Budget) -> tuple[list[Inspection], tuple[str, ...]]:
    """The topmost folders of a known layout, and the prefixes of the paths that need no inspection of their own."""
    marked: dict[str, set[Format]] = {}
    for name in files:
        parent, _, base = name.rpartition("/")
        for marker in (base, *(f"*{end}" for end in _ENDS if base.endswith(end))):
            if marker in _MARKERS:
                marked.setdefault(parent, set()).update(_MARKERS[marker])
    found: list[Inspection] = []
    covered: tuple[str, ...] = ()
    for parent in sorted(marked, key=lambda name: (name.count("/") + bool(name), name))[:FILES_LIMIT]:
        prefix = f"{parent}/" if parent else ""
        if covered and prefix.startswith(covered):
            continue
        inside = {name[len(prefix) :]: path for name, path in files.items() if name.startswith(prefix)}
        rows = marked[parent]
        if reading := _read_with_first(sorted(rows, key=FOLDERS.index), ModelFolder(parent, inside, budget)):
            found.append(reading)
            if not (_lacks_weights(reading) or any(row.wraps for row in rows if reading.format in row.names)):
                covered += (prefix,)
    return found, covered


def _inspect_file(name: str, files: Mapping[str, Path], budget: Budget) -> Inspection:
    with ModelFile.opened(files[name], name, files, budget) as file:
        by_head = [row for row in FILES if row.begins(file.head)]
        by_name = [row for row in FILES if row.suffixes and name.lower().endswith(row.suffixes)]
        rows = sorted({*by_head, *by_name}, key=lambda row: (row not in by_head, row not in by_name, FILES.index(row)))
        reading = _read_with_first(rows, file)
    likely = {row.names[0] for row in by_head if row in by_name or not row.ambiguous}
    if reading is None or (not reading.certain and reading.problem and reading.format not in likely):
        # it may be anything else
        return Inspection(UNKNOWN, certain=False, problem=reading.problem if reading else "", path=name)
    return reading


def _read_with_first(rows: list[Format], thing: ModelFile | ModelFolder) -> Inspection | None:
    """The reading of the first format that accepts ``thing``; else of the first that recognised it, but failed."""
    unsure: Inspection | None = None
    for row in rows:
        reading = _read_guarded(row, thing)
        if reading and reading.certain:
            return reading
        unsure = unsure or reading
    return unsure


def _read_guarded(row: Format, thing: ModelFile | ModelFolder) -> Inspection | None:
    """What the reader of a format returns. The one place that catches what bytes can do to it; an interrupt passes."""
    read = row.load()
    try:
        reading = read(thing)
        if reading is None:
            return None
        reading.lineage()
        return replace(reading, path=thing.name)
    except Exception as error:  # a model can be registered although nobody can read it
        words = to_single_line(str(error)) or type(error).__name__
        if not isinstance(error, (Stopped, RegistryError)):  # what Python says is no sentence
            words = f"it is not as its format says ({words})"
        return Inspection(row.names[0], certain=False, problem=words, path=thing.name)


def _choose_primary(found: list[Inspection], files: Mapping[str, Path]) -> Inspection | None:
    """A folder before a file, what was read before what was only recognised, a model before arrays, then the largest."""
    known = [each for each in found if each.format != UNKNOWN]
    if not known:
        return None

    def size(each: Inspection) -> int:
        return sum(files[path].lstat().st_size for path in {each.path, *each.companions} if path in files)

    best = max(
        known, key=lambda each: (each.path not in files, each.certain, each.format not in _AUXILIARY, size(each))
    )
    if best.path in files:
        return best
    inside = f"{best.path}/" if best.path else ""
    within = [each for each in known if each is not best and each.certain and each.path.startswith(inside)]
    if _lacks_weights(best):
        model = max((each for each in within if each.format in _EXPORTS), key=size, default=None)
        return replace(model, class_name=best.class_name or model.class_name) if model else best
    if len(within) != 1:
        return best
    gaps = {name: getattr(within[0], name) for name in _INNER_FIELDS if not getattr(best, name)}
    return replace(best, **gaps)


def _lacks_weights(reading: Inspection) -> bool:
    """Whether a folder is only the configuration of a model, which may lie beside it in another format."""
    return reading.details.get("uncounted") == NO_WEIGHTS
