"""Messages for chats: what each service gets, what a template of one's own may hold, and trying hooks."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry_cli.trust import webhook_templates
from tests.cli.conftest import Site
from tests.trust.receiver import receiving

EVENT = {"id": "r1", "at": "2026-11-27T10:00:00.000Z", "by": "alice", "host": "gpu-3", "action": "promoted", "version": 7,
         "stage": "production", "before": 6, "after": 7, "reason": "beats 6"}  # fmt: skip
PAYLOAD = {"registry": {"id": "ab12", "root": "/srv/models"}, "model": "churn", "ref": "churn@7", "event": EVENT}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    assert made.reg.admin.verify().problems == ()


def configure(text: str) -> None:
    path = Path(os.environ["HOME"]) / ".config/registry-cli/hooks.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)


def rendered(template: Any, **changes: Any) -> Any:
    payload = {**PAYLOAD, "event": {**EVENT, **changes}}
    return json.loads(webhook_templates.Template(*template).render(payload))


SENTENCE = "churn@7: promoted to production by alice (was 6): beats 6"


def test_each_service_gets_its_own_form() -> None:
    assert rendered(("slack",)) == {"text": SENTENCE}
    escaped = SENTENCE.replace("(", r"\(").replace(")", r"\)").replace("@", r"\@")
    assert rendered(("mattermost",)) == {"text": escaped, "username": "registry"}
    (attachment,) = rendered(("teams",))["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["body"] == [{"type": "TextBlock", "text": escaped, "wrap": True}]


@pytest.mark.parametrize("hostile", ["<!channel>", "[x](http://evil)", "*bold*", "& <b>", "a\nb", "</script>"])
def test_what_people_wrote_is_text(hostile: str) -> None:
    slack = rendered(("slack",), reason=hostile)["text"]
    assert "<" not in slack
    assert ">" not in slack
    for name in ("mattermost", "teams"):
        text = json.dumps(rendered((name,), reason=hostile))
        for mark in ("[x]", "*bold*", "<b>", "<!"):
            assert mark not in text


def test_an_alert_says_what_was_measured() -> None:
    changes = {"action": "alerted", "metric": "auc", "value": 0.8612345678, "wanted": ">= 0.9", "stage": None,
               "before": None, "reason": None, "after": None}  # fmt: skip
    assert rendered(("", {"t": "{summary}"}), **changes) == {
        "t": "churn@7: alerted by alice: auc 0.861235, wanted >= 0.9"
    }


def test_a_document_of_ones_own_is_filled_in() -> None:
    document = {"a": ["{ref}", 1, None, True, {"b": "{{{action}}} {reason}"}], "{ref}": "{metric}"}
    assert rendered(("", document), reason='"} , {by}') == {
        "a": ["churn@7", 1, None, True, {"b": '{promoted} "} , {by}'}],
        "{ref}": "",
    }
    every = {name: f"{{{name}}}" for name in webhook_templates.FIELDS}
    assert all(isinstance(value, str) for value in rendered(("", every)).values())


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("slak", "did you mean 'slack'?"),
        ("7", "is not a template"),
        ("{}", "is not a template"),
        ("{text: '{modell}'}", "did you mean 'model'?"),
        ("{text: '{}'}", "unknown field '{}'"),
        ("{text: 'a { b'}", "unknown field '{'"),
        ("{text: '{model.__class__}'}", "unknown field"),
        ("{text: '{ref!r}'}", "unknown field"),
        ("{a: [[[[[[[[[[[[[[[['x']]]]]]]]]]]]]]]]}", "nested too deeply"),
    ],
)
def test_a_template_that_cannot_be_meant_is_refused(site: Site, template: str, words: str) -> None:
    configure(f"webhooks:\n  - url: http://127.0.0.1:9/x\n    template: {template}\n")
    answer = site.run("tag", "churn@1", "a=b", "-q")
    assert answer.code == 0
    assert "hooks.yaml" in answer.err
    assert "template" in answer.err
    assert words in answer.err


def test_the_message_is_sent_and_signed(site: Site) -> None:
    with receiving() as receiver:
        configure(f"webhooks:\n  - {{url: '{receiver.url}', template: slack, secret: s3cr3t-key}}\n")
        assert site.run("promote", "churn@1", "staging", "--reason", "a < b", "-q").code == 0
    (body,) = receiver.bodies
    assert json.loads(body)["text"].startswith("churn@1: promoted to staging by ")
    assert "a &lt; b" in json.loads(body)["text"]
    expected = hmac.new(b"s3cr3t-key", body, hashlib.sha256).hexdigest()
    assert receiver.headers[0]["X-Registry-Signature"] == f"sha256={expected}"


def test_hooks_are_listed_and_tried(site: Site) -> None:
    folder = Path(os.environ["HOME"]) / ".config/registry-cli/hooks"
    folder.mkdir(parents=True)
    for name, code in (("good", 0), ("bad", 3)):
        (folder / name).write_text(f"#!/bin/sh\necho $REGISTRY_ACTION >> {folder.parent}/heard\nexit {code}\n")
        (folder / name).chmod(0o755)
    with receiving(404) as receiver:
        configure(
            f"webhooks:\n  - {{url: '{receiver.url}', template: {{t: '{{action}}'}}, actions: [promoted], retries: 0}}\n"
        )
        listed = site.run("hooks", "list")
        assert listed.code == 0
        assert [line.split("\t")[1:4] for line in listed.lines] == [["", "", ""], ["", "", ""], ["promoted", "", "own"]]
        assert "token" not in listed.out, "the path of an address may be a secret"
        answer = site.run("hooks", "test")
    assert answer.code == 1
    assert [line.split("\t")[1] for line in answer.lines] == ["failed with exit code 3", "ok", "answered 404"]
    assert [json.loads(body) for body in receiver.bodies] == [{"t": "ping"}], "once, whatever it wants"
    assert (folder.parent / "heard").read_text() == "ping\nping\n"
    assert site.run("hooks", "run").code == 2


def test_without_hooks_nothing_is_tried(site: Site) -> None:
    assert (site.run("hooks", "test").code, site.run("hooks", "list").out) == (0, "")
