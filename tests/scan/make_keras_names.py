"""Writes the exact names that configurations of Keras may use: ``python tests/scan/make_keras_names.py FOLDER``.

``FOLDER`` holds unpacked wheels of keras, tf_keras, keras_hub and keras_nlp, a folder each, and is only read: what they
export is found in their source. A name is a module, as a configuration spells it, and what is defined there. What runs
code that it is given, or reads and writes files, is left out here and named in ``keras_configs.py``.
With TensorFlow installed the functions of ``tf`` that Keras 2 keeps as ``TFOpLambda`` are listed, too.
"""

from __future__ import annotations

import ast
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).parents[2] / "registry_cli" / "scan" / "keras_names.json"
#: Modules whose classes are parts of models.
_CLASSES = (
    "layers", "models", "initializers", "regularizers", "constraints", "metrics", "losses", "optimizers", "random",
    "optimizers.schedules", "optimizers.legacy", "optimizers.experimental", "dtype_policies", "mixed_precision",
    "quantizers", "activations", "layers.experimental", "layers.experimental.preprocessing", "experimental",
    "tokenizers", "samplers",
)  # fmt: skip
#: Modules whose functions compute something and do nothing else.
_FUNCTIONS = ("activations", "losses", "metrics", "ops", "ops.numpy", "ops.nn", "ops.image", "ops.linalg", "initializers",
              "regularizers", "constraints")  # fmt: skip
#: Not exported, and written into configurations all the same.
_INTERNAL = (
    "/models/",
    "/engine/functional/",
    "/engine/sequential/",
    "/engine/training/",
    "/ops/",
    "/layers/",
    "/optimizers/",
    "/losses/",
    "/metrics/",
    "/initializers/",
)
_LEFT_OUT = {
    "Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer", "TFOpLambda", "SlicingOpLambda", "ClassMethod",
    "InstanceMethod", "InstanceProperty", "deserialize", "serialize", "get", "load_model", "save_model", "clone_model",
    "model_from_json", "model_from_yaml", "model_from_config", "map", "scan", "while_loop", "cond", "fori_loop", "switch",
    "vectorized_map", "vectorize", "custom_gradient", "apply_along_axis", "associative_scan", "saveable", "Map", "Scan",
    "fixed_unigram_candidate_sampler", "set_global_generator", "get_global_generator", "WhileLoop", "Cond", "ForiLoop", "Switch", "VectorizedMap", "CustomGradient", "AssociativeScan",
}  # fmt: skip
_TENSORFLOW = (
    "", "math", "nn", "linalg", "signal", "image", "strings", "bitwise", "random", "sparse", "sets", "dtypes", "ragged",
    "quantization", "__operators__", "compat.v1", "compat.v1.math", "compat.v1.nn", "compat.v1.image",
    "compat.v1.linalg", "compat.v1.strings",
)  # fmt: skip
#: At the top of ``tf`` and ``tf.compat.v1`` only these: there are functions of every kind.
_TOP = set(
    str.split(
        "abs acos acosh add add_n argmax argmin argsort asin asinh atan atan2 atanh boolean_mask broadcast_to cast ceil "
        "clip_by_norm clip_by_value complex concat constant convert_to_tensor cos cosh cumsum cumprod dynamic_partition "
        "dynamic_stitch einsum ensure_shape equal exp expand_dims eye fill floor floordiv floormod gather gather_nd greater "
        "greater_equal identity less less_equal linspace log log1p logical_and logical_not logical_or logical_xor matmul "
        "maximum meshgrid minimum mod multiply negative norm not_equal one_hot ones ones_like pad pow range rank realdiv "
        "reduce_all reduce_any reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_std reduce_sum "
        "repeat reshape reverse reverse_sequence roll round rsqrt scalar_mul scatter_nd searchsorted sequence_mask shape "
        "sigmoid sign sin sinh size slice sort space_to_batch split sqrt square squared_difference squeeze stack "
        "stop_gradient strided_slice subtract tan tanh tensordot tile to_float to_int32 transpose truediv truncatediv "
        "truncatemod unique unique_with_counts unstack where zeros zeros_like div div_no_nan cross batch_to_space "
        "depth_to_space space_to_depth unsorted_segment_sum segment_sum erf lgamma digamma saturate_cast switch_case"
    )
)


def main(folder: Path) -> None:
    classes: dict[str, set[str]] = defaultdict(set)
    functions: dict[str, set[str]] = defaultdict(set)
    releases = []
    for wheel in sorted(folder.iterdir()):
        releases.append(wheel.name)
        for path in sorted(wheel.rglob("*.py")):
            for node, module, exported in _definitions(path, wheel):
                target = classes if isinstance(node, ast.ClassDef) else functions
                for name in _names(node, module, exported):
                    target[name.rpartition(".")[0]].add(name.rpartition(".")[2])
    document = {
        "releases": releases,
        "classes": {module: sorted(names) for module, names in sorted(classes.items())},
        "functions": {module: sorted(names) for module, names in sorted(functions.items())},
        "tensorflow": _tensorflow(),
    }
    lines = json.dumps(document, indent=0, separators=(",", ":"))
    TARGET.write_text(lines.replace('",\n"', '","') + "\n", encoding="utf-8")


def _definitions(path: Path, wheel: Path) -> Iterator[tuple[ast.ClassDef | ast.FunctionDef, str, list[str]]]:
    """What a file defines at its top: the node, its module, and the names by which it is exported."""
    module = ".".join(path.relative_to(wheel).with_suffix("").parts)
    if "test" in path.name or "/_tf_keras/" in str(path):
        return
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            exported = [
                constant.value
                for decorator in node.decorator_list
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("_export")
                for argument in (*decorator.args, *(keyword.value for keyword in decorator.keywords))
                for constant in ast.walk(argument)
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
            ]
            yield node, module, exported


def _names(node: ast.ClassDef | ast.FunctionDef, module: str, exported: list[str]) -> Iterator[str]:
    wanted = _CLASSES if isinstance(node, ast.ClassDef) else _FUNCTIONS
    if node.name in _LEFT_OUT:
        return
    split = [(name, *name.partition(".")[2].rpartition(".")[::2]) for name in exported]
    fits = any(where in wanted for _, where, _ in split)
    for name, where, last in split:
        top = where == "" and ((fits and isinstance(node, ast.ClassDef)) or last in ("Model", "Sequential", "Input"))
        if last not in _LEFT_OUT and (where in wanted or top):
            yield name
    plain = isinstance(node, ast.ClassDef) and bool(node.bases) and not node.name.startswith("_")
    if plain and not exported and any(part in f"/{module.replace('.', '/')}/" for part in _INTERNAL):
        yield f"{module}.{node.name}"


def _tensorflow() -> dict[str, list[str]]:
    try:
        import tensorflow as tf
    except ImportError:
        return dict(json.loads(TARGET.read_text(encoding="utf-8")).get("tensorflow", {})) if TARGET.exists() else {}
    found = {}
    for name in _TENSORFLOW:
        module = tf
        for part in filter(None, name.split(".")):
            module = getattr(module, part, None)
        names = {
            each
            for each in dir(module)
            if callable(getattr(module, each)) and not isinstance(getattr(module, each), type)
        }
        if name in ("", "compat.v1"):
            names &= _TOP
        unfit = {each for each in names if each.startswith("_") or each in _LEFT_OUT}
        found[name] = sorted(names - unfit)
    found["__operators__"] = str.split(
        "add sub mul truediv floordiv mod pow matmul getitem ragged_getitem eq ne lt le gt ge and or xor neg abs invert "
        "radd rsub rmul rtruediv rfloordiv rmod rpow rmatmul rand ror rxor"
    )
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
