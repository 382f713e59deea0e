"""Values of secrets: where a value ends, whether it can be a secret, and redaction of values behind names."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

from .secret_names import is_secret_name, is_strong_name
from .text import lazy_pattern

#: A value: quoted pieces, escaped characters and bare ones, in any order, as a shell joins them.
VALUE = (
    r"""(?:\\+"(?:(?!\\*").){0,4096}\\*"|\\+'(?:(?!\\*').){0,4096}\\*'|"(?:[^"\\]|\\.){0,4096}"?"""
    r"""|'(?:[^'\\]|\\.|''){0,4096}'?|\$\([^()\n]{0,4096}\)|`[^`\n]{0,4096}`|\\.|[^\s'"&;|,()\]}\\]|[,)\]}]+(?=[^\s'"&;|,()\]}\\])|\((?=\S))+"""
)
_EQUALS = r"(?<![\w.-])([\w.-]{1,128})((?:\\{0,8}['\"])?\]?[ \t]{0,9}(?:=>|:=|==|=)[ \t]{0,9})"
_ASSIGNED_NAME = lazy_pattern(_EQUALS)
_ASSIGNED_VALUE = lazy_pattern(VALUE, re.DOTALL)
_CLOSED = lazy_pattern(r"""(['"])(?:(?!\1)[^\\]|\\.){1,4096}\1""", re.DOTALL)
NOT_SECRET = lazy_pattern(
    r"""['"\\]*(?:|\*\*\*|true|false|none|null|yes|no|\$\{?[A-Z_][A-Z0-9_]*\}?|%[sr]|%\([a-z_]+\)s|\{+[ ]?[A-Za-z_.]{0,60}[ ]?\}+|<[A-Za-z_ -]{1,40}>)['"\\,;]*\Z""",
    re.IGNORECASE,
)
_NUMBER_OR_PATH = lazy_pattern(r"['\"]?(?:[-+]?\d{1,5}(?:\.\d*)?|(?:/|\./|\.\./|~/)[\w./@+-]*)['\"]?\Z")
_ITEM_END = lazy_pattern(r'"\s{0,80}(?:[,\]}]|\Z)')


def iter_assignments(text: str) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    """Yield the matches of each secret name and its value in ``name=value``, also inside of another one's value."""
    at, ends = 0, [len(text)]
    while True:
        found = _ASSIGNED_NAME.search(text, at, ends[-1])
        if found is None:
            if len(ends) == 1:
                return
            at = ends.pop()
            continue
        at = found.end()
        value = None
        if is_secret_name(found[1]):
            value = _ASSIGNED_VALUE.match(text, at, _end_of_item(text, found.start(), at, ends[-1]))
        if value is not None and value[0] != "//":  # a comment
            at = value.end()
            yield found, value
        elif quoted := _CLOSED.match(text, at, ends[-1]):  # a value inside ends with these quotes
            at += 1
            ends.append(quoted.end() - 1)


def _end_of_item(text: str, start: int, at: int, end: int) -> int:
    """Where a text of JSON ends in which a name stands at ``start``, and its value at ``at``."""
    line = text.rfind("\n", 0, start) + 1
    if text.count('"', line, start) % 2 and text[at : at + 1] != '"':
        closing = text.find('"', at, end)
        if closing >= 0 and _ITEM_END.match(text, closing):
            return closing
    return end


def redact_assignments(text: str) -> str:
    parts, start = [], 0
    for name, value in iter_assignments(text):
        if not is_not_secret(name[1], value[0]):
            parts += [text[start : value.start()], REDACTED]
            start = value.end()
    return "".join(parts) + text[start:]


def is_certain(name: str, value: str) -> bool:
    """Whether a name without ``=`` or ``:`` behind it announces a secret: ``set the token limit`` does not."""
    return is_strong_name(name) or name.isupper() or is_not_word(value)


def is_not_word(value: str) -> bool:
    """Whether a value is not a plain word, as it may stand behind ``password`` in a sentence or a list of names."""
    inner = value.strip("'\"\\,;.!?:)]}")
    if value[:1] in ("'", '"'):
        return bool(inner) and not NOT_SECRET.match(value)
    return (
        inner != REDACTED
        and len(inner) >= 4
        and not inner.replace("-", "").replace("_", "").isalpha()
        and not _NUMBER_OR_PATH.match(inner)
    )


def is_not_secret(name: str, value: str) -> bool:
    """Whether the value of a secret name is not a secret: empty, a variable, a placeholder, a number or path of a key."""
    if NOT_SECRET.match(value):
        return True
    return bool(not is_strong_name(name) and _NUMBER_OR_PATH.match(value) and not is_random(value, 16))


REDACTED = "***"
#: Distinctive beginnings, found inside of other text too (``-pghp_…``).
_ANYWHERE = (
    r"gh[pousr]_[A-Za-z0-9]{16,}", r"github_pat_\w{16,}", r"gl(?:pat|dt|rt|cbt|ptt|soat|ft|imt|agent)-[\w.-]{16,}",
    r"npm_[A-Za-z0-9]{16,}", r"[srp]k_(?:live|test)_[A-Za-z0-9]{8,}", r"whsec_[A-Za-z0-9+/=]{16,}",
    r"do[opr]_v1_[a-f0-9]{16,}", r"dckr_[po]at_[\w-]{16,}", r"xox[a-z](?:\.xox[a-z])?-[\w-]{10,}", r"xapp-[\w-]{10,}",
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}", r"AIza[\w-]{30,}", r"ya29\.[\w-]{16,}", r"GOCSPX-[\w-]{16,}",
    r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{16,}", r"sq0(?:atp|csp)-[\w-]{16,}", r"hv[sbr]\.[\w-]{16,}", r"nvapi-[\w-]{16,}",
    r"gsk_[A-Za-z0-9]{16,}", r"glc_[\w+/=-]{16,}", r"glsa_\w{16,}", r"sntry[su]_[\w+/=.-]{16,}",
    r"AT(?:ATT3|CTT3|BB)[\w=+/-]{16,}", r"PMAK-[A-Za-z0-9-]{16,}", r"NRAK-[A-Z0-9]{16,}", r"rubygems_[a-f0-9]{16,}",
    r"figd_[\w-]{16,}", r"lin_api_[A-Za-z0-9]{16,}", r"ntn_[A-Za-z0-9]{16,}", r"dapi[a-f0-9]{32}(?:-\d)?", r"dp\.(?:pt|st|ct)\.[\w.-]{16,}",
    r"sbp_[a-f0-9]{16,}", r"sb_secret_[\w-]{16,}", r"ph[cx]_[A-Za-z0-9]{16,}", r"CFPAT-[\w-]{16,}", r"pul-[a-f0-9]{16,}",
    r"wandb_v1_\w{16,}", r"AGE-SECRET-KEY-1[A-Z0-9]{16,}", r"ops_eyJ[\w-]{16,}", r"FlyV1 [\w+/=,-]{16,}",
    r"eyJ[\w-]{8,}(?:\.[\w-]+){2,4}", r"eyJ[\w-]{8,}\.[\w-]{8,}\.?", r"eyJ[\w+/-]{20,}={0,2}",
)  # fmt: skip
#: Beginnings that ordinary words have too: only where a word begins, and with a random rest.
_AT_WORD = r"(?<![A-Za-z0-9])(?:sk|pypi|r8|hf|xai|pplx|tvly|key|secret|api_org|pat)[-_][\w-]{16,}|(?<![A-Za-z0-9])SG\.[\w-]{8,}(?:\.[\w-]+)?"
_DISCORD = r"(?<![\w-])[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}"
_TELEGRAM = r"(?<!\d)\d{8,10}:AA[\w-]{30,}"
_TOKEN = lazy_pattern("|".join((*_ANYWHERE, _DISCORD, _TELEGRAM)))
_WORD_TOKEN = lazy_pattern(_AT_WORD)
_PIECE = lazy_pattern(r"[A-Za-z0-9]{12,}")
_RANDOM = lazy_pattern(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{32,200}={0,2}(?![A-Za-z0-9+/=_-])")
_HASH_BEFORE = lazy_pattern(r"(?:sha\d{1,3}|md5|etag|blake\w{1,3}|digest|checksum|integrity)[\"']?[-:=@ ]{1,3}[\"']?\Z", re.IGNORECASE)  # fmt: skip
_PRIVATE_KEY = lazy_pattern(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----(?:(?!-----END).)*(?:-----END[A-Z0-9 ]{0,60}-----|-{0,5}\Z)?"
    r"|(?:^[ \t+\-]?[A-Za-z0-9+/=]{16,80}\r?\n){0,200}[ \t+\-]?-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----",
    re.DOTALL | re.MULTILINE,
)


#: No token, and nothing that looks random, is shorter: the patterns are not even compiled for most texts.
SHORTEST_TOKEN, SHORTEST_RANDOM = 11, 32


def redact_tokens(text: str) -> str:
    """Return ``text`` without private keys and tokens of known forms."""
    if len(text) < SHORTEST_TOKEN:
        return text
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(REDACTED, text)
    text = _TOKEN.sub(REDACTED, text)
    return _WORD_TOKEN.sub(lambda found: REDACTED if _has_random_piece(found[0]) else found[0], text)


def redact_random(text: str) -> str:
    """Return ``text`` without long strings that look random; digests of files stay."""
    if len(text) < SHORTEST_RANDOM:
        return text
    return _RANDOM.sub(lambda found: _unless_hash(found, text), text)


def _unless_hash(found: re.Match[str], text: str) -> str:
    is_hash = re.match(r"(?:sha\d{1,3}|md5|blake\w{1,3})[-_]", found[0]) or _HASH_BEFORE.search(
        text, max(0, found.start() - 16), found.start()
    )
    return REDACTED if is_random(found[0], 32) and not is_hash else found[0]


def is_random(text: str, least: int) -> bool:
    """Return whether ``text`` has upper case, lower case and digits in a mixture that words and names don't have."""
    text = text.rstrip("=")
    if len(text) < least:
        return False
    kinds = ["u" if each.isupper() else "l" if each.islower() else "d" if each.isdigit() else "-" for each in text]
    changes = sum(one != two for one, two in itertools.pairwise(kinds) if "-" not in (one, two))
    return {"u", "l", "d"} <= {*kinds} and changes >= 0.36 * (len(text) - 2 * kinds.count("-"))


def _has_random_piece(text: str) -> bool:
    """Whether a run of letters and digits behind the prefix has a digit, both cases, or at least 20 letters."""
    return any(
        len(piece) >= 20
        or any(map(str.isdigit, piece))
        or (piece.lower() != piece != piece.upper() and not piece.istitle())
        for piece in _PIECE.findall(re.split(r"[-_.]", text, maxsplit=1)[1])
    )


_COLON = lazy_pattern(
    r"(?<![\w.-])([\w.-]{1,128})((?:\\{0,8}['\"])?[ \t]{0,9}:(?!:|//)\s{0,80})((?:\\{1,8})?['\"]|[^\s'\"\\])", re.DOTALL
)
_BLOCK = lazy_pattern(r"^([ \t+-]{0,80})([\w.-]{1,128})(['\"]?[ \t]{0,9}:[ \t]{0,9}(?:![\w!./:-]{0,64}[ \t]{1,9})?[|>][^\n]{0,9})\n", re.MULTILINE)  # fmt: skip
_ITEMS = lazy_pattern(
    r"^([ \t+-]{0,80})([\w.-]{1,128})(['\"]?[ \t]{0,9}:[ \t]{0,9}\n)((?:\1-[ \t]+[^\n]*(?:\n|\Z)){1,200})", re.MULTILINE
)
#: A name and its value as two entries: ``name: DB_PASSWORD`` and ``value: x``, ``key="password" value="x"``.
_APART = lazy_pattern(
    r"((?<![\w.-])(?:name|key)(?:\\{0,8}['\"])?\s{0,9}[:=]\s{0,9}(?:\\{0,8}['\"])?)([\w.:-]{1,128})"
    r"((?:\\{0,8}['\"])?\s{0,9}[,;]?\s{0,80}(?:\\{0,8}['\"])?value(?:\\{0,8}['\"])?\s{0,9}[:=]\s{0,9})" + f"({VALUE})",
    re.DOTALL | re.IGNORECASE,
)
_ELEMENT = lazy_pattern(r"(<([\w.:-]{1,64})(?:\s[^<>]{0,200})?>)([^<>]{1,4096})(?=</\2\s{0,9}>)")
_ELEMENTS = lazy_pattern(r"(<(?:name|key)>\s{0,9}([\w.:-]{1,128})\s{0,9}</(?:name|key)>\s{0,80}<(?:value|string)>)([^<>]{1,4096})", re.IGNORECASE)  # fmt: skip
_HEADER = lazy_pattern(r"((?:proxy-)?authorization|(?:set-)?cookie)", re.IGNORECASE)
_QUOTED = lazy_pattern(
    r"""\\+"(?:(?!\\*").)*\\*"|\\+'(?:(?!\\*').)*\\*'|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.|'')*'?""", re.DOTALL
)


def redact_structures(text: str) -> str:
    """Return a text without the values of secret names in YAML, JSON, XML and headers."""
    if text.count(":") + text.count("=") > 1:
        text = _APART.sub(_cut_apart, text)
    text = _without_elements(text)
    if ":" not in text:
        return text
    return _without_colons(_ITEMS.sub(_cut_items, _without_blocks(text)))


def _cut_apart(found: re.Match[str]) -> str:
    cut = is_secret_name(found[2]) and not is_not_secret(found[2], found[4])
    return f"{found[1]}{found[2]}{found[3]}{REDACTED}" if cut else found[0]


def _cut_items(found: re.Match[str]) -> str:
    """YAML: the items of a list that begins in the column of its name."""
    return f"{found[1]}{found[2]}: {REDACTED}\n" if is_strong_name(found[2]) else found[0]


def _without_elements(text: str) -> str:
    """XML: ``<password>x</password>``, ``<name>password</name><value>x</value>``."""
    if "</" not in text:
        return text
    text = _ELEMENTS.sub(lambda found: _cut_element(found, is_secret_name), text)
    return _ELEMENT.sub(lambda found: _cut_element(found, is_strong_name), text)


def _cut_element(found: re.Match[str], is_secret: Callable[[str], bool]) -> str:
    cut = is_secret(found[2]) and not is_not_secret(found[2], found[3].strip())
    return f"{found[1]}{REDACTED}" if cut else found[0]


def _without_blocks(text: str) -> str:
    """YAML: a block of lines (``password: |``) below a secret name is cut whole."""
    found, start = [], 0
    for match in _BLOCK.finditer(text):
        if match.start() < start or not is_secret_name(match[2]):
            continue
        depth = len(match[1].lstrip("+"))
        end = match.end()
        while end < len(text):
            stop = text.find("\n", end)
            line = text[end : stop if stop >= 0 else len(text)]
            bare = line.lstrip("+")
            if bare.strip() and len(bare) - len(bare.lstrip()) <= depth:
                break
            end = stop + 1 if stop >= 0 else len(text)
        found += [text[start : match.start()], match[1], match[2], f": {REDACTED}\n"]
        start = end
    return "".join(found) + text[start:]


def _without_colons(text: str) -> str:
    """``name: value``. A bare value ends with its line, or with the quotes around the pair; a quoted one with its quotes."""
    found, start = [], 0
    at = 0
    while match := _COLON.search(text, at):
        at = match.end(2)
        if not (is_secret_name(match[1]) or _HEADER.search(match[1])):
            continue
        if text.startswith(REDACTED, match.start(3)):
            continue
        end = _end_of_value(text, match)
        if is_not_secret(match[1], text[match.start(3) : end]):
            continue
        if "\n" in match[2] and match[2].rpartition("\n")[2] == "" and match[3][:1] not in "\\'\"":
            continue  # an empty value, and the next line
        found += [text[start : match.start(3)], REDACTED]
        start = at = max(end, match.end(3))
    return "".join(found) + text[start:]


def _end_of_value(text: str, match: re.Match[str]) -> int:
    start = match.start(3)
    is_header = _HEADER.search(match[1]) is not None
    if match[3][-1] in "'\"" and (quoted := _QUOTED.match(text, start)):
        return quoted.end()
    line = text.rfind("\n", 0, match.start()) + 1
    stop = text.find("\n", start)
    stop = len(text) if stop < 0 else stop
    for quote in ('"', "'"):
        if text.count(quote, line, match.start()) % 2:
            inner = text.find(quote, start, stop)
            return inner if inner >= 0 else stop
    if (
        not is_header
        and match[2].rstrip(" \t") == match[2]
        and (bare := re.compile(VALUE, re.DOTALL).match(text, start))
    ):
        return bare.end()
    return stop
