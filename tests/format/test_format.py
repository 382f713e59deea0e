"""``docs/format.md`` is what the program does: every name it writes stands there, and a reader made from it alone agrees."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry_cli import Refused, Registry
from registry_cli.interop.imported_version import ImportedVersion
from registry_cli.operations.exchange import imports
from registry_cli.operations.exchange.import_plan import ImportOptions
from registry_cli.rules.settings_errors import SettingsSource
from registry_cli.store import layout
from registry_cli.store.filesystem import files
from tests.format import second_reader
from tests.integrity.conftest import prepare
from tests.keys import make_key

TEXT = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`([^`\n]+)`", TEXT))
PACKAGE = Path(layout.__file__).parents[1]

AWKWARD = {
    "no": "no", "on": "yes", "1e5": "1e5", "0x10": "0x10", "017": "017", "null": "null", "~": "~", "date": "2026-01-01",
    "a: b": "c: d", "#": "# no comment", "größe": "groß 日本 🎉", "'": "it's", '"': 'say "yes"', "empty": "", "dash": "- a",
    "colon": "12:30:45", "dot": ".5", "under": "1_000", "plus": "+1", "inf": ".inf", "star": "*a", "and": "&a", "bang": "!a",
}  # fmt: skip
TEXTS = {"lines": "one\n  two\n\nthree\n", "trailing": "a \nb", "tab": "a\tb", "cr": "a\r\nb", "long": "x " * 3000}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of document and of event, with texts that a YAML reader likes to take for something else."""
    folder = tmp_path_factory.mktemp("format")
    prepare(folder / "registry", folder / "work")
    reg = Registry(folder / "registry", author="alice")
    params = {**AWKWARD, "int": 2**62, "float": 1e-07, "big": 1e300, "whole": 3.0, "true": True, "neg": -0.5}
    reg.register(
        "churn", [folder / "work"], params=params, tags=AWKWARD, annotations=TEXTS, metrics={"a": 1, "b": 1e-9, "c": -1e22}
    )  # fmt: skip
    reg.tag("churn@6", dict.fromkeys(AWKWARD.keys() - {"on"}, "no"), remove=["on"])
    reg.annotate("churn@6", {"lines": "- a\n- b\n"})
    reg.rollback("churn", "production", reason="slow")
    key = make_key(folder / "keys", "alice")
    reg.approvals.approve("churn@6", "production", reason="no: yes", sign=key)
    reg.approvals.approve("churn@6", "staging", reject=True, reason="'quoted' # no comment")
    reg.approvals.sign("churn@6", key)
    reg.promote("churn@6", "production", archive_previous=True)
    reg.demote("churn", "production", reason="no: yes")
    reg.alias("churn", "champion", remove=True)
    reg.archive(["churn@4"], compress="gzip")
    reg.restore(["churn@4"])
    reg.archive(["churn@2"], force=True, reason="room", compress="gzip")
    imports.import_versions(
        reg.context,
        [ImportedVersion("other:churn/9", "churn", (folder / "work",), number=9)],
        ImportOptions(merge=True),
    )
    reg.admin.describe("churn", description="who leaves", tags={"team": "crm"})
    reg.admin.rename("churn", "leaving")
    reg.admin.rename("leaving", "churn")
    settings = folder / "registry/models/churn/model.yaml"
    settings.write_text(settings.read_text() + "monitor: {auc: {min: 0.9, window: 1d}}\n")
    today = datetime.now(timezone.utc)
    with Registry(folder / "registry", author="alice", now=lambda: today - timedelta(days=100)) as earlier:
        earlier.monitoring.observe("churn@6", {"auc": 0.95})
    for value in (0.5, 0.95):
        reg.monitoring.observe("churn@6", {"auc": value}, at=today)
        reg.monitoring.monitor("churn@6")
    reg.monitoring.profile("churn@6", {"age": list(range(100))})
    reg.register("old", [folder / "work"])
    reg.delete("old", model=True, reason="no: yes")
    _deploy(reg, folder)
    for number in range(1, 10):
        reg.promote("risk/fraud@1", "production" if number % 2 else "development")
        reg.demote("risk/fraud", "production" if number % 2 else "development")
    (folder / "registry/models/risk/fraud/history.jsonl").unlink()
    assert any("permanently lost" in each.what for each in reg.admin.repair())
    assert reg.admin.verify().problems == ()
    return folder / "registry"


def _deploy(reg: Registry, folder: Path) -> None:
    """Every event of a deployment; the names of the targets are words of the specification."""
    (folder / "srv").mkdir()
    settings = f"{{layout: plain, path: {folder / 'srv'}}}"
    unreachable = settings.replace("}", ", probe: 'http://127.0.0.1:1', wait: 0s}")
    (reg.root / "targets.yaml").write_text(f"format: 1\ntargets:\n  placed: {settings}\n  failed: {unreachable}\n")
    reg.deployments.deploy("churn@6", "placed", reason="no: yes")
    (folder / "srv/churn/current").unlink()
    assert reg.deployments("churn", check=True)[0].state == "drifted"
    reg.deployments.undeploy("churn", "placed")
    with pytest.raises(Refused):
        reg.deployments.deploy("churn@6", "failed")
    reg.deployments.deploy("churn@6", "placed")


def documents(root: Path) -> Iterator[dict[str, Any]]:
    for path in (*root.rglob("*.yaml"), *root.rglob(".stages-*")):
        if path.name != layout.TARGETS:  # the settings of targets are in docs/reference/targets.md
            yield yaml.safe_load(path.read_bytes())
    for path in root.rglob("history.jsonl"):
        yield from map(json.loads, path.read_bytes().splitlines())


#: Below these, names are the user's own.
THEIRS = {"params", "metrics", "tags", "annotations", "stages", "aliases", "lineage", "monitor"}


def keys(document: Any) -> Iterator[str]:
    for key, value in document.items() if isinstance(document, dict) else ():
        yield key
        if key not in THEIRS:
            yield from keys(value)


def test_every_field_that_is_written_is_told(root: Path) -> None:
    written = {key for document in documents(root) for key in keys(document)}
    assert len(written) > 35, "the store has a bit of everything"
    assert sorted(key for key in written if key not in CODE) == []


def test_every_action_is_told(root: Path) -> None:
    actions = {document["action"] for document in documents(root) if "action" in document}
    described = Path(PACKAGE / "core" / "records.py").read_text(encoding="utf-8")
    listed = re.search(r"``action`` is one of ([^.]+)\.", described)
    assert listed
    every = set(re.sub(r"\s+", "", listed[1]).split(","))
    assert actions == every, "and each was done in this store"
    assert every <= CODE


def test_every_name_is_told(root: Path) -> None:
    names = {layout.REGISTRY, layout.MODEL, layout.STAGES, layout.HISTORY, layout.LOCK, layout.VERSION, layout.MANIFEST}
    paths = layout.Layout(root).model("churn")
    names |= {f"{folder.name}/" for folder in paths.folders} | {f"{layout.FILES}/", f"{layout.MODELS}/"}
    assert sorted(name for name in names if name not in TEXT) == []
    for pattern in (f"{layout.CLAIM}G", f"{layout.TEMPORARY}<32 hex>", f"{layout.TRASH}<32 hex>"):
        assert f"`{pattern}`" in TEXT


def test_nothing_else_lies_there(root: Path) -> None:
    """Every path of a real store is one that the tree shows."""
    shapes = re.compile(
        r"(?:registry|targets)\.yaml|\.schemas/(?:registry|group|model|targets)\.json|models/(risk/)?\w+/(model\.yaml|stages\.yaml|deployments\.yaml|history\.jsonl|\.lock|\.stages-[1-9]\d*"
        r"|stages/[a-z]+|blobs/([0-9a-f]{2})/\3[0-9a-f]{62}|(annotations|tombstones)/[1-9]\d*\.yaml"
        r"|observations/[1-9]\d*/(\d{4}-\d\d\.jsonl|profile-[0-9a-f]{16}\.json|\.lock)"
        r"|versions/[1-9]\d*/(version\.yaml|manifest-sha256\.txt|environment\.txt|changes\.patch|files/.+)|packed/[1-9]\d*\.tar\.gz)|models/risk/\.lock"
    )
    paths = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_symlink() or not path.is_dir()]
    assert [path for path in paths if not shapes.fullmatch(path)] == []


def test_numbers_are_told() -> None:
    assert f"the last {layout.CLAIMS_KEPT} revisions" in TEXT
    group = files.Modes.of("group")
    for mode in (group.folder, group.versions, group.file, group.sealed_folder, group.sealed_file):
        assert f"{mode:04o}" in TEXT
    from registry_cli.core import values
    from registry_cli.core.yaml import loader
    from registry_cli.store import manifest, source_files

    for number in (values.KEY_LENGTH, values.LINE_LENGTH, values.TEXT_LENGTH, values.ENTRIES, manifest.PATH_LENGTH):
        assert f" {number:,} " in TEXT
    assert f"{source_files.FILES_LIMIT:,}" in TEXT
    assert f"{files.DOCUMENT_LIMIT >> 20} MiB, nested {loader.DEPTH_LIMIT} deep" in TEXT
    assert f"{manifest.LIMIT >> 20} MiB" in TEXT


def test_the_examples_can_be_read(tmp_path: Path) -> None:
    """Each example under a document's heading is one, by the program's own loader."""
    from registry_cli.store import codec

    blocks = re.findall(r"^### ([\w./]+)\n(.*?)(?=^##)", TEXT, re.MULTILINE | re.DOTALL)
    examples = {name: "\n".join(re.findall(r"^    (.*)$", body, re.MULTILINE)) for name, body in blocks}
    documents = {}
    for name, example in examples.items():
        if example:
            (tmp_path / "example.yaml").write_text(example)
            documents[name] = codec.load(tmp_path / "example.yaml", name)
    assert codec.parse_settings(documents["registry.yaml"], SettingsSource("registry.yaml")).shared == "private"
    assert codec.parse_version(documents["version.yaml"], "churn", 7, "version.yaml").params["solver"] == "no"
    assert codec.parse_table(documents["stages.yaml"], "stages.yaml")[0].stages == {"staging": 8, "production": 7}
    assert documents["annotations/7.yaml"]["tags"]["team"] is None
    assert documents["model.yaml"]["owner"] == "alice"


def assert_agreement(root: Path) -> None:
    """Both readers say the same of every model, version, file and event."""
    reg = Registry(root)
    models = second_reader.models(root)
    assert sorted(models) == reg.admin.model_names()
    for name, model in models.items():
        record = reg.model(name)
        assert model.table["stages"] == dict(record.stages)
        assert model.table["aliases"] == dict(record.aliases)
        assert (model.table["revision"], model.latest()) == (record.revision, record.latest)
        versions = {version.number: version for version in reg.versions(name, archived=True)}
        assert model.numbers() == sorted(versions)
        for number, version in versions.items():
            document = model.version(number)
            for key in ("created", "author", "size", "files"):
                assert document[key] == getattr(version, key)
            for key in ("message", "params", "metrics", "tags", "annotations"):
                assert document.get(key, getattr(version, key)) == getattr(version, key), key
                assert typed(document.get(key)) == typed(getattr(version, key) or document.get(key))
            assert document["digest"] == f"sha256:{version.digest}"
            assert version.archived == (number in model.archived)
            assert model.files(number) == {entry.path: entry.sha256 for entry in reg.artifacts.files(version.ref)}
        history = [entry.event.document() for entry in reversed(reg.history(name))]
        assert model.history() == history
        for path, digest in model.sealed().items():
            if not (path.startswith(("versions", "annotations")) and int(re.sub(r"\D", "", path)) in model.deleted):
                assert hashlib.sha256((model.folder / path).read_bytes()).hexdigest() == digest


def typed(value: Any) -> Any:
    return {key: type(each) for key, each in value.items()} if hasattr(value, "items") else type(value)


def test_a_second_reader_agrees(root: Path) -> None:
    assert_agreement(root)


def test_a_second_reader_agrees_on_what_a_crash_left(root: Path, tmp_path: Path) -> None:
    """A claim that was not rolled forward, a line that was torn, an event that is in no line yet."""
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(root, copy, symlinks=True)
    reg = Registry(copy, author="alice")
    churn = copy / "models" / "churn"
    before = {name: (churn / name).read_bytes() for name in ("stages.yaml", "history.jsonl", "annotations/6.yaml")}
    reg.tag("churn@6", {"crashed": "here"})
    torn = (churn / "history.jsonl").read_bytes()[:-40]
    for history in (before["history.jsonl"], torn):
        for name, data in before.items():
            (churn / name).write_bytes(data)
        (churn / "history.jsonl").write_bytes(history)
        assert_agreement(copy)
        assert second_reader.Model(churn).version(6)["tags"]["crashed"] == "here"
        assert second_reader.Model(churn).history()[-1]["action"] == "tagged"
    reg.promote("churn@6", "staging")
    assert_agreement(copy)


def test_what_a_second_writer_adds_is_kept(tmp_path: Path) -> None:
    """Fields that this program does not know survive its own writing."""
    reg = Registry.init(tmp_path / "registry", author="alice", now=lambda: datetime(2026, 1, 1, tzinfo=timezone.utc))
    (tmp_path / "m").write_text("m")
    reg.register("churn", [tmp_path / "m"])
    churn = tmp_path / "registry" / "models" / "churn"
    (churn / "stages.yaml").write_text((churn / "stages.yaml").read_text() + "pinned: {at: 3}\n")
    (churn / "model.yaml").write_text((churn / "model.yaml").read_text() + "cost: 7\n")
    reg.promote("churn@1", "staging")
    reg.tag("churn@1", {"a": "b"})
    for name in ("stages.yaml", ".stages-1", ".stages-2"):
        assert yaml.safe_load((churn / name).read_text())["pinned"] == {"at": 3}
    assert yaml.safe_load((churn / "model.yaml").read_text())["cost"] == 7
    assert reg.admin.verify().problems == ()


def test_a_document_of_a_newer_format_hides_nothing_else(root: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(root, copy, symlinks=True)
    path = copy / "models" / "churn" / "versions" / "1" / "version.yaml"
    path.chmod(0o644)
    path.write_text(path.read_text().replace("format: 1", "format: 2", 1))
    reg = Registry(copy)
    with pytest.raises(Refused, match="format 2"):
        reg.version("churn@1")
    assert reg.version("churn@6").number == 6
    assert reg.model("risk/fraud").latest == 1


def test_other_tools_read_the_store(root: Path, tmp_path: Path) -> None:
    """``sha256sum`` checks an artifact, and a plain JSON reader every line."""
    import subprocess

    for manifest in root.rglob("manifest-sha256.txt"):
        folder = manifest.parent / "files"
        if not folder.exists():
            folder = tmp_path / manifest.parent.name
            folder.mkdir()
            pack = manifest.parents[2] / "packed" / f"{folder.name}.tar.gz"
            subprocess.run(["tar", "-xf", pack, "-C", folder], check=True)
        command = ["sha256sum", "--strict", "--quiet", "-c", str(manifest)]
        subprocess.run(command, cwd=folder, check=True)
    for history in root.rglob("history.jsonl"):
        assert history.read_bytes().isascii()
        assert all(json.loads(line)["seq"] == at for at, line in enumerate(history.read_bytes().splitlines(), 1))
