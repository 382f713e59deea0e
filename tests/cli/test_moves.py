"""Whatever moves a pointer says where it points now, and where it pointed before."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Site

CASES = {
    "promote": (["promote", "churn@2", "production"], ["churn: production -> 2 (was 1)"]),
    "promote -n": (["promote", "churn@2", "production", "-n"], ["churn: would move production -> 2 (was 1)"]),
    "promote again": (["promote", "churn@1", "production"], ["churn: production is already 1"]),
    "demote": (["demote", "churn", "production"], ["churn: production -> empty (was 1)"]),
    "rollback": (["rollback", "churn", "production"], ["churn: production -> 2 (was 1)"]),
    "alias": (["alias", "churn@1", "champion"], ["churn: champion -> 1 (was 2)"]),
    "a new alias": (["alias", "churn@1", "eu"], ["churn: eu -> 1 (was empty)"]),
    "alias --remove": (["alias", "churn", "champion", "-n", "--remove"], ["churn: would move champion -> empty (was 2)"]),
    "register": (
        ["register", "churn", "FILE", "--stage", "production", "--alias", "champion", "--no-lineage"],
        ["churn: production -> 4 (was 1)", "churn: champion -> 4 (was 2)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("words", "lines"), CASES.values(), ids=CASES)
def test_it_says_so(site: Site, words: list[str], lines: list[str]) -> None:
    answer = site.run(*(site.file if word == "FILE" else word for word in words))
    assert answer.code == 0
    assert [line for line in answer.err.splitlines() if line.startswith("churn: ")] == lines


def test_in_json(site: Site) -> None:
    done = site.run("register", "churn", site.file, "--stage", "production", "--alias", "champion", "--json").json
    assert [(each["pointer"], each["before"], each["after"]) for each in done["moved"]] == [
        ("production", 1, 4), ("champion", 2, 4),
    ]  # fmt: skip
