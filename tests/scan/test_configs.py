"""Configurations in JSON, YAML and XML: what they name is looked up, however it is spelled; nothing is imported."""

from __future__ import annotations

import base64
import codecs
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry_cli.scan.keras_configurations import load_names
from registry_cli.scan.scanner import scan
from tests.scan.test_archives import FORMATS, archive
from tests.scan.test_corpus import scanned

CODE = base64.b64encode(bytes(8)).decode()


def layer(
    class_name: str = "Dense", module: str | None = "keras.layers", config: Any = None, **more: Any
) -> dict[str, Any]:
    return {"module": module, "class_name": class_name, "config": {} if config is None else config, **more}


def model(*layers: dict[str, Any]) -> dict[str, Any]:
    return layer("Sequential", "keras", {"layers": list(layers)})


LAMBDA = model(layer("Lambda", config={"function": layer("__lambda__", "builtins", {"code": CODE})}))


def keras(config: bytes) -> bytes:
    return archive(
        {"metadata.json": b"{}", "config.json": config, "model.weights.h5": b"\x89HDF\r\n\x1a\n" + bytes(600)}
    )


def verdicts(folder: Path, config: dict[str, Any]) -> set[str]:
    """Of one configuration as an archive, as JSON, and as YAML."""
    data = json.dumps(config).encode()
    files = {"m.keras": keras(data), "config.json": data, "model.yaml": data}
    return {scanned(folder, name, each).verdict for name, each in files.items()}


DANGEROUS: dict[str, dict[str, Any]] = {
    "a Lambda layer": LAMBDA,
    "a Lambda layer of Keras 2": model({"class_name": "Lambda", "config": {"function": [CODE, None, None]}}),
    "a Lambda layer with a path": model({"class_name": "keras.layers.Lambda", "config": {}}),
    "a Lambda layer without a configuration": model({"class_name": "Lambda"}),
    "a Lambda in a text": {"model_config": json.dumps(LAMBDA)},
    "a function of builtins": model(layer(config={"activation": layer("function", "builtins", "eval")})),
    "a class of builtins": model(layer("exec", "builtins", "print(1)")),
    "a function of os": model(layer("function", "os", "system")),
    "a function of subprocess": model(layer("function", "subprocess", "run")),
    "a module of torch": model(layer("TorchModuleWrapper", config={"module": "gASVLgAAAA=="})),
    "a module of torch, exported elsewhere": model(layer("TorchModuleWrapper", "keras.src.utils.torch_utils")),
    "a SavedModel": model(layer("TFSMLayer", config={"filepath": "//host/share"})),
    "a function of JAX": model(layer("JaxLayer")),
    "what fetches a file": model(layer("get_file", "keras.utils", {"origin": "http://host/x"})),
    "what fetches a file, inside": model(layer("get_file", "keras.src.utils.file_utils", {"origin": "http://host/x"})),
    "what fetches a file, of tf_keras": model(layer("get_file", "tf_keras.utils", {})),
    "what switches the safe mode off": model(layer("function", "keras.config", "enable_unsafe_deserialization")),
    "what loads a model": model(layer("function", "keras.models", "load_model")),
    "what writes a file": model(layer("function", "tensorflow.io", "write_file")),
    "what calls Python": model(layer("function", "tensorflow", "numpy_function")),
    "an operation that writes": model({"class_name": "TFOpLambda", "config": {"function": "io.write_file"}}),
    "an operation that calls Python": model({"class_name": "TFOpLambda", "config": {"function": "py_function"}}),
    "an operation that loads code": model({"class_name": "TFOpLambda", "config": {"function": "load_op_library"}}),
    "a raw operation": model({"class_name": "TFOpLambda", "config": {"function": "raw_ops.ReadFile"}}),
    "no operation": model({"class_name": "TFOpLambda", "config": {"function": ["x"]}}),
    "Hydra": {"optimizer": {"_target_": "os.system", "command": "true"}},
    "Hydra, deep": {"a": [{"b": {"_target_": "builtins.exec", "_args_": ["1"]}}]},
}
UNKNOWN: dict[str, dict[str, Any]] = {
    "a custom class": model(layer("Churn", "ours.layers")),
    "a registered class": model(layer("Churn", "builtins", registered_name="ours>Churn")),
    "a registered class with a known name": model(layer("Dense", "keras.layers", registered_name="ours>Dense")),
    "a registered class of Keras 2": model({"class_name": "ours>Churn", "config": {}}),
    "a class of Keras 2 without a module": model({"class_name": "Churn", "config": {}}),
    "a function without a module": model(layer(config={"activation": layer("function", None, "churn")})),
    "a function of a package": model(layer(config={"activation": layer("function", "ours", "churn")})),
    "a function that only re-exports": model(layer("function", "keras.layers", "np")),
    "a class in another module of Keras": model(layer("Dense", "keras.utils")),
    "a function of tensorflow": model(layer("function", "tensorflow.nn", "fresh_function")),
    "a vocabulary from a file": model(layer("StringLookup", config={"vocabulary": "/etc/passwd"})),
    "a method as a layer": model(
        {"class_name": "InstanceMethod", "config": {"cls_symbol": "Tensor", "method_name": "x"}}
    ),
    "Hydra": {"model": {"_target_": "ours.models.Churn"}},
    "code beside the model": {"model_type": "x", "auto_map": {"AutoModel": "modeling_x.Model"}},
    "code of another repository": {"auto_map": {"AutoTokenizer": ["other/repo--tokens.Slow", None]}},
    "a request to trust": {"trust_remote_code": True},
    "a custom pipeline": {"custom_pipelines": {"p": {"impl": "pipe.Pipe"}}},
}
KNOWN: dict[str, dict[str, Any]] = {
    "layers": model(layer(), layer("Conv2D"), layer("LSTM")),
    "of Keras 2": {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {"units": 3}}]}},
    "of tf_keras": model(layer("Dense", "tf_keras.layers")),
    "a functional model": layer("Functional", "keras.src.models.functional"),
    "an operation": model(layer("Add", "keras.src.ops.numpy")),
    "an activation": model(layer(config={"activation": layer("function", "builtins", "silu", registered_name="function")})),
    "operations of TensorFlow": model(
        *({"class_name": "TFOpLambda", "config": {"function": name}} for name in (
            "nn.relu", "math.reduce_mean", "__operators__.add", "reshape", "concat", "compat.v1.transpose", "image.resize",
        )),
        {"class_name": "SlicingOpLambda", "config": {"function": "__operators__.getitem"}},
    ),
    "a vocabulary": model(layer("StringLookup", config={"vocabulary": ["a", "b"]})),
    "a regularizer": model(layer(config={"kernel_regularizer": layer("L2", "keras.regularizers", {"l2": 0.1})})),
    "values": model(layer(config={"x": layer("__tensor__", None, {"value": [1]}), "y": layer("__numpy__", None, {})})),
    "of KerasHub": layer("BertBackbone", "keras_hub.models"),
}  # fmt: skip


@pytest.mark.parametrize("name", DANGEROUS)
def test_configurations_that_run_code(name: str, tmp_path: Path) -> None:
    assert verdicts(tmp_path, DANGEROUS[name]) == {"dangerous"}


@pytest.mark.parametrize("name", UNKNOWN)
def test_configurations_that_name_what_is_on_no_list(name: str, tmp_path: Path) -> None:
    assert verdicts(tmp_path, UNKNOWN[name]) == {"unknown-globals"}


@pytest.mark.parametrize("name", KNOWN)
def test_honest_configurations_are_known(name: str, tmp_path: Path) -> None:
    assert verdicts(tmp_path, KNOWN[name]) == {"known-globals"}


def test_an_allowed_class_is_known(tmp_path: Path) -> None:
    data = keras(json.dumps(UNKNOWN["a custom class"]).encode())
    assert scanned(tmp_path, "m.keras", data, "ours.layers.Churn").verdict == "known-globals"
    data = keras(json.dumps(UNKNOWN["a registered class"]).encode())
    assert scanned(tmp_path, "m.keras", data, "other.Churn").verdict == "unknown-globals"


TEXT = json.dumps(LAMBDA)
FORMS: dict[str, bytes] = {
    "plain": TEXT.encode(),
    "BOM": codecs.BOM_UTF8 + TEXT.encode(),
    "blanks": b" \n\t" * 2000 + TEXT.encode(),
    "many blanks": b" " * (2 << 20) + TEXT.encode(),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16, big": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "UTF-16, no BOM": TEXT.encode("utf-16-le"),
    "UTF-16, big, no BOM": TEXT.encode("utf-16-be"),
    "UTF-32": TEXT.encode("utf-32"),
    "UTF-32, no BOM": TEXT.encode("utf-32-be"),
    "an escaped key": TEXT.replace("class_name", "class\\u005fname").encode(),
    "a key of escapes": TEXT.replace("class_name", "".join(f"\\u{ord(char):04X}" for char in "class_name")).encode(),
    "an escaped value": TEXT.replace("Lambda", "\\u004cambda").replace("__lambda__", "\\u005f_lambda__").encode(),
    "surrogates": TEXT.replace('"config"', '"\\ud800": 1, "config"', 1).encode(),
    "bytes of surrogates": TEXT.encode().replace(b'"config"', b'"\xed\xa0\x80": 1, "config"', 1),
    "a key twice": TEXT.replace('"class_name": "Lambda"', '"class_name": "Lambda", "class_name": "Dense"').encode(),
    "a key twice, first": TEXT.replace(
        '"class_name": "Lambda"', '"class_name": "Dense", "class_name": "Lambda"'
    ).encode(),
    "NaN": TEXT.replace('"config"', '"x": NaN, "y": -Infinity, "config"', 1).encode(),
    "a comment": (TEXT[:-1] + "/* comment */}").encode(),
    "a comma at the end": (TEXT[:-1] + ",}").encode(),
    "in a list": f"[{TEXT}]".encode(),
    "YAML": b'class_name: Lambda\nconfig: {function: [abc]}\n"module": keras.layers\n',
}


@pytest.mark.parametrize("name", FORMS)
def test_a_configuration_is_read_as_its_loaders_read_it(name: str, tmp_path: Path) -> None:
    files = {"m.keras": keras(FORMS[name]), "config.json": FORMS[name]}
    for file, data in ({"m.yaml": FORMS[name]} if name == "YAML" else files).items():
        found = scanned(tmp_path, file, data)
        assert found.verdict == "dangerous", (file, found.files[0].worst_first())


def test_a_key_twice_is_dangerous_whatever_it_says(tmp_path: Path) -> None:
    text = json.dumps(model(layer())).replace('"class_name": "Dense"', '"class_name": "Dense", "class_name": "Conv2D"')
    assert scanned(tmp_path, "m.keras", keras(text.encode())).verdict == "dangerous"
    same = text.replace("Conv2D", "Dense")
    assert scanned(tmp_path, "m.keras", keras(same.encode())).verdict == "known-globals"


def test_a_long_configuration_is_refused_and_ordinary_json_is_not_parsed(tmp_path: Path) -> None:
    padding = b'{"x": "' + b"y" * (65 << 20) + b'", '
    found = scanned(tmp_path, "config.json", padding + b'"class_name": "Lambda", "config": {}}')
    assert (found.verdict, found.files[0].limited) == ("unscannable", True)
    assert scanned(tmp_path, "vocab.json", padding + b'"z": 1}').verdict == "safe-format"


# YAML

YAML: dict[str, str] = {
    "a function": "a: !!python/object/apply:os.system ['true']\n",
    "flow style": "{a: !!python/object/apply:os.system ['true']}\n",
    "in a list": "[!!python/object/new:os.system {}]\n",
    "a name": "a: !!python/name:os.system\n",
    "a module": "a: !!python/module:os\n",
    "an escape": "a: !!pyth%6fn/object/apply:os.system ['true']\n",
    "an escape, twice": "a: !!%70%79thon/name:os.system\n",
    "a verbatim tag": "a: !<tag:yaml.org,2002:python/name:os.system>\n",
    "a verbatim tag, escaped": "a: !<tag:yaml.org,2002:pyth%6Fn/name:os.system>\n",
    "a handle": "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!name:os.system\n",
    "a handle that ends in a word": "%TAG !p! tag:yaml.org,2002:pyth\n---\na: !p!on/name:os.system\n",
    "the primary handle": "%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system\n",
    "the secondary handle": "%TAG !! tag:yaml.org,2002:python/\n---\na: !!name:os.system\n",
    "an escaped handle": "%TAG !p! tag:yaml.org,2002:p%79thon/\n---\na: !p!name:os.system\n",
    "the second document": "a: 1\n---\nb: !!python/name:os.system\n",
    "a document behind an error": "a: !!python/name:os.system\n---\n]: [\n",
    "a key": "? !!python/name:os.system\n: 1\n",
    "an anchor before": "a: &x !!python/name:os.system\n",
    "behind a comment": "# comment\na: # more\n  !!python/name:os.system\n",
    "at the start": "!!python/object/apply:os.system ['true']\n",
    "in JSON": '{"a": !!python/name:os.system }\n',
    "HyperPyYAML": "model: !new:os.system\n  command: 'true'\n",
    "HyperPyYAML, a call": "model: !apply:os.system ['true']\n",
}


@pytest.mark.parametrize("name", YAML)
def test_tags_of_yaml_that_make_objects(name: str, tmp_path: Path) -> None:
    for file in ("config.yaml", "MLmodel", "conf.yml"):
        assert scanned(tmp_path, file, YAML[name].encode()).verdict == "dangerous"
    assert scanned(tmp_path, "config.yaml", YAML[name].encode("utf-16")).verdict == "dangerous"
    if "HyperPyYAML" not in name:
        assert scanned(tmp_path, "hyperparameters", YAML[name].encode()).verdict == "dangerous"


def test_honest_yaml_is_safe(tmp_path: Path) -> None:
    for text in (
        "a: !!python/tuple [1, 2]\nb: !!set {x, y}\n", "a: !!str 1\nb: 'text !important'\n# !!python/name:x\n",
        "text: |\n  !!python/name:os.system is what an attacker writes\n", "a: &x {b: 1}\nc: {<<: *x}\n",
        "- 1\n- [2, 3]\n", "python_env: x\nflavors: {sklearn: {pickled_model: model.pkl}}\n",
    ):  # fmt: skip
        found = scanned(tmp_path, "a.yaml", text.encode())
        assert found.verdict == "safe-format", found.files[0].worst_first()
    assert scanned(tmp_path, "a.yaml", b"a: !include other.yaml\n").verdict == "unknown-globals"
    assert (
        scanned(tmp_path, "README.md", b"Never load `!!python/name:os.system`: it is *dangerous*\n").verdict
        == "safe-format"
    )


def test_aliases_of_yaml_end_soon(tmp_path: Path) -> None:
    levels = "".join(f"l{number}: &l{number} [{', '.join([f'*l{number - 1}'] * 9)}]\n" for number in range(1, 30))
    merges = "".join(f"m{n}: &m{n}\n  <<: [{', '.join([f'*m{n - 1}'] * 9)}]\n" for n in range(1, 30))
    deep = "_target_: " + "[" * 5000
    start = time.process_time()
    for text in (
        f"_target_: 1\nl0: &l0 x\n{levels}",
        f"_target_: 1\nm0: &m0 {{a: 1}}\n{merges}",
        deep,
        "!x" + "[" * 9000,
    ):
        scanned(tmp_path, "a.yaml", text.encode())
    assert time.process_time() - start < 20


# chat templates

TEMPLATES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages|attr('x') }}",
    "{{ x['__class__'] }}",
    "{{ x['_' ~ '_class_' ~ '_'] }}",
    "{{ x[['__cla', 'ss__']|join] }}",
    "{{ x['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ x['\\u005f_class__'] }}",
    "{{ lipsum.__globals__ }}",
    "{{ cycler.next }}",
    "{{ self._TemplateReference }}",
    "{{ messages|map('attr', 'x')|list }}",
    "{{ messages|map(attribute='__class__')|list }}",
    "{{ '{0.__class__}'.format(x) }}",
    "{% import 'other' as other %}",
    "{%- include 'other' %}",
    "{% set x = joiner.__init__.__globals__.os.popen('true').read() %}",
    "{{ namespace.__init__ }}",
    "{% if x.func_globals %}{% endif %}",
]
HONEST = [
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "{%- if messages[0]['role'] == 'system' -%}{%- set system_message = messages[0]['content'] -%}{%- else -%}"
    "{{ raise_exception('first message') }}{%- endif -%}{{ bos_token + '[INST] ' + system_message|trim + ' [/INST]' }}",
    "{%- set ns = namespace(found=false, last_index=messages|length - 1) %}{{ strftime_now('%d %b %Y') }}"
    "{%- for tool in tools %}{{ tool | tojson(indent=4) }}{% endfor %}{{ messages[ns.last_index - 1].content.split('</think>')[-1] }}",
    "{% for key, value in tool.function.parameters.items() %}{{ key ~ ': ' ~ value.type }}{% endfor %}"
    "{{ messages | selectattr('role', 'equalto', 'tool_call') | list | length }}{{ x.lstrip('\\n') }}",
    "{% macro render(a, b=none) %}{{ a['tool_calls'][0]['function']['name'] }}{% endmacro %}{{ render(messages[0]) }}",
]  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES)
def test_chat_templates_that_reach_for_more(template: str, tmp_path: Path) -> None:
    for name, data in (
        ("tokenizer_config.json", json.dumps({"chat_template": template})),
        ("chat_template.json", json.dumps({"chat_template": [{"name": "default", "template": template}]})),
        ("chat_template.jinja", template),
    ):
        assert scanned(tmp_path, name, data.encode()).verdict == "dangerous", name


@pytest.mark.parametrize("template", HONEST)
def test_honest_chat_templates_are_noted(template: str, tmp_path: Path) -> None:
    data = json.dumps({"chat_template": template}).encode()
    found = scanned(tmp_path, "tokenizer_config.json", data)
    assert found.verdict == "safe-format", found.files[0].worst_first()
    assert "chat template" in found.files[0].remarks[0].why


# others


def test_code_that_other_libraries_find_beside_a_model(tmp_path: Path) -> None:
    own = [{"idx": 0, "name": "0", "path": "", "type": "ours.Pooling"}]
    honest = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    assert scanned(tmp_path, "modules.json", json.dumps(own).encode()).verdict == "unknown-globals"
    assert scanned(tmp_path, "modules.json", json.dumps(honest).encode()).verdict == "safe-format"
    parts = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30", "unet": ["diffusers", "UNet2DConditionModel"],
             "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "x": [None, None]}  # fmt: skip
    assert scanned(tmp_path, "model_index.json", json.dumps(parts).encode()).verdict == "safe-format"
    for own_part in ({"unet": ["my_unet", "UNet"]}, {"_class_name": ["pipeline", "Pipe"]}):
        assert (
            scanned(tmp_path, "model_index.json", json.dumps({**parts, **own_part}).encode()).verdict
            == "unknown-globals"
        )


def test_entities_of_xml(tmp_path: Path) -> None:
    body = "<PMML version='4.4'><Header/></PMML>"
    external = f'<!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/passwd">]>{body}'
    growing = f'<!DOCTYPE PMML [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>{body}'
    for text in (f"<?xml version='1.0'?>{external}", f"<?xml version='1.0'?>\n{growing}", external):
        assert scanned(tmp_path, "m.pmml", text.encode()).verdict == "dangerous"
        assert scanned(tmp_path, "model", text.encode("utf-16")).verdict == "dangerous"
    assert scanned(tmp_path, "m.xml", b"<?xml version='1.0' encoding='UTF-7'?><x/>").verdict == "dangerous"
    elsewhere = f'<?xml version="1.0"?><!DOCTYPE PMML SYSTEM "other.dtd">{body}'
    included = '<x xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd"/></x>'
    for text in (elsewhere, included):
        assert scanned(tmp_path, "m.xml", text.encode()).verdict == "unknown-globals"
    for text in (f"<?xml version='1.0' encoding='UTF-8'?>{body}", "<!DOCTYPE html>\n<html></html>"):
        assert scanned(tmp_path, "m.xml", text.encode()).verdict == "safe-format"


@pytest.mark.parametrize("path", sorted(FORMATS.glob("*/*.keras")), ids=lambda path: path.name)
def test_files_that_keras_wrote(path: Path) -> None:
    found = scan({path.name: path})
    assert found.verdict == ("dangerous" if path.name == "lambda.keras" else "known-globals")


def test_the_list_of_keras_names_only_what_computes() -> None:
    names = load_names()
    everything = {name for kind in names.values() for module in kind.values() for name in module}
    assert not everything & {
        "Lambda",
        "TorchModuleWrapper",
        "get_file",
        "load_model",
        "eval",
        "exec",
        "py_function",
        "map_fn",
    }
    assert "Dense" in names["classes"]["keras.layers"]
    assert "relu" in names["functions"]["keras.activations"]
    assert "relu" in names["tensorflow"]["nn"]


def mlmodel(**flavor: object) -> bytes:
    document = {"flavors": {"sklearn": {"pickled_model": "model.pkl", "code": None, **flavor}}, "mlflow_version": "3.1"}
    return yaml.safe_dump(document).encode()


@pytest.mark.parametrize(
    ("flavor", "right"),
    [
        ({}, "safe-format"),
        ({"code": "code"}, "unknown-globals"),
        ({"model_code_path": "model.py"}, "unknown-globals"),
        ({"pickled_model": "../other/model.pkl"}, "dangerous"),
        ({"pickled_model": "/srv/model.pkl"}, "dangerous"),
        ({"python_model": "a/../../model.pkl"}, "dangerous"),
        ({"data": "..\\model.pkl"}, "dangerous"),
        ({"model_path": "C:\\model.pkl"}, "dangerous"),
        ({"code": "../code"}, "dangerous"),
    ],
)
def test_a_model_of_mlflow_with_code_or_files_elsewhere(flavor: dict[str, object], right: str, tmp_path: Path) -> None:
    """Its code is put in front of Python's path before the pickle is loaded; so a known name may be someone's own."""
    assert scanned(tmp_path, "MLmodel", mlmodel(**flavor)).verdict == right
    (tmp_path / "inner").mkdir()
    as_json = json.dumps(yaml.safe_load(mlmodel(**flavor))).encode()
    assert scanned(tmp_path / "inner", "MLmodel", as_json).verdict == right


@pytest.mark.parametrize(
    ("name", "text", "right"),
    [
        ("config.yaml", "model:\n  target: os.system\n  params: {command: id}\n", "dangerous"),
        ("config.yaml", "model:\n  target: ldm.models.Diffusion\n  params: {a: 1}\n", "unknown-globals"),
        ("config.yaml", "model:\n  class_path: subprocess.Popen\n  init_args: {args: id}\n", "dangerous"),
        ("config.yaml", "model:\n  class_path: ours.Model\n", "unknown-globals"),
        ("model_config.yaml", "target: os.system\n", "dangerous"),
        ("model_config.yaml", "target: ours.Model\n", "unknown-globals"),
        ("model_config.yaml", "target: nemo.collections.asr.models.EncDecCTCModel\n", "safe-format"),
        ("config.yaml", "data:\n  target: churned\n  params: {a: 1}\n", "safe-format"),
        ("config.yaml", "data:\n  target: is.churned\n", "safe-format"),
        ("config.json", '{"model": {"target": "os.system", "params": {}}}', "dangerous"),
        ("config.json", '{"model": {"class_path": "os.system"}}', "dangerous"),
    ],
)
def test_a_class_that_a_configuration_names_to_be_made(name: str, text: str, right: str, tmp_path: Path) -> None:
    """As latent diffusion, jsonargparse with Lightning, and NeMo spell it."""
    assert scanned(tmp_path, name, text.encode()).verdict == right


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("before_creation = null", "safe-format"),
        ('@tokenizers = "spacy.Tokenizer.v1"', "safe-format"),
        ('@optimizers = "Adam.v1"', "safe-format"),
        ('@architectures = "spacy-transformers.TransformerModel.v3"', "safe-format"),
        ('@architectures = "ours.Model.v1"', "unknown-globals"),
        ("@architectures = 'ours.Model.v1'", "unknown-globals"),
        ("@callbacks=${paths.callback}", "unknown-globals"),
        ('after_creation = {"@callbacks": "ours.patch.v1"}', "unknown-globals"),
        ('after_creation = {"\\u0040callbacks": "ours.patch.v1"}', "unknown-globals"),
        ('factory = "ner"', "safe-format"),
        ('factory = "ours"', "unknown-globals"),
    ],
)
def test_what_a_pipeline_of_spacy_is_made_of(line: str, right: str, tmp_path: Path) -> None:
    text = f'[nlp]\nlang = "en"\n{line}\n\n[components]\n'
    assert scanned(tmp_path, "config.cfg", text.encode()).verdict == right


@pytest.mark.parametrize(
    ("handler", "right"),
    [("image_classifier", "safe-format"), ("handler.py", "unknown-globals"), ("handler.py:handle", "unknown-globals"),
     ("ours.module:handle", "unknown-globals")],
)  # fmt: skip
def test_the_handler_of_an_archive_of_torchserve(handler: str, right: str, tmp_path: Path) -> None:
    manifest = json.dumps({"model": {"modelName": "m", "serializedFile": "m.txt", "handler": handler}})
    mar = archive({"MAR-INF/MANIFEST.json": manifest.encode(), "m.txt": b"text", "handler.py": b"pass\n"})
    assert scanned(tmp_path, "model.mar", mar).verdict == right
