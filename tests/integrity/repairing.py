"""What the tests of ``repair`` have in common: damage, a dry run, the repair, and that all is well after it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from tests.integrity.conftest import Store
from tests.support import snapshot

HISTORY = "history.jsonl"


def artifacts(store: Store) -> dict[str, str]:
    """Every byte that was ever sealed: path to sha256."""
    files = (path for path in store.root.glob("models/**/versions/*/**/*") if path.is_file() and not path.is_symlink())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def repaired(store: Store, damage: Callable[[Store], object], left: set[tuple[str, str]] | None = None) -> list[str]:
    """Damage, then repair: told first by a dry run that changes nothing, done once, and nothing left to do."""
    damage(store)
    sealed = artifacts(store)
    before = snapshot(store.churn)
    told = store.reg.admin.repair(dry_run=True)
    after = snapshot(store.churn)
    assert without_times(after) == without_times(before), "a dry run changes nothing"
    done = store.reg.admin.repair()
    assert done == told
    assert done != []
    assert store.found() == (left or set())
    assert store.reg.admin.repair() == [], "there is nothing left to mend"
    assert artifacts(store) == sealed
    assert store.reg.version("churn@production").number == 2
    store.reg.promote("churn@1", "staging")
    store.reg.rollback("churn", "staging")
    assert store.reg.version("churn@staging").number == 5
    assert store.found() == (left or set())
    return [each.what for each in done]


def without_times(found: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """A folder's own time of change is none of its contents: a probe for the server's clock came and went."""
    return {name: (*fields[:4], fields[5]) for name, fields in found.items()}


def lines(store: Store) -> list[bytes]:
    return store.at(HISTORY).read_bytes().splitlines(keepends=True)
