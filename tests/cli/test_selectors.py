"""What moves a pointer, vouches for a version or removes it names a version; the bare name of a model is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry_cli import InvalidInput, Registry
from registry_cli.core.names import Reference
from tests.cli.conftest import Site

MESSAGE = "'churn' is a model; expected a version; use churn@latest for its newest version or churn@N for version N"
COMMANDS = {
    "promote": ["promote", "churn", "production"],
    "promote with --force": ["promote", "churn", "production", "--force", "--reason", "x"],
    "promote --dry-run": ["promote", "churn", "production", "-n"],
    "promote with --expect": ["promote", "churn", "production", "--expect", "1"],
    "approve": ["approve", "churn", "production", "--yes"],
    "approve --review": ["approve", "churn", "production", "--review"],
    "approve --reject": ["approve", "churn", "production", "--reject", "--reason", "x"],
    "sign": ["sign", "churn", "--key", "/nowhere"],
    "sign --dry-run": ["sign", "churn", "--key", "/nowhere", "-n"],
    "alias": ["alias", "churn", "new"],
    "alias with --expect": ["alias", "churn", "champion", "--expect", "2"],
    "archive": ["archive", "churn"],
    "restore": ["restore", "churn"],
    "delete": ["delete", "churn", "--yes"],
}
METHODS: dict[str, Callable[[Registry, str | Reference], object]] = {
    "promote": lambda reg, ref: reg.promote(ref, "production"),
    "approve": lambda reg, ref: reg.approvals.approve(ref, "production"),
    "reject": lambda reg, ref: reg.approvals.approve(ref, "production", reject=True, reason="x"),
    "sign": lambda reg, ref: reg.approvals.sign(ref, "/nowhere"),
    "set_alias": lambda reg, ref: reg.alias(ref, "new"),
    "archive": lambda reg, ref: reg.archive([ref]),
    "restore": lambda reg, ref: reg.restore([ref]),
    "delete": lambda reg, ref: reg.delete([ref]),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_bare_name_is_refused(site: Site, words: list[str]) -> None:
    before = site.reg.model("churn")
    answer = site.run(*words)
    assert (answer.code, answer.out, answer.err) == (2, "", f"error: {MESSAGE}\n")
    assert site.reg.model("churn") == before


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("ref", ["churn", Reference("churn"), Reference.parse("churn")], ids=["text", "made", "parsed"])
def test_a_bare_name_is_refused_in_python(
    site: Site, method: Callable[[Registry, str | Reference], object], ref: str | Reference
) -> None:
    with pytest.raises(InvalidInput, match="is a model; expected a version"):
        method(site.reg, ref)


def test_latest_is_a_selector(site: Site) -> None:
    assert site.run("promote", "churn@latest", "production").out == "churn@2\n"
    assert site.run("alias", "churn@latest", "new").out == "churn@2\n"
    assert site.run("approve", "churn@latest", "staging", "--yes").out == "churn@2\n"
    assert site.run("promote", "models:/churn/1", "production").out == "churn@1\n"


def test_a_bare_name_still_empties_a_stage_and_removes_an_alias(site: Site) -> None:
    assert site.run("demote", "churn", "production").code == 0
    assert site.run("alias", "churn", "champion", "--remove").code == 0


def test_an_alias_is_removed_from_the_version_that_is_named(site: Site) -> None:
    answer = site.run("alias", "churn@1", "champion", "--remove")
    assert (answer.code, answer.out) == (4, "")
    assert "champion of churn is at churn@2, not churn@1" in answer.err
    answer = site.run("alias", "churn@2", "champion", "--remove")
    assert (answer.code, answer.err) == (0, "churn: champion -> empty (was 2)\n")


def test_a_version_without_an_alias_is_not_taken_for_a_list(site: Site) -> None:
    for words in (["churn@1"], ["churn", "--expect", "2"], ["churn", "--remove"]):
        answer = site.run("alias", *words)
        assert (answer.code, answer.out) == (2, ""), words
        assert "missing argument ALIAS" in answer.err


def test_an_alias_that_moves_names_what_it_was(site: Site) -> None:
    assert site.run("alias", "churn@1", "champion").err == "churn: champion -> 1 (was 2)\n"
    assert site.run("alias", "churn@1", "champion").err == "churn: champion is already 1\n"
    assert site.run("alias", "churn@2", "champion", "-n").err == "churn: would move champion -> 2 (was 1)\n"
