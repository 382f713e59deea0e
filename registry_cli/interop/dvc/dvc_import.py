"""Models that come from DVC: the artifacts of ``dvc.yaml``, with the versions that GTO keeps as git tags, or one ``.dvc`` file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...core import values
from ...core.lazy_dataclass import dataclass
from ...core.yaml import documents
from ...errors import InvalidInput, NotFound, RegistryError
from ...store import manifest
from .. import name_mapping
from ..imported_version import ImportedMetadata, ImportedVersion, clean_line, message, to_plain_value
from ..source_tree import DOCUMENT_LIMIT, SourceTree, error_message, fingerprint, resolve_path, text_or_empty
from . import git_tags
from .dvc_content import DvcContent, DvcSnapshot, TemporaryFolder, find_locked_stage
from .git_tags import GitTag, TaggedRepository

DOCUMENT_NAME = "dvc.yaml"
#: What people call the stages that are named otherwise here.
_STAGES = {"prod": "production", "dev": "development", "stage": "staging"}


def read(place: str | Path, *, only: str | None = None) -> Iterator[ImportedVersion]:
    """Every version of every artifact (or of ``only`` one) of the ``dvc.yaml`` in ``place`` (or named by it), by name and version.

    An artifact without versions in git tags comes as it is in the workspace; so does a single ``.dvc`` file. Artifacts
    whose type is another than ``model`` are passed over.
    """
    where = resolve_path(Path(place))
    single = where if where.is_file() and where.suffix == ".dvc" else None
    folder = where if where.is_dir() else where.parent
    if where.is_file() and single is None and where.name != DOCUMENT_NAME:
        raise InvalidInput(f"'{place}' is nothing of DVC", f"name a {DOCUMENT_NAME}, its folder, or a .dvc file")
    source = _Source(folder)
    yield from source.single(single) if single else source.artifacts(place, only)


@dataclass(frozen=True, eq=False, repr=False)
class _Artifact:
    """An artifact as one state of ``dvc.yaml`` declares it: its key, its name here, where it lies, what is said of it."""

    key: str
    model: str
    path: Path
    said: Mapping[str, Any]


class _Source:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scratch = TemporaryFolder()
        self._git = TaggedRepository.around(folder)
        top = self._git.root.resolve() if self._git else _top(folder)
        self._tree = SourceTree(top)
        self._content = DvcContent(self._tree, top, self._scratch.folder)
        self._prefix = folder.relative_to(top).as_posix()

    def single(self, path: Path) -> Iterator[ImportedVersion]:
        """What one ``.dvc`` file stands for."""
        target = path.with_suffix("")
        key = f"dvc:{clean_line(target.relative_to(self._tree.root).as_posix(), 200)}"
        said = {"desc": self._tree.yaml(path).get("desc")}
        now = DvcSnapshot(self._tree, self._git)
        yield self._incoming(
            _Artifact(key, name_mapping.to_model_name(target.stem), target, said), now, None, (), False
        )

    def artifacts(self, place: str | Path, only: str | None) -> Iterator[ImportedVersion]:
        now = DvcSnapshot(self._tree, self._git)
        declared = _artifacts(now, self._folder)
        tagged = self._tagged()
        if not declared and not tagged:
            raise NotFound(
                f"'{place}' declares no artifact", f"name a .dvc file, or declare artifacts in {DOCUMENT_NAME}"
            )
        models = [name for name in sorted({*declared, *tagged}) if _is_model(declared.get(name, {}))]
        wanted = name_mapping.select_names(models, only, place)
        given = name_mapping.assign_names(wanted)
        for name in wanted:
            model, key = given[name], f"dvc:{clean_line(self._full_name(name), 200)}"
            if model is None:
                yield ImportedVersion(
                    key, name_mapping.to_model_name(name), (), lost=(name_mapping.format_conflict(name),)
                )
                continue
            if name not in tagged:
                yield self._now(name, model, key, declared[name])
                continue
            yield from self._versions(name, model, key, tagged[name])

    def _tagged(self) -> dict[str, git_tags.GtoArtifact]:
        """What GTO's tags say of the artifacts of this folder, by the names that ``dvc.yaml`` has for them."""
        found = {}
        for name, artifact in git_tags.parse_artifacts(self._git.tags() if self._git else ()).items():
            folder, mark, own = name.rpartition(":")
            if artifact.versions and (folder if mark else ".") == self._prefix:
                found[own] = artifact
        return found

    def _full_name(self, name: str) -> str:
        return name if self._prefix == "." else f"{self._prefix}:{name}"

    def _now(self, name: str, model: str, key: str, said: Mapping[str, Any]) -> ImportedVersion:
        """An artifact without versions: as it is in the workspace."""
        try:
            path = self._folder / manifest.check_path(text_or_empty(said.get("path")) or name)
        except InvalidInput as error:
            return ImportedVersion(key, model, (), lost=(error.message,))
        return self._incoming(_Artifact(key, model, path, said), DvcSnapshot(self._tree, self._git), None, (), False)

    def _versions(self, name: str, model: str, key: str, artifact: git_tags.GtoArtifact) -> Iterator[ImportedVersion]:
        for version in artifact.ordered():
            tag = artifact.versions[version]
            shown = f"{key}@{version}"
            own = f"{shown}:{tag.commit[:12]}"
            then = DvcSnapshot(self._tree, self._git, tag.commit)
            stages = tuple(stage for stage, at in artifact.stages.items() if at == version)
            try:
                said = _artifacts(then, self._folder).get(name)
                if said is None:
                    raise InvalidInput(f"the {DOCUMENT_NAME} of that commit does not declare it")
                path = self._folder / manifest.check_path(text_or_empty(said.get("path")) or name)
            except RegistryError as error:
                yield ImportedVersion(own, model, (), shown=shown, lost=(error_message(error),))
                continue
            yield self._incoming(_Artifact(own, model, path, said), then, (version, tag), stages, artifact.deprecated)

    def _incoming(
        self,
        wanted: _Artifact,
        then: DvcSnapshot,
        version: tuple[str, GitTag] | None,
        stages: tuple[str, ...],
        old: bool,
    ) -> ImportedVersion:
        luggage = ImportedMetadata()
        shown = wanted.key.rpartition(":")[0] if version else wanted.key
        try:
            named = self._content.files(then, wanted.path)
            made = find_locked_stage(then, wanted.path)
            self._say(luggage, wanted.said, then, made)
        except (RegistryError, OSError) as error:
            return ImportedVersion(wanted.key, wanted.model, (), shown=shown, lost=(error_message(error),))
        number, tag = version or ("", None)
        if number:
            luggage.add_tags({"gto_version": number})
        return ImportedVersion(
            key=wanted.key if tag else f"{wanted.key}:{fingerprint(named)}",
            shown=shown,
            model=wanted.model,
            files=(),
            named=named,
            keeps=self._scratch,
            author=tag.author if tag else "",
            created=tag.created if tag else "",
            message=message(tag.message if tag else ""),
            params=luggage.params,
            metrics=luggage.metrics,
            tags=luggage.tags,
            annotations=luggage.annotations,
            lineage=self._lineage(wanted.key, then, tag, made),
            stages=tuple(_STAGES.get(stage.lower(), stage.lower()) for stage in stages),
            archived=old and not stages,
            lost=tuple(luggage.lost),
        )

    def _say(
        self, luggage: ImportedMetadata, said: Mapping[str, Any], then: DvcSnapshot, made: Mapping[str, Any]
    ) -> None:
        luggage.annotate("description", said.get("desc"))
        labels = said.get("labels")
        if isinstance(labels, list) and labels:
            luggage.add_tags({"labels": ", ".join(str(label) for label in labels)})
        meta = said.get("meta")
        if isinstance(meta, dict):
            luggage.add_tags(values.flatten(meta))
        if not made:
            return
        for params in _mappings(made["stage"].get("params")):
            luggage.add_params(values.flatten(params))
        declared = then.yaml(made["folder"] / DOCUMENT_NAME).get("stages")
        stage = declared.get(made["name"]) if isinstance(declared, dict) else None
        for name in _names(stage.get("metrics") if isinstance(stage, dict) else None):
            data = then.read(made["folder"] / name)
            if data is None:
                luggage.lose(f"the metrics in '{clean_line(name, 100)}': git does not have that file")
                continue
            found = values.flatten(documents.loads_mapping(data, name, limit=DOCUMENT_LIMIT))
            numbers = {each: value for each, value in found.items() if isinstance(value, (int, float, bool))}
            luggage.add_metrics({each: value for each, value in numbers.items() if not isinstance(value, bool)})

    def _lineage(self, key: str, then: DvcSnapshot, tag: GitTag | None, made: Mapping[str, Any]) -> dict[str, Any]:
        stage = made.get("stage", {})
        data = [
            {
                "path": text_or_empty(dep.get("path")),
                "digest": f"md5:{text_or_empty(dep.get('md5'))}",
                "size": dep.get("size"),
            }
            for dep in stage.get("deps") or ()
            if isinstance(dep, dict)
        ]
        git = {}
        if self._git:
            git = {"commit": then.commit or self._git.head(), "remote": self._git.remote()}
        return to_plain_value(  # type: ignore[no-any-return]
            {
                "git": git,
                "run": {"command": text_or_empty(stage.get("cmd")), "folder": self._prefix if made else ""},
                "data": data,
                "imported": {"from": "dvc", "key": key, "tag": tag.name if tag else ""},
            }
        )


def _top(folder: Path) -> Path:
    """The nearest folder upward with a ``.dvc`` folder, else the folder itself."""
    return next((each for each in (folder, *folder.parents) if (each / ".dvc").is_dir()), folder)


def _artifacts(then: DvcSnapshot, folder: Path) -> dict[str, dict[str, Any]]:
    found = then.yaml(folder / DOCUMENT_NAME).get("artifacts")
    return {name: said for name, said in found.items() if isinstance(said, dict)} if isinstance(found, dict) else {}


def _is_model(said: Mapping[str, Any]) -> bool:
    return text_or_empty(said.get("type")) in ("", "model")


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [each for each in value.values() if isinstance(each, dict)] if isinstance(value, dict) else []


def _names(metrics: Any) -> list[str]:
    """The files of a stage's metrics: a list of names, or of mappings that begin with one."""
    listed = metrics if isinstance(metrics, list) else []
    named = [next(iter(each), "") if isinstance(each, dict) else each for each in listed]
    return [manifest.check_path(each) for each in named if isinstance(each, str) and each]
