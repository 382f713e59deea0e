"""Four eyes with real accounts: who approved is who the system says, whatever a name in a document claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_cli import Refused, Registry
from tests.sharing.people import ALICE, BOB, STRANGER, needs_root

pytestmark = needs_root


@pytest.fixture
def root(common: Path) -> Path:
    """A team's registry with a version of alice's; production wants somebody else's approval."""
    root = common / "team" / "registry"
    ALICE.calls(lambda: Registry.init(root, shared="group", author="alice") and None)
    ALICE.does(lambda reg: reg.register("churn", [common / "alice/own.bin"]).ref, root)
    path = root / "registry.yaml"
    path.write_text(f"{path.read_text()}policy: {{production: {{approvals: 1, not_author: true}}}}\n")
    return root


def test_four_eyes(root: Path) -> None:
    ALICE.does(lambda reg: reg.approvals.approve("churn@1", "production", reason="mine").refs, root)
    with pytest.raises(Refused, match="approvals, not_author"):
        ALICE.does(lambda reg: reg.promote("churn@1", "production").ref, root)
    with pytest.raises(PermissionError):
        STRANGER.does(lambda reg: reg.approvals.approve("churn@1", "production").refs, root)
    BOB.does(lambda reg: reg.approvals.approve("churn@1", "production", reason="reviewed").refs, root)
    assert ALICE.does(lambda reg: reg.promote("churn@1", "production").ref, root) == "churn@1"
    told = STRANGER.does(lambda reg: [(each.by, each.state) for each in reg.approvals("churn@1")], root)
    assert told == [("alice", "excluded"), ("bob", "in-force")]
    ALICE.does(lambda reg: reg.log_metric("churn@1", {"auc": 0.5}).refs, root)
    assert not STRANGER.does(lambda reg: reg.policies.check("churn@1", "production").passed, root)
    for person in (ALICE, BOB, STRANGER):
        assert person.does(lambda reg: reg.admin.verify().problems, root) == ()


def test_the_account_is_that_of_the_process(root: Path) -> None:
    """On the command line it is the real user, one without a name too; a name in the environment says nothing."""
    from tests.commands import as_user

    told = as_user(ALICE.uid, "approve", "churn@1", "production", "--reason", "x", root=root)
    assert (told.code, told.out) == (0, "churn@1\n")
    assert STRANGER.does(lambda reg: [each.by for each in reg.approvals("churn@1")], root) == [f"uid:{ALICE.uid}"]
