"""A registry that is written to while it is checked, or whose writers were interrupted, is sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_cli import Registry
from tests.integrity.conftest import Store
from tests.support import Job, race

ROUNDS = 12


def write(root: str, work: str, alias: str) -> None:
    """Every kind of change, again and again; what was registered before goes."""
    reg, before = Registry(root, author="alice"), ""
    for number in range(ROUNDS):
        ref = reg.register("churn", [work], metrics={"auc": number / 100}).ref
        reg.tag(ref, {"run": str(number)})
        reg.alias(ref, alias)
        if before:
            reg.archive([before])
            reg.delete([before], reason="short of room")
        before = ref


def verify(root: str) -> list[str]:
    """Every problem that was told while others wrote."""
    told: list[str] = []
    for _ in range(ROUNDS):
        told += [
            f"{problem.code} {problem.where}: {problem.message}" for problem in Registry(root).admin.verify().problems
        ]
    return told


@pytest.mark.parametrize("writers", [1, 3])
def test_verify_while_others_write(store: Store, tmp_path: Path, writers: int) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "model.bin").write_bytes(b"m" * 5000)
    jobs: list[Job] = [
        (write, (str(store.root), str(tmp_path / "work"), f"writer-{number}")) for number in range(writers)
    ]
    *_, told = race([*jobs, (verify, (str(store.root),))])
    assert told == []
    assert store.found() == set()
