"""Typing slips: each is answered by what was probably meant, and by nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_cli.cli import advice, grammar
from tests.cli.conftest import Site
from tests.crash.world import fingerprint

#: What is typed, the exit code, the message, and the advice.
SLIPS: list[tuple[str, int, str, str]] = [
    # verbs of other tools
    ("ls", 2, "no such command 'ls'", "did you mean 'list'?"),
    ("log churn", 2, "no such command 'log'", "did you mean 'history'?"),
    ("rm churn@1", 2, "no such command 'rm'", "did you mean 'delete'?"),
    ("get churn@1", 2, "no such command 'get'", "did you mean 'fetch'?"),
    ("download churn@1", 2, "no such command 'download'", "did you mean 'fetch'?"),
    ("add churn model.pkl", 2, "no such command 'add'", "did you mean 'register'?"),
    ("upload churn model.pkl", 2, "no such command 'upload'", "did you mean 'register'?"),
    ("publish churn@1", 2, "no such command 'publish'", "did you mean 'promote'?"),
    ("stage churn@1 production", 2, "no such command 'stage'", "did you mean 'promote'?"),
    ("status", 2, "no such command 'status'", "did you mean 'info'?"),
    ("mv churn leavers", 2, "no such command 'mv'", "did you mean 'rename'?"),
    ("version", 2, "no such command 'version'", "did you mean 'versions', or 'registry --version'?"),
    # misspelt verbs
    ("promot churn@1 production", 2, "no such command 'promot'", "did you mean 'promote'?"),
    ("regsiter churn model.pkl", 2, "no such command 'regsiter'", "did you mean 'register'?"),
    ("verisons churn", 2, "no such command 'verisons'", "did you mean 'versions'?"),
    ("xyzzy", 2, "no such command 'xyzzy'", "see 'registry --help'"),
    # options
    ("list --satge production", 2, "no such option '--satge'", "did you mean '--stage'?"),
    ("promote churn@1 production --to 3", 2, "no such option '--to'", "it is an option of 'rollback' and 'deploy'"),
    ("promote churn@1 production --sort age", 2, "no such option '--sort'", "it is an option of 'list', 'versions' and 'search'"),
    ("promote churn@1 production --message why", 2, "no such option '--message'", "did you mean '--reason'?"),
    ("promote churn@1 production -m why", 2, "no such option '-m'", "did you mean '--reason'?"),
    ("fetch churn@1 --dest out", 2, "no such option '--dest'", "did you mean '--output'?"),
    ("versions churn --orderby age", 2, "no such option '--orderby'", "did you mean '--sort'?"),
    ("show churn --version 1", 2, "no such option '--version'", "a version is named NAME@NUMBER, as churn@7"),
    ("search --xyzzy", 2, "no such option '--xyzzy'", "see 'registry search --help'"),
    # models, stages, aliases
    ("show chrun", 3, "model 'chrun' not found", "did you mean 'churn'?"),
    ("promote chrun@1 production", 3, "model 'chrun' not found", "did you mean 'churn'?"),
    ("versions risk/fruad", 3, "model 'risk/fruad' not found", "did you mean 'risk/fraud'?"),
    ("rename chrun churn", 3, "model 'chrun' not found", "did you mean 'churn'?"),
    ("diff chrun@1 churn@2", 3, "model 'chrun' not found", "did you mean 'churn'?"),
    ("register leavers churn", 3, "file or folder 'churn' not found", ""),
    ("show xyzzy", 3, "model 'xyzzy' not found", "run 'registry list'"),
    ("promote churn@1 prod", 2, "unknown stage 'prod'", "did you mean 'production'?"),
    ("check churn@1 stagign", 2, "unknown stage 'stagign'", "did you mean 'staging'?"),
    ("path churn@prodcution", 3, "churn has no version in 'prodcution'", "did you mean 'production'?"),
    ("show churn@champoin", 3, "churn has no version in 'champoin'", "did you mean 'champion'?"),
    # the order of words, one too many
    ("register model.pkl churn", 2, "'model.pkl' is a file: the model comes first", "did you mean 'registry register churn model.pkl'?"),
    ("register model.pkl demand", 2, "'model.pkl' is a file: the model comes first", "did you mean 'registry register demand model.pkl'?"),
    ("promote production churn@1", 2, "", "did you mean 'registry promote churn@1 production'?"),
    ("rollback production churn", 2, "", "did you mean 'registry rollback churn production'?"),
    ("tag team=crm churn", 2, "", "did you mean 'registry tag churn team=crm'?"),
    ("cat model.pkl churn@1", 3, "", "did you mean 'registry cat churn@1 model.pkl'?"),
    ("path model.pkl churn@1", 3, "", "did you mean 'registry path churn@1 model.pkl'?"),
    ("alias champion churn@1", 2, "", "did you mean 'registry alias churn@1 champion'?"),
    ("list churn", 2, "unexpected argument 'churn'", "did you mean 'registry versions churn'?"),
    ("show churn 1", 2, "unexpected argument '1'", "did you mean 'registry show churn@1'?"),
    ("promote churn 1 production", 2, "unexpected argument 'production'", "did you mean 'registry promote churn@1 production'?"),
    ("versions churn 1", 2, "unexpected argument '1'", "did you mean 'registry show churn@1'?"),
    ("rollback churn production 1", 2, "unexpected argument '1'", "did you mean 'registry rollback churn production --to 1'?"),
    ("rollback churn@1 production", 2, "", "did you mean 'registry rollback churn production --to 1'?"),
    ("fetch churn@1 out", 2, "unexpected argument 'out'", "did you mean 'registry fetch churn@1 -o out'?"),
    ("search metrics.auc > 0.9", 2, "", "did you mean 'registry search 'metrics.auc > 0.9''?"),
    # values
    ("log-metric churn@1 auc=0,93", 2, "metric 'auc' is '0,93', which is not a number; use a decimal point", "fix it or skip it with --skip-invalid"),
    ("register churn model.pkl -m why", 2, "", "-m is --metric, as in -m auc=0.93; a text is given with --message"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code", "message", "hint"), SLIPS, ids=[each[0] for each in SLIPS])
def test_a_slip_gets_the_nearest_advice(
    line: str, code: int, message: str, hint: str, still: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(still.folder)
    before = fingerprint(still.root)
    answer = still.run(*line.split())
    assert (answer.code, answer.out) == (code, "")
    (told,) = answer.err.splitlines()
    assert told.startswith(f"error: {message}")
    assert told.endswith(f"; {hint}" if hint else message), told
    assert fingerprint(still.root) == before


#: Queries and fields that are valid, with a name that nothing has: a warning on standard error.
WARNED = [
    (["search", "stage = prod"], "the query refers to a stage 'prod' that does not exist; did you mean 'production'?"),
    (["search", "metrics.acu > 0.5"], "no version has metrics.acu; did you mean 'metrics.auc'?"),
    (["search", "tags.tema = crm"], "no version has tags.tema; did you mean 'tags.team'?"),
    (["list", "--where", "params.dpeth = 6"], "no version has params.dpeth; did you mean 'params.depth'?"),
    (["versions", "churn", "--sort", "metrics.acu"], "no version has metrics.acu; did you mean 'metrics.auc'?"),
    (["versions", "churn", "--columns", "version,metrics.acu"], "no version has metrics.acu; did you mean 'metrics.auc'?"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "warning"), WARNED, ids=[" ".join(each[0]) for each in WARNED])
@pytest.mark.parametrize("index", [[], ["--no-index"]], ids=["index", "no index"])
def test_a_name_that_nothing_has_is_a_warning(words: list[str], warning: str, index: list[str], still: Site) -> None:
    answer = still.run(*words, *index)
    assert (answer.code, answer.err) == (0, f"warning: {warning}\n")


@pytest.mark.parametrize(
    "words",
    [
        ["search", "metrics.xyzzy > 1"], ["search", "metrics.auc > 0.5", "--sort", "metrics.auc"],
        ["versions", "churn", "--columns", "version,params.depth,tags.team"],
    ],
)  # fmt: skip
def test_no_warning_without_a_near_name(words: list[str], still: Site) -> None:
    assert still.run(*words).err == ""


@pytest.mark.parametrize(
    ("name", "paths", "files"),
    [
        ("churn", ["model.pkl"], ["churn", "model.pkl"]),  # a file that has the name of the model
        ("leavers", ["data"], ["leavers", "data/a"]),  # no suffix: the name of a model that is new
        ("leavers", ["leavers"], ["leavers"]),
        ("resnet.v2", ["weights"], ["resnet.v2", "weights/a"]),
        ("leavers", ["model.pkl", "tokenizer.json"], ["leavers", "model.pkl", "tokenizer.json"]),
    ],
)
def test_what_may_be_meant_as_written_is_registered(
    name: str, paths: list[str], files: list[str], site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    for each in files:
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        (folder / each).write_text("a")
    monkeypatch.chdir(folder)
    assert site.run("register", name, *paths).code == 0


def test_every_habit_leads_to_a_verb_and_hides_none() -> None:
    planned = {"deploy", "deployments"}  # verbs of a later version: until then the nearest one is suggested
    assert {*advice.VERB_HABITS.values()} <= grammar.VERBS.keys() | planned
    assert not advice.VERB_HABITS.keys() & grammar.VERBS.keys()


def test_advice_in_json_is_the_hint(still: Site) -> None:
    answer = still.run("ls", "--json")
    assert '"message": "no such command \'ls\'", "hint": "did you mean \'list\'?"' in answer.err
