"""What a webhook posts instead of the event: a message for Slack, Teams or Mattermost, or a document of the user's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..core.text import escape_for_message, lazy_pattern, suggest
from ..rules.settings_errors import Path as Place
from ..rules.settings_errors import SettingsSource

#: What can stand in braces in a template.
FIELDS = (
    "summary", "model", "version", "ref", "action", "by", "host", "at", "stage", "before", "after", "reason", "metric",
    "value", "wanted", "registry", "root", "id",
)  # fmt: skip
_FIELD = lazy_pattern(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_DEPTH, _LIMIT = 16, 64 << 10
_SLACK = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))
#: Characters that Markdown of Teams and Mattermost gives a meaning.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~@])")


class Template(NamedTuple):
    """``name`` of a known service, or the user's own ``document``, whose texts have fields in braces."""

    name: str
    document: Any = None

    def render(self, payload: Mapping[str, Any]) -> bytes:
        """The body for an event, as JSON. ``payload`` is what a webhook without a template gets."""
        fields = make_fields(payload)
        document = SERVICES[self.name](fields["summary"]) if self.name else _fill(self.document, fields)
        return json.dumps(document, ensure_ascii=True).encode()


def make_fields(payload: Mapping[str, Any]) -> dict[str, str]:
    """The values of :data:`FIELDS` for an event; empty where it has none."""
    event = payload["event"]
    known = {
        **{name: event.get(name) for name in FIELDS},
        "model": payload["model"], "ref": payload["ref"], "registry": payload["registry"]["id"],
        "root": payload["registry"]["root"],
    }  # fmt: skip
    found = {name: "" if value is None else _format(value) for name, value in known.items()}
    return {**found, "summary": _summarize(found)}


def _format(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _summarize(fields: Mapping[str, str]) -> str:
    """One sentence: ``churn@7: promoted to production by alice (was 6): beats 6 on the holdout set``."""
    words = f"{fields['ref']}: {fields['action']}"
    if fields["stage"]:
        words += f" {'from' if fields['action'] == 'demoted' else 'to'} {fields['stage']}"
    words += f" by {fields['by']}"
    if fields["before"]:
        words += f" (was {fields['before']})"
    if fields["metric"]:
        words += f": {fields['metric']} {fields['value']}, wanted {fields['wanted']}"
    return f"{words}: {fields['reason']}" if fields["reason"] else words


def _slack(summary: str) -> dict[str, Any]:
    for mark, escaped in _SLACK:
        summary = summary.replace(mark, escaped)
    return {"text": summary}


def _mattermost(summary: str) -> dict[str, Any]:
    return {"text": _MARKDOWN.sub(r"\\\1", summary), "username": "registry"}


def _teams(summary: str) -> dict[str, Any]:
    """An adaptive card, as the workflows of Teams take it."""
    text = {"type": "TextBlock", "text": _MARKDOWN.sub(r"\\\1", summary), "wrap": True}
    card = {"type": "AdaptiveCard", "version": "1.4", "body": [text]}
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


#: How each service wants a message.
SERVICES: Mapping[str, Callable[[str], dict[str, Any]]] = {"slack": _slack, "teams": _teams, "mattermost": _mattermost}


def parse_template(value: Any, place: Place, source: SettingsSource) -> Template:
    """Read the value of ``template``: the name of a service, or a mapping. Raises :class:`InvalidInput` with its line."""
    if isinstance(value, str):
        if value not in SERVICES:
            hint = suggest(value, SERVICES) or f"there are {', '.join(SERVICES)}; or write a mapping of your own"
            raise source.error(place, f"there is no template '{escape_for_message(value)}'", hint)
        return Template(value)
    if not isinstance(value, Mapping) or not value:
        raise source.error(
            place, "is not a template", f"write {', '.join(SERVICES)}, or 'text: {{summary}}' lines below it"
        )
    for text, where in _iter_texts(value, place, source):
        for match in _FIELD.finditer(text):
            if match[0] in ("{{", "}}"):
                continue
            if match[1] not in FIELDS:
                shown = escape_for_message(match[0])
                hint = suggest(match[1] or "", FIELDS) or f"there are {', '.join(FIELDS)}; write {{{{ for a brace"
                raise source.error(where, f"unknown field '{shown}'", hint)
    if len(json.dumps(value)) > _LIMIT:
        raise source.error(place, f"has more than {_LIMIT >> 10} KiB", "make it shorter")
    return Template("", value)


def _iter_texts(value: Any, place: Place, source: SettingsSource) -> Iterator[tuple[str, Place]]:
    if len(place) > _DEPTH:
        raise source.error(place, "is nested too deeply", f"the limit is {_DEPTH} levels")
    if isinstance(value, str):
        yield value, place
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _iter_texts(inner, (*place, str(key)), source)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _iter_texts(inner, (*place, str(at)), source)


def _fill(value: Any, fields: Mapping[str, str]) -> Any:
    """The document with the fields filled in; values go in as text, so that none can change the document."""
    if isinstance(value, str):
        return _FIELD.sub(lambda match: match[0][0] if match[0] in ("{{", "}}") else fields[match[1]], value)
    if isinstance(value, Mapping):
        return {str(key): _fill(inner, fields) for key, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, fields) for inner in value]
    return value
