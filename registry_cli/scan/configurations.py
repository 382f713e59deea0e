"""Configurations in JSON, YAML and XML: what they make a loader import, call, fetch or render."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .. import scan as readers
from ..inspect.binary.limits import Stopped
from ..inspect.binary.sources import ByteSource
from . import text_formats
from .verdicts import DANGEROUS, KNOWN, NOTE, UNKNOWN, UNSCANNABLE, ScanContext, leaves_folder

#: Longer texts are only searched for the words below.
_LONGEST = 64 << 20
_BLOCK = 1 << 20
_OVERLAP = 256
#: A text without one of these means nothing to a loader. An honest writer never escapes letters.
_WORDS = (
    "loader_module", "class_name", "auto_map", "trust_remote_code", "chat_template", "_target_", "custom_pipelines", "_class_name",
    "py/", ":serialized:", "parent_library",
)  # fmt: skip
_CLASS_PATH = r"""\b(?:target|class_path)["']?\s*:\s*["']?[A-Za-z_]\w*\."""
_SAYS = re.compile(
    "|".join([*_WORDS, _CLASS_PATH, r"\\u00(?:4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])", r"\\x[4-7]"])
)
_KEY = re.compile(r"""["']?class_name["']?\s*:\s*["']?(?:[\w.>]*[.>])?(?:Lambda|__lambda__|TorchModuleWrapper)\b""")
_JSON_BEGINNING = re.compile(r"[\ufeff\s]*(?:\{\s*[\"}]|\[\s*[-\[{\"\d\]tfn])")
_YAML_NAMES = re.compile(r"\.(yaml|yml)$|(^|/)(mlmodel|conda\.yaml)$")
_NAMED = re.compile(r"(^|/)((modules|model_index|mar-inf/manifest)\.json|mlmodel)$")
_DOTTED = re.compile(r"[^\W\d]\w*(\.\w+)+")
_SPACY = re.compile(r"(^|/)config\.cfg$")
_EXTERNAL_TYPE = re.compile(r"<!DOCTYPE(?!\s+html)[^>\[]{0,2000}\b(?:SYSTEM|PUBLIC)\b")
_ODD_ENCODING = re.compile(
    r"""<\?xml[^>]*encoding\s*=\s*["'](?!utf-?8|us-ascii|ascii|iso-8859-|utf-?16|windows-)""", re.IGNORECASE
)
#: Chat templates of jinja, which a loader renders. No honest template uses the internals of an object.
_LONGEST_TEMPLATE = 256 << 10
_TEMPLATE_BLOCK = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)", re.DOTALL)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_INSIDE = "it reaches for what Python keeps inside"
_COMPUTED = "it looks up attributes by computed names"
#: Dangerous code outside of quoted texts, and the reasons.
_TEMPLATE_CODE = (
    (r"__|\.\s*_\w|\.\s*(?:mro|func_globals|gi_frame|gi_code|f_globals|f_back|cr_frame|format_map)\b", _INSIDE),
    (r"\|\s*attr\b", _COMPUTED),
    (r"\b(?:lipsum|cycler|joiner|get_flashed_messages|url_for|self|request)\s*[.(\[|]",
     "it uses an object of jinja that leads to Python's modules"),
    (r"^\{%[-+]?\s*(?:import|include|extends|from)\b", "it loads another template"),
    (r"\b(?:os|sys|subprocess|builtins|importlib)\s*\.|\b(?:popen|eval|exec)\s*\(", "it runs commands or code"),
)  # fmt: skip
#: The same for code together with its quoted texts.
_TEMPLATE_TEXT = (
    (r"__\w+__|\[\s*['\"]_", _INSIDE),
    (r"(?i)\\(?:x5f|u005f|U0000005f|137|N\{LOW LINE\})", "it hides underscores in escapes"),
    (r"['\"]attr['\"]", _COMPUTED),
)
_SUBSCRIPT = re.compile(r"\[[^\[\]]{0,500}\]")
_TEMPLATES = (".jinja", ".jinja2", ".j2")
_TAGGED = re.compile(r"%TAG|(?:^|[\s\[\]{},:?-])!\S")
#: Keys of jsonpickle whose values are imported, called, or run as code when they are decoded.
_JSONPICKLE = ("py/object", "py/reduce", "py/function", "py/type", "py/newobj", "py/repr", "py/newargs", "py/newargsex")
#: Libraries that an adapter of PEFT may name as that of its base model: their modules are imported.
_PARENTS = frozenset(["transformers", "diffusers", "peft", "timm", "torchvision", "sentence_transformers", "open_clip"])
#: The modules of MLflow itself that load models.
_FLAVORS = frozenset(
    f"mlflow.{name}"
    for name in str.split(
        "pyfunc.model pyfunc.loaders.chat_agent pyfunc.loaders.chat_model pyfunc.loaders.code_model "
        "pyfunc.loaders.responses_agent catboost diviner dspy fastai gluon h2o johnsnowlabs keras langchain lightgbm "
        "llama_index mleap onnx openai paddle pmdarima promptflow prophet pyspark.ml pytorch sentence_transformers shap "
        "sklearn spacy spark statsmodels tensorflow transformers xgboost"
    )
)
#: Keys of a flavor of MLflow that name a file or folder of the model, and those of them that are code.
_FLAVOR_FILES = ("code", "model_code_path", "python_model", "pickled_model", "model_path", "data")
_FLAVOR_CODE = _FLAVOR_FILES[:2]
#: The handlers of TorchServe itself.
_HANDLERS = frozenset(str.split("image_classifier image_segmenter object_detector text_classifier"))
#: References to functions registered with spaCy, and the functions that spaCy and thinc register themselves.
_REGISTERED = re.compile(
    r"""^[ \t]*@\w+[ \t]*=[ \t]*(.*?)[ \t]*$|["'](?:@|\\u0040)\w+["']\s*:\s*(["'][^"'\n]*["']?)""", re.MULTILINE
)
_SPACY_OWN = re.compile(
    r"(spacy(-legacy|-transformers|-curated-transformers|-loggers)?\.\w+"
    r"|Adam|RAdam|SGD|constant|constant_then|compounding|decaying|warmup_linear|slanted_triangular|cyclic_triangular"
    r"|plateau|Linear|Softmax|Relu|reduce_mean|reduce_max|reduce_first|reduce_last|chain|with_array)\.v\d+"
)
_FACTORY = re.compile(r"^[ \t]*factory[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
#: The components of spaCy and its own extensions.
_COMPONENTS = frozenset(str.split(
    "tok2vec tagger parser beam_parser ner beam_ner lemmatizer trainable_lemmatizer morphologizer attribute_ruler senter "
    "sentencizer textcat textcat_multilabel entity_linker entity_ruler future_entity_ruler span_ruler spancat "
    "spancat_singlelabel span_finder merge_entities merge_noun_chunks merge_subtokens token_splitter doc_cleaner "
    "transformer curated_transformer"
))  # fmt: skip
#: The libraries that diffusers loads parts of a pipeline from; any other name is a file in the repository.
_LIBRARIES = frozenset(str.split(
    "diffusers transformers onnxruntime k_diffusion peft stable_diffusion stable_diffusion_safe paint_by_example "
    "deepfloyd_if kandinsky latent_diffusion unidiffuser audioldm2 wuerstchen stable_cascade"
))  # fmt: skip


def scan_text(ctx: ScanContext, body: ByteSource, head: str, name: str) -> str:
    """Scan a text that begins with ``head``, and return its kind, empty if not all of it is text.

    ``name`` is in lower case.
    """
    whole = body.size <= _LONGEST
    text, clean, says = _read(ctx, body, keep=whole)
    kind = _kind(text if whole else head, name)
    if not whole:
        if clean and says and kind in ("json", "yaml"):
            raise Stopped(f"it is a text of more than {_LONGEST:,} bytes that names classes", limit=True)
        return kind if clean else ""
    named = _YAML_NAMES.search(name) is not None
    if kind == "json":
        kind = _scan_json(ctx, text, name)
    if kind == "xml":
        _scan_xml(ctx, text)
    elif name.endswith(_TEMPLATES):
        check_template(ctx, text)
    if _TAGGED.search(text) and not (kind == "json" and text_formats.parse_json(text.lstrip("\ufeff"))):
        _check_tags(ctx, text, named)
    if _SPACY.search(name) and "[nlp]" in text:
        _check_spacy(ctx, text)
    if named and kind != "json" and (_SAYS.search(text) or _NAMED.search(name)):
        for document in text_formats.parse_yaml(text):
            _check_document(ctx, document, name)
    return kind if clean else ""


def _read(ctx: ScanContext, body: ByteSource, *, keep: bool) -> tuple[str, bool, bool]:
    """The text, if it is kept; whether it is one to its end; and whether it has a word that a loader looks for."""
    encoding, mark = text_formats.detect_encoding(body.at(0, 4))
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    parts: list[str] = []
    says, before, clean = False, "", True
    for at in range(mark, body.size, _BLOCK):
        data = body.at(at, _BLOCK)
        ctx.spend_seeking(len(data))
        try:
            piece = decoder.decode(data, at + _BLOCK >= body.size)
        except UnicodeDecodeError:
            decoder.reset()
            piece, clean = data.decode("latin-1"), False
        clean = clean and "\0" not in piece
        says = says or _SAYS.search(before + piece) is not None
        before = piece[-_OVERLAP:]
        if keep:
            parts.append(piece)
    return "".join(parts), clean, says


def _kind(text: str, name: str) -> str:
    start = text.lstrip("\ufeff \t\r\n\x0b\x0c")
    if start[:1] in ("{", "[") or name.endswith(".json"):
        return "json"
    if start[:5].lower() == "<?xml" or start[:9].upper() == "<!DOCTYPE" or name.endswith((".xml", ".pmml")):
        return "xml"
    return "yaml" if _YAML_NAMES.search(name) else "text"


def _scan_json(ctx: ScanContext, text: str, name: str) -> str:
    """Scan JSON. A text that can't be parsed must not have anything for a more forgiving loader either."""
    if not _SAYS.search(text) and not _NAMED.search(name):
        return "json" if name.endswith(".json") or _JSON_BEGINNING.match(text) else "text"
    found = text_formats.parse_json(text.lstrip("\ufeff"))
    if found is None:
        if not _check_lambda(ctx, text) and name.endswith(".json"):
            ctx.add_finding(UNSCANNABLE, "its JSON can't be read")
        return "text"
    _check_duplicate_keys(ctx, found)
    _check_document(ctx, found.document, name)
    return "json"


def _check_lambda(ctx: ScanContext, text: str) -> bool:
    """Whether a text that can't be parsed has a layer that runs code."""
    found = _KEY.search(text) is not None
    if found:
        ctx.add_finding(DANGEROUS, "it holds a Lambda layer in JSON that not every reader accepts")
    return found


def _check_duplicate_keys(ctx: ScanContext, found: text_formats.Json) -> None:
    for key in sorted(set(found.twice))[:5]:
        ctx.add_finding(DANGEROUS, f"readers differ: an object has '{key}' twice")


def _check_tags(ctx: ScanContext, text: str, named: bool) -> None:
    """Check tags of YAML that make Python objects, in any text; in a file named as YAML also those with another meaning."""
    code, other = text_formats.select_tags(text_formats.find_tags(text))
    if not code and not (named and other):
        return
    parsed = text_formats.parse_tags(text)
    if parsed.whole or not named:  # tags in comments and quoted texts don't count
        code, other = text_formats.select_tags(parsed.tags)
    for tag in sorted(code)[:20]:
        ctx.add_finding(DANGEROUS, f"a YAML tag makes Python objects: {tag}")
    for tag in sorted(other)[:20] if named else ():
        ctx.add_finding(UNKNOWN, f"a YAML tag that a loader may give a meaning: {tag}")
    if parsed.limit:
        raise Stopped("it is YAML with tags that is longer than is looked at", limit=True)


def _scan_xml(ctx: ScanContext, text: str) -> None:
    """Scan XML, whose entities or inclusions make a reader fetch files."""
    if "<!ENTITY" in text:
        ctx.add_finding(DANGEROUS, "it declares entities, which make a reader open files or grow without end")
    elif _EXTERNAL_TYPE.match(text[max(0, text.find("<!DOCTYPE")) :][:4096]):
        ctx.add_finding(UNKNOWN, "its type is declared in another file")
    if "http://www.w3.org/2001/XInclude" in text or "<?xml-stylesheet" in text:
        ctx.add_finding(UNKNOWN, "it includes other files")
    if _ODD_ENCODING.search(text[:1000]):
        ctx.add_finding(DANGEROUS, "readers differ: its encoding is one that few know")


# documents


def _check_document(ctx: ScanContext, document: Any, name: str) -> None:
    objects = list(text_formats.iter_mappings(document))
    _check_keras(ctx, objects)
    for each in objects:
        _check_object(ctx, each)
    if name.endswith("modules.json") and isinstance(document, list):
        _check_sentence_transformer(ctx, objects)
    elif name.endswith("mar-inf/manifest.json"):
        for handler in sorted({str(each["handler"]) for each in objects if each.get("handler")} - _HANDLERS):
            ctx.add_finding(UNKNOWN, "code beside the model, which TorchServe runs", handler)
    for end, check in _CHECKS.items():
        if name.endswith(end) and isinstance(document, dict):
            check(ctx, document)


def _check_object(ctx: ScanContext, each: Mapping[str, Any]) -> None:
    _check_transformers(ctx, each)
    for target in _iter_class_paths(each):
        _check_call(ctx, target)
    loader = each.get("loader_module")
    if isinstance(loader, str) and loader not in _FLAVORS and loader not in ctx.allowed.exact:
        _check_call(ctx, f"{loader}._load_pyfunc")
    _check_jsonpickle(ctx, each)
    if isinstance(each.get(":serialized:"), str):  # in the ``data`` of Stable-Baselines3, as base64
        ctx.add_finding(UNKNOWN, "it holds a pickle as text, which Stable-Baselines3 loads")
    parent = each.get("parent_library")
    if isinstance(parent, str) and parent.partition(".")[0] not in _PARENTS and parent not in ctx.allowed.exact:
        ctx.add_finding(UNKNOWN, "it is imported when the adapter is loaded", parent)


def _check_sentence_transformer(ctx: ScanContext, objects: Iterable[Mapping[str, Any]]) -> None:
    for each in objects:
        kind = each.get("type")
        if isinstance(kind, str) and "path" in each and kind not in _modules() and kind not in ctx.allowed.exact:
            ctx.add_finding(UNKNOWN, "a custom module in a sentence transformer", kind)


def _check_nemo(ctx: ScanContext, document: Mapping[str, Any]) -> None:
    target = document.get("target")
    if isinstance(target, str) and not target.startswith("nemo.") and "params" not in document:
        _check_call(ctx, target)


def _iter_class_paths(each: Mapping[str, Any]) -> Iterator[str]:
    """What Hydra, latent diffusion and jsonargparse import, and call with the values beside it."""
    if isinstance(target := each.get("_target_"), str):
        yield target
    for key in ("class_path", "target") if "params" in each else ("class_path",):
        if isinstance(target := each.get(key), str) and _DOTTED.fullmatch(target):
            yield target


def _check_flavors(ctx: ScanContext, document: Mapping[str, Any]) -> None:
    """Check the files that the flavors of MLflow load: code that runs before a pickle is read, and files elsewhere."""
    flavors = document.get("flavors")
    for flavor in flavors.values() if isinstance(flavors, dict) else ():
        for key in _FLAVOR_FILES if isinstance(flavor, dict) else ():
            path = flavor.get(key)
            if not isinstance(path, str) or not path:
                continue
            if leaves_folder(path, "(?s:.):"):
                ctx.add_finding(DANGEROUS, f"its {key} is outside the model: {path}")
            elif key in _FLAVOR_CODE:
                ctx.add_finding(UNKNOWN, "code beside the model, which MLflow runs or imports", path)


def _check_spacy(ctx: ScanContext, text: str) -> None:
    """Check the registered functions and components of a pipeline of spaCy."""
    for name in sorted({(match[1] or match[2] or "").strip("\"'") for match in _REGISTERED.finditer(text)}):
        if not _SPACY_OWN.fullmatch(name) and name not in ctx.allowed.exact:
            ctx.add_finding(UNKNOWN, "a custom function registered with spaCy", name)
    for name in sorted({match[1].strip("\"'") for match in _FACTORY.finditer(text)} - _COMPONENTS):
        if name not in ctx.allowed.exact:
            ctx.add_finding(UNKNOWN, "a custom component registered with spaCy", name)


@cache
def _modules() -> frozenset[str]:
    """The modules of sentence-transformers itself, by the names that its releases write."""
    document = json.loads(Path(__file__).with_name("sentence_transformers.json").read_text(encoding="utf-8"))
    return frozenset(document["classes"])


def _check_transformers(ctx: ScanContext, each: Mapping[str, Any]) -> None:
    """Check for code in the repository that is loaded with ``trust_remote_code``, and for chat templates."""
    mapped = each.get("auto_map")
    for target in _iter_texts(mapped):
        ctx.add_finding(UNKNOWN, "code beside the model, which is loaded with trust_remote_code", target)
    if mapped and not list(_iter_texts(mapped)):
        ctx.add_finding(UNKNOWN, "code beside the model", "auto_map")
    for target in _iter_texts(each.get("custom_pipelines")):
        ctx.add_finding(UNKNOWN, "a custom pipeline", target)
    if each.get("trust_remote_code") not in (None, False):
        ctx.add_finding(UNKNOWN, "it asks for code beside the model to be loaded", "trust_remote_code")
    for template in _iter_texts(each.get("chat_template")):
        check_template(ctx, template)


def _computes(subscript: str) -> bool:
    """Whether a subscript combines texts, one of which begins or ends with an underscore."""
    outside = _QUOTED.sub("", subscript)
    inside = [match[0][1:-1] for match in _QUOTED.finditer(subscript)]
    return any(mark in outside for mark in "~+|*%") and any(text[:1] == "_" or text[-1:] == "_" for text in inside)


def check_template(ctx: ScanContext, template: str) -> None:
    if len(template) > _LONGEST_TEMPLATE:
        ctx.add_finding(DANGEROUS, "its chat template is longer than any honest one")
        return
    found = set()
    for block in _TEMPLATE_BLOCK.finditer(template):
        code = _QUOTED.sub("''", block[0])
        found |= {why for pattern, why in _TEMPLATE_CODE if re.search(pattern, code)}
        found |= {why for pattern, why in _TEMPLATE_TEXT if re.search(pattern, block[0])}
        if any(_computes(match[0]) for match in _SUBSCRIPT.finditer(block[0])):
            found.add("it computes names")
    for why in sorted(found):
        ctx.add_finding(DANGEROUS, f"its chat template: {why}")
    if not found and template:
        ctx.add_finding(NOTE, "it holds a chat template, which is rendered when the model is used")


def _iter_texts(value: Any) -> Iterable[str]:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, (list, tuple)):
            pending += each
        elif isinstance(each, Mapping):
            pending += each.values()


def _check_call(ctx: ScanContext, target: str) -> None:
    """Check a global that Hydra, or another reader of configurations, imports and calls."""
    module, _, name = target.rpartition(".")
    level, why = _judge(ctx, module, name)
    if level == DANGEROUS:
        ctx.add_finding(DANGEROUS, why, target)
    elif target not in ctx.allowed:
        ctx.add_finding(UNKNOWN, "it is called when the configuration is instantiated", target)


def _judge(ctx: ScanContext, module: str, name: str, *, called: bool = True) -> tuple[str, str]:
    from .pickle.global_verdicts import judge_name  # large tables, which most configurations don't need

    ctx.scan.globals += 1
    return judge_name(module, name, ctx.allowed, called=called)


def _check_jsonpickle(ctx: ScanContext, each: Mapping[str, Any]) -> None:
    """Check what jsonpickle would import and call."""
    for key in [key for key in _JSONPICKLE if key in each]:
        named = each[key]
        if key == "py/repr":
            ctx.add_finding(DANGEROUS, "jsonpickle evaluates it as code", key)
        elif isinstance(named, str) and "." in named:
            _check_call(ctx, named)
        else:
            ctx.add_finding(UNKNOWN, "an object that jsonpickle makes", key)


def _check_diffusers(ctx: ScanContext, document: Mapping[str, Any]) -> None:
    own = document.get("_class_name")
    if isinstance(own, list):
        ctx.add_finding(UNKNOWN, "a custom pipeline", ".".join(map(str, own)))
    for part, value in document.items():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str):
            if part.startswith("_") or value[0] in _LIBRARIES:
                continue
            ctx.add_finding(UNKNOWN, f"code beside the model, as its {part}", ".".join(value))


#: The checks of documents with these names.
_CHECKS = {"mlmodel": _check_flavors, "model_index.json": _check_diffusers, "model_config.yaml": _check_nemo}


def scan_embedded(ctx: ScanContext, data: bytes) -> None:
    """Scan a configuration of Keras in a file of another format, from the first bracket on that begins one."""
    text = data.decode("utf-8", "replace")
    at, found = -1, None
    for _ in range(16):
        if (at := text.find("{", at + 1)) < 0:
            break
        if (found := text_formats.parse_json(text[at:], rest=True)) is not None:
            break
    if found is not None:
        _check_duplicate_keys(ctx, found)
        _check_keras(ctx, text_formats.iter_mappings(found.document))
    elif not _check_lambda(ctx, text) and "class_name" in text:
        ctx.add_finding(UNSCANNABLE, "the configuration in it can't be read")


def _check_keras(ctx: ScanContext, objects: Iterable[Mapping[str, Any]]) -> None:
    for each in objects:
        if "class_name" in each:
            readers.keras_configurations.check_object(ctx, each)


def scan_skops_schema(ctx: ScanContext, data: bytes) -> None:
    """Check the types that a skops file names. ``skops.io.load`` asks before it takes those that it doesn't trust."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        ctx.add_finding(UNSCANNABLE, "its JSON can't be read")
        return
    for each in text_formats.iter_mappings(document):
        module, name = each.get("__module__"), each.get("__class__")
        content = each.get("content")
        if isinstance(content, dict) and isinstance(content.get("module_path"), str):
            _check_type(ctx, content["module_path"], str(content.get("function")), called=False)
            continue
        if isinstance(module, str) and isinstance(name, str) and module and name not in ("function", "ufunc"):
            _check_type(ctx, module, name)
        func = content.get("func") if isinstance(content, dict) else None
        if isinstance(func, str) and func.startswith("__"):
            ctx.add_finding(DANGEROUS, "it reaches for what Python keeps inside", func)


def _check_type(ctx: ScanContext, module: str, name: str, *, called: bool = True) -> None:
    level, why = _judge(ctx, module, name, called=called)
    if level != KNOWN:
        ctx.add_finding(level, why, f"{module}.{name}")
