"""Chat templates of jinja, which a loader renders. No honest template uses the internals of an object."""

from __future__ import annotations

import re

from .verdicts import DANGEROUS, NOTE, ScanContext

_LONGEST = 256 << 10
_BLOCK = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)", re.DOTALL)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_INSIDE = "it reaches for what Python keeps inside"
_COMPUTED = "it looks up attributes by computed names"
#: Dangerous code outside of quoted texts, and the reasons.
_CODE = (
    (r"__|\.\s*_\w|\.\s*(?:mro|func_globals|gi_frame|gi_code|f_globals|f_back|cr_frame|format_map)\b", _INSIDE),
    (r"\|\s*attr\b", _COMPUTED),
    (r"\b(?:lipsum|cycler|joiner|get_flashed_messages|url_for|self|request)\s*[.(\[|]",
     "it uses an object of jinja that leads to Python's modules"),
    (r"^\{%[-+]?\s*(?:import|include|extends|from)\b", "it loads another template"),
    (r"\b(?:os|sys|subprocess|builtins|importlib)\s*\.|\b(?:popen|eval|exec)\s*\(", "it runs commands or code"),
)  # fmt: skip
#: The same for code together with its quoted texts.
_ALL = (
    (r"__\w+__|\[\s*['\"]_", _INSIDE),
    (r"(?i)\\(?:x5f|u005f|U0000005f|137|N\{LOW LINE\})", "it hides underscores in escapes"),
    (r"['\"]attr['\"]", _COMPUTED),
)
_SUBSCRIPT = re.compile(r"\[[^\[\]]{0,500}\]")


def _computes(subscript: str) -> bool:
    """Whether a subscript combines texts, one of which begins or ends with an underscore."""
    outside = _QUOTED.sub("", subscript)
    inside = [match[0][1:-1] for match in _QUOTED.finditer(subscript)]
    return any(mark in outside for mark in "~+|*%") and any(text[:1] == "_" or text[-1:] == "_" for text in inside)


def check_template(ctx: ScanContext, template: str) -> None:
    if len(template) > _LONGEST:
        ctx.add_finding(DANGEROUS, "its chat template is longer than any honest one")
        return
    found = set()
    for block in _BLOCK.finditer(template):
        code = _QUOTED.sub("''", block[0])
        found |= {why for pattern, why in _CODE if re.search(pattern, code)}
        found |= {why for pattern, why in _ALL if re.search(pattern, block[0])}
        if any(_computes(match[0]) for match in _SUBSCRIPT.finditer(block[0])):
            found.add("it computes names")
    for why in sorted(found):
        ctx.add_finding(DANGEROUS, f"its chat template: {why}")
    if not found and template:
        ctx.add_finding(NOTE, "it holds a chat template, which is rendered when the model is used")
