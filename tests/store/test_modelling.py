"""describe, rewrite, rename: what is said of a model as a whole, and what it is called."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Conflict, Indeterminate, InvalidInput, NotFound, Registry, RegistryError, RetentionRules
from registry_cli.operations import models, transaction
from registry_cli.store.filesystem import files, replacement
from registry_cli.store.writer import Writer
from tests.support import LOCKING_TRUNCATES

MakeFile = Callable[..., Path]


def actions(reg: Registry, name: str) -> list[str]:
    return [entry.event.action for entry in reg.history(name)]


def test_describe_says_it_and_keeps_comments(reg: Registry, make_file: MakeFile) -> None:
    reg.register("churn", [make_file()])
    path = reg.root / "models/churn/model.yaml"
    path.write_text(f"# ours\n{path.read_text()}# policy: see the wiki\n")
    done = reg.admin.describe("churn", description="who leaves", owner="crm", tags={"a": "b"}, reason="new")
    assert (done.keys, done.changed) == (("description", "owner", "tags"), True)
    model = reg.model("churn")
    assert (model.description, model.owner, model.tags) == ("who leaves", "crm", {"a": "b"})
    text = path.read_text()
    assert text.startswith("# ours\n") and "# policy: see the wiki\n" in text
    event = next(iter(reg.history("churn"))).event
    assert event.detail["said"]["owner"][1] == "crm" and event.detail["reason"] == "new"
    assert not reg.admin.describe("churn", owner="crm").changed
    assert actions(reg, "churn") == ["described", "registered"]
    reg.admin.describe("churn", remove=["a", "description"])
    assert (reg.model("churn").description, reg.model("churn").tags) == ("", {})


def test_describe_makes_the_model(reg: Registry, make_file: MakeFile) -> None:
    assert reg.admin.describe("risk/new", description="to come", dry_run=True).changed
    assert reg.admin.model_names() == []
    reg.admin.describe("risk/new", description="to come", request_id="one")
    assert not reg.admin.describe("risk/new", description="to come", request_id="one").changed
    assert reg.register("risk/new", [make_file()]).ref == "risk/new@1"


def test_slips(reg: Registry, make_file: MakeFile) -> None:
    reg.register("churn", [make_file()])
    with pytest.raises(InvalidInput, match="nothing to change"):
        reg.admin.describe("churn")
    with pytest.raises(InvalidInput):
        reg.admin.describe("churn", owner="two\nlines")
    (reg.root / "models/churn/model.yaml").write_text("{format: 1, created: '', owner: alice}\n")
    with pytest.raises(InvalidInput, match="without touching"):
        reg.admin.describe("churn", description="x")


def test_rewrite_checks_and_compares(reg: Registry, make_file: MakeFile) -> None:
    reg.register("churn", [make_file()])
    text = reg.admin.text("churn")
    for added, said in (
        ("policy: {prod: {}}\n", "unknown stage 'prod'"),
        ("polcy: {}\n", "did you mean 'policy'"),
        ("tags: {a: 1}\n", "must be a mapping of names to text"),
        ("owner: x\n", "is repeated"),
    ):
        with pytest.raises(InvalidInput, match=said):
            reg.admin.edit("churn", text + added, was=text)
    with pytest.raises(InvalidInput, match="cannot be changed"):
        reg.admin.edit("churn", text.replace("created: '2", "created: '3"), was=text)
    with pytest.raises(Conflict, match="changed concurrently"):
        reg.admin.edit("churn", text + "# x\n", was=text + "# y\n")
    assert reg.admin.text("churn") == text
    reg.admin.edit("churn", text + "# x\n", was=text)
    assert reg.admin.text("churn") == text + "# x\n"


def test_a_key_of_ones_own_is_kept(reg: Registry, make_file: MakeFile) -> None:
    reg.register("churn", [make_file()])
    text = reg.admin.text("churn")
    reg.admin.edit("churn", f"{text}date: 2026-11-24\n", was=text)  # though it looks like the setting 'data'
    assert reg.promote("churn@1", "staging").changed
    reg.admin.describe("churn", tags={"a": "b"}, remove=(name for name in ("description",)))
    assert "date: 2026-11-24\n" in reg.admin.text("churn")


def test_settings_are_rewritten(reg: Registry) -> None:
    text = reg.admin.text()
    with pytest.raises(InvalidInput, match="did you mean 'stages'"):
        reg.admin.edit(None, text + "stagse: []\n", was=text)
    with pytest.raises(InvalidInput, match="id"):
        reg.admin.edit(None, text.replace("id: '", "id: '0", 1), was=text)
    reg.admin.edit(None, text + "lineage: [git]\n", was=text)
    assert reg.admin.text().endswith("lineage: [git]\n")


def test_rename_moves_all_of_it(reg: Registry, make_file: MakeFile) -> None:
    reg.register("churn", [make_file("a")])
    reg.register("churn", [make_file("b")])
    reg.promote("churn@1", "production")
    reg.register("child", [make_file("c")], lineage={"extra": {"parents": ["churn@1"]}})
    reg.admin.rename("churn", "crm/churn", reason="one group a team")
    assert reg.admin.model_names() == ["child", "crm/churn"]
    assert reg.path("crm/churn@production").is_dir()
    assert actions(reg, "crm/churn")[0] == "renamed"
    assert reg.model("crm/churn").formerly == ("churn",)
    for deed in (lambda: reg.version("churn@1"), lambda: reg.promote("churn@2", "staging"), lambda: reg.model("churn")):
        with pytest.raises(NotFound, match="it was renamed to 'crm/churn'"):
            deed()
    assert [kin.ref for kin in reg.lineage("child@1").parents] == ["crm/churn@1"]
    assert [kin.ref for kin in reg.lineage("crm/churn@1").children] == ["child@1"]
    reg.admin.rename("crm/churn", "churn")
    assert reg.model("churn").formerly == ("crm/churn",)


def test_what_is_there_is_not_overwritten(reg: Registry, make_file: MakeFile) -> None:
    for name in ("churn", "fraud", "risk/score"):
        reg.register(name, [make_file(name)])
    for new in ("fraud", "risk", "fraud/churn"):
        with pytest.raises(Conflict):
            reg.admin.rename("churn", new)
    for new in ("churn", "Churn", "../x", "a/b/c", "7"):
        with pytest.raises(InvalidInput):
            reg.admin.rename("churn", new)
    with pytest.raises(NotFound):
        reg.admin.rename("unknown", "other")
    assert reg.admin.rename("churn", "new", dry_run=True).changed
    assert reg.admin.model_names() == ["churn", "fraud", "risk/score"]


def test_a_parent_stays_protected_under_its_new_name(reg: Registry, make_file: MakeFile) -> None:
    for at in range(3):
        reg.register("base", [make_file(f"{at}")])
    reg.register("base", [make_file("own child")], lineage={"extra": {"parents": ["base@2"]}})
    reg.register("child", [make_file("child")], lineage={"extra": {"parents": ["base@1"]}})
    reg.archive(["base@1", "base@2", "base@3"])
    reg.admin.rename("base", "group/base")
    plan = reg.retention.plan("group/base", "delete", RetentionRules.build(older_than="0s"))
    assert plan.chosen == (3,)


@pytest.mark.parametrize("request_id", [None, "rename-1"])
def test_an_interrupted_rename_is_finished_by_the_same_call(
    reg: Registry, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch, request_id: str | None
) -> None:
    reg.register("churn", [make_file()])

    class Death(BaseException):
        pass

    def dies(*_: object) -> bool:
        raise Death

    with monkeypatch.context() as patch, pytest.raises(BaseException):  # noqa: B017 - told as indeterminate
        patch.setattr(models, "_move_folder", dies)
        reg.admin.rename("churn", "crm/churn", request_id=request_id)
    assert reg.admin.model_names() == ["churn"]
    assert any(problem.code == "rename" for problem in reg.admin.verify().problems)
    assert reg.admin.rename("churn", "crm/churn", request_id=request_id).changed
    assert reg.admin.model_names() == ["crm/churn"]
    assert actions(reg, "crm/churn") == ["renamed", "registered"]
    if request_id:
        assert not reg.admin.rename("churn", "crm/churn", request_id=request_id).changed


def test_an_interrupted_rename_is_known_after_other_changes(
    reg: Registry, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    reg.register("churn", [make_file()])
    with monkeypatch.context() as patch, pytest.raises(BaseException):  # noqa: B017
        patch.setattr(models, "_move_folder", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        reg.admin.rename("churn", "other", request_id="one")
    reg.tag("churn@1", {"a": "b"})
    assert [problem.code for problem in reg.admin.verify().problems] == ["rename"]
    assert reg.admin.rename("churn", "other", request_id="one").changed
    assert actions(reg, "other") == ["tagged", "renamed", "registered"]
    assert not reg.admin.rename("churn", "other").changed, "to rename again is no mistake"
    with pytest.raises(NotFound):
        reg.admin.rename("unknown", "other", request_id="two")


@pytest.mark.parametrize("new", ["other", "crm/churn"])
@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "no exchange"])
def test_the_name_of_an_interrupted_rename_is_reserved(
    reg: Registry, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch, new: str, exchange: bool
) -> None:
    reg.register("churn", [make_file()])
    if not exchange:
        monkeypatch.setattr(replacement, "renameat2", lambda *_: False)
    with monkeypatch.context() as patch, pytest.raises(BaseException):  # noqa: B017
        patch.setattr(models, "_move_folder", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        reg.admin.rename("churn", new)
    for take in (
        lambda: reg.register(new, [make_file("another")]),
        lambda: reg.admin.describe(new, owner="bob"),
        lambda: (reg.register("third", [make_file("third")]), reg.admin.rename("third", new)),
    ):
        with pytest.raises(Conflict, match=f"reserved for churn.*registry rename churn {new}"):
            take()
    reg.admin.rename("churn", new)
    assert new in reg.admin.model_names()
    assert not (reg.root / "models" / new / ".reserved").exists()
    assert not (reg.root / "models/churn").exists()


def test_a_reservation_that_nobody_needs_is_no_obstacle(reg: Registry, make_file: MakeFile) -> None:
    reg.register("churn", [make_file()])
    (reg.root / "models/other").mkdir()
    (reg.root / "models/other/.reserved").write_text("churn\n")
    reg.register("other", [make_file("another")])
    reg.admin.rename("churn", "third")
    assert reg.admin.model_names() == ["other", "third"]


def test_a_folder_that_cannot_be_moved_keeps_its_name(
    reg: Registry, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overlay says so only of the step itself: then the change of name is taken back."""
    reg.register("churn", [make_file()])
    with monkeypatch.context() as patch:
        patch.setattr(replacement, "exchange", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "cross-device")))
        for _ in range(2):
            with pytest.raises(RegistryError) as caught:
                reg.admin.rename("churn", "other", request_id="one")
            assert caught.value.exit_code == 1
    assert reg.admin.model_names() == ["churn"]
    assert reg.model("churn").formerly == ()
    assert actions(reg, "churn") == ["renamed", "renamed", "registered"]
    assert reg.admin.verify().problems == ()
    assert not (reg.root / "models/other").exists()
    reg.register("other", [make_file("another")])


@pytest.mark.skipif(
    not os.access("/dev/shm", os.W_OK) or os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev,
    reason="needs a second file system",
)
def test_another_file_system_is_noticed_before_anything_is_recorded(reg: Registry, make_file: MakeFile) -> None:
    reg.register("churn", [make_file()])
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        (reg.root / "models/far").symlink_to(folder)
        with pytest.raises(RegistryError, match="file system"):
            reg.admin.rename("churn", "far/churn")
        (reg.root / "models/far").unlink()
    assert actions(reg, "churn") == ["registered"]


@pytest.mark.parametrize("deed", ["register", "describe", "register in a group"])
def test_what_fails_leaves_no_empty_model(
    reg: Registry, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(Writer, "publish", full)
        patch.setattr(Writer, "move", full)
        if deed == "describe":
            reg.admin.describe("churn", owner="crm")
        else:
            reg.register("risk/churn" if "group" in deed else "churn", [make_file()])
    assert reg.admin.model_names() == []
    reg.register("risk", [make_file()])


def test_what_people_wrote_for_formerly_breaks_nothing(reg: Registry, make_file: MakeFile) -> None:
    reg.register("churn", [make_file()])
    path = reg.root / "models/churn/model.yaml"
    path.write_text(path.read_text() + "formerly: 5\n")
    assert reg.model("churn").formerly == ()
    reg.admin.rename("churn", "other")
    assert reg.model("other").formerly == ("churn",)


def test_a_waiter_is_told_the_new_name(reg: Registry, make_file: MakeFile) -> None:
    reg.register("churn", [make_file()])
    waiting, errors = threading.Event(), []
    other = Registry(reg.root, author="bob", on_wait=lambda _: waiting.set())

    def wait() -> None:
        try:
            other.tag("churn@1", {"a": "b"})
        except NotFound as error:
            errors.append(str(error))

    with transaction.open_writer(reg.context, "churn") as writer:
        assert isinstance(writer, Writer)
        thread = threading.Thread(target=wait)
        thread.start()
        assert waiting.wait(20)
        models._record_name(reg.context, writer, "churn", "crm", "", None)
        os.rename(reg.root / "models/churn", reg.root / "models/crm")
    thread.join(20)
    assert errors and "it was renamed to 'crm'" in errors[0]
    left = reg.root / "models/churn"  # an older filelock makes the folder of the lock that it waits for
    assert not files.exists(left) or (LOCKING_TRUNCATES and os.listdir(left) == [".lock"])


def test_a_claim_that_was_not_brought_forward_is_read(
    reg: Registry, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    reg.register("churn", [make_file()])
    was = reg.admin.text("churn")
    text = was.replace("owner: alice", "owner: crm\npolicy: {production: {require: {tags: {safe: 'yes'}}}}")
    with monkeypatch.context() as patch, pytest.raises(Indeterminate):
        patch.setattr(Writer, "roll_forward", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        reg.admin.edit("churn", text, was=was)
    assert "crm" not in (reg.root / "models/churn/model.yaml").read_text()
    assert reg.model("churn").owner == "crm"
    assert not reg.policies.check("churn@1", "production").passed, "and its policy is in force"
    reg.tag("churn@1", {"a": "b"})
    assert "owner: crm" in (reg.root / "models/churn/model.yaml").read_text()
    assert actions(reg, "churn") == ["tagged", "described", "registered"]
