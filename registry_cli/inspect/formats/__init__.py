"""The formats that can be told apart and read without loading them: a table, and modules that read them.

For each format there is a function, ``read(file: File) -> Inspection | None`` (for a format that is a folder
``read(folder: Folder) -> Inspection | None``): None says "this is none of mine"; :class:`Stopped`, or any other
exception, that it could not be read to the end. Whatever bytes do to a reader, ``inspecting`` catches it: a reader is
free to take the first wrong byte as it comes. It must be bounded by itself in what it counts and how deep it goes;
``File`` bounds what it reads.

May import: inspect, scan.pickle, core, errors.
Does not belong here: choosing which files of an artifact are inspected (``inspect/inspector.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from ..inspection import Inspection


class Format(NamedTuple):
    """One row of the table: how a format is recognised, and the module of this package that reads it; of a module with
    several readers also the function (``recognized.read_ncnn``).

    ``names`` are the short names that its readings can have (the first is told when a reading fails). ``magics`` are
    beginnings, or what stands at ``offset``; ``suffixes`` ends of a file's name in lower case. ``markers`` are names of
    files that make the folder around them this format; one that starts with ``*`` is an end of a name. In a folder that
    ``wraps`` models of other formats these are looked at too.

    A reader accepts a file only on evidence that no other format has. One that raises says by it that the file is of its
    format, but damaged. Where the ``magics`` alone do not prove that, because other formats begin the same way or because
    they are short, the row is ``ambiguous``: then the name has to agree.
    """

    module: str
    names: tuple[str, ...]
    magics: tuple[bytes, ...] = ()
    suffixes: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    wraps: bool = False
    offset: int = 0
    ambiguous: bool = False

    def load(self) -> Callable[[Any], Inspection | None]:
        """Its reader, which is imported now."""
        module, _, function = self.module.partition(".")
        reader: Callable[[Any], Inspection | None] = getattr(
            import_module(f".{module}", __package__), function or "read"
        )
        return reader

    def begins(self, head: bytes) -> bool:
        """Whether a file that begins with ``head`` looks like this format."""
        return bool(self.magics) and head.startswith(self.magics, self.offset)


_ZIP = (b"PK\x03\x04",)
_JSON = (b"{", b" {", b"\n{", b"\r\n{", b"\xef\xbb\xbf{")
_UBJSON = (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", b"{i\x07learner{", b"{U\x07learner{")
_XML = (b"<", b"\xef\xbb\xbf<")
#: The version of ONNX, and then the name of who wrote it, or the graph.
_ONNX = tuple(bytes((0x08, version, field)) for version in range(1, 32) for field in (0x12, 0x3A))
#: The version of Core ML, and then the description of the model.
_CORE_ML = tuple(bytes((0x08, version, 0x12)) for version in range(1, 32))
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"]\0\0", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
#: What pickles of all protocols begin with, most often, and their compressions.
_PICKLES = (
    *(bytes((code,)) for code in b"().012BCFGIJKLMNPQRSTUVX]abcdeghijlopqrstu}"),
    b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5", *_COMPRESSED,
)  # fmt: skip
_PICKLE_NAMES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".sav", ".p", ".pk")
#: Ends of names that files of many formats have: no evidence of any, but such a file is looked at before others.
COMMON_SUFFIXES = (".bin", ".json", ".xml", ".model")
_MSGPACK_MAPS = tuple(bytes((code,)) for code in (*range(0x81, 0x90), 0xDE, 0xDF))
_FASTTEXT = tuple(b"\xba\x16\x4f\x2f" + bytes((version, 0, 0, 0)) for version in (11, 12))

#: Files. What a file begins with is asked before what it is called; of rows that fit equally well the first is tried first.
FILES: tuple[Format, ...] = (
    Format("safetensors", ("safetensors",), magics=(b'{"',), offset=8, suffixes=(".safetensors",), ambiguous=True),
    Format("gguf", ("gguf",), magics=(b"GGUF",), suffixes=(".gguf",), ambiguous=True),
    Format("onnx", ("onnx",), magics=_ONNX, suffixes=(".onnx",), ambiguous=True),
    Format("keras", ("keras",), magics=_ZIP, suffixes=(".keras",), ambiguous=True),
    Format("keras", ("keras-h5", "hdf5"), magics=(b"\x89HDF\r\n\x1a\n",), suffixes=(".h5", ".hdf5")),
    Format("skops", ("skops",), magics=_ZIP, suffixes=(".skops",), ambiguous=True),
    Format("torch.read_pt2", ("pt2",), magics=_ZIP, suffixes=(".pt2",), ambiguous=True),
    Format("torch.read_torch", ("torch", "torchscript"), magics=_ZIP, suffixes=(".pt", ".pth"), ambiguous=True),
    Format("recognized.read_torchserve", ("torchserve",), magics=_ZIP, suffixes=(".mar",), ambiguous=True),
    Format(
        "numpy", ("npy-npz",), magics=(b"\x93NUMPY", *_ZIP, *_COMPRESSED), suffixes=(".npy", ".npz"), ambiguous=True
    ),
    Format("gradient_boosting.read_xgboost", ("xgboost-ubj",), magics=_UBJSON, suffixes=(".ubj",)),
    Format("gradient_boosting.read_xgboost", ("xgboost-json",), magics=_JSON),
    Format("gradient_boosting.read_lightgbm", ("lightgbm",), magics=(b"tree\nversion=", b"tree\r\nversion=")),
    Format("gradient_boosting.read_catboost", ("catboost",), magics=(b"CBM1",), suffixes=(".cbm",)),
    Format("gradient_boosting.read_catboost", ("catboost-json",), magics=_JSON),
    Format("tflite", ("tflite",), magics=(b"TFL3",), offset=4, suffixes=(".tflite",)),
    Format("recognized.read_executorch", ("executorch",), magics=(b"ET12", b"ET13"), offset=4, suffixes=(".pte",)),
    Format("recognized.read_onnxruntime", ("ort",), magics=(b"ORTM",), offset=4, suffixes=(".ort",)),
    Format("coreml", ("coreml",), magics=_CORE_ML, suffixes=(".mlmodel",), ambiguous=True),
    Format("text_models.read_fasttext", ("fasttext",), magics=_FASTTEXT, suffixes=(".ftz",)),
    Format(
        "ctranslate2",
        ("ctranslate2",),
        magics=tuple(bytes((version, 0, 0, 0)) for version in range(2, 10)),
        ambiguous=True,
    ),
    Format("xml_formats.read_openvino", ("openvino",), magics=_XML),
    Format("xml_formats.read_pmml", ("pmml",), magics=_XML, suffixes=(".pmml",)),
    Format("jax.read_flax", ("flax",), magics=_MSGPACK_MAPS, suffixes=(".msgpack",), ambiguous=True),
    Format("nemo", ("nemo",), magics=(b"ustar",), offset=257, suffixes=(".nemo",), ambiguous=True),
    Format("tensorflow.read_tfjs", ("tfjs",), magics=_JSON),
    Format("recognized.read_ncnn", ("ncnn",), magics=(b"7767517\n", b"7767517\r\n"), suffixes=(".param",)),
    Format(
        "paddle",
        ("paddle",),
        magics=(b"\n", bytes(16), b"\x80\2", b"\x80\3", b"\x80\4", *_JSON),
        suffixes=(".pdmodel", ".pdiparams", ".pdiparams.info"),
        ambiguous=True,
    ),
    Format("text_models.read_sentencepiece", ("sentencepiece",), magics=(b"\n",), suffixes=(".spm",), ambiguous=True),
    Format(
        "recognized.read_tensorrt",
        ("tensorrt",),
        magics=(b"ftrt", b"ptrt"),
        suffixes=(".engine", ".plan", ".trt"),
        ambiguous=True,
    ),
    Format("recognized.read_rknn", ("rknn",), magics=(b"RKNN",), suffixes=(".rknn",), ambiguous=True),
    Format(
        "recognized.read_treelite",
        ("treelite",),
        magics=(b"\x03\0\0\0", b"\x04\0\0\0"),
        suffixes=(".tl",),
        ambiguous=True,
    ),
    Format("recognized.read_ggml", ("ggml",), magics=(b"lmgg", b"fmgg", b"tjgg", b"algg"), ambiguous=True),
    Format("recognized.read_crfsuite", ("crfsuite",), magics=(b"lCRF",), suffixes=(".crfsuite",), ambiguous=True),
    Format("pickles", ("pickle", "joblib", "torch-legacy"), magics=_PICKLES, suffixes=_PICKLE_NAMES, ambiguous=True),
)

#: Folders. Where one folder is several, the first counts: the most specific.
FOLDERS: tuple[Format, ...] = (
    Format("mlflow", ("mlflow",), markers=("MLmodel",), wraps=True),
    Format("huggingface.read_sentence_transformers", ("sentence-transformers",), markers=("modules.json",)),
    Format("huggingface.read_mlx", ("mlx",), markers=("config.json", "adapter_config.json")),
    Format("huggingface.read_peft", ("peft",), markers=("adapter_config.json",)),
    Format("huggingface.read_diffusers", ("diffusers",), markers=("model_index.json", "config.json")),
    Format("tensorflow.read_saved_model", ("saved-model",), markers=("saved_model.pb",)),
    Format("text_models.read_spacy", ("spacy",), markers=("meta.json",)),
    Format("coreml", ("coreml",), markers=("Manifest.json", "coremldata.bin")),
    Format("ctranslate2", ("ctranslate2",), markers=("model.bin",)),
    Format("jax.read_orbax", ("orbax",), markers=("_METADATA", "_CHECKPOINT_METADATA", "manifest.ocdbt")),
    Format("huggingface.read_transformers", ("transformers",), markers=("config.json",)),
    Format("safetensors", ("safetensors",), markers=("*.safetensors.index.json",)),
)
