"""Saying something of a version afterwards: the version stays sealed, what was said is laid over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Conflict, InvalidInput, NotFound, Registry
from tests.support import snapshot

Make = Callable[..., Path]


@pytest.fixture
def one(reg: Registry, make_file: Make) -> Registry:
    """The model ``churn`` with one version of which everything is said."""
    said = {
        "params": {"depth": 6},
        "metrics": {"auc": 0.9},
        "tags": {"team": "crm"},
        "annotations": {"purpose": "trial"},
    }
    reg.register("churn", [make_file()], **said)  # type: ignore[arg-type]
    return reg


def test_tags_are_set_changed_and_taken_away(one: Registry) -> None:
    changed = one.tag("churn", {"team": "risk", "eu": True}, remove=["nothing"])
    assert (changed.action, changed.versions, changed.revision, changed.refs) == ("tagged", (1,), 1, ("churn@1",))
    assert one.version("churn").tags == {"team": "risk", "eu": "true"}
    one.tag("churn@1", remove=["team", "eu"])
    assert one.version("churn").tags == {}
    one.tag("churn@1", {"team": "crm"})
    assert one.version("churn").tags == {"team": "crm"}, "a sealed tag that was taken away comes back when it is set"
    told = one.history("churn", limit=1)[0].event
    assert (told.action, told.detail) == ("tagged", {"tags": {"team": [None, "crm"]}})


def test_the_sealed_document_is_never_touched(one: Registry) -> None:
    folder = one.root / "models/churn/versions"
    before = snapshot(folder)
    one.tag("churn", {"a": "b"}, remove=["team"])
    one.annotate("churn", {"purpose": "other"})
    one.log_metric("churn", {"auc": 0.5})
    one.promote("churn@1", "production")
    assert snapshot(folder) == before


def test_annotations_are_texts_of_many_lines(one: Registry) -> None:
    text = "Trained on 2026-02.\n\n  Not for minors: #1\n\u2028😀"
    one.annotate("churn", {"considerations": text})
    assert Registry.open(one.root).version("churn").annotations == {"purpose": "trial", "considerations": text}
    assert one.history("churn", limit=1)[0].event.detail == {"annotations": ["considerations"]}, (
        "names only: texts are long"
    )
    with pytest.raises(InvalidInput):
        one.annotate("churn", {"n": 3})


def test_metrics_are_added_and_corrected_and_what_was_before_is_kept(one: Registry) -> None:
    one.log_metric("churn", {"auc": 0.91, "latency": 3})
    assert one.version("churn").metrics == {"auc": 0.91, "latency": 3}
    assert one.history("churn", limit=1)[0].event.detail == {"metrics": {"auc": [0.9, 0.91], "latency": [None, 3]}}
    for bad in (float("nan"), "0.9", [1], True):
        with pytest.raises(InvalidInput):
            one.log_metric("churn", {"auc": bad})


def test_saying_what_is_said_already_changes_nothing(one: Registry) -> None:
    before = snapshot(one.root)
    for outcome in (
        one.tag("churn", {"team": "crm"}),
        one.log_metric("churn", {"auc": 0.9}),
        one.tag("churn", remove=["x"]),
    ):
        assert not outcome.changed
    assert snapshot(one.root) == before


def test_nothing_is_said_of_what_is_not_there(one: Registry, make_file: Make) -> None:
    with pytest.raises(NotFound):
        one.tag("churn@2", {"a": "b"})
    with pytest.raises(NotFound):
        one.tag("other", {"a": "b"})
    with pytest.raises(InvalidInput):
        one.tag("churn", {"a=b": "c"})
    one.register("churn", [make_file()])
    one.delete(["churn@1"], reason="old")
    with pytest.raises(NotFound, match="was deleted"):
        one.tag("churn@1", {"a": "b"})


def test_an_archived_version_can_still_be_described(one: Registry) -> None:
    one.archive(["churn@1"])
    one.tag("churn@1", {"a": "b"})
    assert one.version("churn@1").tags["a"] == "b"


def test_kinds_do_not_mix(one: Registry) -> None:
    one.tag("churn", {"x": "tag"})
    one.annotate("churn", {"x": "text"})
    one.log_metric("churn", {"x": 1})
    version = one.version("churn")
    assert (version.tags["x"], version.annotations["x"], version.metrics["x"], "x" in version.params) == (
        "tag",
        "text",
        1,
        False,
    )


def test_what_could_not_be_read_again_is_refused_before_it_is_said(one: Registry) -> None:
    """All that is said of one version is one document, and a document that is too large would lock the model for good."""
    bulk = {f"key {number}": "x" * 65_000 for number in range(1_100)}
    with pytest.raises(InvalidInput):
        one.annotate("churn", bulk)
    assert one.model("churn").revision == 0
    assert one.annotate("churn", {"a": "b"}).changed


def test_a_request_id_of_one_kind_is_not_for_another(one: Registry) -> None:
    one.tag("churn", {"a": "b"}, request_id="ci-7")
    with pytest.raises(Conflict):
        one.annotate("churn", {"a": "b"}, request_id="ci-7")
