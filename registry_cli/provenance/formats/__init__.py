"""The formats that can be told apart and read without loading them: a table, and one small module a format.

A module has one function, ``read(file: File) -> Inspection | None`` (for a format that is a folder
``read(folder: Folder) -> Inspection | None``): None says "this is none of mine"; :class:`Malformed`, or any other
exception, that it could not be read to the end. Whatever bytes do to a reader, ``inspecting`` catches it: a reader is
free to take the first wrong byte as it comes. It must be bounded by itself in what it counts and how deep it goes;
``File`` bounds what it reads.
"""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """One row of the table: how a format is recognised, and the module of this package that reads it.

    ``names`` are the short names that its readings can have (the first is told when a reading fails). ``magics`` are
    beginnings, or what stands at ``offset``; ``suffixes`` ends of a file's name in lower case. ``markers`` are names of files that make the folder
    around them this format; one that starts with ``*`` is an end of a name. In a folder that ``wraps`` models of other
    formats these are looked at too.
    """

    module: str
    names: tuple[str, ...]
    magics: tuple[bytes, ...] = ()
    suffixes: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    wraps: bool = False
    offset: int = 0

    def begins(self, head: bytes) -> bool:
        """Whether a file that begins with ``head`` looks like this format."""
        return bool(self.magics) and head.startswith(self.magics, self.offset)


_ZIP = (b"PK\x03\x04",)
_JSON = (b"{",)
#: The version of ONNX, and then the name of who wrote it, or the graph.
_ONNX = tuple(bytes((0x08, version, field)) for version in range(1, 32) for field in (0x12, 0x3A))
_PICKLES = (
    b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"]\0\0", b"x\x01", b"x\x5e", b"x\x9c",
    b"x\xda",
)  # fmt: skip
_PICKLE_NAMES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin", ".ckpt", ".sav")

#: Files. What a file begins with is asked before what it is called; of rows that fit equally well the first is tried first.
FILES: tuple[Format, ...] = (
    Format("safetensors", ("safetensors",), magics=(b'{"',), offset=8, suffixes=(".safetensors",)),
    Format("gguf", ("gguf",), magics=(b"GGUF",), suffixes=(".gguf",)),
    Format("onnx", ("onnx",), magics=_ONNX, suffixes=(".onnx",)),
    Format(
        "keras",
        ("keras", "keras-h5", "hdf5"),
        magics=(*_ZIP, b"\x89HDF\r\n\x1a\n"),
        suffixes=(".keras", ".h5", ".hdf5"),
    ),
    Format("skops", ("skops",), magics=_ZIP, suffixes=(".skops",)),
    Format("torch", ("torch", "torchscript"), magics=_ZIP, suffixes=(".pt", ".pth")),
    Format("torchserve", ("torchserve",), magics=_ZIP, suffixes=(".mar",)),
    Format("xgboost", ("xgboost-json", "xgboost-ubj"), magics=_JSON, suffixes=(".json", ".ubj")),
    Format("lightgbm", ("lightgbm",), magics=(b"tree\nversion=", b"tree\r\nversion=")),
    Format("catboost", ("catboost", "catboost-json"), magics=(b"CBM1", *_JSON), suffixes=(".cbm", ".json")),
    Format("pickled", ("pickle", "joblib", "torch-legacy"), magics=_PICKLES, suffixes=_PICKLE_NAMES),
)

#: Folders. Where one folder is several, the first counts.
FOLDERS: tuple[Format, ...] = (
    Format("mlflow", ("mlflow",), markers=("MLmodel",), wraps=True),
    Format("saved_model", ("saved-model",), markers=("saved_model.pb",)),
    Format("transformers", ("transformers",), markers=("config.json",)),
    Format("safetensors", ("safetensors",), markers=("*.safetensors.index.json",)),
)
