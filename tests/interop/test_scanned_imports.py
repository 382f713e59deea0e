"""Whoever sends it: what comes in is scanned and looked into as what is registered here."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry_cli import Registry
from registry_cli.core.results import ImportResult
from registry_cli.interop.imported_version import ImportedVersion
from registry_cli.operations.exchange import imports
from registry_cli.operations.exchange.import_plan import ImportOptions
from tests.commands import run
from tests.interop.stores import unpacked
from tests.scan.corpus import DATA, EVIL

SKLEARN = DATA / "forest.pkl"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Registry]:
    made = Registry.init(tmp_path / "site", author="bob")
    yield made
    assert made.admin.verify().problems == ()


@pytest.fixture
def careless(tmp_path: Path) -> Registry:
    """A registry that does not scan: ``churn`` has an honest version, one that is dangerous, and one that is packed."""
    reg = Registry.init(tmp_path / "careless", author="mallory")
    with (reg.root / "registry.yaml").open("a") as stream:
        stream.write("scan: off\n")
    reg = Registry(reg.root, author="mallory")
    work = tmp_path / "work"
    work.mkdir()
    for number in range(3):
        shutil.copy(SKLEARN, work / "model.pkl")
        if number == 1:
            (work / "model.pkl").write_bytes(EVIL)
        (work / "note.txt").write_text(str(number))
        reg.register("churn", [work])
    reg.register("fraud", [SKLEARN])
    return reg


Place = Callable[[Path, bytes, bytes], str]


def mlflow(folder: Path, good: bytes, evil: bytes) -> str:
    store = unpacked("mlflow-db", folder)
    first, *others = sorted(store.rglob("model.pkl"))
    first.write_bytes(evil)
    for path in others:
        path.write_bytes(good)
    return f"mlflow:{store / 'mlflow.db'}"


def bentoml(folder: Path, good: bytes, evil: bytes) -> str:
    store = unpacked("bentoml", folder)
    first, second = sorted(store.rglob("saved_model.pkl"))
    first.write_bytes(evil)
    second.write_bytes(good)
    return f"bentoml:{store}"


def hf(folder: Path, good: bytes, evil: bytes) -> str:
    store = unpacked("hf", folder)
    first, second = sorted(store.glob("hub/*/snapshots/*"))
    (first / "model.pkl").write_bytes(evil)
    (second / "model.pkl").write_bytes(good)
    return f"hf:{store}"


def test_what_another_tool_says_of_a_framework_does_not_hide_its_release(site: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "forest"
    folder.mkdir()
    shutil.copy(SKLEARN, folder / "model.pkl")
    (folder / "README.md").write_text("---\nlibrary_name: sklearn\n---\n# forest\n")
    (done,) = site.import_(f"hf:{folder}")
    assert site.version(done.ref).lineage["framework"] == "sklearn 1.9.1"
    (folder / "README.md").write_text("---\nlibrary_name: ours\n---\n# forest\n")
    (done,) = site.import_(f"hf:{folder}", merge=True)
    assert site.version(done.ref).lineage["framework"] == "ours"


def dvc(folder: Path, good: bytes, evil: bytes) -> str:
    """Two artifacts, without git: the files as they lie in the workspace."""
    (folder / "dvc.yaml").write_text("artifacts:\n  good: {path: good.pkl}\n  evil: {path: evil.pkl}\n")
    for name, data in (("good", good), ("evil", evil)):
        (folder / f"{name}.pkl").write_bytes(data)
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        (folder / f"{name}.pkl.dvc").write_text(
            f"outs:\n- md5: {md5}\n  size: {len(data)}\n  hash: md5\n  path: {name}.pkl\n"
        )
    (folder / ".dvc").mkdir()
    return f"dvc:{folder}"


def outcomes(found: list[ImportResult]) -> set[tuple[str, int]]:
    return {(each.status, each.code) for each in found}


@pytest.mark.parametrize("place", [mlflow, bentoml, hf, dvc])
def test_from_other_tools(place: Place, site: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "tool"
    folder.mkdir()
    good = SKLEARN.read_bytes()
    source = place(folder, good, EVIL)
    answer = run("import", source, root=site.root)
    assert answer.code == 5, answer
    lines = [line.split("\t") for line in answer.out.splitlines()]
    failed = [line for line in lines if line[0] == "failed" and "scan verdict: dangerous" in line[4]]
    came = [line for line in lines if line[0] == "imported"]
    assert len(failed) == 1
    assert "os.system" in failed[0][4]
    assert came
    looked = [site.version(line[2]).lineage for line in came]
    assert [lineage["scan"]["verdict"] for lineage in looked]
    if place is not hf:  # where it lies beside what is no model of scikit-learn
        forest = "sklearn.ensemble._forest.RandomForestClassifier"
        matching = [lineage for lineage in looked if lineage.get("contents", {}).get("class") == forest]
        assert matching
        kind = "mlflow" if place is mlflow else "pickle"
        assert {(lineage["format"], lineage["framework"]) for lineage in matching} == {(kind, "sklearn 1.9.1")}
    answer = run("import", source, "--allow-unsafe", "--reason", "we made it", root=site.root)
    lines = [line.split("\t") for line in answer.out.splitlines()]
    assert not [line for line in lines if "verdict" in line[4]]
    (line,) = [line for line in lines if line[0] == "imported"]
    version = site.version(line[2])
    assert (version.lineage["scan"]["verdict"], version.lineage["scan"]["allowed"]) == ("dangerous", "we made it")
    assert version.event is not None
    assert (version.event.detail["unsafe"], version.event.detail["reason"]) == ("dangerous", "we made it")


def test_versions_of_a_bundle(careless: Registry, site: Registry, tmp_path: Path) -> None:
    out = tmp_path / "out.tar"
    careless.export(["churn@1", "churn@2", "churn@3"], out)
    found = site.import_(out)
    assert [(each.key, each.status, each.code) for each in found] == [
        ("churn@1", "imported", 0), ("churn@2", "failed", 5), ("churn@3", "imported", 0),
    ]  # fmt: skip
    assert "scan verdict: dangerous: model.pkl: os.system" in found[1].why
    assert site.version("churn@1").lineage["scan"]["verdict"] == "known-globals"
    again = site.import_(out, unsafe="made by ourselves")
    assert [each.status for each in again] == ["skipped", "imported", "skipped"]
    version = site.version(again[1].ref)
    assert version.lineage["scan"]["allowed"] == "made by ourselves"
    assert version.event is not None
    assert version.event.detail["reason"] == "made by ourselves"


@pytest.mark.parametrize("packed", [False, True])
def test_a_whole_model_with_one_that_is_dangerous(
    packed: bool, careless: Registry, site: Registry, tmp_path: Path
) -> None:
    if packed:
        careless.archive(["churn@2"], compress="gzip")
    out = tmp_path / "out.tar.gz"
    careless.export(None, out)
    answer = run("import", out, root=site.root)
    assert answer.code == 5
    lines = [line.split("\t") for line in answer.out.splitlines()]
    assert [(line[0], line[1]) for line in lines] == [("failed", "churn"), ("imported", "fraud")]
    assert "scan verdict: dangerous: model.pkl: os.system" in lines[0][4]
    assert site.admin.model_names() == ["fraud"]
    assert sorted(path.name for path in (site.root / "models").iterdir()) == ["fraud"]
    done = site.import_(out, unsafe="made by ourselves")
    assert [(each.key, each.status) for each in done] == [("churn", "imported"), ("fraud", "skipped")]
    assert site.version("churn@2").annotations == {"unsafe": "dangerous: made by ourselves"}
    assert [dict(site.version(f"churn@{number}").annotations) for number in (1, 3)] == [{}, {}]
    newest, *rest = site.history("churn")
    assert (newest.event.action, newest.event.by, newest.event.version) == ("annotated", "bob", 2)
    assert rest == careless.history("churn")
    assert [each.status for each in site.import_(out)] == ["skipped", "skipped"]


def test_a_reason_alone_is_a_slip(careless: Registry, site: Registry, tmp_path: Path) -> None:
    careless.export(["churn@2"], tmp_path / "out.tar")
    for words in (["--allow-unsafe"], ["--reason", "x"], ["--allow-unsafe", "--reason", " "]):
        answer = run("import", tmp_path / "out.tar", *words, root=site.root)
        assert (answer.code, "require each other" in answer.err) == (2, True)
    assert site.admin.model_names() == []


def test_a_verdict_of_somebody_else_is_not_believed(careless: Registry, site: Registry, tmp_path: Path) -> None:
    path = careless.root / "models/churn/versions/2/version.yaml"
    assert b"scan" not in path.read_bytes()
    lineage = {"scan": {"verdict": "safe-format"}, "format": "safetensors"}
    evil = tmp_path / "evil.pkl"
    evil.write_bytes(EVIL)
    careless.register("churn", [evil], lineage={"extra": lineage})
    stream = io.BytesIO()
    careless.export(["churn@4"], stream)
    stream.seek(0)
    (done,) = site.import_(stream)
    assert (done.status, done.code) == ("failed", 5)


DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("lineage", "absent"),
    [
        ({"environment": {"packages": 3, "digest": DIGEST}}, ["environment.txt"]),
        ({"git": {"commit": "0" * 40, "patch": DIGEST}}, ["changes.patch"]),
        ({"git": {"patch": DIGEST}, "environment": {"digest": DIGEST}}, ["environment.txt", "changes.patch"]),
        ({"environment": {"digest": DIGEST, "digest_kept": False}}, []),
        ({"environment": {"digest": "md5:abc"}, "git": {"patch": 7}}, []),
        ({"environment": [DIGEST], "git": DIGEST}, []),
    ],
)
def test_a_digest_of_a_file_that_did_not_come(
    lineage: dict[str, object], absent: list[str], site: Registry, tmp_path: Path
) -> None:
    """It is kept as it was told, and the version does not claim to have the file."""
    incoming = ImportedVersion("tiny:churn/1", "churn", (SKLEARN,), lineage=lineage)
    (done,) = imports.import_versions(site.context, [incoming], ImportOptions())
    assert done.status == "imported"
    assert list(done.lost) == [f"{name}: only its digest was recorded" for name in absent]
    recorded = site.version("churn@1").lineage
    for part, value in lineage.items():
        if isinstance(value, dict):
            assert {name: recorded[part][name] for name in value} == value
        else:
            assert recorded[part] == value
    site.export(["churn"], tmp_path / "out.tar")
    other = Registry.init(tmp_path / "other", author="carol")
    assert outcomes(other.import_(tmp_path / "out.tar")) == {("imported", 0)}
    assert other.admin.verify().problems == ()
    assert run("lineage", "churn@1", root=site.root).code == 0
    assert run("reproduce", "churn@1", "--check", root=site.root).code in (0, 5)
