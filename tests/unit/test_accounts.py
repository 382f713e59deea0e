"""Who may write to what this user may not."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from registry_cli.core.accounts import account_name, describe_access


@pytest.fixture
def as_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(os, "getegid", lambda: 54321)
    monkeypatch.setattr(os, "getgroups", lambda: [54321])


@pytest.mark.usefixtures("as_stranger")
def test_a_stranger_reads_whom_to_ask(tmp_path: Path) -> None:
    owner, group = account_name(tmp_path.stat().st_uid), grp.getgrgid(tmp_path.stat().st_gid).gr_name
    tmp_path.chmod(0o775)
    words = f"only the group '{group}' may write there, and you are not in it; ask {owner}, who owns it"
    assert describe_access(tmp_path) == words
    assert describe_access(tmp_path / "missing" / ".lock") == words
    tmp_path.chmod(0o755)
    assert describe_access(tmp_path / ".tmp-1") == f"it belongs to {owner}"


def test_the_owner_reads_nothing_of_himself(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert describe_access(tmp_path / "x") == ""
    tmp_path.chmod(0o755)
