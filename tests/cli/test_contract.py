"""Every verb in every form of output: what a script may rely on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry_cli import Registry, schemas
from registry_cli.cli import completion, grammar
from tests.cli.conftest import Site
from tests.commands import Answer, assert_inert, assert_refused, run, shell
from tests.crash.world import fingerprint
from tests.keys import make_key

Words = Callable[[Site], list[object]]


@dataclass(frozen=True)
class Form:
    """A command of a verb, the kind of its JSON document, and what ``-q`` prints."""

    verb: str
    words: Words
    kind: str
    quiet: Words
    code: int = 0
    columns: int = 0  # of the lines in a pipe, when they are a table


def _stale(site: Site) -> list[object]:
    """Something for ``gc`` to remove."""
    (site.root / "models/churn/versions/.tmp-0").mkdir()
    return ["gc", "--older-than", "0s"]


def _torn(site: Site) -> list[object]:
    """Something for ``repair`` to mend."""
    (site.root / "models/churn/stages/production").unlink()
    return ["repair"]


def _planned(site: Site) -> list[object]:
    """Something for ``apply`` to do."""
    plan = site.folder / "plan.json"
    assert site.run("archive", "risk/fraud", "--older-than", "0s", "--plan", plan, "-q").code == 0
    return ["apply", plan]


def _bundled(site: Site) -> list[object]:
    """A bundle to take in, under another name."""
    site.reg.export(["churn@1", "churn@2"], site.folder / "bundle.tar.gz")
    return ["import", site.folder / "bundle.tar.gz", "--as", "copy"]


def _made(site: Site) -> list[object]:
    """A version of which enough is known to be made again."""
    assert site.run("register", "churn", site.file, "--command", "make model", "-q").code == 0
    return ["reproduce", "churn@4", "--check"]


def _gated(site: Site, *words: object) -> list[object]:
    """A command on a registry whose staging has a policy."""
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write("policy: {staging: {require: {metrics: {auc: '>= 0.9'}}}}\n")
    return list(words)


def _carded(site: Site) -> list[object]:
    """A card that lacks nothing that is required."""
    with (site.root / "models/churn/model.yaml").open("a") as stream:
        stream.write("description: d\nlicence: MIT\nintended_use: i\nlimitations: l\ndata: d\n")
    return ["card", "churn@1", "--check"]


def _moved(site: Site, *words: object) -> list[object]:
    """A command on a registry in which this account moved staging from churn@2 to churn@1."""
    Registry(site.root).promote("churn@1", "staging")
    return list(words)


def _approved(site: Site, *words: object) -> list[object]:
    """A command on a registry in which bob approved churn@2."""
    Registry(site.root, author="bob").approvals.approve("churn@2", "staging", reason="reviewed")
    return list(words)


def _checked(site: Site, *words: object) -> list[object]:
    """A command on a registry whose staging runs a command."""
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write("policy: {staging: {checks: ['true']}}\n")
    return list(words)


def _trusting(site: Site, *words: object) -> list[object]:
    assert site.run(*_checked(site, "trust", "--yes", "-q")).code == 0
    return list(words)


def _profiled(site: Site, *words: object) -> list[object]:
    """A command with data that is like that of the profile of churn@2."""
    data = site.folder / "data.csv"
    data.write_text("amount,country\n1,de\n2,fr\n")
    site.reg.monitoring.profile("churn@2", data)
    return [*words, data]


def _observed(site: Site, *words: object) -> list[object]:
    """A command on a registry in which a metric of churn@2 is too low."""
    site.reg.monitoring.observe("churn@2", {"auc": 0.9})
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write("monitor: {auc: {min: 0.95}}\n")
    return list(words)


def _hooked(site: Site, *words: object) -> list[object]:
    """A command for a user with one hook."""
    path = Path(os.environ["HOME"]) / ".config/registry-cli/hooks/hook"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return list(words)


def _targeted(site: Site, *words: object) -> list[object]:
    """A command on a registry with a target that follows production, and has churn@1."""
    (site.folder / "srv").mkdir()
    settings = f"{{layout: plain, path: {site.folder / 'srv'}, follows: production}}"
    (site.root / "targets.yaml").write_text(f"format: 1\ntargets:\n  t: {settings}\n")
    site.reg.promote("churn@2", "production")
    site.reg.deployments.deploy("churn@1", "t")
    return list(words)


MODEL = Path(__file__).parent.parent / "inspect" / "data" / "onnx" / "mlp.onnx"
FORMS = (
    Form("init", lambda site: ["init", site.folder / "new"], "registry", lambda site: [site.folder / "new"], columns=1),
    Form("info", lambda _: ["info"], "registry", lambda site: [site.root], columns=2),
    Form("register", lambda site: ["register", "churn", site.file], "registered", lambda _: ["churn@4"], columns=1),
    Form("inspect", lambda _: ["inspect", MODEL], "inspected", lambda _: ["mlp.onnx"], columns=9),
    Form("list", lambda _: ["list"], "models", lambda _: ["churn", "risk/fraud"], columns=8),
    Form("versions", lambda _: ["versions", "churn"], "versions", lambda _: ["churn@2", "churn@1"], columns=10),
    Form("search", lambda _: ["search", "stage = staging or model = 'risk/fraud'"], "versions",
         lambda _: ["churn@2", "risk/fraud@1"], columns=10),
    Form("find", lambda site: ["find", site.reg.path("risk/fraud@1")], "found", lambda _: ["risk/fraud@1"], columns=6),
    Form("show", lambda _: ["show", "churn@champion"], "version", lambda _: ["churn@2"], columns=2),
    Form("show", lambda _: ["show", "churn"], "model", lambda _: ["churn"], columns=2),
    Form("diff", lambda _: ["diff", "churn@1", "churn@2"], "diff",
         lambda _: ["metrics.auc", "message", "files.model.pkl"], columns=6),
    Form("compare", lambda _: ["compare", "churn"], "comparison", lambda _: ["churn@2", "churn@1"], columns=5),
    Form("path", lambda _: ["path", "churn@1"], "path", lambda site: [site.reg.path("churn@1")], columns=1),
    Form("export", lambda site: ["export", "churn@1", site.folder / "out.tar.gz"], "exported",
         lambda site: [site.folder / "out.tar.gz"], columns=1),
    Form("import", _bundled, "imported", lambda _: ["copy@1", "copy@2"], columns=6),
    Form("fetch", lambda site: ["fetch", "churn@1", "-o", site.folder / "out"], "fetched",
         lambda site: [site.folder / "out"], columns=1),
    Form("tag", lambda _: ["tag", "churn@1", "a=b"], "changed", lambda _: ["churn@1"], columns=1),
    Form("annotate", lambda _: ["annotate", "churn@1", "a=b"], "changed", lambda _: ["churn@1"], columns=1),
    Form("log-metric", lambda _: ["log-metric", "churn@1", "a=1"], "changed", lambda _: ["churn@1"], columns=1),
    Form("alias", lambda _: ["alias", "churn@1", "best"], "moved", lambda _: ["churn@1"], columns=1),
    Form("alias", lambda _: ["alias", "churn"], "aliases", lambda _: ["churn@2"], columns=2),
    Form("describe", lambda _: ["describe", "churn", "--owner", "crm"], "described", lambda _: ["churn"], columns=1),
    Form("describe", lambda _: ["describe", "churn"], "model", lambda _: ["churn"], columns=2),
    Form("rename", lambda _: ["rename", "churn", "crm/churn"], "renamed", lambda _: ["crm/churn"], columns=1),
    Form("transfer", lambda _: ["transfer", "risk/fraud", "-"], "renamed", lambda _: ["fraud"], columns=1),
    Form("card", lambda _: ["card", "churn@1"], "card", lambda _: ["churn@1"]),
    Form("card", _carded, "card-check", lambda _: [], columns=4),
    Form("card", lambda site: ["card", "churn@1", "-o", site.folder / "card.md"], "card",
         lambda site: [site.folder / "card.md"], columns=1),
    Form("check", lambda site: _gated(site, "check", "churn@1", "staging"), "evaluation", lambda _: ["churn@1"], columns=4),
    Form("config", lambda site: _gated(site, "config", "show"), "config", lambda _: [], columns=5),
    Form("approve", lambda _: ["approve", "churn@2", "staging", "-y"], "changed", lambda _: ["churn@2"], columns=1),
    Form("approvals", lambda site: _approved(site, "approvals", "churn@2"), "approvals", lambda _: ["bob"], columns=8),
    Form("config", lambda _: ["config", "schema", "group"], "schema",
         lambda site: [Path(schemas.__file__).with_name("group.json")], columns=1),
    Form("trust", lambda site: _checked(site, "trust", "--yes"), "commands",
         lambda site: [f"sha256:{site.reg.policies.commands().digest}"], columns=6),
    Form("trust", lambda site: _trusting(site, "trust", "--list"), "trusted",
         lambda site: [f"sha256:{site.reg.policies.commands().digest}"], columns=5),
    Form("promote", lambda _: ["promote", "churn@1", "staging"], "moved", lambda _: ["churn@1"], columns=1),
    Form("demote", lambda _: ["demote", "churn", "staging"], "moved", lambda _: ["churn"], columns=1),
    Form("rollback", lambda _: ["rollback", "churn", "production"], "moved", lambda _: ["churn@2"], columns=1),
    Form("rollback", lambda _: ["rollback", "churn", "production", "--list"], "holders",
         lambda _: ["churn@1", "churn@2"], columns=2),
    Form("undo", lambda site: _moved(site, "undo", "churn"), "moved", lambda _: ["churn@2"], columns=1),
    Form("archive", lambda _: ["archive", "risk/fraud@1"], "changed", lambda _: ["risk/fraud@1"], columns=1),
    Form("restore", lambda _: ["restore", "churn@3"], "changed", lambda _: ["churn@3"], columns=1),
    Form("delete", lambda _: ["delete", "churn@3", "-y"], "changed", lambda _: ["churn@3"], columns=1),
    Form("archive", lambda _: ["archive", "churn", "--keep", "1", "--dry-run"], "plans", lambda _: [], columns=4),
    Form("prune", lambda _: ["prune", "churn", "--older-than", "0s", "-y"], "changed", lambda _: ["churn@3"],
         columns=1),
    Form("apply", _planned, "changed", lambda _: ["risk/fraud@1"], columns=1),
    Form("gc", _stale, "freed", lambda _: ["models/churn/versions/.tmp-0"], columns=3),
    Form("history", lambda _: ["history", "churn", "--limit", "2"], "history",
         lambda _: ["churn@3", "churn@2"], columns=6),
    Form("history", lambda _: ["history", "--all", "--limit", "2"], "history",
         lambda _: ["risk/fraud@1", "churn@3"], columns=7),
    Form("history", lambda _: ["history", "--all", "--checkpoint"], "checkpoints",
         lambda site: [str(each) for each in site.reg.admin.checkpoints()], columns=3),
    Form("sign", lambda site: ["sign", "churn@2", "--key", make_key(site.folder / "keys", "k")], "changed",
         lambda _: ["churn@2"], columns=1),
    Form("lineage", lambda _: ["lineage", "churn@1"], "lineage", lambda _: ["churn@1"], columns=4),
    Form("reproduce", lambda _: ["reproduce", "churn@1"], "recipe", lambda _: ["churn@1"]),
    Form("reproduce", _made, "conditions", lambda _: [], columns=4),
    Form("verify", lambda _: ["verify"], "verification", lambda _: [], columns=4),
    Form("repair", _torn, "repaired", lambda _: ["models/churn/stages/production"], columns=2),
    Form("scan", lambda site: ["scan", site.make("a.pkl", b"(cos\nsystem\no.")], "scanned", lambda _: ["a.pkl"], code=5, columns=4),
    Form("observe", lambda _: ["observe", "churn@2", "auc=0.9"], "observed", lambda _: ["churn@2"], columns=1),
    Form("monitor", lambda site: _observed(site, "monitor", "churn"), "monitored", lambda _: ["churn@2"], code=5, columns=9),
    Form("profile", lambda site: ["profile", *_profiled(site, "churn@1")], "profiled", lambda _: ["churn@1"], columns=1),
    Form("drift", lambda site: _profiled(site, "drift", "churn@2"), "drift", lambda _: [], columns=7),
    Form("report", lambda site: ["report", "-o", site.folder / "site"], "report", lambda site: [site.folder / "site"], columns=1),
    Form("target", lambda site: _targeted(site, "target"), "targets", lambda _: ["t"], columns=6),
    Form("target", lambda site: _targeted(site, "target", "show", "t"), "target", lambda _: ["t"], columns=2),
    Form("target", lambda site: _targeted(site, "target", "check", "t"), "target-check", lambda _: ["t"], columns=3),
    Form("deploy", lambda site: _targeted(site, "deploy", "churn@2", "--to", "t"), "deployed", lambda _: ["churn@2"], columns=1),
    Form("undeploy", lambda site: _targeted(site, "undeploy", "churn", "--from", "t"), "deployed", lambda _: ["churn"], columns=1),
    Form("sync", lambda site: _targeted(site, "sync", "t"), "synced", lambda _: ["churn@2"], columns=4),
    Form("deployments", lambda site: _targeted(site, "deployments"), "deployments", lambda _: ["churn@1"], columns=7),
    Form("deployments", lambda site: _targeted(site, "deployments", "--check"), "deployments", lambda _: ["churn@1"], code=5, columns=8),
    Form("hooks", lambda site: _hooked(site, "hooks", "list"), "hooks",
         lambda _: [Path(os.environ["HOME"]) / ".config/registry-cli/hooks/hook"], columns=6),
    Form("hooks", lambda site: _hooked(site, "hooks", "test"), "hooks-test", lambda _: [], columns=2),
    Form("doctor", lambda _: ["doctor"], "doctor", lambda _: [], columns=4),
    Form("completion", lambda _: ["completion", "bash"], "completion", lambda _: []),
)  # fmt: skip
#: ``cat`` writes the bytes of a file, whatever was asked for; ``edit`` needs a person (see ``test_editing``); ``help``
#: prints text with ``-q``, too (see ``test_help``).
WITHOUT_FORMS = {"cat", "edit", "help"}


def named(form: Form) -> str:
    return f"{form.verb}-{form.kind}"


def test_every_verb_is_here() -> None:
    assert {form.verb for form in FORMS} | WITHOUT_FORMS == grammar.VERBS.keys()


@pytest.mark.parametrize("form", FORMS, ids=named)
def test_json_is_one_document_and_nothing_is_said(form: Form, site: Site) -> None:
    answer = site.run(*form.words(site), "--json")
    assert (answer.code, answer.err) == (form.code, "")
    document = json.loads(answer.out)
    assert list(document)[:2] == ["schema", "kind"]
    assert (document["schema"], document["kind"]) == (1, form.kind)
    assert answer.out.isascii()
    assert answer.out.count("\n") == 1


@pytest.mark.parametrize("form", [form for form in FORMS if form.verb != "completion"], ids=named)
def test_quiet_prints_references_or_paths_only(form: Form, site: Site) -> None:
    answer = site.run(*form.words(site), "-q")
    assert (answer.code, answer.err) == (form.code, "")
    assert answer.lines == [str(line) for line in form.quiet(site)]


@pytest.mark.parametrize("form", [form for form in FORMS if form.columns], ids=named)
def test_a_pipe_gets_plain_lines(form: Form, site: Site) -> None:
    answer = site.run(*form.words(site))
    assert answer.code == form.code
    assert_inert(answer.out)
    assert {line.count("\t") + 1 for line in answer.lines} <= {form.columns}
    if form.verb not in ("verify", "completion"):
        assert answer.lines


@pytest.mark.parametrize("verb", sorted(verb for verb in grammar.VERBS if "--dry-run" in completion.options(verb)))
def test_a_dry_run_changes_nothing(verb: str, site: Site) -> None:
    form = next(form for form in FORMS if form.verb == verb)
    words = form.words(site)
    before = fingerprint(site.root)
    answer = site.run(*words, "--dry-run")
    assert answer.code == form.code
    assert "would" in answer.err
    assert fingerprint(site.root) == before
    assert site.run(*words).code == form.code
    assert fingerprint(site.root) != before


def test_json_has_the_values_of_the_library(still: Site) -> None:
    listed = still.run("list", "--json").json["items"]
    for shown, model in zip(listed, still.reg.list(), strict=True):
        assert {key: shown[key] for key in ("name", "latest", "versions", "stages", "aliases", "revision")} == {
            "name": model.name, "latest": model.latest, "versions": model.versions, "stages": dict(model.stages),
            "aliases": dict(model.aliases), "revision": model.revision,
        }  # fmt: skip
    for shown, version in zip(
        still.run("versions", "churn", "--all", "--json").json["items"], still.reg.versions("churn", archived=True),
        strict=True,
    ):  # fmt: skip
        for key in ("ref", "size", "files", "created", "author", "message", "archived"):
            assert shown[key] == getattr(version, key)
        assert shown["metrics"] == version.metrics
        assert shown["params"] == version.params
        assert shown["digest"] == f"sha256:{version.digest}"
    shown = still.run("show", "churn@1", "--json").json
    assert [(file["path"], file["sha256"]) for file in shown["manifest"]] == [
        (file.path, file.sha256) for file in still.reg.artifacts.files("churn@1")
    ]
    history = still.run("history", "churn", "--json").json["items"]
    assert [(each["seq"], each["hash"]) for each in history] == [(e.seq, e.hash) for e in still.reg.history("churn")]


def test_a_pipe_gets_exact_values_and_whole_texts(site: Site) -> None:
    message = "word " * 500 + "end"
    site.reg.register("churn", [site.make("x")], metrics={"auc": 1 / 3}, message=message)
    row = site.run("versions", "churn", "--limit", "1").lines[0].split("\t")
    assert row[0] == "churn@4"
    assert row[7] == f"auc={1 / 3!r}"
    assert row[9] == message


def test_cat_writes_bytes(site: Site) -> None:
    site.reg.register("churn", [site.make("raw.bin", bytes(range(256)))])
    out = site.folder / "copy"
    assert shell(f'registry -C "{site.root}" cat churn@4 >"{out}"').code == 0
    assert out.read_bytes() == bytes(range(256))
    refused = site.run("cat", "churn@4", "--json")
    assert (refused.code, refused.out) == (2, "")
    assert json.loads(refused.err)["error"] == "usage"


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (("show", "churn@99"), 3, "not-found"),
        (("show", "Churn"), 2, "usage"),
        (("delete", "churn@1", "-y"), 4, "conflict"),
        (("register", "churn", "/dev/null"), 5, "refused"),
        (("versions", "churn", "--limit", "x"), 2, "usage"),
        (("nonsense",), 2, "usage"),
        (("show",), 2, "usage"),
    ],
)
def test_an_error_is_json_on_standard_error(words: tuple[str, ...], code: int, kind: str, still: Site) -> None:
    answer = still.run(*words, "--json")
    assert (answer.code, answer.out) == (code, "")
    error = json.loads(answer.err)
    assert error == {
        "schema": 1, "kind": "error", "error": kind, "message": error["message"], "hint": error["hint"],
        "exit_code": code,
    }  # fmt: skip
    assert error["message"]


@pytest.mark.parametrize("place", ["before", "behind"])
def test_options_stand_before_or_behind_the_verb(place: str, still: Site) -> None:
    for options in (["-C", str(still.root)], [f"--registry={still.root}"]):
        for verb, extra in (("list", []), ("path", ["churn@1"])):
            for form in ([], ["--json"], ["-q"]):
                words = [*options, *form, verb, *extra] if place == "before" else [verb, *extra, *options, *form]
                answer = run(*words)
                assert answer.code == 0, (words, answer)
                assert answer.out == still.run(verb, *extra, *form).out


def test_references_from_standard_input(site: Site) -> None:
    assert site.run("restore", "-", stdin=b"churn@3\n\n").lines == ["churn@3"]
    listed = site.run("versions", "risk/fraud", "-q").out.encode() + b"churn@3\n"
    assert site.spawn("archive", "-", stdin=listed).lines == ["risk/fraud@1", "churn@3"]
    assert site.run("archive", "-") == Answer(0, "", "nothing to do\n")  # what a cron job pipes may be nothing
    assert_refused(site.run("archive", "-", stdin=b"churn@3\n; rm -rf /\n"), 2)
    assert_refused(site.run("archive", "-", stdin=b"\xff\xfe\n"), 2)
