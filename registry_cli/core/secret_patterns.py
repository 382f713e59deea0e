"""Secrets that are known by their looks: tokens of well-known services, keys, web tokens, and strings that look random."""

from __future__ import annotations

import itertools
import re

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
_TOKEN = re.compile("|".join((*_ANYWHERE, _DISCORD, _TELEGRAM)))
_WORD_TOKEN = re.compile(_AT_WORD)
_PIECE = re.compile(r"[A-Za-z0-9]{12,}")
_RANDOM = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{32,200}={0,2}(?![A-Za-z0-9+/=_-])")
_HASH_BEFORE = re.compile(r"(?:sha\d{1,3}|md5|etag|blake\w{1,3}|digest|checksum|integrity)[\"']?[-:=@ ]{1,3}[\"']?\Z", re.IGNORECASE)  # fmt: skip
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----(?:(?!-----END).)*(?:-----END[A-Z0-9 ]{0,60}-----|-{0,5}\Z)?"
    r"|(?:^[ \t+\-]?[A-Za-z0-9+/=]{16,80}\r?\n){0,200}[ \t+\-]?-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----",
    re.DOTALL | re.MULTILINE,
)


def redact_tokens(text: str) -> str:
    """Return ``text`` without private keys, and without tokens that are known by their looks."""
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(REDACTED, text)
    text = _TOKEN.sub(REDACTED, text)
    return _WORD_TOKEN.sub(lambda found: REDACTED if _has_random_piece(found[0]) else found[0], text)


def redact_random(text: str) -> str:
    """Return ``text`` without long strings that look random; digests of files stay."""
    return _RANDOM.sub(lambda found: _unless_hash(found, text), text)


def _unless_hash(found: re.Match[str], text: str) -> str:
    text_of_hash = re.match(r"(?:sha\d{1,3}|md5|blake\w{1,3})[-_]", found[0])
    random = (
        not text_of_hash
        and is_random(found[0], 32)
        and not _HASH_BEFORE.search(text, max(0, found.start() - 16), found.start())
    )
    return REDACTED if random else found[0]


def is_random(text: str, least: int) -> bool:
    """Return whether ``text`` has upper case, lower case and digits in a mixture that words and names don't have."""
    text = text.rstrip("=")
    if len(text) < least:
        return False
    kinds = ["u" if each.isupper() else "l" if each.islower() else "d" if each.isdigit() else "-" for each in text]
    changes = sum(one != two for one, two in itertools.pairwise(kinds) if "-" not in (one, two))
    return {"u", "l", "d"} <= {*kinds} and changes >= 0.36 * (len(text) - 2 * kinds.count("-"))


def _has_random_piece(text: str) -> bool:
    """Whether some run of letters and digits behind the beginning is no word: it has a digit, both cases, or great length."""
    prefix = re.split(r"[-_.]", text, maxsplit=1)[1]
    for piece in _PIECE.findall(prefix):
        mixed = any(each.isdigit() for each in piece) or (
            piece.lower() != piece != piece.upper() and not piece.istitle()
        )
        if mixed or len(piece) >= 20:
            return True
    return False
