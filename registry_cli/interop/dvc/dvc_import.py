"""Import from DVC: the artifacts of ``dvc.yaml``, with the versions that GTO keeps as git tags, or one ``.dvc`` file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...core import values
from ...errors import InvalidInput, NotFound, RegistryError
from ...store import manifest
from .. import name_mapping
from ..imported_version import ImportedMetadata, ImportedVersion, clean_line, fingerprint, to_message, to_plain_value
from ..source_tree import SourceTree, error_message, lookup_list, lookup_mapping, lookup_text, parse_yaml, resolve_path
from . import git_tags
from .dvc_content import DvcContent, DvcSnapshot, TemporaryFolder, find_locked_stage
from .git_tags import GitTag, GtoArtifact, TaggedRepository

DOCUMENT_NAME = "dvc.yaml"
#: Common short names of stages.
_STAGES = {"prod": "production", "dev": "development", "stage": "staging"}


def read(place: str | Path, *, only: str | None = None) -> Iterator[ImportedVersion]:
    """Read every version of every artifact, or of ``only`` one, of the ``dvc.yaml`` in ``place``, by name and version.

    ``place`` is a folder, a ``dvc.yaml``, or a single ``.dvc`` file. That, and an artifact without versions in git tags,
    is read from the workspace. Artifacts of another type than ``model`` are skipped.
    """
    where = resolve_path(Path(place))
    single = where if where.is_file() and where.suffix == ".dvc" else None
    folder = where if where.is_dir() else where.parent
    if where.is_file() and single is None and where.name != DOCUMENT_NAME:
        raise InvalidInput(
            f"'{place}' is not a DVC file or folder", f"give a {DOCUMENT_NAME}, its folder, or a .dvc file"
        )
    source = _Source(folder)
    yield from [source.read_single(single)] if single else source.read_artifacts(place, only)


class _Source:
    """The folder of a ``dvc.yaml`` or ``.dvc`` file, in a git repository or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temporary = TemporaryFolder()
        self._git = TaggedRepository.around(folder)
        if self._git:
            top = self._git.root.resolve()
        else:
            top = next((each for each in (folder, *folder.parents) if (each / ".dvc").is_dir()), folder)
        self._tree = SourceTree(top)
        self._content = DvcContent(self._tree, top, self._temporary.folder)
        self._workspace = DvcSnapshot(self._tree, self._git)
        self._prefix = folder.relative_to(top).as_posix()

    def read_single(self, document: Path) -> ImportedVersion:
        target = document.with_suffix("")
        key = f"dvc:{clean_line(target.relative_to(self._tree.root).as_posix(), 200)}"
        artifact = {"desc": self._tree.yaml(document).get("desc")}
        return self._read(self._workspace, key, name_mapping.to_model_name(target.stem), target.name, artifact)

    def read_artifacts(self, place: str | Path, only: str | None) -> Iterator[ImportedVersion]:
        declared = self._declared(self._workspace)
        tagged = self._tagged()
        if not declared and not tagged:
            raise NotFound(
                f"'{place}' declares no artifact", f"give a .dvc file or declare artifacts in {DOCUMENT_NAME}"
            )
        models = [name for name in sorted({*declared, *tagged}) if lookup_text(declared, name, "type") in ("", "model")]
        for name, model in name_mapping.select_models(models, only, place).items():
            full_name = name if self._prefix == "." else f"{self._prefix}:{name}"
            key = f"dvc:{clean_line(full_name, 200)}"
            if model is None:
                yield ImportedVersion.conflicting(key, name)
            elif name in tagged:
                yield from self._read_versions(name, model, key, tagged[name])
            else:
                yield self._read(self._workspace, key, model, name, declared[name])

    def _declared(self, snapshot: DvcSnapshot) -> dict[str, dict[str, Any]]:
        artifacts = lookup_mapping(snapshot.yaml(self._folder / DOCUMENT_NAME), "artifacts")
        return {name: artifact for name, artifact in artifacts.items() if isinstance(artifact, dict)}

    def _tagged(self) -> dict[str, GtoArtifact]:
        """The artifacts of this folder with versions in git tags, by their names in ``dvc.yaml``."""
        tagged = {}
        for name, artifact in git_tags.parse_artifacts(self._git.tags() if self._git else ()).items():
            folder, mark, own = name.rpartition(":")
            if artifact.versions and (folder if mark else ".") == self._prefix:
                tagged[own] = artifact
        return tagged

    def _read_versions(self, name: str, model: str, key: str, tagged: GtoArtifact) -> Iterator[ImportedVersion]:
        versions_in_stages = tagged.stages
        for version in tagged.ordered():
            tag = tagged.versions[version]
            stages = [stage.lower() for stage, at in versions_in_stages.items() if at == version]
            yield self._read(
                DvcSnapshot(self._tree, self._git, tag.commit),
                f"{key}@{version}:{tag.commit[:12]}",
                model,
                name,
                tag=tag,
                shown=f"{key}@{version}",
                tags={"gto_version": version},
                stages=tuple(_STAGES.get(stage, stage) for stage in stages),
                archived=tagged.deprecated and not stages,
            )

    def _read(
        self,
        snapshot: DvcSnapshot,
        key: str,
        model: str,
        name: str,
        artifact: Mapping[str, Any] | None = None,
        *,
        tag: GitTag | None = None,
        shown: str = "",
        tags: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> ImportedVersion:
        """One version of an artifact, by a ``tag`` or in the workspace; ``fields`` follow from the tag."""
        metadata = ImportedMetadata()
        shown = shown or key
        try:
            artifact = artifact or self._declared(snapshot).get(name)
            if artifact is None:
                raise InvalidInput(f"the {DOCUMENT_NAME} of that commit does not declare it")
            path = self._folder / manifest.check_path(lookup_text(artifact, "path") or name)
            named = self._content.files(snapshot, path)
            locked = find_locked_stage(snapshot, path)
            _add_metadata(metadata, artifact, snapshot, locked)
        except (RegistryError, OSError) as error:
            return ImportedVersion(key, model, shown=shown, lost=(error_message(error),))
        metadata.add_tags(tags or {})
        if tag:
            fields |= {"author": tag.author, "created": tag.created, "message": to_message(tag.message)}
        return ImportedVersion(
            key=key if tag else f"{key}:{fingerprint(named)}",
            shown=shown,
            model=model,
            named=named,
            keeps=self._temporary,
            lineage=self._lineage(key, snapshot, tag, locked),
            **fields,
            **metadata.fields(),
        )

    def _lineage(
        self, key: str, snapshot: DvcSnapshot, tag: GitTag | None, locked: Mapping[str, Any]
    ) -> dict[str, Any]:
        data = [
            {"path": lookup_text(dep, "path"), "digest": f"md5:{lookup_text(dep, 'md5')}", "size": dep.get("size")}
            for dep in lookup_list(locked, "stage", "deps")
            if isinstance(dep, dict)
        ]
        git = {"commit": snapshot.commit or self._git.head, "remote": self._git.remote()} if self._git else {}
        return to_plain_value(  # type: ignore[no-any-return]
            {
                "git": git,
                "run": {"command": lookup_text(locked, "stage", "cmd"), "folder": self._prefix if locked else ""},
                "data": data,
                "imported": {"from": "dvc", "key": key, "tag": tag.name if tag else ""},
            }
        )


def _add_metadata(
    metadata: ImportedMetadata, artifact: Mapping[str, Any], snapshot: DvcSnapshot, locked: Mapping[str, Any]
) -> None:
    """Add what ``dvc.yaml`` has of an artifact, and the params and metrics of the stage that makes it."""
    metadata.annotate("description", artifact.get("desc"))
    if labels := artifact.get("labels") if isinstance(artifact.get("labels"), list) else None:
        metadata.add_tags({"labels": ", ".join(map(str, labels))})
    metadata.add_tags(values.flatten(lookup_mapping(artifact, "meta")))
    if not locked:
        return
    for params in lookup_mapping(locked, "stage", "params").values():
        metadata.add_params(values.flatten(params) if isinstance(params, dict) else {})
    stages = snapshot.yaml(locked["folder"] / DOCUMENT_NAME)
    for metrics in lookup_list(stages, "stages", locked["name"], "metrics"):  # names, or mappings that begin with one
        name = next(iter(metrics), "") if isinstance(metrics, dict) else metrics
        if not (isinstance(name, str) and name):
            continue
        name = manifest.check_path(name)
        data = snapshot.read(locked["folder"] / name)
        if data is None:
            metadata.lose(f"the metrics in '{clean_line(name, 100)}': git does not have that file")
            continue
        found = values.flatten(parse_yaml(data, name))
        metadata.add_metrics({key: value for key, value in found.items() if type(value) in (int, float)})
