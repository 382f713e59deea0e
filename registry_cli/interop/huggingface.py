"""Hugging Face: models that come from a folder or from the cache of its tools, and a version as a repository.

In the cache, ``models--ORG--NAME/snapshots/REVISION/FILE`` is a link into ``blobs/``: links are followed inside of the
model's folder only. Nothing is asked of a server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.records import Artifact
from ..core.times import format_milliseconds
from ..errors import InvalidInput, NotFound, RegistryError
from ..store import manifest
from . import exported_files, name_mapping, source_tree
from .cards import model_card
from .cards.card_inputs import NAME as CARD
from .cards.model_card import CardInput
from .imported_version import ImportedMetadata, ImportedVersion, clean_line, to_plain_value
from .source_tree import SourceTree, error_message, resolve_path, text_or_empty

_REPOSITORY = "models--"
_REVISION = re.compile(r"[0-9a-zA-Z._-]{1,64}\Z")
_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
#: By these endings of a file's name in it a folder is known as one with a model.
_MARKS = frozenset(
    {"json", "safetensors", "gguf", "onnx", "bin", "pt", "pth", "h5", "keras", "md", "skops", "pkl", "joblib"}
)
#: Where huggingface_hub keeps account of what it downloaded: no part of the model.
_LEFT_OUT = frozenset({".cache", ".huggingface"})
#: What the front matter says that is one line of text, or a list of these: it becomes a tag.
_TAGS = (
    "license",
    "library_name",
    "pipeline_tag",
    "language",
    "base_model",
    "datasets",
    "license_name",
    "license_link",
)


def read(place: str | Path, *, only: str | None = None) -> Iterator[ImportedVersion]:
    """Every model in ``place`` (or ``only`` one): a cache, one model of a cache, one snapshot, or a folder with a model's files."""
    where = resolve_path(Path(place))
    if not where.is_dir():
        raise InvalidInput(f"'{place}' is no folder", "name a folder with a model's files, or a cache")
    repository = _find_repository(where)
    if repository is not None:
        yield _incoming(SourceTree(repository), repository, where)
        return
    hub = where / "hub" if (where / "hub").is_dir() else where
    repositories = [hub] if hub.name.startswith(_REPOSITORY) else sorted(hub.glob(f"{_REPOSITORY}*"))
    if repositories:
        wanted = name_mapping.select_names((_get_name(each) for each in repositories), only, place)
        given = name_mapping.assign_names(wanted)
        for each in repositories:
            if _get_name(each) in wanted:
                yield from _snapshots(each, given[_get_name(each)])
        return
    tree = SourceTree(where)
    if not _MARKS.intersection(name.rpartition(".")[2] if "." in name else name for name in tree.names(where)):
        raise InvalidInput(f"'{place}' holds nothing of Hugging Face", "it has no config.json, no weights, and no card")
    yield _incoming(tree, None, where)


def _find_repository(snapshot: Path) -> Path | None:
    """The model's folder in a cache, when ``snapshot`` is a snapshot in it."""
    above = snapshot.parent.parent
    return above if snapshot.parent.name == "snapshots" and above.name.startswith(_REPOSITORY) else None


def _get_name(repository: Path) -> str:
    return repository.name.removeprefix(_REPOSITORY).replace("--", "/")


def _snapshots(repository: Path, name: str | None) -> Iterator[ImportedVersion]:
    """The snapshots of a model, the oldest first; the one that ``refs/main`` names comes last."""
    tree = SourceTree(repository)
    refs = _refs(tree, repository)
    found = [each for each in tree.names(repository / "snapshots") if tree.is_folder(repository / "snapshots" / each)]
    if name is None or not found:
        why = name_mapping.format_conflict(_get_name(repository)) if found else "no snapshot of it is in the cache"
        yield ImportedVersion(
            f"hf:{clean_line(_get_name(repository), 120)}",
            name_mapping.to_model_name(_get_name(repository)),
            (),
            lost=(why,),
        )
        return
    age = {
        each: (refs.get("main") == each, (repository / "snapshots" / each).stat().st_mtime_ns, each) for each in found
    }
    for revision in sorted(found, key=age.__getitem__):
        yield _incoming(tree, repository, repository / "snapshots" / revision)


def _refs(tree: SourceTree, repository: Path) -> dict[str, str]:
    """The revision that each branch or tag stood for when it was fetched."""
    folder = repository / "refs"
    return {path.relative_to(folder).as_posix(): tree.text(path, 256).strip() for path in tree.below(folder)}


def _incoming(tree: SourceTree, repository: Path | None, snapshot: Path) -> ImportedVersion:
    name = _get_name(repository) if repository else snapshot.name
    revision = snapshot.name if repository and _REVISION.match(snapshot.name) else _downloaded_revision(tree, snapshot)
    luggage = ImportedMetadata()
    named = _files(tree, snapshot, luggage)
    if not named:
        raise NotFound(f"there is no file of a model in '{snapshot}'", "is the snapshot complete?")
    shown = f"hf:{clean_line(name, 120)}"
    key = f"{shown}:{revision or source_tree.fingerprint(named)}"
    card = _card(tree, snapshot, luggage)
    _add_front_matter(luggage, card)
    refs = _refs(tree, repository) if repository else {}
    branches = [branch for branch, at in refs.items() if at == revision]
    if branches:
        luggage.add_tags({"hf_revision": branches[0]})
    imported = {"from": "hf", "key": key, "name": name, "revision": revision, "refs": branches}
    return ImportedVersion(
        key=key,
        shown=f"{shown}@{revision[:7]}" if revision else shown,
        model=name_mapping.to_model_name(name),
        files=(),
        named=named,
        created="" if revision else format_milliseconds(max(path.stat().st_mtime for path in named.values()) * 1000),
        metrics=luggage.metrics,
        tags=luggage.tags,
        annotations=luggage.annotations,
        lineage=to_plain_value({"framework": text_or_empty(card.get("library_name")), "imported": imported}),
        lost=tuple(luggage.lost),
    )


def _files(tree: SourceTree, snapshot: Path, luggage: ImportedMetadata) -> dict[str, Path]:
    """Each file by its name in the snapshot, as the blob it leads to."""
    named: dict[str, Path] = {}
    pending = [(snapshot, "")]
    while pending:
        folder, prefix = pending.pop()
        for name in tree.names(folder):
            path = folder / name
            if not prefix and name in _LEFT_OUT:
                luggage.lose(f"'{name}/': the bookkeeping of huggingface_hub")
                continue
            found = tree.inside(path)
            if found is None:
                luggage.lose(f"'{prefix}{name}' is a link that leads nowhere, or out of the folder")
            elif found.is_dir():
                if path.is_symlink():
                    luggage.lose(f"'{prefix}{name}' is a link to a folder")
                else:
                    pending.append((path, manifest.check_path(f"{prefix}{name}") + "/"))
            elif found.is_file():
                named[manifest.check_path(f"{prefix}{name}")] = found
            else:
                luggage.lose(f"'{prefix}{name}' is no regular file")
    return dict(sorted(named.items()))


def _downloaded_revision(tree: SourceTree, folder: Path) -> str:
    """The revision that ``hf download --local-dir`` left word of, when all files are of one; else empty."""
    place = folder / ".cache" / "huggingface" / "download"
    told = {tree.text(path, 4_096).partition("\n")[0] for path in tree.below(place) if path.suffix == ".metadata"}
    revision = told.pop() if len(told) == 1 else ""
    return revision if _REVISION.match(revision) else ""


def split_front_matter(text: str) -> tuple[str, str]:
    """The YAML at the head of a model card, and the text below it."""
    match = _FRONT.match(text)
    return (match[1], text[match.end() :]) if match else ("", text)


def _card(tree: SourceTree, snapshot: Path, luggage: ImportedMetadata) -> dict[str, Any]:
    from ..core.yaml import documents

    if not tree.is_file(snapshot / CARD):
        return {}
    try:
        head, body = split_front_matter(tree.text(snapshot / CARD))
        luggage.annotate("card", _shortened(body.strip()))
        found = documents.loads(head.encode(), CARD)
    except RegistryError as error:
        luggage.lose(f"the head of its card: {error_message(error)}")
        return {}
    return found if isinstance(found, dict) else {}


def _shortened(text: str) -> str:
    """A card of more than a page or two stands in the files; its beginning is enough here."""
    return text if len(text) <= 4_000 else f"{text[:4_000]}…"


def _add_front_matter(luggage: ImportedMetadata, card: Mapping[str, Any]) -> None:
    """The front matter as tags and annotations; the numbers of ``model-index`` as metrics."""
    for name in _TAGS:
        value = card.get(name)
        texts = (
            [str(each) for each in value]
            if isinstance(value, list)
            else [str(value)]
            if value not in (None, "")
            else []
        )
        if texts:
            luggage.add_tags({name: ", ".join(texts)})
    tags = card.get("tags")
    if isinstance(tags, list):
        luggage.add_tags({"hf_tags": ", ".join(str(each) for each in tags)})
    for name in ("model_name", "inference", "thumbnail"):
        if card.get(name) is not None:
            luggage.lose(f"'{name}' of its card: it stays in {CARD}")
    index = card.get("model-index")
    for model in index if isinstance(index, list) else ():
        results = model.get("results") if isinstance(model, dict) else None
        for result in results if isinstance(results, list) else ():
            _add_result(luggage, result)


def _add_result(luggage: ImportedMetadata, result: Any) -> None:
    if not isinstance(result, dict):
        return
    data = result.get("dataset")
    prefix = text_or_empty(data.get("name")) if isinstance(data, dict) else ""
    metrics = result.get("metrics")
    for metric in metrics if isinstance(metrics, list) else ():
        if isinstance(metric, dict) and isinstance(metric.get("type"), str):
            name = f"{prefix} {metric['type']}".strip() if prefix else metric["type"]
            luggage.add_metrics({name.replace("=", ":"): metric.get("value")})


def write(artifact: Artifact, known: CardInput, target: Path) -> list[str]:
    """Write the folder ``target``; what it has no place for is returned."""
    exported_files.copy_files(artifact, target)
    if known.has_card:
        return [
            *exported_files.list_lost(artifact.version),
            f"{model_card.NAME} is as it came: nothing that was said here stands in it",
        ]
    card = model_card.make_card(known)
    exported_files.write_text(target / model_card.NAME, card.text)
    carried = dict.fromkeys(("message", "params", "metrics", "tags", "annotations", "stages", "aliases"), True)
    return exported_files.list_lost(artifact.version, **carried)
