"""Configurations of Keras: every class and function in them is looked up in an exact list, never imported.

``keras_names.json`` is the list, made by ``tests/scan/make_keras_names.py`` from the releases that it names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .pickle.global_verdicts import judge_name
from .verdicts import DANGEROUS, KNOWN, UNKNOWN, AllowedGlobals, ScanContext

#: Classes that run code, or a model of another kind, from the configuration, and the reasons.
_CODE = {
    "Lambda": "a Lambda layer holds Python code",
    "__lambda__": "a Lambda layer holds Python code",
    "TorchModuleWrapper": "it holds a module of torch as a pickle",
    "TFSMLayer": "it loads and runs a SavedModel from a path",
    "JaxLayer": "it holds a function of JAX",
    "FlaxLayer": "it holds a function of JAX",
}
_OPERATIONS = ("TFOpLambda", "SlicingOpLambda")
#: Methods and properties of tensors that Keras 2 keeps as layers: they are looked up on a class, by name.
_METHODS = ("ClassMethod", "InstanceMethod", "InstanceProperty")
#: Functions of Keras that load, write, fetch, or switch off the safe mode, and functions that call these.
_LOADERS = frozenset(str.split(
    "get_file load_model save_model load_weights save_weights load_img save_img enable_unsafe_deserialization "
    "deserialize_keras_object deserialize model_from_json model_from_yaml model_from_config register_keras_serializable "
    "image_dataset_from_directory text_dataset_from_directory audio_dataset_from_directory timeseries_dataset_from_array "
    "clear_session load_data plot_model set_home disable_interactive_logging export_archive get_custom_objects "
    "get_registered_object clone_model"
))  # fmt: skip
#: Values that Keras writes as objects, without any code.
_VALUES = frozenset(str.split(
    "__tensor__ __numpy__ __bytes__ __ellipsis__ __slice__ __tuple__ __bool__ __keras_tensor__ __typespec__ __none__ "
    "TensorShape TypeSpec __complex__ __dtype__ CompositeTensor Ellipsis"
))  # fmt: skip
#: Layers whose vocabulary may be the path of a file, which is read when the model is loaded.
_VOCABULARIES = frozenset(str.split("StringLookup IntegerLookup TextVectorization IndexLookup WordPieceTokenizer"))


def check_object(ctx: ScanContext, each: Mapping[str, Any]) -> None:
    """Check an object of a document that Keras would make something of."""
    name = each.get("class_name")
    if not isinstance(name, str):
        return
    last = name.rpartition(">")[2].rpartition(".")[2]
    if last in _CODE:
        ctx.add_finding(DANGEROUS, _CODE[last], f"keras.{last}")
    elif "config" in each and name not in _VALUES:
        ctx.scan.verdicts.add(KNOWN)
        ctx.scan.globals += 1
        if name in _OPERATIONS or name in _METHODS:
            _check_operation(ctx, each["config"], name)
        else:
            _check_class(ctx, each, name)


def _check_class(ctx: ScanContext, each: Mapping[str, Any], name: str) -> None:
    config, module = each["config"], each.get("module")
    function = name == "function" and isinstance(config, str)
    target = str(config) if function else name
    path = f"{module}.{target}" if isinstance(module, str) and module else target
    if isinstance(config, dict) and name in _VOCABULARIES and isinstance(config.get("vocabulary"), str):
        ctx.add_finding(UNKNOWN, f"it reads its vocabulary from a file: {config['vocabulary']}", path)
    registered = each.get("registered_name")
    if isinstance(registered, str) and registered not in ("", name, target, "function") and ">" in registered:
        ctx.add_finding(UNKNOWN, "a custom class registered with Keras", registered)
    elif path in ctx.allowed:
        return
    elif not isinstance(module, str) or not module:
        # Keras 2.11 to 2.15 wrote its own optimizers as if somebody had registered them
        own = target.startswith("Custom>") and target[7:] in load_names()["classes"]["keras.optimizers"]
        if target not in load_bare_names() and not own:
            ctx.add_finding(UNKNOWN, "a class or function that is not Keras' own", target)
    elif not _is_known(module, target, function):
        ctx.add_finding(*_judge_unlisted(module, target), path)


def _is_known(module: str, target: str, function: bool) -> bool:
    names = load_names()
    module = "keras" + module[len("tf_keras") :] if module.partition(".")[0] == "tf_keras" else module
    if function and module == "builtins":  # how Keras writes functions of its own
        return any(target in functions for functions in names["functions"].values())
    return target in names["functions" if function else "classes"].get(module, ())


def _judge_unlisted(module: str, target: str) -> tuple[str, str]:
    """What is on no list is dangerous if it is denied, or if Keras would fetch, load or run something."""
    top = module.partition(".")[0]
    if top in ("keras", "tf_keras", "keras_hub", "keras_nlp", "keras_cv", "tensorflow"):
        first = module.split(".")
        if target in _LOADERS or any(part in _LOADERS for part in first):
            return DANGEROUS, "it loads, fetches or writes something, or switches the safe mode off"
        if top == "tensorflow":
            return _judge_tensorflow(".".join([*first[1:], target]))
        return UNKNOWN, "it is not on the list of Keras' layers and functions"
    level, why = judge_name(module, target, AllowedGlobals())
    return (DANGEROUS, why) if level == DANGEROUS else (UNKNOWN, "it is not Keras'")


def _check_operation(ctx: ScanContext, config: Any, name: str) -> None:
    """Check a function of TensorFlow as a layer."""
    config = config if isinstance(config, dict) else {}
    function = config.get("function" if name in _OPERATIONS else "cls_symbol")
    if name in _METHODS:
        ctx.add_finding(UNKNOWN, "a method of TensorFlow as a layer", f"tensorflow.{function}")
    elif not isinstance(function, str):
        ctx.add_finding(DANGEROUS, "it names no function of TensorFlow", name)
    else:
        module, _, last = function.removeprefix("tf.").rpartition(".")
        if last not in load_names()["tensorflow"].get(module, ()):
            ctx.add_finding(*_judge_tensorflow(function.removeprefix("tf.")), f"tensorflow.{function}")


#: Prefixes of paths in TensorFlow to functions that read, write, run Python or load libraries.
_HARM = ("io.", "py_function", "numpy_function", "compat.v1.py_func", "load_", "raw_ops.", "data.", "saved_model", "train",
         "sysconfig", "debugging", "profiler", "summary", "autograph", "compat.v1.gfile", "compat.v1.io", "keras.utils",
         "compat.v1.saved_model", "compat.v1.train", "distribute", "tpu", "compat.v1.load_", "python.", "print",
         "compat.v1.py_function", "compat.v1.read_file", "compat.v1.write_file", "compat.v1.matching_files",
         "experimental", "function", "nn.fixed_unigram", "random.fixed_unigram", "compat.v1.summary", "graph_util",
         "compat.v1.Print", "compat.v1.data", "compat.v1.raw_ops", "compat.v1.graph_util")  # fmt: skip


def _judge_tensorflow(path: str) -> tuple[str, str]:
    if path.startswith(_HARM) or not all(part.isidentifier() for part in path.split(".")):
        return DANGEROUS, "it reads or writes files, or runs code"
    return UNKNOWN, "it is not on the list of TensorFlow's functions that layers are made of"


@cache
def load_names() -> dict[str, dict[str, frozenset[str]]]:
    """The lists: ``classes`` and ``functions`` of Keras, functions of ``tensorflow``, by their modules."""
    document = json.loads(Path(__file__).with_name("keras_names.json").read_text(encoding="utf-8"))
    return {
        kind: {module: frozenset(names) for module, names in document[kind].items()}
        for kind in ("classes", "functions", "tensorflow")
    }


@cache
def load_bare_names() -> frozenset[str]:
    """What Keras 2 wrote without a module: classes of ``keras`` itself."""
    own = [names for module, names in load_names()["classes"].items() if module.startswith("keras.")]
    functions = [names for module, names in load_names()["functions"].items() if module.startswith("keras.")]
    return frozenset().union(*own, *functions, {"Sequential", "Model", "Functional", "InputLayer"})
