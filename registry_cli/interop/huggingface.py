"""Hugging Face: import from a folder or from the cache of its tools, and export as a repository.

In the cache, ``models--ORG--NAME/snapshots/REVISION/FILE`` is a link into ``blobs/``: links are followed inside of the
model's folder only. No server is contacted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.records import Artifact
from ..core.times import format_milliseconds
from ..core.yaml import documents
from ..errors import InvalidInput, NotFound, RegistryError
from ..store import manifest
from . import exported_files, name_mapping
from .cards import model_card
from .cards.card_inputs import NAME as CARD
from .cards.model_card import CardInput
from .imported_version import ImportedMetadata, ImportedVersion, clean_line, fingerprint, to_plain_value
from .source_tree import SourceTree, error_message, lookup, lookup_list, lookup_text, resolve_path

_REPOSITORY = "models--"
_REVISION = re.compile(r"[0-9a-zA-Z._-]{1,64}\Z")
_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
#: A folder has a model if the name of a file in it ends with one of these.
_SUFFIXES = frozenset(
    {"json", "safetensors", "gguf", "onnx", "bin", "pt", "pth", "h5", "keras", "md", "skops", "pkl", "joblib"}
)
#: The records of huggingface_hub of its downloads, which are not part of the model.
_LEFT_OUT = frozenset({".cache", ".huggingface"})
#: The keys of the front matter, one line of text or a list of these, that become tags.
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
    """Read every model in ``place``, or ``only`` one: a cache, a model or snapshot of it, or a folder with a model's files."""
    where = resolve_path(Path(place))
    if not where.is_dir():
        raise InvalidInput(f"'{place}' is not a folder", "give a folder with a model's files or a cache")
    repository = where.parent.parent
    if where.parent.name == "snapshots" and repository.name.startswith(_REPOSITORY):
        yield _read_snapshot(SourceTree(repository), repository, where)
        return
    hub = where / "hub" if (where / "hub").is_dir() else where
    repositories = [hub] if hub.name.startswith(_REPOSITORY) else sorted(hub.glob(f"{_REPOSITORY}*"))
    if repositories:
        selected = name_mapping.select_models((_get_name(each) for each in repositories), only, place)
        for each in repositories:
            if _get_name(each) in selected:
                yield from _read_snapshots(each, selected[_get_name(each)])
        return
    tree = SourceTree(where)
    if not _SUFFIXES.intersection(name.rpartition(".")[2] for name in tree.names(where)):
        raise InvalidInput(f"'{place}' is not a Hugging Face model", "it has no config.json, weights or card")
    yield _read_snapshot(tree, None, where)


def _get_name(repository: Path) -> str:
    return repository.name.removeprefix(_REPOSITORY).replace("--", "/")


def _read_snapshots(repository: Path, model: str | None) -> Iterator[ImportedVersion]:
    """The snapshots of a model, the oldest first; that of ``refs/main`` comes last."""
    tree = SourceTree(repository)
    main = _read_refs(tree, repository).get("main")
    parent = repository / "snapshots"
    snapshots = list(filter(tree.is_folder, (parent / name for name in tree.names(parent))))
    text = _get_name(repository)
    key = f"hf:{clean_line(text, 120)}"
    if not snapshots:
        yield ImportedVersion(key, name_mapping.to_model_name(text), lost=("no snapshot of it is in the cache",))
    elif model is None:
        yield ImportedVersion.conflicting(key, text)
    else:
        for each in sorted(snapshots, key=lambda each: (each.name == main, each.stat().st_mtime_ns, each.name)):
            yield _read_snapshot(tree, repository, each)


def _read_refs(tree: SourceTree, repository: Path) -> dict[str, str]:
    """The revision of each branch or tag when it was fetched."""
    folder = repository / "refs"
    return {path.relative_to(folder).as_posix(): tree.text(path, 256).strip() for path in tree.below(folder)}


def _read_snapshot(tree: SourceTree, repository: Path | None, snapshot: Path) -> ImportedVersion:
    name = _get_name(repository) if repository else snapshot.name
    revision = snapshot.name if repository and _REVISION.match(snapshot.name) else _downloaded_revision(tree, snapshot)
    metadata = ImportedMetadata()
    named = _find_files(tree, snapshot, metadata)
    if not named:
        raise NotFound(f"no model files in '{snapshot}'", "the snapshot may be incomplete")
    shown = f"hf:{clean_line(name, 120)}"
    key = f"{shown}:{revision or fingerprint(named)}"
    card = _read_card(tree, snapshot, metadata)
    _add_front_matter(metadata, card)
    refs = _read_refs(tree, repository) if repository else {}
    branches = [branch for branch, at in refs.items() if at == revision]
    if branches:
        metadata.add_tags({"hf_revision": branches[0]})
    imported = {"from": "hf", "key": key, "name": name, "revision": revision, "refs": branches}
    return ImportedVersion(
        key=key,
        shown=f"{shown}@{revision[:7]}" if revision else shown,
        model=name_mapping.to_model_name(name),
        named=named,
        created="" if revision else format_milliseconds(max(path.stat().st_mtime for path in named.values()) * 1000),
        lineage=to_plain_value({"framework": lookup_text(card, "library_name"), "imported": imported}),
        **metadata.fields(),
    )


def _find_files(tree: SourceTree, snapshot: Path, metadata: ImportedMetadata) -> dict[str, Path]:
    """The files, or the blobs to which their links lead, by their paths in the snapshot."""
    named: dict[str, Path] = {}
    pending = [(snapshot, "")]
    while pending:
        folder, prefix = pending.pop()
        for name in tree.names(folder):
            path = folder / name
            if not prefix and name in _LEFT_OUT:
                metadata.lose(f"'{name}/': internal files of huggingface_hub")
                continue
            real = tree.inside(path)
            if real is None:
                metadata.lose(f"'{prefix}{name}' is a broken link or leaves the folder")
            elif real.is_dir():
                if path.is_symlink():
                    metadata.lose(f"'{prefix}{name}' is a link to a folder")
                else:
                    pending.append((path, manifest.check_path(f"{prefix}{name}") + "/"))
            elif real.is_file():
                named[manifest.check_path(f"{prefix}{name}")] = real
            else:
                metadata.lose(f"'{prefix}{name}' is not a regular file")
    return dict(sorted(named.items()))


def _downloaded_revision(tree: SourceTree, folder: Path) -> str:
    """The revision that ``hf download --local-dir`` has recorded, if it is the same for all files; else empty."""
    records = [
        path for path in tree.below(folder / ".cache" / "huggingface" / "download") if path.suffix == ".metadata"
    ]
    revisions = {tree.text(path, 4_096).partition("\n")[0] for path in records}
    revision = revisions.pop() if len(revisions) == 1 else ""
    return revision if _REVISION.match(revision) else ""


def split_front_matter(text: str) -> tuple[str, str]:
    """Split a model card into its front matter, without the marks around it, and its text."""
    match = _FRONT.match(text)
    return (match[1], text[match.end() :]) if match else ("", text)


def _read_card(tree: SourceTree, snapshot: Path, metadata: ImportedMetadata) -> dict[str, Any]:
    """The front matter of its card; the beginning of the text becomes an annotation."""
    if not tree.is_file(snapshot / CARD):
        return {}
    try:
        head, body = split_front_matter(tree.text(snapshot / CARD))
        text = body.strip()
        metadata.annotate("card", text if len(text) <= 4_000 else f"{text[:4_000]}…")
        front_matter = documents.loads(head.encode(), CARD)
    except RegistryError as error:
        metadata.lose(f"the head of its card: {error_message(error)}")
        return {}
    return front_matter if isinstance(front_matter, dict) else {}


def _add_front_matter(metadata: ImportedMetadata, card: Mapping[str, Any]) -> None:
    """Add the front matter as tags, and the numbers of its ``model-index`` as metrics."""
    for name in _TAGS:
        value = card.get(name)
        if value not in (None, "", []):
            metadata.add_tags({name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)})
    if isinstance(card.get("tags"), list):
        metadata.add_tags({"hf_tags": ", ".join(map(str, card["tags"]))})
    for name in ("model_name", "inference", "thumbnail"):
        if card.get(name) is not None:
            metadata.lose(f"'{name}' of its card: it stays in {CARD}")
    for model in lookup_list(card, "model-index"):
        for result in lookup_list(model, "results"):
            dataset = lookup_text(result, "dataset", "name")
            for metric in lookup_list(result, "metrics"):
                if isinstance(kind := lookup(metric, "type"), str):
                    name = f"{dataset} {kind}".strip() if dataset else kind
                    metadata.add_metrics({name.replace("=", ":"): metric.get("value")})


def write(artifact: Artifact, card: CardInput, target: Path) -> list[str]:
    """Write the folder ``target``. Returns what the format has no place for."""
    exported_files.copy_files(artifact, target)
    if card.has_card:
        return exported_files.list_lost_beside(artifact.version, CARD)
    exported_files.write_text(target / CARD, model_card.make_card(card).text)
    carried = ("message", "params", "metrics", "tags", "annotations", "stages", "aliases")
    return exported_files.list_lost(artifact.version, *carried)
