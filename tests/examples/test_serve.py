"""The scoring service follows what is live."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from registry_cli import Registry
from tests.examples.conftest import BIN, EXAMPLES, Run

FRAUD = {"amount": 900, "hour": 3, "km_from_home": 700, "payments_last_hour": 4}
LUNCH = {"amount": 12, "hour": 13, "km_from_home": 2, "payments_last_hour": 0}


@contextmanager
def serving(reg: Registry, reference: str) -> Iterator[str]:
    """The address of a service that runs meanwhile."""
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": os.environ["HOME"], "REGISTRY_HOME": str(reg.root)}
    with subprocess.Popen(
        ["python", EXAMPLES / "serve.py", reference, "--port", "0"],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.kill()


def ask(address: str, payment: object) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(address, json.dumps(payment).encode())
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_follows_promotions_and_rollbacks(reg: Registry, run: Run, trained: Callable[..., list[str]]) -> None:
    for rounds in ("10", "30"):
        files = trained("train_fraud.py", "--rounds", rounds)
        assert run("registry", "register", "fraud", *files).returncode == 0
    with serving(reg, "fraud@production") as address:
        assert ask(address, FRAUD)[0] == 503
        reg.promote("fraud@1", "production")
        code, answer = ask(address, FRAUD)
        assert (code, answer["ref"]) == (200, "fraud@1")
        assert answer["fraud"] > ask(address, LUNCH)[1]["fraud"]
        reg.promote("fraud@2", "production")
        assert ask(address, FRAUD)[1]["ref"] == "fraud@2"
        reg.rollback("fraud", "production")
        assert ask(address, FRAUD)[1]["ref"] == "fraud@1"
        wrongs: tuple[object, ...] = ({}, [], {**FRAUD, "amount": "much"})
        for wrong in wrongs:
            assert ask(address, wrong)[0] == 400
        assert ask(address, LUNCH)[0] == 200
