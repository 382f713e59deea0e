"""A metric measured on a version in use: the record, and its line in a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .values import Metric

#: The longest line of a file of observations, in bytes; a longer one is not an observation.
LINE_LIMIT = 16_384
_JSON = json.JSONDecoder()
_TIME_LENGTH = len("2026-11-27T10:00:00.000Z")


class Observation(NamedTuple):
    """A metric of a version, measured at a time after registration.

    ``at`` is the time that the value is of, in ISO 8601 (UTC, milliseconds). ``samples`` is the number of predictions
    behind the value, None when it is not known. ``target`` names where the version was serving, ``slice`` the part of
    the data (``country=de,plan=pro``, sorted by key); both are empty for all of it. ``by`` is who recorded it,
    ``id`` the request id that was given, if one was.
    """

    at: str
    name: str
    value: Metric
    samples: int | None = None
    target: str = ""
    slice: str = ""
    by: str = ""
    id: str = ""

    def encode(self) -> bytes:
        """The observation as one line of JSON, without its end."""
        document = {
            "at": self.at, "name": self.name, "value": self.value, "n": self.samples, "target": self.target,
            "slice": self.slice, "by": self.by, "id": self.id,
        }  # fmt: skip
        kept = {key: value for key, value in document.items() if value not in (None, "")}
        return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, line: bytes) -> Observation | None:
        """The observation on a line; None for a line that is torn or has something else on it."""
        if len(line) > LINE_LIMIT:
            return None
        try:
            text = line.decode()
            document, end = _JSON.raw_decode(text)
            at, name, value = document["at"], document["name"], document["value"]
            samples, target = document.get("n"), document.get("target", "")
            part, by, identity = document.get("slice", ""), document.get("by", ""), document.get("id", "")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if text[end:] not in ("\n", ""):
            return None
        texts = type(name) is type(target) is type(part) is type(by) is type(identity) is str
        time = type(at) is str and len(at) == _TIME_LENGTH and at[10] == "T" and at[-1] == "Z"
        count = samples is None or (type(samples) is int and samples > 0)
        finite = type(value) in (int, float) and value - value == 0
        if not (texts and time and count and finite):
            return None
        return cls(at, name, value, samples, target, part, by, identity)


def fold(observations: Iterable[Observation]) -> list[Observation]:
    """The observations that count, sorted by time: a later one of the same time, metric, target and slice replaces one."""
    found = {(each.at, each.name, each.target, each.slice): each for each in observations}
    return [found[key] for key in sorted(found)]


def format_slice(parts: Mapping[str, str]) -> str:
    """The parts of a slice as one text: ``country=de,plan=pro``."""
    return ",".join(f"{name}={parts[name]}" for name in sorted(parts))
