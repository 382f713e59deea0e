"""Params and metrics on the command line: what is better, what is stored, what is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli import InvalidInput, Refused, Registry
from registry_cli.cli.formatting import format_numbers
from registry_cli.rules.retention_rules import RetentionRules
from tests.commands import Answer, environment, on_terminal, run, uncoloured


class Shop:
    """A registry in which versions of ``churn`` are made with one line."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "registry"
        self.reg = Registry.init(self.root, author="alice")
        self._count = 0

    def file(self, name: str = "model.bin", content: str = "") -> Path:
        self._count += 1
        path = self.folder / name
        path.write_text(content or f"content {self._count}", encoding="utf-8")
        return path

    def register(self, *words: object, model: str = "churn") -> Answer:
        return self.run("register", model, self.file(), "--no-lineage", *words)

    def run(self, *words: object) -> Answer:
        return run(*words, root=self.root)

    def shown(self, *words: object) -> str:
        answer = on_terminal(*words, root=self.root, columns=100, env=environment(TERM="xterm-256color"))
        assert answer.code == 0, answer
        return uncoloured(answer.out)

    def set(self, text: str, document: str = "models/churn/model.yaml") -> None:
        path = self.root / document
        path.write_text((path.read_text() if path.exists() else "format: 1\n") + text)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def metrics_of(shop: Shop, *values: float, name: str = "drift") -> None:
    for value in values:
        shop.reg.register("churn", [shop.file()], metrics={name: value})


class TestDirections:
    """One function decides for compare, diff, log-metric, --best, retention and gates."""

    def test_a_listed_metric(self, shop: Shop) -> None:
        metrics_of(shop, 0.1, 0.2, name="mape")
        assert shop.run("compare", "churn").lines[1].split("\t")[:3] == ["metrics", "mape", "churn@1"]
        (metric,) = shop.run("diff", "churn@1", "2", "--json").json["metrics"]
        assert metric["better"] is False
        assert shop.run("archive", "churn", "--best", "mape:1", "-n").code == 2
        assert shop.run("archive", "churn", "--best", "mape:1:min", "-n").lines == [
            "churn@2\tarchive\tnot one of the best 1 by mape\t9", "churn@1\tkeep\tthe best by mape\t0",
        ]  # fmt: skip
        assert shop.run("log-metric", "churn@1", "mape=0.05").err == "churn@1: metrics set: mape 0.1 -> 0.05 (better)\n"

    def test_a_correction_that_is_stored_is_no_error(self, shop: Shop) -> None:
        metrics_of(shop, 1)
        shop.set("metrics: {drift: up}\n", "registry.yaml")
        answer = shop.run("log-metric", "churn@1", "drift=2")
        assert (answer.code, answer.out) == (0, "churn@1\n")
        assert "'up' is not a direction" in answer.err and "metrics set: drift 2" in answer.err
        assert shop.reg.version("churn@1").metrics == {"drift": 2}

    def test_a_metric_of_unknown_direction(self, shop: Shop) -> None:
        metrics_of(shop, 1, 2)
        assert shop.run("compare", "churn").lines[1].split("\t")[:3] == ["metrics", "drift", ""]
        (metric,) = shop.run("diff", "churn@1", "2", "--json").json["metrics"]
        assert metric["better"] is None
        refused = shop.run("archive", "churn", "--best", "drift:1")
        assert refused.code == 2
        assert "drift:1:min or drift:1:max" in refused.err
        assert shop.run("prune", "churn", "--older-than", "0s", "--best", "drift:1", "--yes").code == 2
        assert shop.run("archive", "churn", "--best", "drift:1:max", "-n").code == 0
        assert shop.run("archive", "churn", "--best=-drift:1", "-n").code == 0
        assert shop.run("log-metric", "churn@1", "drift=3").err == "churn@1: metrics set: drift 1 -> 3\n"
        with pytest.raises(InvalidInput, match="drift:1:min"):
            shop.reg.retention.plan("churn", "archive", RetentionRules.build(best=["drift:1"]))
        with pytest.raises(InvalidInput, match="drift:1:min"):
            shop.reg.retention.retain("churn", "archive", RetentionRules.build(best=["drift:1"]))

    @pytest.mark.parametrize("document", ["models/churn/model.yaml", "models/risk/group.yaml", "registry.yaml"])
    def test_a_declared_direction(self, shop: Shop, document: str) -> None:
        name = "risk/churn" if "group" in document else "churn"
        for value in (1, 2):
            shop.reg.register(name, [shop.file()], metrics={"drift": value})
        shop.set("metrics: {drift: lower}\n", document)
        assert shop.run("compare", name).lines[1].split("\t")[:3] == ["metrics", "drift", f"{name}@1"]
        (metric,) = shop.run("diff", f"{name}@1", "2", "--json").json["metrics"]
        assert metric["better"] is False
        assert "keep\tthe best by drift" in shop.run("archive", name, "--best", "drift:1", "-n").lines[1]
        assert shop.reg.policies.directions(name).direction("drift") == "lower"
        line = len((shop.root / document).read_text().splitlines())
        assert f"\tmetrics.drift\tlower\t{document}\t{line}" in shop.run("config", "show", name).lines

    def test_the_nearest_declaration_counts(self, shop: Shop) -> None:
        metrics_of(shop, 1, 2, name="auc")
        shop.set("metrics: {auc: lower, drift: lower}\n", "registry.yaml")
        shop.set("metrics: {auc: higher}\n")
        found = shop.reg.policies.directions("churn")
        assert (found.direction("auc"), found.direction("drift")) == ("higher", "lower")

    def test_a_mistake_is_told_with_its_line(self, shop: Shop) -> None:
        metrics_of(shop, 1, 2)
        shop.set("metrics:\n  drift: down\n")
        line = len((shop.root / "models/churn/model.yaml").read_text().splitlines())
        for words in (["compare", "churn"], ["config", "show", "churn"], ["archive", "churn", "--best", "drift:1"]):
            answer = shop.run(*words)
            assert answer.code == 2, words
            assert f"model.yaml, line {line}: metrics.drift: 'down' is not a direction" in answer.err

    def test_a_policy_keeps_all_without_a_direction(self, shop: Shop) -> None:
        metrics_of(shop, 1, 2, 3)
        shop.set("retention:\n  archive: {best: 'drift:1'}\n", "registry.yaml")
        for words in (["prune", "--all", "--yes"], ["prune", "--all", "-n"]):
            answer = shop.run(*words)
            assert answer.code == 0
            assert (
                "churn: the direction of metric 'drift' is unknown, so its retention policy keeps every" in answer.err
            )
        assert len(list(shop.reg.versions("churn"))) == 3
        shop.set("metrics: {drift: lower}\n")
        assert shop.run("prune", "--all", "--yes").err.count("warning") == 0
        assert [each.ref for each in shop.reg.versions("churn")] == ["churn@1"]

    def test_a_policy_that_reads_like_the_worst_is_a_mistake(self, shop: Shop) -> None:
        metrics_of(shop, 1, 2, name="loss")
        shop.set("retention:\n  archive: {best: 'loss:1'}\n")
        answer = shop.run("prune", "--all", "--yes")
        assert answer.code == 2
        assert "model.yaml, line " in answer.err
        assert "retention.archive.best: 'loss:1' needs to state whether" in answer.err
        assert len(list(shop.reg.versions("churn"))) == 2
        shop.set("metrics: {loss: lower}\n")
        assert shop.run("prune", "--all", "--yes").code == 0
        assert [each.ref for each in shop.reg.versions("churn")] == ["churn@1"]

    @pytest.mark.parametrize(
        ("metric", "worse", "better", "declared"),
        [("auc", 0.8, 0.95, ""), ("mape", 0.95, 0.8, ""), ("drift", 0.95, 0.8, "metrics: {drift: lower}\n")],
    )
    def test_a_gate(self, shop: Shop, metric: str, worse: float, better: float, declared: str) -> None:
        metrics_of(shop, 0.9, worse, better, name=metric)
        shop.reg.promote("churn@1", "staging")
        shop.set(f"policy:\n  staging:\n    against_current:\n      {metric}: {{max_worse: 1%}}\n{declared}")
        with pytest.raises(Refused):
            shop.reg.promote("churn@2", "staging")
        shop.reg.promote("churn@3", "staging")

    def test_a_gate_without_a_direction_is_shut(self, shop: Shop) -> None:
        metrics_of(shop, 1, 1)
        shop.set("policy:\n  staging:\n    against_current:\n      drift: {max_worse: 1%}\n")
        answer = shop.run("promote", "churn@1", "staging")
        assert answer.code == 5
        assert "unknown whether lower or higher is better" in shop.run("check", "churn@1", "staging").out


NEAR = [
    (0.9999999, 1), (0.93000001, 0.93000002), (1e-9, 0), (123456789.5, 123456790.0), (0.1 + 0.2, 0.3), (2**53, 2**53 + 1),
]  # fmt: skip


class TestShown:
    """Values that differ look different, wherever they are shown."""

    def test_near_values(self, shop: Shop) -> None:
        for side in (0, 1):
            shop.reg.register("churn", [shop.file()], metrics={f"m{at}": pair[side] for at, pair in enumerate(NEAR)})
        shop.reg.log_metric("churn@1", {f"m{at}": pair[1] for at, pair in enumerate(NEAR)})
        shop.reg.log_metric("churn@1", {f"m{at}": pair[0] for at, pair in enumerate(NEAR)})
        rows = [line.split() for line in shop.shown("versions", "churn").splitlines()[1:] if line]
        assert all(one != other for one, other in zip(rows[0][2:5], rows[1][2:5], strict=True))
        columns = ",".join(f"metrics.m{at}" for at in range(len(NEAR)))
        rows = [line.split() for line in shop.shown("versions", "churn", "--columns", columns).splitlines()[1:] if line]
        assert all(one != other for one, other in zip(*rows, strict=True))
        lines = [
            each.split() for each in shop.shown("diff", "churn@1", "churn@2").splitlines() if re.match("~ m[0-9]", each)
        ]
        assert len(lines) == len(NEAR)
        assert all(words[2] != words[4] for words in lines)
        lines = [each.split() for each in shop.shown("compare", "churn").splitlines() if each.startswith("  m")]
        assert len(lines) == len(NEAR)
        assert all(words[-1] != words[-2] for words in lines)

    @pytest.mark.parametrize("pair", NEAR)
    def test_near_numbers(self, pair: tuple[float, float]) -> None:
        assert len(set(format_numbers(pair))) == 2

    @given(st.lists(st.one_of(st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False))))
    def test_different_numbers_look_different(self, values: list[float]) -> None:
        shown = format_numbers(values)
        assert len(set(shown)) == len({0.0 if value == 0 else value for value in values}) or -0.0 in values
        for value, text in zip(values, shown, strict=True):
            assert float(text) == pytest.approx(value, rel=1e-5)
            assert not float(text).is_integer() or float(value).is_integer()


class TestGiven:
    """What is stored of params and metrics, and what is said of those that are not."""

    def test_what_is_not_valid_is_named_or_skipped(self, shop: Shop) -> None:
        path = shop.file("results.json", '{"auc": 0.9, "note": "high", "cm": [[1]], "loss": NaN, "empty": null}')
        refused = shop.register("--metrics-file", path)
        assert refused.code == 2
        assert "3 metrics are invalid" in refused.err
        assert all(f"'{name}'" in refused.err and str(path) in refused.err for name in ("note", "cm", "loss"))
        assert "--skip-invalid" in refused.err
        done = shop.register("--metrics-file", path, "--skip-invalid", "-m", "f1=nan", "--json")
        assert done.code == 0
        assert done.json["metrics"] == {"auc": 0.9}
        assert {(each["kind"], each["name"], each["file"]) for each in done.json["skipped"]} == {
            ("metric", "note", str(path)), ("metric", "cm", str(path)), ("metric", "loss", str(path)), ("metric", "f1", None),
        }  # fmt: skip
        assert done.err.count("warning: skipped: ") == 4
        assert shop.register("-m", "auc=high").code == 2

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("m.json", '{{"auc": 0.9, "deep": {{"big": {0}}}}}'), ("m.yaml", "auc: 0.9\ndeep:\n  big: {0}\n"),
            ("m.txt", '{{"auc": 0.9, "deep": {{"big": {0}}}}}'), ("m.jsonl", '{{"auc": 0.9}}\n{{"deep.big": {0}}}\n'),
            ("m.csv", "auc,deep.big\n0.9,{0}\n"), ("m.toml", "auc = 0.9\ndeep.big = 0.{0}\n"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("count", [101, 5_000])
    def test_a_number_of_very_many_digits_is_skipped_alone(self, shop: Shop, name: str, text: str, count: int) -> None:
        if name.endswith(".toml"):
            pytest.importorskip("tomllib", reason="Python 3.11 or newer")
        path = shop.file(name, text.format("7" * count))
        assert shop.register("--metrics-file", path).code == 2
        for kind in ("metric", "param") if path.suffix not in (".csv", ".jsonl") else ("metric",):
            done = shop.register(f"--{kind}s-file", path, "--skip-invalid", "--json")
            assert (done.code, done.json[f"{kind}s"]) == (0, {"auc": 0.9})
            (skipped,) = done.json["skipped"]
            assert (skipped["kind"], skipped["name"], skipped["file"]) == (kind, "deep.big", str(path))
            assert "warning: skipped: the value of 'deep.big' has more than 100 digits" in done.err

    def test_keys_are_selected(self, shop: Shop) -> None:
        path = shop.file("results.json", '{"eval_auc": 0.9, "eval_note": "x", "train": {"loss": 1}, "chat": "y"}')
        words = ["--metrics-file", path, "--metrics-only", "*loss", "--metrics-only", "*auc", "--metrics-only", "zz*"]
        done = shop.register(*words, "-m", "f1=1", "--params-file", path, "--params-only", "chat", "--json")
        assert (done.json["metrics"], done.json["params"]) == (
            {"eval_auc": 0.9, "train.loss": 1, "f1": 1},
            {"chat": "y"},
        )
        assert "warning: no metric matches 'zz*'" in done.err

    def test_what_has_no_value_is_left_out_and_said(self, shop: Shop) -> None:
        path = shop.file("params.json", '{"dropout": null, "sched": {}, "lr": 0.1}')
        done = shop.register("--params-file", path, "-p", "seed=null", "-p", "depth=None", "-p", "name=")
        assert shop.reg.version("churn@1").params == {"lr": 0.1, "name": ""}
        assert "skipped, no value: sched, dropout, seed, depth" in done.err

    def test_what_is_typed_takes_precedence(self, shop: Shop) -> None:
        path = shop.file("m.json", '{"auc": "bad", "f1": 0.5}')
        assert shop.register("--metrics-file", path, "-m", "auc=0.9", "--json").json["metrics"] == {
            "f1": 0.5,
            "auc": 0.9,
        }

    def test_log_metric(self, shop: Shop) -> None:
        metrics_of(shop, 1)
        path = shop.file("metrics.csv", "epoch,val_loss,note\n0,0.7,\n1,0.5,x\n")
        assert shop.run("log-metric", "churn@1", "--metrics-file", path).code == 2
        done = shop.run("log-metric", "churn@1", "auc=0.9", "--metrics-file", path, "--skip-invalid", "--json")
        assert [each["name"] for each in done.json["skipped"]] == ["note"]
        assert shop.reg.version("churn@1").metrics == {"drift": 1, "epoch": 1, "val_loss": 0.5, "auc": 0.9}
        assert shop.run("log-metric", "churn@1").code == 2

    def test_the_api(self, shop: Shop) -> None:
        params = {"hidden": (64, 32), "opt": {"name": "adam"}, "none": None, "big": 10**30, "path": Path("a")}
        done = shop.reg.register(
            "churn", [shop.file()], params=params, metrics={"a": {"auc": 0.9}, "x": "y"},
            skip_invalid=True,
        )  # fmt: skip
        assert done.params == {"hidden": "[64, 32]", "opt.name": "adam", "big": str(10**30), "path": "a"}
        assert done.metrics == {"a.auc": 0.9}
        assert [each.name for each in done.skipped] == ["x"]
        with pytest.raises(InvalidInput, match="'x' is 'y'"):
            shop.reg.log_metric("churn@1", {"x": "y"})
        assert shop.reg.log_metric("churn@1", {"x": "y", "f1": 1}, skip_invalid=True).skipped[0].name == "x"

    def test_a_text_of_many_lines(self, shop: Shop) -> None:
        """It is shown, listed, compared, searched and exported as any other param."""
        template = "{% for m in messages %}\n\t{{ m }}\u202e\r\n{% endfor %}" + "x" * 60_000
        path = shop.file("args.json", json.dumps({"chat_template": template}))
        for words in ([], ["-p", "lr=1"]):
            assert shop.register("--params-file", path, *words).code == 0
        assert shop.reg.version("churn@1").params["chat_template"] == template
        assert shop.run("search", "params.chat_template ~ 'endfor'", "-q").lines == ["churn@2", "churn@1"]
        for words in (["show", "churn@1"], ["compare", "churn", "--all-rows"], ["card", "churn@1"]):
            answer = shop.run(*words)
            assert answer.code == 0
            assert "\u202e" not in answer.out
            assert len([line for line in answer.lines if "endfor" in line]) == 1, "on one line"
        for kind in ("mlflow", "bentoml", "hf", "cyclonedx.json"):
            done = shop.run("export", "churn@1", shop.folder / f"out.{kind}", "--format", kind.partition(".")[0])
            assert done.code in (0, 2), done  # MLflow must know a flavor, which these bytes have not
        assert shop.run("export", "churn", shop.folder / "all.tar").code == 0
        other = Registry.init(shop.folder / "other")
        run("import", shop.folder / "all.tar", root=other.root)
        assert other.version("churn@1").params["chat_template"] == template
        assert shop.run("verify").code == 0
