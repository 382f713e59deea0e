"""A query that compares with a name that does not exist says so: what it selects is nothing, or everything."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Site


def sentence(what: str, hint: str) -> str:
    return f"warning: the query refers to {what} that does not exist{hint and f'; {hint}'}\n"


PROD = sentence("a stage 'prod'", "did you mean 'production'?")
CHAMP = sentence("an alias 'champ'", "did you mean 'champion'?")
CASES = {
    "search": (["search", "stage = prod"], PROD),
    "search !=": (["search", "stage != prod"], PROD),
    "search in": (["search", "stage in (staging, prod)"], PROD),
    "search not in": (["search", "stage not in ('prod')"], PROD),
    "search in brackets": (["search", "not (stage = prod or stage = prod)"], PROD),
    "search --stage": (["search", "--stage", "prod"], PROD),
    "search --json": (["search", "stage = prod", "--json"], PROD),
    "search -q": (["search", "stage = prod", "-q"], PROD),
    "search far off": (
        ["search", "stage = zzz"], sentence("a stage 'zzz'", "available: development, staging, production")
    ),
    "search alias": (["search", "alias = champ"], CHAMP),
    "search --alias": (["search", "--alias", "champ"], CHAMP),
    "search model": (["search", "model = chrun"], sentence("a model 'chrun'", "did you mean 'churn'?")),
    "search no name": (["search", "model = 'No Name'"], sentence("a model 'No Name'", "")),
    "search group": (["search", "group = rsik"], sentence("a group 'rsik'", "did you mean 'risk'?")),
    "search two": (["search", "stage = prod and alias = champ"], PROD + CHAMP),
    "versions --where": (["versions", "churn", "--where", "stage = prod"], PROD),
    "versions --stage": (["versions", "churn", "--stage", "prod"], PROD),
    "versions --alias": (["versions", "churn", "--alias", "champ"], CHAMP),
    "versions of another": (["versions", "risk/fraud", "--alias", "champion"], sentence("an alias 'champion'", "")),
    "versions --as-of": (["versions", "churn", "--stage", "prod", "--as-of", "0d ago"], PROD),
    "list --where": (["list", "--where", "stage = prod"], PROD),
    "compare --where": (["compare", "churn", "--where", "stage = prod"], PROD),
    "archive --where": (["archive", "churn", "--where", "stage = prod", "-n"], PROD),
    "delete --where": (["delete", "churn", "--where", "stage = prod", "-n"], PROD),
    "prune --where": (["prune", "churn", "--older-than", "1d", "--where", "stage = prod", "-n"], PROD),
}  # fmt: skip


@pytest.mark.parametrize(("words", "warning"), CASES.values(), ids=CASES)
def test_an_unknown_name_is_a_warning(still: Site, words: list[str], warning: str) -> None:
    answer = still.run(*words)
    assert answer.code == 0
    assert "".join(line + "\n" for line in answer.err.splitlines() if line.startswith("warning: the query")) == warning


@pytest.mark.parametrize(
    "query",
    [
        "stage = production and alias = champion", "model in (churn, risk/fraud) and group = risk", "stage ~ '^prod$'",
        "alias like 'champ'", "tags.stage = prod", "params.model = chrun", "stage exists", "author = nobody", "model != 'churn'",
    ],
)  # fmt: skip
def test_what_is_known_or_no_name_is_no_warning(still: Site, query: str) -> None:
    answer = still.run("search", query)
    assert (answer.code, answer.err) == (0, "")


def test_a_former_name_is_told(site: Site) -> None:
    site.reg.admin.rename("churn", "leavers")
    assert site.run("search", "model = churn").err == sentence("a model 'churn'", "it was renamed to 'leavers'")


def test_a_stage_that_only_a_table_has_is_known(site: Site) -> None:
    path = site.root / "registry.yaml"
    text = path.read_text()
    path.write_text(text.replace("stages: [development, staging, production]", "stages: [development, production]"))
    assert site.run("search", "stage = staging").err == ""
    path.write_text(text)
