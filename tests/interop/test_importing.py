"""Versions of another tool become ours: what is kept, what is told, and that nothing comes in twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Conflict, InvalidInput, NotFound, Registry
from registry_cli.core.results import ImportResult
from registry_cli.errors import Refused
from registry_cli.operations.inspection import ArtifactAnalysis
from tests.interop.conftest import Tiny
from tests.support import snapshot


def statuses(found: list[ImportResult]) -> list[tuple[str, str]]:
    return [(each.status, each.ref) for each in found]


def test_all_that_is_known_comes_along(reg: Registry, tiny: Tiny) -> None:
    folder = tiny(
        3, author="bob", created="2024-05-06T07:08:09+02:00", message="of old", params={"depth": 6, "lr": 1e-5},
        metrics={"auc": 0.9}, tags={"team": "crm"}, annotations={"note": "a\nb"}, lineage={"run": {"host": "gpu-1"}},
    )  # fmt: skip
    (done,) = reg.import_(f"tiny:{folder}")
    assert (done.status, done.ref, done.lost) == ("imported", "churn@3", ())
    version = reg.version("churn@3")
    assert (version.author, version.created, version.message) == ("bob", "2024-05-06T05:08:09.000Z", "of old")
    assert (version.params, version.metrics) == ({"depth": 6, "lr": 1e-5}, {"auc": 0.9})
    assert (version.tags, version.annotations) == ({"team": "crm"}, {"note": "a\nb"})
    imported = {"from": "tiny", "key": "tiny:churn/3"}
    assert version.lineage == {"run": {"host": "gpu-1"}, "imported": imported, "scan": {"verdict": "safe-format"}}
    event = version.event
    assert event is not None
    assert (event.by, event.detail) == ("alice", {"imported": "tiny:churn/3"})
    assert event.at > version.created
    assert reg.path("churn@3", "churn-003.bin").read_text() == "content 3 of churn"


def test_without_author_and_time_the_import_is_what_is_known(reg: Registry, tiny: Tiny) -> None:
    (done,) = reg.import_(f"tiny:{tiny(1, created='last week')}")
    version = reg.version("churn@1")
    assert version.event is not None
    assert (version.author, version.created) == ("alice", version.event.at)
    assert done.lost == ("creation time: 'last week' is not a valid time",)


def test_numbers_are_kept_where_they_can_be(reg: Registry, tiny: Tiny, make_file: Callable[..., Path]) -> None:
    tiny(3)
    folder = tiny(7)
    assert statuses(reg.import_(f"tiny:{folder}")) == [("imported", "churn@3"), ("imported", "churn@7")]
    assert reg.register("churn", [make_file("own")]).ref == "churn@8"
    tiny(8, "another")
    tiny(123_456_789, "far away")
    assert statuses(reg.import_(f"tiny:{folder}"))[2:] == [("imported", "churn@9"), ("imported", "churn@10")]
    passed = reg.history("churn", actions=["passed-over"])
    assert [entry.event.detail["versions"] for entry in passed] == ["4-6", "1-2"]
    assert reg.version("churn@latest").number == 10


def test_numbers_that_were_passed_over_never_were(reg: Registry, tiny: Tiny) -> None:
    reg.import_(f"tiny:{tiny(5)}")
    later = reg.history("churn")[0].event.at
    reg.archive(["churn@5"])
    with pytest.raises(NotFound, match="no active version"):
        reg.version("churn@latest")
    assert reg.version("churn@latest", as_of=later).number == 5
    with pytest.raises(NotFound, match="version churn@4 not found"):
        reg.version("churn@4")


def test_repeated_it_changes_nothing(reg: Registry, tiny: Tiny) -> None:
    tiny(1)
    folder = tiny(2, stages=["staging"], aliases=["champion"])
    reg.import_(f"tiny:{folder}", stages=True, aliases=True)
    before = snapshot(reg.root)
    again = reg.import_(f"tiny:{folder}", stages=True, aliases=True)
    assert statuses(again) == [("skipped", "churn@1"), ("skipped", "churn@2")]
    assert snapshot(reg.root) == before
    tiny(3)
    assert statuses(reg.import_(f"tiny:{folder}"))[2] == ("imported", "churn@3")


def test_what_was_deleted_does_not_come_back(reg: Registry, tiny: Tiny) -> None:
    folder = tiny(1)
    reg.import_(f"tiny:{folder}")
    reg.delete(["churn@1"])
    (again,) = reg.import_(f"tiny:{folder}")
    assert (again.status, again.ref, again.why) == ("skipped", "", "already imported as churn@1, which was deleted")
    (anew,) = reg.import_(f"tiny:{folder}", merge=True, request_id="again")
    assert (anew.status, anew.ref) == ("imported", "churn@2")


def test_a_strange_model_is_left_alone(reg: Registry, tiny: Tiny, make_file: Callable[..., Path]) -> None:
    reg.register("churn", [make_file("own")])
    folder = tiny(1)
    tiny(1, model="risk/fraud")
    before = snapshot(reg.root)
    with pytest.raises(Conflict, match="model churn already exists"):
        reg.import_(f"tiny:{folder}")
    assert snapshot(reg.root) == before
    assert statuses(reg.import_(f"tiny:{folder}", skip_existing=True)) == [
        ("skipped", ""),
        ("imported", "risk/fraud@1"),
    ]
    assert statuses(reg.import_(f"tiny:{folder}", merge=True))[0] == ("imported", "churn@2")


def test_files_that_are_here_are_not_stored_again(reg: Registry, tiny: Tiny, make_file: Callable[..., Path]) -> None:
    reg.register("churn", [make_file("same", "churn-001.bin")])
    reg.register("churn", [make_file("other")])
    tiny(1, "same")
    folder = tiny(2, "new")
    found = reg.import_(f"tiny:{folder}", merge=True, skip_existing=True)
    assert statuses(found) == [("skipped", "churn@1"), ("imported", "churn@3")]


def test_another_name_is_for_one_model(reg: Registry, tiny: Tiny) -> None:
    folder = tiny(1)
    assert statuses(reg.import_(f"tiny:{folder}", name="risk/churn")) == [("imported", "risk/churn@1")]
    tiny(1, model="fraud")
    with pytest.raises(InvalidInput, match="cannot give 2 models the same name other: churn, fraud"):
        reg.import_(f"tiny:{folder}", name="other")


def test_stages_are_told_unless_asked_for(reg: Registry, tiny: Tiny) -> None:
    folder = tiny(1, stages=["production", "canary"], aliases=["best"])
    (done,) = reg.import_(f"tiny:{folder}")
    assert done.lost == (
        "stage production (only with --stages)", "stage canary (only with --stages)", "alias best (only with --aliases)",
    )  # fmt: skip
    assert reg.model("churn").stages == {}
    assert reg.version("churn@1").lineage["imported"]["stages"] == ["production", "canary"]
    (again,) = reg.import_(f"tiny:{folder}", stages=True, aliases=True)
    assert again.lost == ("stage canary: unknown stage 'canary'",)
    assert (reg.model("churn").stages, reg.model("churn").aliases) == ({"production": 1}, {"best": 1})


def test_a_policy_lets_in_whom_it_likes(reg: Registry, tiny: Tiny) -> None:
    with (reg.root / "registry.yaml").open("a") as stream:
        stream.write("policy: {production: {require: {metrics: {auc: '>= 0.9'}}}}\n")
    (done,) = reg.import_(f"tiny:{tiny(1, stages=['production'], metrics={'auc': 0.5})}", stages=True)
    assert done.status == "imported"
    assert len(done.lost) == 1
    assert done.lost[0].startswith("stage production: ")
    assert reg.model("churn").stages == {}


def test_what_has_no_place_here_is_told(reg: Registry, tiny: Tiny) -> None:
    folder = tiny(
        1, metrics={"auc": 0.9, "loss": "low"}, params={"a": 1, "b=c": 2, "d": {"e": 1}}, tags={"t": "a\nb"},
        author="bob\nb", message="x" * 70_000, lost=["its plots"],
    )  # fmt: skip
    (done,) = reg.import_(f"tiny:{folder}")
    assert len(done.lost) == 7
    assert done.lost[0] == "its plots"
    version = reg.version("churn@1")
    assert (version.params, version.metrics, version.tags, version.message) == ({"a": 1}, {"auc": 0.9}, {}, "")
    assert version.author == "alice"


def test_one_that_fails_does_not_stop_the_others(reg: Registry, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny(1)
    tiny(2)
    folder = tiny(3)
    (folder / "churn-002.bin").unlink()
    looked = ArtifactAnalysis.analyze

    def examine(self: ArtifactAnalysis, staging: object) -> None:
        if self.lineage["imported"]["key"] == "tiny:churn/3":
            raise Refused("it is dangerous")
        looked(self, staging)  # type: ignore[arg-type]

    monkeypatch.setattr(ArtifactAnalysis, "analyze", examine)
    found = reg.import_(f"tiny:{folder}")
    assert statuses(found) == [("imported", "churn@1"), ("failed", ""), ("failed", "")]
    assert [each.code for each in found] == [0, 3, 5]
    assert found[2].why == "it is dangerous"


def test_a_dry_run_says_it_all_and_writes_nothing(reg: Registry, tiny: Tiny) -> None:
    tiny(1)
    folder = tiny(4)
    before = snapshot(reg.root)
    planned = reg.import_(f"tiny:{folder}", dry_run=True)
    assert statuses(planned) == [("planned", "churn@1"), ("planned", "churn@4")]
    assert snapshot(reg.root) == before
    assert [each.ref for each in reg.import_(f"tiny:{folder}")] == ["churn@1", "churn@4"]


def test_keys_of_any_kind_are_told_apart(reg: Registry, tiny: Tiny) -> None:
    tiny(1, key="tiny:Größe 1/ü")
    tiny(2, key="tiny:" + "x" * 200)
    folder = tiny(3, key="tiny:" + "x" * 201)
    assert [each.ref for each in reg.import_(f"tiny:{folder}")] == ["churn@1", "churn@2", "churn@3"]
    assert {each.status for each in reg.import_(f"tiny:{folder}")} == {"skipped"}


def test_a_version_goes_out_in_the_format_of_another_tool(reg: Registry, tiny: Tiny, tmp_path: Path) -> None:
    reg.import_(f"tiny:{tiny(1)}")
    target = tmp_path / "out"
    done = reg.export("churn@1", target, format="tiny")
    assert (done.path, done.refs, done.lost) == (str(target), ("churn@1",), ("lineage",))
    assert (target / "churn-001.bin").read_text() == "content 1 of churn"
    with pytest.raises(Conflict, match="already exists"):
        reg.export("churn@1", target, format="tiny")
    reg.export("churn@1", target, format="tiny", replace=True)
    with pytest.raises(InvalidInput, match="unknown format 'tinier'"):
        reg.export("churn@1", tmp_path / "other", format="tinier")
    with pytest.raises(InvalidInput, match="inside the registry"):
        reg.export("churn@1", reg.root / "models" / "out", format="tiny")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "out"))) == ["out"]


def test_secrets_of_another_tool_stay_outside(reg: Registry, tiny: Tiny) -> None:
    """Whatever a tool keeps in clear: commands, addresses, params, tags, texts, and what it says that it lost."""
    secret, token = "hun" + "ter2hunter2", "gh" + "p_" + "a1B2" * 9
    folder = tiny(
        3, message=f"made with --password {secret}", params={"db_password": secret, "depth": 6, "url": f"https://me:{secret}@db/x"},
        metrics={"auc": 0.9}, tags={"source": f"sh -c 'PGPASSWORD={secret} psql'", "hf_token": secret, "team": "crm"},
        annotations={"note": f"curl -u me:{secret} https://example.org"},
        lineage={
            "run": {"command": f"train.py --token={token}", "host": "gpu-1"},
            "git": {"remote": f"https://{token}@example.org/x.git", "commit": "0123456789abcdef" * 2 + "01234567"},
            "data": [{"uri": f"https://hooks.slack.com/services/{token}", "digest": "md5:abc"}],
            "imported": {"environment": {"API_KEY": secret}},
        },
        lost=(f"the tag api_key={secret}",),
    )  # fmt: skip
    (done,) = reg.import_(f"tiny:{folder}")
    assert secret not in str(done)
    for path in reg.root.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
            assert token.encode() not in path.read_bytes(), path
    version = reg.version("churn@3")
    assert version.tags["team"] == "crm"
    assert version.params["depth"] == 6
    assert version.lineage["run"]["host"] == "gpu-1"
    assert version.lineage["imported"]["key"] == "tiny:churn/3"
