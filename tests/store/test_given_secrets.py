"""Secrets in what a person says of a version: replaced before they are stored, and the value is named, not printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_cli import Registry
from tests.commands import run

SECRET = "hunter2" + "hunter2X"
TYPED = {
    "--message": f"trained with HF_TOKEN={SECRET}",
    "--param": f"api_key={SECRET}",
    "--tag": f"db=postgres://me:{SECRET}@db/shop",
    "--annotate": f"how=curl -u me:{SECRET} https://example.org/x",
}
NAMES = {"--message": "message", "--param": "params.api_key", "--tag": "tags.db", "--annotate": "annotations.how"}


def _stored(root: Path) -> str:
    return "\n".join(path.read_text("utf-8", "replace") for path in sorted(root.rglob("*")) if path.is_file())


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.init(tmp_path / "registry", author="alice")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(b"weights")
    return path


@pytest.mark.parametrize("option", TYPED)
def test_register_stores_no_secret(registry: Registry, model: Path, option: str) -> None:
    answer = run("register", "churn", model, option, TYPED[option], root=registry.root)
    assert answer.code == 0
    assert f"warning: {NAMES[option]}: a secret was replaced by '***'\n" in answer.err
    assert SECRET not in answer.out + answer.err + _stored(registry.root)


def test_all_else_stays(registry: Registry, model: Path) -> None:
    params = {
        "key": "user_id",
        "key_2": "region",
        "customer_key": "order_id",
        "join key": 1,
        "token 1": "word",
        "token": "<pad>",
        "max_tokens": 512,
        "depth": 3,
        "pass": "first",
        "tokens": [1, 2],
    }
    tags = {"sha": "ab12" * 16, "see": "https://example.org/x?page=2"}
    done = registry.register(
        "churn", [model], params=params, tags=tags, annotations={"use": "password reset\nclassifier", "key": "a join of 2 tables"},
        metrics={"token_accuracy": 0.5, "secret_recall": 0.9}, message="the token limit is higher",
    )  # fmt: skip
    assert done.warnings == ()
    assert (done.params["key"], done.params["pass"], done.tags) == ("user_id", "first", tags)
    assert (done.params["customer_key"], done.params["join key"]) == ("order_id", 1)
    assert (done.params["key_2"], done.params["token 1"]) == ("region", "word")
    assert done.params["token"] == "<pad>" and done.params["max_tokens"] == 512
    assert done.metrics == {"token_accuracy": 0.5, "secret_recall": 0.9}
    assert (done.message, done.annotations) == (
        "the token limit is higher", {"use": "password reset\nclassifier", "key": "a join of 2 tables"},
    )  # fmt: skip


def test_the_interface_and_files_of_params_are_the_same(registry: Registry, model: Path, tmp_path: Path) -> None:
    done = registry.register("churn", [model], params={"db": {"password": SECRET, "port": 5432}})
    assert done.params == {"db.password": "***", "db.port": 5432}
    assert done.warnings == ("params.db.password: a secret was replaced by '***'",)
    (tmp_path / "p.yaml").write_text(f"db:\n  password: {SECRET}\n")
    assert run("register", "churn", model, "--params-file", tmp_path / "p.yaml", root=registry.root).code == 0
    assert SECRET not in _stored(registry.root)


def test_a_repetition_with_the_same_secret_changes_nothing(registry: Registry, model: Path) -> None:
    for _ in range(2):
        done = registry.register(
            "churn", [model], tags={"password": SECRET}, message=f"--token {SECRET}", if_changed=True, update=True
        )
        assert (done.ref, done.not_stored, done.updated) == ("churn@1", (), ())


def test_the_reason_for_unsafe_files(registry: Registry, tmp_path: Path) -> None:
    import pickle

    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(print))
    done = registry.register("churn", [path], unsafe=f"ticket https://me:{SECRET}@example.org/1")
    assert SECRET not in _stored(registry.root)
    assert done.warnings[0] == "reason: a secret was replaced by '***'"


def test_what_is_said_later(registry: Registry, model: Path) -> None:
    registry.register("churn", [model])
    for words in (["tag", "churn@1", f"password={SECRET}"], ["annotate", "churn@1", f"how=--password {SECRET}"]):
        answer = run(*words, root=registry.root)
        assert answer.code == 0 and "a secret was replaced by '***'" in answer.err
        assert SECRET not in answer.err
    assert SECRET not in _stored(registry.root)
