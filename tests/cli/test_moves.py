"""Whatever moves a pointer says where it points now, and where it pointed before."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Site

CASES = {
    "promote": (["promote", "churn@2", "production"], ["production of churn is now churn@2 (was churn@1)"]),
    "promote -n": (["promote", "churn@2", "production", "-n"], ["production of churn would be churn@2 (was churn@1)"]),
    "promote again": (["promote", "churn@1", "production"], ["production of churn is churn@1 already"]),
    "demote": (["demote", "churn", "production"], ["production of churn is now nothing (was churn@1)"]),
    "rollback": (["rollback", "churn", "production"], ["production of churn is now churn@2 (was churn@1)"]),
    "alias": (["alias", "churn@1", "champion"], ["champion of churn is now churn@1 (was churn@2)"]),
    "a new alias": (["alias", "churn@1", "eu"], ["eu of churn is now churn@1 (was nothing)"]),
    "alias --remove": (["alias", "churn", "champion", "-n", "--remove"], ["champion of churn would be nothing (was churn@2)"]),
    "register": (
        ["register", "churn", "FILE", "--stage", "production", "--alias", "champion", "--no-lineage"],
        ["production of churn is now churn@4 (was churn@1)", "champion of churn is now churn@4 (was churn@2)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("words", "lines"), CASES.values(), ids=CASES)
def test_it_says_so(site: Site, words: list[str], lines: list[str]) -> None:
    answer = site.run(*(site.file if word == "FILE" else word for word in words))
    assert answer.code == 0
    assert [line for line in answer.err.splitlines() if " of churn " in line] == lines


def test_in_json(site: Site) -> None:
    done = site.run("register", "churn", site.file, "--stage", "production", "--alias", "champion", "--json").json
    assert [(each["pointer"], each["before"], each["after"]) for each in done["moved"]] == [
        ("production", 1, 4), ("champion", 2, 4),
    ]  # fmt: skip
