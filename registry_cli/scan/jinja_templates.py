"""Chat templates: jinja, which a loader renders. Nothing honest in them reaches for what is inside of an object."""

from __future__ import annotations

import re

from .verdicts import DANGEROUS, NOTE, FileScan

_LONGEST = 256 << 10
_BLOCK = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)", re.DOTALL)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_INSIDE = "it reaches for what Python keeps inside"
#: What the code says beside its quoted texts, and why that is dangerous.
_CODE = (
    (
        re.compile(r"__|\.\s*_\w|\.\s*(?:mro|func_globals|gi_frame|gi_code|f_globals|f_back|cr_frame|format_map)\b"),
        _INSIDE,
    ),
    (re.compile(r"\|\s*attr\b"), "it looks up attributes by computed names"),
    (
        re.compile(r"\b(?:lipsum|cycler|joiner|get_flashed_messages|url_for|self|request)\s*[.(\[|]"),
        "it uses an object of jinja that leads to Python's modules",
    ),
    (re.compile(r"^\{%[-+]?\s*(?:import|include|extends|from)\b"), "it loads another template"),
    (
        re.compile(r"\b(?:os|sys|subprocess|builtins|importlib)\s*\.|\b(?:popen|eval|exec)\s*\("),
        "it runs commands or code",
    ),
)
#: The same for the code with its quoted texts.
_ALL = (
    (re.compile(r"__\w+__|\[\s*['\"]_"), _INSIDE),
    (re.compile(r"\\(?:x5f|u005f|U0000005f|137|N\{LOW LINE\})", re.IGNORECASE), "it hides underscores in escapes"),
    (re.compile(r"['\"]attr['\"]"), "it looks up attributes by computed names"),
)  # fmt: skip

_SUBSCRIPT = re.compile(r"\[[^\[\]]{0,500}\]")


def _computes(subscript: str) -> bool:
    """Whether a name is put together of texts, one of which has an underscore at an end."""
    outside = _QUOTED.sub("", subscript)
    inside = [match[0][1:-1] for match in _QUOTED.finditer(subscript)]
    return any(mark in outside for mark in "~+|*%") and any(text[:1] == "_" or text[-1:] == "_" for text in inside)


def check(scan: FileScan, template: str, where: str) -> None:
    """Look at a template."""
    if len(template) > _LONGEST:
        scan.add_finding(DANGEROUS, "", "its chat template is longer than any honest one", where)
        return
    found = set()
    for block in _BLOCK.finditer(template):
        code = _QUOTED.sub("''", block[0])
        found |= {why for pattern, why in _CODE if pattern.search(code)}
        found |= {why for pattern, why in _ALL if pattern.search(block[0])}
        if any(_computes(match[0]) for match in _SUBSCRIPT.finditer(block[0])):
            found.add("it computes names")
    for why in sorted(found):
        scan.add_finding(DANGEROUS, "", f"its chat template: {why}", where)
    if not found and template:
        scan.add_finding(NOTE, "", "it holds a chat template, which is rendered when the model is used", where)
