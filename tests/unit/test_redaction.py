"""Secrets in addresses and command lines: what is cut out, and what has to stay as it is."""

from __future__ import annotations

import importlib
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli.core import redaction, secret_values

SECRET = "hunter2hunter2"
TOKEN = "ghp_" + "a1B2" * 9


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://alice:hunter2@example.org/x.git", "https://example.org/x.git"),
        (f"https://{TOKEN}@github.com/x/y", "https://github.com/x/y"),
        ("https://alice@example.org/x", "https://example.org/x"),
        ("https://alice:p@ss@example.org/x", "https://example.org/x"),
        ("https://alice:pa/ss@example.org/x", "https://example.org/x"),
        ("ssh://git:pw@example.org:2222/x", "ssh://git@example.org:2222/x"),
        ("ssh://git@example.org/x", "ssh://git@example.org/x"),
        ("git@example.org:team/x.git", "git@example.org:team/x.git"),
        ("/srv/git/x.git", "/srv/git/x.git"),
        ("https://example.org:8443/x@v1", "https://example.org:8443/x@v1"),
        ("https://[::1]:8443/x", "https://[::1]:8443/x"),
        ("s3://bucket/key?versionId=3&X-Amz-Signature=abc&X-Amz-Credential=k", "s3://bucket/key?versionId=3&X-Amz-Signature=***&X-Amz-Credential=***"),
        ("https://x.blob.core.windows.net/c?sv=2020&sig=abc#top", "https://x.blob.core.windows.net/c?sv=2020&sig=***#top"),
    ],
)  # fmt: skip
def test_addresses(address: str, kept: str) -> None:
    assert redaction.redact_url(address) == kept


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["train.py", "--token=abc"], "train.py '--token=***'"),
        (["train.py", "--api-key", "abc", "--depth", "3"], "train.py --api-key '***' --depth 3"),
        (["train.py", "--password", "--depth", "3"], "train.py --password --depth 3"),
        (["train.py", "DB_PASSWORD=abc", "lr=0.1"], "train.py 'DB_PASSWORD=***' lr=0.1"),
        (["train.py", "--awsSecretAccessKey=abc"], "train.py '--awsSecretAccessKey=***'"),
        (["train.py", f"--id={TOKEN}"], "train.py '--id=***'"),
        (["train.py", "--db", "postgres://me:pw@host/db"], "train.py --db postgres://host/db"),
        (["train.py", "-H", f"Authorization: Bearer {SECRET}"], "train.py -H 'Authorization: ***'"),
        (["registry", "tag", f"note=curl -u a:{SECRET} x"], "registry tag 'note=curl -u *** x'"),
        (["train.py", f'items=["a", "password={SECRET}"]'], """train.py 'items=["a", "password=***"]'"""),
        (["http", "x", f"Authorization:Bearer {SECRET}", "a=1"], "http x 'Authorization:***' a=1"),
        (["python", "-c", "login(token='abc', user='me')"], "python -c 'login(token=***, user='\"'\"'me'\"'\"')'"),
    ],
)  # fmt: skip
def test_commands(words: list[str], kept: str) -> None:
    assert redaction.redact_command(words) == kept


def test_what_is_no_secret_stays() -> None:
    words = [
        "python", "train.py", "--tokenizer=bert", "--max_tokens", "512", "--monkey=1", "--lr=1e-3", "a=b",
        "--url=https://example.org/a?b=c", "--keys", "a,b", "--passes", "3", "a b", "--author=me",
    ]  # fmt: skip
    import shlex

    assert redaction.redact_command(words) == shlex.join(words)


@pytest.mark.parametrize(
    "text",
    [
        "HF_TOKEN={} python train.py | tee log", "python train.py --password {}", "python train.py --password '{}'",
        'curl -H "X-Api-Key: {}" x', "export AWS_SECRET_ACCESS_KEY={}; make", "mysql --password={} db",
        "docker run -e API_KEY={} image", "git clone https://me:{}@example.org/x",
    ],
)  # fmt: skip
def test_a_command_as_a_person_typed_it(text: str) -> None:
    cut = redaction.redact_text(text.format(SECRET))
    assert SECRET not in cut
    assert cut.split()[0] == text.format("***").split()[0]


@given(st.lists(st.text(max_size=30), max_size=8))
def test_any_words_can_be_cut(words: list[str]) -> None:
    redaction.redact_command(words)
    redaction.redact_text(" ".join(words))
    redaction.contains_secret(" ".join(words).encode("utf-8", "replace"))


@pytest.mark.parametrize("part", ["a", "-", "a=", "://", "a@", " ", "'", "--token", "eyJ", "Bearer ", "a.b-", "x:"])
def test_no_text_takes_long(part: str) -> None:
    start = time.process_time()
    redaction.redact_text(part * 20_000)
    redaction.redact_command([part * 20_000])
    redaction.contains_secret((part * 200_000).encode())
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "part",
    ["a='b=", "'password',", "set a ", "name: a value: b ", "<a>", "password:\n- a\n", "$(", "a=`", "mysql -p", "user:a:",
     'x="\\"name\\":\\"a\\",', '\\"name\\":\\"a\\",', "x.login('a',"],
)  # fmt: skip
def test_the_time_grows_with_the_length(part: str) -> None:
    start = time.process_time()
    redaction.redact_text(part * (100_000 // len(part)))
    redaction.redact_command([part * (100_000 // len(part))])
    redaction.contains_secret((part * (100_000 // len(part))).encode())
    redaction.contains_secret(b"diff --git a/x.py b/x.py\n+" + (part * (100_000 // len(part))).encode())
    assert time.process_time() - start < 5


def test_no_token_is_shorter_than_the_texts_that_are_searched() -> None:
    parser = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
    shortest = {
        secret_values._TOKEN: secret_values.SHORTEST_TOKEN,
        secret_values._WORD_TOKEN: secret_values.SHORTEST_TOKEN,
        secret_values._PRIVATE_KEY: secret_values.SHORTEST_TOKEN,
        secret_values._RANDOM: secret_values.SHORTEST_RANDOM,
    }
    for pattern, length in shortest.items():
        assert parser.parse(pattern.pattern, pattern.flags).getwidth()[0] >= length, pattern.pattern
