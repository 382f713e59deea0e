"""Writes the JSON Schemas of ``registry.yaml``, ``group.yaml``, ``model.yaml`` and ``targets.yaml`` from the keys that the parsers know.

Each key has its schema here; one that a parser knows and this does not, or the other way round, stops the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from registry_cli import schemas
from registry_cli.lineage import process_info
from registry_cli.rules import metric_directions, monitor_rules, retention_rules, scan_policy, settings_errors
from registry_cli.rules.policy import command_checks, policy_parser
from registry_cli.serving import targets as target_parser

Schema = dict[str, Any]

_STAGE = "^[a-z][a-z0-9_-]{0,31}$"
_BOUND = r"^\s*(>=|<=|==|>|<|=)\s*[-+]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?\s*$"
_DURATION = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*[A-Za-z]+$"}
_PERCENT = {"type": "string", "pattern": r"^\s*[0-9]{1,40}(\.[0-9]{1,40})?\s*%\s*$"}
_LINE: Schema = {"type": "string", "minLength": 1}


def told(description: str, schema: Mapping[str, Any]) -> Schema:
    return {"description": description, **schema}


def listed(of: Mapping[str, Any], least: int = 1) -> Schema:
    return {"type": "array", "items": dict(of), "minItems": least}


def mapping(of: Mapping[str, Any]) -> Schema:
    return {"type": "object", "additionalProperties": dict(of)}


def keys(known: Iterable[str], of: Mapping[str, Schema], **more: Any) -> Schema:
    """A mapping of these keys and no other."""
    missing = set(known) ^ of.keys()
    if missing:
        raise SystemExit(f"docs/schemas.py and the parser differ in {', '.join(sorted(missing))}")
    return {"type": "object", "properties": {key: of[key] for key in known}, "additionalProperties": False, **more}


def nullable(schema: Schema) -> Schema:
    """Below ``override: true``, null takes away what is said above."""
    return {"description": schema.get("description", ""), "anyOf": [schema, {"type": "null"}]}


def require() -> Schema:
    bound = {"type": "string", "pattern": _BOUND}
    of = {
        "fields": told("Each of these must say something: description and owner of the model, message, annotations.X, "
                       "params.X … of the version.", listed(_LINE)),
        "tags": told("Each tag has just this text. Put it in quotes.", mapping(_LINE)),
        "metrics": told("Each metric is there and compares: '>= 0.90'.", mapping({"anyOf": [bound, listed(bound)]})),
        "files": told("Each pattern fits a file of the artifact.", listed(_LINE)),
        "forbid": told("No pattern fits a file of the artifact.", listed(_LINE)),
        "max_size": told("The files together are at most so large: 5GB, 500MiB, or a number of bytes.",
                         {"anyOf": [{"type": "integer", "minimum": 0}, _LINE]}),
        "where": told("A query that must select the version.", _LINE),
        "signed_by": told("One of these principals of allowed_signers has signed the version.", listed(_LINE)),
        "monitor": told("What the metrics measured while it was in use must satisfy: name to bounds.", mapping(monitor_rule())),
        "min_age_in_stage": told("It has held a stage of 'from' for so long: 2d, 12h.", _DURATION),
    }  # fmt: skip
    return keys(policy_parser.REQUIRE_KEYS, of)


def monitor_rule() -> Schema:
    number, count = {"type": "number"}, {"type": "integer", "minimum": 1}
    of = {
        "min": told("The mean over a window is at least this.", number),
        "max": told("The mean over a window is at most this.", number),
        "against": told("A bound relative to the registered metric: registered-0.02, registered+5%.", {"type": "string", "pattern": "^registered"}),
        "window": told("How long the windows are: 7d, 12h.", _DURATION),
        "at_least": told("So many samples a window needs.", count),
        "for": told("So many windows in a row must be outside of the bounds.", {**count, "maximum": monitor_rules.MOST_WINDOWS}),
    }  # fmt: skip
    return keys(monitor_rules.RULE_KEYS, of, anyOf=[{"required": [key]} for key in ("min", "max", "against")])


def monitor() -> Schema:
    rule = monitor_rule()
    defaults = {key: rule["properties"][key] for key in ("window", "at_least", "for")}
    defaults["stale"] = told("Nothing recorded for so long is an alert: 2d.", _DURATION)
    known = {key: nullable(each) for key, each in defaults.items()}
    return told("Rules about metrics of versions in use: name or glob to bounds.",
                {"type": "object", "properties": {key: known[key] for key in monitor_rules.DEFAULT_KEYS},
                 "additionalProperties": nullable(rule)})  # fmt: skip


def against() -> Schema:
    amount = {"anyOf": [{"type": "number", "minimum": 0}, _PERCENT]}
    of = {
        "max_drop": told("It is lower by at most so much: 0.005, or 1% of the present value.", amount),
        "max_rise": told("It is higher by at most so much.", amount),
        "max_worse": told(
            "It is worse by at most so much: lower or higher, as 'metrics' or the list of names has it.", amount
        ),
    }
    return mapping(keys(policy_parser.AGAINST_KEYS, of))


def check() -> Schema:
    command = {"anyOf": [_LINE, listed({"type": "string"})]}
    of = {
        "run": told(
            "The command, as one text or as a list of arguments; {path}, {ref} and {stage} are put in.", command
        ),
        "time_limit": told("How long it may take: 30s, 10min. 10min if left out.", _DURATION),
        "name": told("What the rule is called. The name of the program if left out.", _LINE),
    }
    return {"anyOf": [*command["anyOf"], keys(command_checks.KEYS, of, required=["run"])]}


def stage(*, nearer: bool) -> Schema:
    """The policy of a stage; in a ``nearer`` document it can override what is around it."""
    wrap = nullable if nearer else dict
    requires, againsts = require(), against()
    if nearer:
        requires["properties"] = {key: nullable(each) for key, each in requires["properties"].items()}
    of = {
        "from": told("The version holds one of these stages, or has held one.",
                     listed({"type": "string", "pattern": _STAGE}, 0 if nearer else 1)),
        "require": told("What the version itself must be.", requires),
        "against_current": told("How much worse it may be than what holds the stage now.", againsts),
        "checks": told("Commands that must end with 0. They run on the machine of whoever promotes, once that person "
                       "has said yes: registry trust.", listed(check(), 0 if nearer else 1)),
        "approvals": told("How many accounts must have approved the version.", {"type": "integer", "minimum": 1, "maximum": 1000}),
        "approvers": told("Whose approvals count: accounts, or '@team' for a Unix group.", listed(_LINE, 0 if nearer else 1)),
        "not_author": told("Whether the approval of who registered the version does not count.", {"type": "boolean"}),
        "signed": told("Approvals count only if their author signed them, with a key in allowed_signers.",
                       {"const": policy_parser.REQUIRED}),
        "override": told("What is said here takes the place of what is said above, key by key.", {"type": "boolean"}),
        "force": told("Whether promote --force may override rules that fail. true if left out.", {"type": "boolean"}),
        "override_rejections": told("Whether promote --force may also override a rejection. false if left out.",
                                    {"type": "boolean"}),
    }  # fmt: skip
    found = keys(policy_parser.STAGE_KEYS, of)
    if not nearer:
        del found["properties"]["override"]
    plain = ("override",)
    found["properties"] = {key: each if key in plain else wrap(each) for key, each in found["properties"].items()}
    return found


def policy(*, nearer: bool) -> Schema:
    words = "What a version must satisfy to enter a stage, stage by stage."
    words += " It comes on top of what is said for more models." if nearer else ""
    return told(
        words, {"type": "object", "patternProperties": {_STAGE: stage(nearer=nearer)}, "additionalProperties": False}
    )


def retention() -> Schema:
    best = {"type": "string", "pattern": r"^-?[^-].*:[0-9]{1,9}(:(min|max))?$"}
    of = {
        "older_than": told("Keep what is younger: 90d, 12w, 1y.", _DURATION),
        "keep": told("Keep the newest N.", {"type": "integer", "minimum": 1, "maximum": retention_rules.MOST}),
        "best": told("Keep the best: auc:3 the highest, -loss:3 or loss:3:min the lowest.", {"anyOf": [best, listed(best)]}),
        "where": told("Keep what does not fit this query.", _LINE),
        "keep_holders": told("Keep the last N that held each stage. 3 if left out.",
                             {"type": "integer", "minimum": 0, "maximum": retention_rules.MOST}),
    }  # fmt: skip
    of["compress"] = told("Pack what is archived.", {"enum": [True, False, "gzip", "zstd"]})
    section = keys(retention_rules.KEYS, of)
    plain = {**section, "properties": {key: each for key, each in of.items() if key != "compress"}}
    off = {"anyOf": [section, {"type": "null"}]}
    sections = {
        "archive": told("Which versions 'prune' archives.", off),
        "prune": told("Which archived versions 'prune' deletes; needs older_than.",
                      {"anyOf": [{**plain, "required": ["older_than"]}, {"type": "object", "maxProperties": 0}, {"type": "null"}]}),
    }  # fmt: skip
    return told("Which versions go by themselves: what 'registry prune --all' follows. A version stays if any rule keeps it.",
                keys(retention_rules.SECTIONS, sections))  # fmt: skip


def documents() -> dict[str, Schema]:
    """Each schema by its name."""
    texts = mapping({"type": "string"})
    modes = {"enum": list(scan_policy.MODES)}
    common = {
        "format": told("The format of the store.", {"const": 1}),
        "owner": told("Who answers for it: an account, a team.", {"type": "string"}),
        "description": told("What it is for.", {"type": "string"}),
        "created": told("When it was made.", {"type": "string"}),
        "retention": retention(),
        "monitor": monitor(),
        "metrics": told(
            "Whether lower or higher values of a metric are better: name to lower or higher.",
            mapping({"enum": [metric_directions.LOWER, metric_directions.HIGHER]}),
        ),
    }
    registry = {
        "format": common["format"],
        "id": told("The registry's id, made once.", {"type": "string", "pattern": "^[0-9a-f]{32}$"}),
        "created": common["created"],
        "shared": told("Who may write: the owner, or everyone in the Unix group of the folder.", {"enum": ["private", "group"]}),
        "stages": told("The stages, in order.", {**listed({"type": "string", "pattern": _STAGE}), "uniqueItems": True}),
        "scan": told("What is refused when a version is registered, by what loading it would run.",
                     {"anyOf": [modes, {"type": "object", "properties": {"mode": modes, "allow": {"type": "array", "items": _LINE}},
                                        "additionalProperties": False}]}),
        "lineage": told("What is recorded by itself of where a version comes from; all if left out, nothing if empty.",
                        listed({"enum": list(process_info.PARTS)}, 0)),
        "policy": policy(nearer=False),
        "retention": common["retention"],
        "metrics": common["metrics"],
        "monitor": common["monitor"],
    }  # fmt: skip
    group = {
        **{key: common[key] for key in ("format", "owner", "description", "retention", "metrics", "monitor")},
        "policy": policy(nearer=True),
    }
    model = {
        **{
            key: common[key] for key in ("format", "created", "owner", "description", "retention", "metrics", "monitor")
        },
        "intended_use": told("For the model card: what it is for, and for whom.", {"type": "string"}),
        "limitations": told(
            "For the model card: where it is not to be used, and what it gets wrong.", {"type": "string"}
        ),
        "data": told("For the model card: what it was trained with.", {"type": "string"}),
        "ethics": told("For the model card: what is to be considered.", {"type": "string"}),
        "license": told(
            "For the model card: an SPDX identifier, an expression, or LicenseRef-NAME.", {"type": "string"}
        ),
        "licence": told("As license.", {"type": "string"}),
        "tags": told("Labels of the model: name to text.", texts),
        "annotations": told("What is said of the model: name to text.", texts),
        "id": told(
            "What stays the same under every name of the model; lineages record it.",
            {"type": "string", "pattern": "^[0-9A-Za-z_-]{8,64}$"},
        ),
        "formerly": told("The names that it had before it was renamed.", listed({"type": "string"})),
        "policy": policy(nearer=True),
    }
    return {
        "registry": top("registry.yaml", keys(settings_errors.REGISTRY_KEYS, registry, required=["format", "id"])),
        "group": top("group.yaml", keys(settings_errors.GROUP_KEYS, group, required=["format"])),
        "model": top("model.yaml", keys(settings_errors.MODEL_KEYS, model, required=["format"])),
        "targets": top("targets.yaml", targets()),
    }


def targets() -> Schema:
    absolute = {"type": "string", "pattern": "^/."}
    command = {"anyOf": [_LINE, listed({"type": "string"})]}
    of = {
        "layout": told("The server whose folder it is.", {"enum": list(target_parser.LAYOUTS)}),
        "path": told("The folder that the server reads; absolute, outside the registry.", absolute),
        "host": told("The machine that has the path, as 'uname -n' prints it; every machine if left out.", _LINE),
        "follows": told("The stage whose version 'registry sync' deploys.", {"type": "string", "pattern": _STAGE}),
        "models": told("The models that 'registry sync' deploys, besides those that were deployed there: names or "
                       "patterns like risk/*.", listed(_LINE, 0)),
        "probe": told("The address at which the server says what it runs; of a server that is not known, "
                      "ADDRESS#/JSON/POINTER of the version.", {"type": "string", "pattern": "^https?://"}),
        "reload": told("How the server takes a new version: none (it looks by itself), api, or a command, which has to be "
                       "trusted: registry trust --target NAME. none if left out.", command),
        "keep": told("How many versions stay in the folder. 2 if left out.", {"type": "integer", "minimum": 1, "maximum": 1000}),
        "wait": told("How long the server has to run a new version: 30s, 5min. 2min if left out.", _DURATION),
        "server_path": told("The folder as the server sees it, for example in a container.", _LINE),
        "handler": told("The handler of TorchServe, for versions without a handler.py.", _LINE),
    }  # fmt: skip
    target = keys(target_parser.KEYS, of, required=["layout", "path"])
    named = {
        "type": "object",
        "patternProperties": {"^[a-z0-9][a-z0-9._-]{0,62}$": target},
        "additionalProperties": False,
    }
    known = {
        "format": told("The format of the store.", {"const": 1}),
        "targets": told("The places where versions are served, by name.", {"anyOf": [named, {"type": "null"}]}),
    }
    return keys(target_parser.DOCUMENT_KEYS, known, required=["format"])


def top(title: str, schema: Schema) -> Schema:
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": title, **schema}


def text(name: str) -> str:
    return json.dumps(documents()[name], indent=1, ensure_ascii=False) + "\n"


def write() -> None:
    for name in schemas.NAMES:
        schemas.path(name).write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    write()
