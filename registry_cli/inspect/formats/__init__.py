"""The formats of models: a table, and modules that read them without loading a model.

For each format there is a function ``read(file: ModelFile) -> Inspection | None``; for a format that is a folder
``read(folder: ModelFolder) -> Inspection | None``. It returns None if the file is not of its format, and raises
:class:`Stopped`, or any other exception, if it can't be read to the end: ``inspector`` catches all of them, so that a
reader need not check each byte. It bounds what it counts and how deep it descends; ``ModelFile`` bounds what it reads.

May import: inspect, scan.pickle, core, errors.
Does not belong here: choosing which files of an artifact are inspected (``inspect/inspector.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from ..binary.decompression import MAGICS
from ..inspection import Inspection


class Format(NamedTuple):
    """A row of the table: how a format is recognised, and its reader, a module or a function (``recognized.read_ncnn``).

    ``names`` are those that its readings can have; the first is used when reading fails. ``magics`` are what a file
    begins with, or has at ``offset``; ``suffixes`` ends of its name in lower case. ``markers`` are names of files, or ends
    of names (``*.x``), that make the folder around them this format. In a folder that ``wraps`` models of other formats
    these are inspected too. A reader accepts a file only on evidence that no other format has. If it raises, the file
    counts as a damaged one of its format, unless the row is ``ambiguous``, because other formats begin the same way: then
    the name has to agree.
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
        """Import the reader."""
        module, _, function = self.module.partition(".")
        read: Callable[[Any], Inspection | None] = getattr(import_module(f".{module}", __name__), function or "read")
        return read

    def begins(self, head: bytes) -> bool:
        """Whether a file that begins with ``head`` looks like this format."""
        return bool(self.magics) and head.startswith(self.magics, self.offset)


_ZIP = (b"PK\x03\x04",)
_JSON = (b"{", b" {", b"\n{", b"\r\n{", b"\xef\xbb\xbf{")
UBJSON = (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", b"{i\x07learner{", b"{U\x07learner{")
_XML = (b"<", b"\xef\xbb\xbf<")
#: The version of ONNX, and then the name of who wrote it, or the graph.
_ONNX = tuple(bytes((0x08, version, field)) for version in range(1, 32) for field in (0x12, 0x3A))
#: The version of Core ML, and then the description of the model.
_CORE_ML = tuple(bytes((0x08, version, 0x12)) for version in range(1, 32))
_COMPRESSED = tuple(magic for magic, _ in MAGICS)
#: What pickles of all protocols begin with, most often, and their compressions.
_PICKLES = (
    *(bytes((code,)) for code in b"().012BCFGIJKLMNPQRSTUVX]abcdeghijlopqrstu}"),
    b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5", *_COMPRESSED,
)  # fmt: skip
_PICKLE_NAMES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".sav", ".p", ".pk")
#: Suffixes that many formats use: no evidence of any, but such files are inspected before others.
COMMON_SUFFIXES = (".bin", ".json", ".xml", ".model")
_MSGPACK_MAPS = tuple(bytes((code,)) for code in (*range(0x81, 0x90), 0xDE, 0xDF))
FASTTEXT = tuple(b"\xba\x16\x4f\x2f" + bytes((version, 0, 0, 0)) for version in (11, 12))

_CTRANSLATE2 = tuple(bytes((version, 0, 0, 0)) for version in range(2, 10))
_PADDLE = (b"\n", bytes(16), b"\x80\2", b"\x80\3", b"\x80\4", *_JSON)

#: Files. The beginning of a file counts more than its name; of rows that match equally well the first is tried first.
FILES: tuple[Format, ...] = (
    Format("weights.read_safetensors", ("safetensors",), (b'{"',), (".safetensors",), offset=8, ambiguous=True),
    Format("gguf", ("gguf",), (b"GGUF",), (".gguf",), ambiguous=True),
    Format("onnx", ("onnx",), _ONNX, (".onnx",), ambiguous=True),
    Format("keras", ("keras",), _ZIP, (".keras",), ambiguous=True),
    Format("keras", ("keras-h5", "hdf5"), (b"\x89HDF\r\n\x1a\n",), (".h5", ".hdf5")),
    Format("skops", ("skops",), _ZIP, (".skops",), ambiguous=True),
    Format("torch.read_pt2", ("pt2",), _ZIP, (".pt2",), ambiguous=True),
    Format("torch.read_torch", ("torch", "torchscript"), _ZIP, (".pt", ".pth"), ambiguous=True),
    Format("recognized.read_torchserve", ("torchserve",), _ZIP, (".mar",), ambiguous=True),
    Format("numpy", ("npy-npz",), (b"\x93NUMPY", *_ZIP, *_COMPRESSED), (".npy", ".npz"), ambiguous=True),
    Format("gradient_boosting.read_xgboost", ("xgboost-ubj",), UBJSON, (".ubj",)),
    Format("gradient_boosting.read_xgboost", ("xgboost-json",), _JSON),
    Format("gradient_boosting.read_lightgbm", ("lightgbm",), (b"tree\nversion=", b"tree\r\nversion=")),
    Format("gradient_boosting.read_catboost", ("catboost",), (b"CBM1",), (".cbm",)),
    Format("gradient_boosting.read_catboost", ("catboost-json",), _JSON),
    Format("tflite", ("tflite",), (b"TFL3",), (".tflite",), offset=4),
    Format("recognized.read_executorch", ("executorch",), (b"ET12", b"ET13"), (".pte",), offset=4),
    Format("recognized.read_onnxruntime", ("ort",), (b"ORTM",), (".ort",), offset=4),
    Format("coreml", ("coreml",), _CORE_ML, (".mlmodel",), ambiguous=True),
    Format("text_models.read_fasttext", ("fasttext",), FASTTEXT, (".ftz",)),
    Format("text_models.read_ctranslate2", ("ctranslate2",), _CTRANSLATE2, ambiguous=True),
    Format("xml_formats.read_openvino", ("openvino",), _XML),
    Format("xml_formats.read_pmml", ("pmml",), _XML, (".pmml",)),
    Format("jax.read_flax", ("flax",), _MSGPACK_MAPS, (".msgpack",), ambiguous=True),
    Format("recognized.read_nemo", ("nemo",), (b"ustar",), (".nemo",), offset=257, ambiguous=True),
    Format("tensorflow.read_tfjs", ("tfjs",), _JSON),
    Format("recognized.read_ncnn", ("ncnn",), (b"7767517\n", b"7767517\r\n"), (".param",)),
    Format("paddle", ("paddle",), _PADDLE, (".pdmodel", ".pdiparams", ".pdiparams.info"), ambiguous=True),
    Format("text_models.read_sentencepiece", ("sentencepiece",), (b"\n",), (".spm",), ambiguous=True),
    Format("recognized.read_tensorrt", ("tensorrt",), (b"ftrt", b"ptrt"), (".engine", ".plan", ".trt"), ambiguous=True),
    Format("recognized.read_rknn", ("rknn",), (b"RKNN",), (".rknn",), ambiguous=True),
    Format("recognized.read_treelite", ("treelite",), (b"\x03\0\0\0", b"\x04\0\0\0"), (".tl",), ambiguous=True),
    Format("recognized.read_ggml", ("ggml",), (b"lmgg", b"fmgg", b"tjgg", b"algg"), ambiguous=True),
    Format("recognized.read_crfsuite", ("crfsuite",), (b"lCRF",), (".crfsuite",), ambiguous=True),
    Format("pickles", ("pickle", "joblib", "torch-legacy"), _PICKLES, _PICKLE_NAMES, ambiguous=True),
)

#: Folders. If a folder matches several rows, the first counts: the most specific.
FOLDERS: tuple[Format, ...] = (
    Format("mlflow", ("mlflow",), markers=("MLmodel",), wraps=True),
    Format("huggingface.read_sentence_transformers", ("sentence-transformers",), markers=("modules.json",)),
    Format("huggingface.read_mlx", ("mlx",), markers=("config.json", "adapter_config.json")),
    Format("huggingface.read_peft", ("peft",), markers=("adapter_config.json",)),
    Format("huggingface.read_diffusers", ("diffusers",), markers=("model_index.json", "config.json")),
    Format("tensorflow.read_saved_model", ("saved-model",), markers=("saved_model.pb",)),
    Format("text_models.read_spacy", ("spacy",), markers=("meta.json",)),
    Format("coreml", ("coreml",), markers=("Manifest.json", "coremldata.bin")),
    Format("text_models.read_ctranslate2", ("ctranslate2",), markers=("model.bin",)),
    Format("jax.read_orbax", ("orbax",), markers=("_METADATA", "_CHECKPOINT_METADATA", "manifest.ocdbt")),
    Format("huggingface.read_transformers", ("transformers",), markers=("config.json",)),
    Format("weights.read_safetensors", ("safetensors",), markers=("*.safetensors.index.json",)),
)
