"""Tell whether a patch holds a secret. In program code a bare word is code; in all other files it is a value."""

from __future__ import annotations

from .redaction import BEARER, LOGIN_CALL, PAIR, is_secret_pair, redact_places, redact_url, split_text
from .secret_names import is_secret_name, is_strong_name
from .secret_values import NOT_SECRET, iter_assignments
from .text import lazy_pattern


def contains_secret(data: bytes) -> bool:
    """Return whether a patch holds a secret. It cannot be redacted, for it would be another patch then."""
    text = data.decode("utf-8", "backslashreplace")
    if redact_url(text) != text or BEARER.search(text):
        return True
    section: list[str] = []
    is_code = False
    for line in text.splitlines():
        if line.startswith("diff --git ") or (line.startswith("+++ ") and not section):
            if _has_secret(section, is_code=is_code):
                return True
            section, is_code = [], line.rstrip('"').rpartition(".")[2] in _CODE
        elif not line.startswith(("index ", "--- ", "+++ ", "@@ ", "old mode", "new mode", "similarity ", "rename ")):
            section.append(line[1:] if line[:1] in ("+", "-", " ") else line)
    return _has_secret(section, is_code=is_code)


#: Endings of files in which a bare word is code, not a value.
_CODE = frozenset((
    "py", "pyi", "pyx", "js", "ts", "jsx", "tsx", "r", "R", "jl", "go", "rs", "java", "c", "cc", "cpp", "cu", "h",
    "hpp", "scala", "rb", "kt", "swift", "lua", "m",
))  # fmt: skip
_LITERAL = lazy_pattern(r"""(?<!\\)(['"])((?:(?!\1)[^\\\n]|\\.){1,4096})\1""")


def _has_secret(lines: list[str], *, is_code: bool) -> bool:
    text = "\n".join(lines)
    if not is_code:
        return any(redact_places(part, colons=True) != part for part in split_text(text))
    pairs = [(name[1], value[0]) for part in split_text(text) for name, value in iter_assignments(part)]
    pairs += [(found[1], found[3]) for found in _LITERAL_COLON.finditer(text) if is_secret_name(found[1])]
    if LOGIN_CALL.search(text):
        return True
    if any(_is_literal(name, value) for name, value in pairs) or any(map(is_secret_pair, PAIR.finditer(text))):
        return True
    return any(
        redact_places(found[2], colons=False) != found[2]
        for found in _LITERAL.finditer(text)
        if " " in found[2] or "=" in found[2]
    )


_LITERAL_COLON = lazy_pattern(
    r"(?<![\w.-])([\w.-]{1,128})((?:\\{0,8}['\"])[ \t]{0,9}:\s{0,80})((?:\\{0,8})['\"][^\n]{1,4096})"
)


def _is_literal(name: str, value: str) -> bool:
    """Whether the value in a program is a text that may be a secret."""
    quoted = value.lstrip("\\rbuf")
    if quoted[:1] not in ("'", '"') or NOT_SECRET.match(value):
        return False
    inner = quoted.strip("'\"\\,)]} ")
    return bool(inner) and (
        is_strong_name(name) or (len(inner) >= 8 and " " not in inner and any(map(str.isdigit, inner)))
    )
