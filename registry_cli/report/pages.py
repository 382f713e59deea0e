"""The pages of a report: one about the registry, one about each model; or all of it in one file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from . import charts, sections
from .html import Child, Markup, element, join
from .report_data import ModelReport, RegistryReport

STYLE, SCRIPT, INDEX, DATA = "style.css", "script.js", "index.html", "data.json"
#: What the data of a report calls itself.
KIND = "registry-report"
#: How many of the last versions a row draws.
_SPARK = 12


def build_site(report: RegistryReport) -> dict[str, bytes]:
    """The files of a report as a folder: path to content."""
    links = {each.model.name: f"models/{quote(each.model.name)}.html" for each in report.models}
    found = {
        STYLE: _read(STYLE),
        INDEX: _page(report.title, report.registry.id, _index(report, links), linked="", script=True),
    }
    for each in report.models:
        up = "../" * (each.model.name.count("/") + 1)
        trail = element("nav", element("a", report.title, href=f"{up}{INDEX}"), class_="trail")
        body = join(_header(each, trail), element("main", _model(each), id="main"), _footer(report))
        found[f"models/{each.model.name}.html"] = _page(
            f"{each.model.name} - {report.title}", report.registry.id, body, linked=up
        )
    return {**found, DATA: _data(report, found)}


def build_page(report: RegistryReport) -> bytes:
    """A report as one file."""
    links = {each.model.name: f"#model-{quote(each.model.name)}" for each in report.models}
    models = [
        element("article", element("h1", each.model.name), _model(each), id=f"model-{each.model.name}")
        for each in report.models
    ]
    return _page(report.title, report.registry.id, _index(report, links, models), script=True)


def _read(name: str) -> bytes:
    return files(__package__).joinpath(name).read_bytes()


def read_style() -> str:
    """The style sheet of all pages."""
    return _read(STYLE).decode()


def _page(title: str, registry: str, body: Child, *, linked: str | None = None, script: bool = False) -> bytes:
    """A whole document. ``linked`` is the way up to the style sheet; None puts it into the page."""
    style, code = read_style(), _read(SCRIPT).decode()
    rules = ["default-src 'none'", "base-uri 'none'", "form-action 'none'"]
    rules.append(f"style-src '{_hash(style)}'" if linked is None else "style-src 'self' file:")
    if script:
        rules.append(f"script-src '{_hash(code)}'")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content="; ".join(rules)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=f"{KIND} {registry}"),
        element("title", title),
        element("style", Markup(style))
        if linked is None
        else element("link", rel="stylesheet", href=f"{linked}{STYLE}"),
    )
    skip = element("a", "Skip to the content", href="#main", class_="skip")
    end = element("script", Markup(code)) if script else None
    document = element("html", head, element("body", skip, body, end), lang="en")
    return f"<!DOCTYPE html>\n{document}\n".encode()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _index(report: RegistryReport, links: Mapping[str, str], models: Child = None) -> Markup:
    alerts = [status for each in report.models for status in each.alerts]
    last = report.registry.stages[-1]
    live = sum(last in each.model.stages for each in report.models)
    tiles = [
        _tile(f"{len(report.models):,}", "models" if len(report.models) != 1 else "model"),
        _tile(f"{report.registry.versions:,}", f"versions, {report.registry.archived:,} archived"),
        _tile(f"{live:,}", f"in {last}"),
        _tile(f"{len(alerts):,}", "alerts" if len(alerts) != 1 else "alert", bad=bool(alerts)),
        _tile(sections.format_size(report.registry.size), "in all versions"),
    ]
    header = element(
        "header",
        element("h1", report.title),
        element("p", f"As of {sections.format_time(report.at)} UTC", class_="dim") if report.at else None,
        class_="page",
    )
    main = element(
        "main",
        element("ul", tiles, class_="tiles"),
        _unreadable(report),
        _alerts(report, links),
        _models(report, links),
        sections.deployments_section((each for model in report.models for each in model.deployments), links),
        sections.recent_section(report.recent, links),
        models,
        id="main",
    )
    return join(header, main, _footer(report))


def _tile(value: str, label: str, *, bad: bool = False) -> Markup:
    return element("li", element("strong", value), element("span", label), class_="tile bad" if bad else "tile")


def _unreadable(report: RegistryReport) -> Markup:
    items = [element("p", sections.tag("damaged", "bad"), each) for each in report.unreadable]
    return sections.section("Left out", items)


def _alerts(report: RegistryReport, links: Mapping[str, str]) -> Markup:
    rows = [
        (
            element("a", status.ref, href=links[each.model.name]),
            " ".join(filter(None, (status.metric, status.target and f"on {status.target}", status.slice))),
            "-" if status.value is None else charts.format_value(status.value),
            element("td", status.wanted, class_="nowrap"),
            element("td", sections.format_time(status.since), class_="nowrap"),
            sections.tag(status.outcome),
        )
        for each in report.models
        for status in each.alerts
    ]
    columns = ("Version", "Metric", "Value#", "Wanted", "Since (UTC)", "Outcome")
    return sections.section("Alerts", sections.table(columns, rows) if rows else None)


def _models(report: RegistryReport, links: Mapping[str, str]) -> Markup:
    if not report.models:
        return sections.section("Models", element("p", "There are no models yet.", class_="dim"))
    held = {stage for each in report.models for stage in each.model.stages}
    stages = tuple(stage for stage in report.registry.stages[::-1] if stage in held)
    columns = [
        "Model",
        *(stage.capitalize() for stage in stages),
        "Metrics",
        "Trend",
        "Versions#",
        "Size#",
        "Changed (UTC)",
    ]
    rows = [_model_row(each, stages, links) for each in report.models]
    tools = element(
        "div",
        element("input", type="search", placeholder="Filter models", aria_label="Filter models"),
        element("output", class_="dim"),
        class_="tools",
        id="filter",
        hidden=True,
    )
    return sections.section("Models", tools, sections.table(columns, rows, data_filter="filter"))


def _model_row(report: ModelReport, stages: tuple[str, ...], links: Mapping[str, str]) -> list[Child]:
    model = report.model
    cells = [
        sections.sortable(model.stages.get(stage, 0), f"@{model.stages[stage]}" if stage in model.stages else "")
        for stage in stages
    ]
    shown = next((each for stage in stages for each in report.versions if each.number == model.stages.get(stage)), None)
    shown = shown or next(iter(report.versions), None)
    size = sum(each.packed if each.packed is not None else each.size for each in report.versions)
    changed = report.events[0].event.at if report.events else model.created
    return [
        sections.sortable(model.name, element("a", model.name, href=links[model.name]), _alert_tag(report)),
        *cells,
        sections.list_metrics(shown.metrics, 2) if shown else None,
        _spark(report),
        sections.sortable(model.versions, f"{model.versions:,}", numeric=True),
        sections.sortable(size, sections.format_size(size), numeric=True),
        element("td", sections.format_time(changed), class_="nowrap"),
    ]


def _alert_tag(report: ModelReport) -> Child:
    return (" ", sections.tag("alert")) if report.alerts else None


def _spark(report: ModelReport) -> Markup | None:
    """The first metric of the newest version, over the last versions."""
    newest = [each for each in report.versions if not each.archived][:_SPARK][::-1]
    name = next(iter(newest[-1].metrics), None) if newest else None
    if name is None:
        return None
    return charts.draw_spark(name, [float(each.metrics[name]) for each in newest if name in each.metrics])


def _header(report: ModelReport, trail: Markup) -> Markup:
    return element("header", trail, element("h1", report.model.name), class_="page")


def _model(report: ModelReport) -> Markup:
    model = report.model
    facts: list[tuple[str, Child]] = [
        ("owner", model.owner),
        ("created", sections.format_time(model.created)),
        ("formerly", ", ".join(model.formerly)),
        ("tags", [sections.tag(f"{name}={value}") for name, value in model.tags.items()]),
        *((name, text) for name, text in model.annotations.items()),
    ]
    items = [(element("dt", name), element("dd", value)) for name, value in facts if value]
    return join(
        element("p", model.description) if model.description else None,
        element("div", element("dl", items), class_="box pad"),
        sections.live_section(report),
        sections.deployments_section(report.deployments),
        sections.monitoring_section(report),
        sections.metrics_section(report),
        sections.gates_section(report),
        sections.versions_section(report),
        sections.lineage_section(report),
        sections.disk_section(report),
        sections.history_section(report.events),
    )


def _footer(report: RegistryReport) -> Markup:
    return element("footer", f"Registry {report.registry.id[:8]}; made by registry report.", class_="page")


def _data(report: RegistryReport, pages: Mapping[str, bytes]) -> bytes:
    """The figures of the pages for programs, and the sha256 of each page."""
    document: dict[str, Any] = {
        "kind": KIND,
        "registry": report.registry.id,
        "as_of": report.at,
        "pages": {path: hashlib.sha256(content).hexdigest() for path, content in pages.items()},
        "models": [
            {
                "model": each.model.name,
                "versions": each.model.versions,
                "stages": dict(each.model.stages),
                "deployments": {found.target: found.version for found in each.deployments},
                "alerts": [{"ref": found.ref, "metric": found.metric, "value": found.value} for found in each.alerts],
            }
            for each in report.models
        ],
    }
    return (json.dumps(document, ensure_ascii=True, indent=1, sort_keys=True) + "\n").encode()
