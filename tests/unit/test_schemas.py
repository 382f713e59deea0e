"""The schemas say what the parsers say, and what ``init`` writes can be had as it stands there."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from registry_cli import InvalidInput, Registry, schemas
from registry_cli.core.yaml import documents
from registry_cli.rules import monitor_rules, retention_rules, settings_errors
from registry_cli.rules.policy import command_checks, policy_parser
from registry_cli.rules.retention_rules import RetentionPolicy
from registry_cli.rules.settings_errors import SettingsSource
from registry_cli.serving import targets
from registry_cli.store import codec
from tests.support import merge_policies
from tests.unit import test_checks, test_policy

ROOT = Path(__file__).parents[2]
STAGES = ("development", "staging", "production")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("schemas_of_docs", ROOT / "docs" / "schemas.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(schemas.text(name))
    return found


def fits(name: str, document: Any) -> bool:
    return bool(jsonschema.Draft7Validator(schema(name)).is_valid(document))


def mappings(said: Any) -> Iterator[set[str]]:
    """The keys of every mapping that a schema knows, however deep."""
    if isinstance(said, dict):
        if isinstance(said.get("properties"), dict):
            yield set(said["properties"])
        for each in said.values():
            yield from mappings(each)
    elif isinstance(said, list):
        for each in said:
            yield from mappings(each)


@pytest.mark.parametrize("name", schemas.NAMES)
def test_they_are_what_the_code_says(name: str) -> None:
    """``make docs`` writes them anew."""
    assert schemas.text(name) == generator().text(name)
    jsonschema.Draft7Validator.check_schema(schema(name))


TOP = {
    "registry": settings_errors.REGISTRY_KEYS,
    "group": settings_errors.GROUP_KEYS,
    "model": settings_errors.MODEL_KEYS,
    "targets": targets.DOCUMENT_KEYS,
}


@pytest.mark.parametrize("name", schemas.NAMES)
def test_every_key_of_the_parsers_is_in_them_and_no_other(name: str) -> None:
    stage = set(policy_parser.STAGE_KEYS) - ({"override"} if name == "registry" else set())
    below = (
        policy_parser.REQUIRE_KEYS,
        policy_parser.AGAINST_KEYS,
        command_checks.KEYS,
        retention_rules.SECTIONS,
        retention_rules.KEYS,
        monitor_rules.DEFAULT_KEYS,
        monitor_rules.RULE_KEYS,
    )
    scan = [("mode", "allow")] if name == "registry" else []
    prune = set(retention_rules.KEYS) - {"compress"}
    expected = {frozenset(each) for each in (TOP[name], stage, prune, *scan, *below)}
    if name == "targets":
        expected = {frozenset(targets.DOCUMENT_KEYS), frozenset(targets.KEYS)}
    assert {frozenset(each) for each in mappings(schema(name))} == expected


REGISTRY = {"format": 1, "id": "0" * 32}
GOOD: list[Any] = [
    {},
    {"production": {}},
    {"production": {"from": ["staging"], "require": {"fields": ["description"], "tags": {"a": "b"}}}},
    {"production": {"require": {"metrics": {"auc": ">= 0.9", "p95": [">= 1", "<= 5.5e-3"]}}}},
    {"production": {"require": {"files": ["x"], "forbid": ["y"], "max_size": 5, "where": "age < 3d"}}},
    {"production": {"require": {"max_size": "5GB", "min_age_in_stage": "2d"}}},
    {"production": {"against_current": {"auc": {"max_drop": 0.005, "max_rise": "1%"}}, "force": False}},
    {"production": {"checks": ["x {path}", ["w", ""], {"run": "x", "time_limit": "3s", "name": "y"}, {"run": ["z"]}]}},
]


@pytest.mark.parametrize("policy", GOOD)
def test_what_the_parser_takes_the_schema_takes(policy: Any) -> None:
    policy_parser.parse_policies(policy, SettingsSource("x"), STAGES)
    assert fits("registry", {**REGISTRY, "policy": policy})
    assert fits("model", {"format": 1, "policy": policy})
    assert fits("group", {"format": 1, "policy": policy})


#: What only a program can tell: queries, names of stages and fields, circles, how large a number in a text is.
BEYOND = re.compile(r"where|unknown stage|unknown field|requires a name|invalid name|elephants|characters|-1|is not a valid size"
                    r"|cannot be parsed|only a shell|not an absolute path|file of the artifact|into the code|not a valid account|not a valid principal|contains '|use the variables|unknown placeholder|time limit|duplicate check"
                    r"|'0s'|'25h'|out of range|at most 24h|NUL|has 51|is not a command|has no value")  # fmt: skip


def mistakes() -> Iterator[Any]:
    for said, words in test_policy.MISTAKES:
        if isinstance(said, dict) and not BEYOND.search(words) and "not supported" not in words:
            yield said
    for said, words in test_checks.MISTAKES:
        if not BEYOND.search(words):
            yield {"production": {"checks": said}}


@pytest.mark.parametrize("policy", list(mistakes()), ids=str)
def test_what_the_parser_refuses_for_its_shape_the_schema_refuses(policy: Any) -> None:
    with pytest.raises(InvalidInput):
        policy_parser.parse_policies(policy, SettingsSource("x"), STAGES)
    if "NaN" not in json.dumps(policy):
        assert not fits("registry", {**REGISTRY, "policy": policy})


def test_many_mistakes_are_compared() -> None:
    assert len(list(mistakes())) > 25


def test_what_only_a_nearer_document_may_say() -> None:
    policy = {"production": {"override": True, "from": None, "checks": None, "require": {"max_size": None}}}
    assert fits("model", {"format": 1, "policy": policy})
    assert fits("group", {"format": 1, "policy": policy})
    assert not fits("registry", {**REGISTRY, "policy": policy})


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ({"archive": {"older_than": "90d", "keep": 3, "best": "auc:3", "where": "age > 1d", "keep_holders": 0}}, True),
        ({"archive": {"best": ["auc:3", "-loss:3", "loss:3:min"]}, "prune": {"older_than": "1y"}}, True),
        ({"archive": {}, "prune": None}, True),
        ({"archiv": {}}, False), ({"archive": {"keep": 0}}, False), ({"archive": {"keep": "3"}}, False),
        ({"prune": {"keep": 3}}, False), ({"archive": {"older": "3d"}}, False), ([], False), ({"archive": {"best": 3}}, False),
        ({"archive": {"older_than": "-3d"}}, False), ({"archive": {"keep_holders": -1, "keep": 2}}, False),
    ],
)  # fmt: skip
def test_retention_is_the_same_for_both(said: Any, good: bool) -> None:
    assert fits("model", {"format": 1, "retention": said}) == good
    if good:
        RetentionPolicy.parse(said, SettingsSource("x"))
    else:
        with pytest.raises(InvalidInput):
            RetentionPolicy.parse(said, SettingsSource("x"))


@pytest.mark.parametrize(
    ("name", "document", "good"),
    [
        ("registry", {**REGISTRY, "stages": ["a", "b"], "shared": "group", "created": "x"}, True),
        ("registry", {**REGISTRY, "stages": ["A"]}, False),
        ("registry", {**REGISTRY, "stages": ["a", "a"]}, False),
        ("registry", {**REGISTRY, "stages": []}, False),
        ("registry", {**REGISTRY, "shared": "world"}, False),
        ("registry", {**REGISTRY, "polcy": {}}, False),
        ("registry", {"format": 2, "id": "0" * 32}, False),
        ("group", {"format": 1, "owner": "risk", "description": "scores"}, True),
        ("group", {"format": 1, "owner": ["risk"]}, False),
        ("group", {"owner": "risk"}, False),
        ("model", {"format": 1, "created": "x", "owner": "y", "description": "z", "tags": {"a": "b"}, "annotations": {}}, True),
        ("model", {"format": 1, "tags": ["a"]}, False),
    ],
)  # fmt: skip
def test_the_documents_as_a_whole(name: str, document: Any, good: bool) -> None:
    assert fits(name, document) == good


def test_a_schema_that_there_is_not() -> None:
    with pytest.raises(InvalidInput, match="unknown schema 'modle'; did you mean 'model'"):
        schemas.text("modle")


# -- what init writes

_SETTING = re.compile(r"^#(?=\S)(?! )", re.MULTILINE)


def written(tmp_path: Path, *stages: str) -> str:
    registry = Registry.init(tmp_path / "registry", stages=stages or codec.DEFAULT_STAGES)
    assert registry.admin.config() == ()
    for name in schemas.NAMES:
        assert (registry.root / ".schemas" / f"{name}.json").read_text() == schemas.text(name)
    return (registry.root / "registry.yaml").read_text()


def settings_of(text: str) -> list[str]:
    """The lines that are settings in a comment."""
    return [line for line in text.splitlines() if re.match(r"#( {2,}\S|[a-z])", line)]


def uncommented(text: str, chosen: set[int]) -> str:
    """The document with the lines of these numbers in force."""
    return "\n".join(line[1:] if at in chosen else line for at, line in enumerate(text.splitlines())) + "\n"


def read(text: str) -> None:
    document = documents.loads_mapping(text.encode(), "registry.yaml")
    source = SettingsSource("registry.yaml", lambda: documents.lines(text.encode()))
    stages = codec.parse_settings(document, source).stages
    merge_policies(
        policy_parser.parse_policies(policy_parser.find_policy(document, source), source, stages), {}, stages
    )
    RetentionPolicy.parse(document.get("retention"), source)
    assert fits("registry", document)


@pytest.mark.parametrize("stages", [(), ("live",), ("no", "yes"), ("dev", "canary", "live")])
def test_all_that_is_commented_can_be_had(tmp_path: Path, stages: tuple[str, ...]) -> None:
    text = written(tmp_path, *stages)
    read(text)
    numbers = {at for at, line in enumerate(text.splitlines()) if line in settings_of(text)}
    assert len(numbers) > 20
    whole = uncommented(text, numbers)
    read(whole)
    (tmp_path / "registry/registry.yaml").write_text(whole)
    names = [line.name for line in Registry(tmp_path / "registry").admin.config()]
    assert {"force", "max_size", "where", "retention.prune.older_than", "checks.latency"} <= set(names)


def test_each_by_itself_can_be_had(tmp_path: Path) -> None:
    """With what it stands below, and no more."""
    lines = written(tmp_path).splitlines()
    numbers = [at for at, line in enumerate(lines) if line in settings_of("\n".join(lines))]
    tried = 0
    for at, following in zip(numbers, [*numbers[1:], numbers[0]], strict=True):
        if depth(lines[following]) > depth(lines[at]):
            continue  # it says nothing by itself
        above, chosen = depth(lines[at]), {at}
        for other in reversed([number for number in numbers if number < at]):
            if depth(lines[other]) < above:
                chosen.add(other)
                above = depth(lines[other])
        if lines[at].strip("# ").startswith(("keep_holders", "compress")):
            continue  # how many are kept is no rule by itself: it is told so
        read(uncommented("\n".join(lines), chosen))
        tried += 1
    assert tried > 15


def depth(line: str) -> int:
    return len(line) - len(line[1:].lstrip()) - 1


def test_every_setting_is_shown(tmp_path: Path) -> None:
    shown = set(re.findall(r"\b([a-z_]+):", "\n".join(settings_of(written(tmp_path)))))
    wanted = {*policy_parser.STAGE_KEYS, *policy_parser.REQUIRE_KEYS, *policy_parser.AGAINST_KEYS, *command_checks.KEYS}
    wanted |= {*retention_rules.SECTIONS, *retention_rules.KEYS, "policy", "retention", "monitor"}
    assert wanted - shown == {"override"}, "which is for nearer documents"


def test_an_editor_finds_the_schema(tmp_path: Path) -> None:
    first = written(tmp_path).splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match
    assert (tmp_path / "registry" / match[1]).read_text() == schemas.text("registry")


def test_what_somebody_has_there_is_not_written_over(tmp_path: Path) -> None:
    own = tmp_path / "registry/.schemas/model.json"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    Registry.init(tmp_path / "registry")
    assert own.read_text() == "mine"
