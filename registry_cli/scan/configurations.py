"""Configurations in JSON and YAML: what they make a loader import, call, fetch or render."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..inspect.binary.limits import Budget, Stopped
from ..inspect.binary.sources import ByteSource
from . import text_formats
from .verdicts import DANGEROUS, KNOWN, UNKNOWN, UNSCANNABLE, AllowedGlobals, FileScan

#: Longer texts are only searched for what they would have to be read for.
_LONGEST = 64 << 20
_BLOCK = 1 << 20
_OVERLAP = 256
#: Without one of these a text says nothing to a loader. Letters are never escaped by an honest writer.
_WORDS = (
    "loader_module", "class_name", "auto_map", "trust_remote_code", "chat_template", "_target_", "custom_pipelines", "_class_name",
    "py/", ":serialized:", "parent_library",
)  # fmt: skip
_CLASS_PATH = r"""\b(?:target|class_path)["']?\s*:\s*["']?[A-Za-z_]\w*\."""
_SAYS = re.compile(
    "|".join([*_WORDS, _CLASS_PATH, r"\\u00(?:4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])", r"\\x[4-7]"])
)
_KEY = re.compile(r"""["']?class_name["']?\s*:\s*["']?(?:[\w.>]*[.>])?(?:Lambda|__lambda__|TorchModuleWrapper)\b""")
_YAML_NAMES = re.compile(r"\.(yaml|yml)$|(^|/)(mlmodel|conda\.yaml)$")
_NAMED = re.compile(r"(^|/)((modules|model_index|mar-inf/manifest)\.json|mlmodel)$")
_SPACY = re.compile(r"(^|/)config\.cfg$")
_TEMPLATES = (".jinja", ".jinja2", ".j2")
_TAGGED = re.compile(r"%TAG|(?:^|[\s\[\]{},:?-])!\S")
#: Keys of jsonpickle whose values are imported, called, or run as code when they are decoded.
_JSONPICKLE = ("py/object", "py/reduce", "py/function", "py/type", "py/newobj", "py/repr", "py/newargs", "py/newargsex")
#: Libraries that an adapter of PEFT may name as that of its base model: their modules are imported.
_PARENTS = frozenset(["transformers", "diffusers", "peft", "timm", "torchvision", "sentence_transformers", "open_clip"])
#: What a model of MLflow is loaded with: modules of MLflow itself.
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
#: The handlers that TorchServe has itself.
_HANDLERS = frozenset(str.split("image_classifier image_segmenter object_detector text_classifier"))
#: A function that spaCy looks up among the registered ones; and those that spaCy and thinc register themselves.
_REGISTERED = re.compile(
    r"""^[ \t]*@\w+[ \t]*=[ \t]*(.*?)[ \t]*$|["'](?:@|\\u0040)\w+["']\s*:\s*(["'][^"'\n]*["']?)""", re.MULTILINE
)
_SPACY_OWN = re.compile(
    r"(spacy(-legacy|-transformers|-curated-transformers|-loggers)?\.\w+"
    r"|Adam|RAdam|SGD|constant|constant_then|compounding|decaying|warmup_linear|slanted_triangular|cyclic_triangular"
    r"|plateau|Linear|Softmax|Relu|reduce_mean|reduce_max|reduce_first|reduce_last|chain|with_array)\.v\d+"
)
_FACTORY = re.compile(r"^[ \t]*factory[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
#: The components that spaCy and its own extensions have.
_COMPONENTS = frozenset(
    str.split(
        "tok2vec tagger parser beam_parser ner beam_ner lemmatizer trainable_lemmatizer morphologizer attribute_ruler senter "
        "sentencizer textcat textcat_multilabel entity_linker entity_ruler future_entity_ruler span_ruler spancat "
        "spancat_singlelabel span_finder merge_entities merge_noun_chunks merge_subtokens token_splitter doc_cleaner "
        "transformer curated_transformer"
    )
)
#: Where diffusers looks for the parts of a pipeline: anything else is a file in the repository.
_LIBRARIES = frozenset(
    str.split(
        "diffusers transformers onnxruntime k_diffusion peft stable_diffusion stable_diffusion_safe paint_by_example "
        "deepfloyd_if kandinsky latent_diffusion unidiffuser audioldm2 wuerstchen stable_cascade"
    )
)


def scan_text(
    scan: FileScan, body: ByteSource, head: str, name: str, where: str, allowed: AllowedGlobals, budget: Budget
) -> str:
    """Look at a text, which begins with ``head``; its kind, empty when it is no text to its end."""
    lower = name.lower()
    encoding, skip = text_formats.encoding_of(body.at(0, 4))
    whole = body.size <= _LONGEST
    text, clean = _read(body, encoding, skip, budget, keep=whole)
    if not whole:
        kind = _kind(head, lower)
        if clean == "says" and kind in ("json", "yaml"):
            raise Stopped(f"it is a text of more than {_LONGEST:,} bytes that names classes", limit=True)
        return kind if clean else ""
    kind = _kind(text, lower)
    named = _YAML_NAMES.search(lower) is not None
    if kind == "json":
        kind = _json(scan, text, lower, where, allowed)
    if kind == "xml":
        _xml(scan, text, where)
    elif lower.endswith(_TEMPLATES):
        _check_template(scan, text, where)
    if _TAGGED.search(text) and not (kind == "json" and text_formats.json_document(text.lstrip("\ufeff"))):
        _tags(scan, text, named, where)
    if _SPACY.search(lower) and "[nlp]" in text:
        _spacy(scan, text, where, allowed)
    if named and kind != "json" and (_SAYS.search(text) or _NAMED.search(lower)):
        for document in text_formats.yaml_documents(text):
            _document(scan, document, lower, where, allowed)
    return kind if clean else ""


def _read(body: ByteSource, encoding: str, skip: int, budget: Budget, *, keep: bool) -> tuple[str, str]:
    """The text, and ``text`` if all of it is one, ``says`` if it also has a word that a loader looks for."""
    import codecs

    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    parts: list[str] = []
    at, says, before, clean = skip, False, "", True
    while at < body.size:
        data = body.at(at, _BLOCK)
        budget.seeking -= len(data)
        if budget.seeking < 0:
            raise Stopped("it is longer than is looked at", limit=True)
        at += len(data)
        try:
            piece = decoder.decode(data, at >= body.size)
        except UnicodeDecodeError:
            decoder.reset()
            piece, clean = data.decode("latin-1"), False
        clean = clean and "\0" not in piece
        says = says or _SAYS.search(before + piece) is not None
        before = piece[-_OVERLAP:]
        if keep:
            parts.append(piece)
    return "".join(parts), ("says" if says else "text") if clean else ""


def _kind(text: str, name: str) -> str:
    start = text.lstrip("\ufeff \t\r\n\x0b\x0c")
    if start[:1] in ("{", "[") or name.endswith(".json"):
        return "json"
    if start[:5].lower() == "<?xml" or start[:9].upper() == "<!DOCTYPE" or name.endswith((".xml", ".pmml")):
        return "xml"
    return "yaml" if _YAML_NAMES.search(name) else "text"


def _json(scan: FileScan, text: str, name: str, where: str, allowed: AllowedGlobals) -> str:
    """JSON. What is none is read as a text, in which a loader that is more forgiving must not find anything either."""
    if not _SAYS.search(text) and not _NAMED.search(name):
        return "json" if name.endswith(".json") or _begins(text) else "text"
    found = text_formats.json_document(text.lstrip("\ufeff"))
    if found is None:
        if _KEY.search(text):
            scan.add_finding(DANGEROUS, "", "it holds a Lambda layer in JSON that not every reader accepts", where)
        elif name.endswith(".json"):
            scan.add_finding(UNSCANNABLE, "", "its JSON can't be read", where)
        return "text"
    for key in sorted(set(found.twice))[:5]:
        scan.add_finding(DANGEROUS, "", f"readers differ: an object has '{key}' twice", where)
    _document(scan, found.document, name, where, allowed)
    return "json"


def _begins(text: str) -> bool:
    """Whether what begins with a bracket goes on as JSON."""
    return re.match(r"[\ufeff\s]*(?:\{\s*[\"}]|\[\s*[-\[{\"\d\]tfn])", text) is not None


def _tags(scan: FileScan, text: str, named: bool, where: str) -> None:
    """Tags of YAML that make Python objects, in any text; in what is called YAML also those of a meaning of their own."""
    code, other = text_formats.own_tags(text_formats.tags(text))
    if not code and not (named and other):
        return
    parsed = text_formats.parsed_tags(text)
    if parsed.whole or not named:  # what is in comments and quoted texts doesn't count
        code, other = text_formats.own_tags(parsed.tags)
    for tag in sorted(code)[:20]:
        scan.add_finding(DANGEROUS, "", f"a YAML tag makes Python objects: {tag}", where)
    for tag in sorted(other)[:20] if named else ():
        scan.add_finding(UNKNOWN, "", f"a YAML tag that a loader may give a meaning: {tag}", where)
    if parsed.limit:
        raise Stopped("it is YAML with tags that is longer than is looked at", limit=True)


def _xml(scan: FileScan, text: str, where: str) -> None:
    """XML whose entities or inclusions make a reader fetch files."""
    if re.search(r"<!ENTITY", text):
        scan.add_finding(
            DANGEROUS, "", "it declares entities, which make a reader open files or grow without end", where
        )
    elif re.match(
        r"<!DOCTYPE(?!\s+html)[^>\[]{0,2000}\b(?:SYSTEM|PUBLIC)\b", text[max(0, text.find("<!DOCTYPE")) :][:4096]
    ):
        scan.add_finding(UNKNOWN, "", "its type is declared in another file", where)
    if "http://www.w3.org/2001/XInclude" in text or "<?xml-stylesheet" in text:
        scan.add_finding(UNKNOWN, "", "it includes other files", where)
    if re.search(
        r"""<\?xml[^>]*encoding\s*=\s*["'](?!utf-?8|us-ascii|ascii|iso-8859-|utf-?16|windows-)""",
        text[:1000],
        re.IGNORECASE,
    ):
        scan.add_finding(DANGEROUS, "", "readers differ: its encoding is one that few know", where)


# what a document says


def _document(scan: FileScan, document: Any, name: str, where: str, allowed: AllowedGlobals) -> None:
    objects = list(text_formats.mappings(document))
    _check_keras(scan, objects, where, allowed)
    for each in objects:
        _transformers(scan, each, where)
        for target in _class_paths(each):
            _target(scan, target, where, allowed)
        loader = each.get("loader_module")
        if isinstance(loader, str) and loader not in _FLAVORS and loader not in allowed.exact:
            _target(scan, f"{loader}._load_pyfunc", where, allowed)
        _jsonpickle(scan, each, where, allowed)
        if isinstance(each.get(":serialized:"), str):  # in the ``data`` of Stable-Baselines3, as base64
            scan.add_finding(UNKNOWN, "", "it holds a pickle as text, which Stable-Baselines3 loads", where)
        parent = each.get("parent_library")
        if isinstance(parent, str) and parent.partition(".")[0] not in _PARENTS and parent not in allowed.exact:
            scan.add_finding(UNKNOWN, parent, "it is imported when the adapter is loaded", where)
    if name.endswith("modules.json") and isinstance(document, list):
        _sentence_transformer(scan, objects, where, allowed)
    elif name.endswith("mar-inf/manifest.json"):
        for handler in sorted({str(each["handler"]) for each in objects if each.get("handler")} - _HANDLERS):
            scan.add_finding(UNKNOWN, handler, "code beside the model, which TorchServe runs", where)
    elif isinstance(document, dict):
        _whole(scan, document, name, where, allowed)


def _whole(scan: FileScan, document: Mapping[str, Any], name: str, where: str, allowed: AllowedGlobals) -> None:
    """A document that its name gives a meaning."""
    if name.endswith("mlmodel"):
        _flavors(scan, document, where)
    elif name.endswith("model_index.json"):
        _diffusers(scan, document, where)
    elif name.endswith("model_config.yaml"):
        target = document.get("target")  # of NeMo
        if isinstance(target, str) and not target.startswith("nemo.") and "params" not in document:
            _target(scan, target, where, allowed)


def _sentence_transformer(
    scan: FileScan, objects: Iterable[Mapping[str, Any]], where: str, allowed: AllowedGlobals
) -> None:
    for each in objects:
        kind = each.get("type")
        if isinstance(kind, str) and "path" in each and kind not in _modules() and kind not in allowed.exact:
            scan.add_finding(UNKNOWN, kind, "a module of someone's own in a sentence transformer", where)


def _class_paths(each: Mapping[str, Any]) -> Iterator[str]:
    """What Hydra, latent diffusion and jsonargparse import, and call with what stands beside it."""
    target = each.get("_target_")
    if isinstance(target, str):
        yield target
    for key in ("class_path", *(("target",) if "params" in each else ())):
        target = each.get(key)
        if isinstance(target, str) and re.fullmatch(r"[^\W\d]\w*(\.\w+)+", target):
            yield target


def _flavors(scan: FileScan, document: Mapping[str, Any], where: str) -> None:
    """The files that the flavors of MLflow load: code that runs before a pickle is read, and files elsewhere."""
    flavors = document.get("flavors")
    for flavor in flavors.values() if isinstance(flavors, dict) else ():
        for key in _FLAVOR_FILES if isinstance(flavor, dict) else ():
            path = flavor.get(key)
            if not isinstance(path, str) or not path:
                continue
            if path.startswith(("/", "\\")) or path[1:2] == ":" or ".." in re.split(r"[/\\]", path):
                scan.add_finding(DANGEROUS, "", f"its {key} lies outside of the model: {path}", where)
            elif key in _FLAVOR_CODE:
                scan.add_finding(UNKNOWN, path, "code beside the model, which MLflow runs or imports", where)


def _spacy(scan: FileScan, text: str, where: str, allowed: AllowedGlobals) -> None:
    """The registered functions and components that a pipeline of spaCy is made of."""
    for name in sorted({(match[1] or match[2] or "").strip("\"'") for match in _REGISTERED.finditer(text)}):
        if not _SPACY_OWN.fullmatch(name) and name not in allowed.exact:
            scan.add_finding(UNKNOWN, name, "a function of someone's own, registered with spaCy", where)
    for name in sorted({match[1].strip("\"'") for match in _FACTORY.finditer(text)} - _COMPONENTS):
        if name not in allowed.exact:
            scan.add_finding(UNKNOWN, name, "a component of someone's own, registered with spaCy", where)


@cache
def _modules() -> frozenset[str]:
    """The parts that sentence-transformers has itself, by the names that its releases write."""
    document = json.loads(Path(__file__).with_name("sentence_transformers.json").read_text(encoding="utf-8"))
    return frozenset(document["classes"])


def _transformers(scan: FileScan, each: Mapping[str, Any], where: str) -> None:
    """Code in the repository that is loaded with ``trust_remote_code``, and chat templates."""
    mapped = each.get("auto_map")
    for target in _texts(mapped):
        scan.add_finding(UNKNOWN, target, "code beside the model, which is loaded with trust_remote_code", where)
    if mapped and not list(_texts(mapped)):
        scan.add_finding(UNKNOWN, "auto_map", "code beside the model", where)
    for target in _texts(each.get("custom_pipelines")):
        scan.add_finding(UNKNOWN, target, "a pipeline of someone's own", where)
    if each.get("trust_remote_code") not in (None, False):
        scan.add_finding(UNKNOWN, "trust_remote_code", "it asks for code beside the model to be loaded", where)
    for template in _texts(each.get("chat_template")):
        _check_template(scan, template, where)


def _texts(value: Any) -> Iterable[str]:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, (list, tuple)):
            pending += each
        elif isinstance(each, Mapping):
            pending += each.values()


def _target(scan: FileScan, target: str, where: str, allowed: AllowedGlobals) -> None:
    """What Hydra, and those who build on it, import and call."""
    module, _, name = target.rpartition(".")
    from .pickle.global_verdicts import judge_name

    level, why = judge_name(module, name, allowed)
    scan.globals += 1
    if level == DANGEROUS:
        scan.add_finding(DANGEROUS, target, why, where)
    elif target not in allowed.exact and not target.startswith(allowed.prefixes):
        scan.add_finding(UNKNOWN, target, "it is called when the configuration is instantiated", where)


def _jsonpickle(scan: FileScan, each: Mapping[str, Any], where: str, allowed: AllowedGlobals) -> None:
    """What jsonpickle would import and call."""
    for key in _JSONPICKLE:
        if key not in each:
            continue
        named = each[key]
        if key == "py/repr":
            scan.add_finding(DANGEROUS, key, "jsonpickle evaluates it as code", where)
        elif isinstance(named, str) and "." in named:
            _target(scan, named, where, allowed)
        else:
            scan.add_finding(UNKNOWN, key, "an object that jsonpickle makes", where)


def _diffusers(scan: FileScan, document: Mapping[str, Any], where: str) -> None:
    own = document.get("_class_name")
    if isinstance(own, list):
        scan.add_finding(UNKNOWN, ".".join(map(str, own)), "a pipeline of someone's own", where)
    for part, value in document.items():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str):
            if part.startswith("_") or value[0] in _LIBRARIES:
                continue
            scan.add_finding(UNKNOWN, ".".join(value), f"code beside the model, as its {part}", where)


def embedded(scan: FileScan, data: bytes, where: str, allowed: AllowedGlobals) -> None:
    """A configuration of Keras in a file of another format: from the first bracket on that begins one."""
    text = data.decode("utf-8", "replace")
    at, found = -1, None
    for _ in range(16):
        if (at := text.find("{", at + 1)) < 0:
            break
        if (found := text_formats.json_document(text[at:], rest=True)) is not None:
            break
    if found is None:
        if _KEY.search(text):
            scan.add_finding(DANGEROUS, "", "it holds a Lambda layer in JSON that not every reader accepts", where)
        elif "class_name" in text:
            scan.add_finding(UNSCANNABLE, "", "the configuration in it can't be read", where)
        return
    for key in sorted(set(found.twice))[:5]:
        scan.add_finding(DANGEROUS, "", f"readers differ: an object has '{key}' twice", where)
    _check_keras(scan, text_formats.mappings(found.document), where, allowed)


def _check_keras(scan: FileScan, objects: Iterable[Mapping[str, Any]], where: str, allowed: AllowedGlobals) -> None:
    for each in objects:
        if "class_name" in each:
            from . import keras_configurations

            keras_configurations.check(scan, [each], where, allowed)


def _check_template(scan: FileScan, text: str, where: str) -> None:
    from . import jinja_templates

    jinja_templates.check(scan, text, where)


def skops_schema(scan: FileScan, data: bytes, where: str, allowed: AllowedGlobals) -> None:
    """The types that a skops file names. ``skops.io.load`` asks before it takes those that it doesn't trust."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        scan.add_finding(UNSCANNABLE, "", "its JSON can't be read", where)
        return
    for each in text_formats.mappings(document):
        module, name = each.get("__module__"), each.get("__class__")
        content = each.get("content")
        if isinstance(content, dict) and isinstance(content.get("module_path"), str):
            _judge(scan, content["module_path"], str(content.get("function")), where, allowed, called=False)
            scan.globals += 1
            continue
        if isinstance(module, str) and isinstance(name, str) and module and name not in ("function", "ufunc"):
            _judge(scan, module, name, where, allowed)
            scan.globals += 1
        func = content.get("func") if isinstance(content, dict) else None
        if isinstance(func, str) and func.startswith("__"):
            scan.add_finding(DANGEROUS, func, "it reaches for what Python keeps inside", where)


def _judge(scan: FileScan, module: str, name: str, where: str, allowed: AllowedGlobals, *, called: bool = True) -> None:
    from .pickle.global_verdicts import judge_name

    level, why = judge_name(module, name, allowed, called=called)
    if level != KNOWN:
        scan.add_finding(level, f"{module}.{name}", why, where)
