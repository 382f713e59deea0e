"""Licences: SPDX identifiers that are used for models and data, and their identifiers at Hugging Face.

Source of the identifiers: the SPDX License List, https://spdx.org/licenses/. It has more than 600, most of which are not
used for models; an identifier that is missing here can be written as ``LicenseRef-NAME``. Expressions
(``MIT OR Apache-2.0``) are those of annex D of the SPDX specification, of identifiers that are known here.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import NamedTuple

#: Hugging Face's identifier for every licence that it does not know.
OTHER = "other"

IDS = frozenset(
    """
    0BSD AAL AFL-1.1 AFL-1.2 AFL-2.0 AFL-2.1 AFL-3.0 AGPL-1.0-only AGPL-1.0-or-later AGPL-3.0-only AGPL-3.0-or-later
    Apache-1.0 Apache-1.1 Apache-2.0 APL-1.0 APSL-1.0 APSL-1.1 APSL-1.2 APSL-2.0 Artistic-1.0 Artistic-1.0-cl8
    Artistic-1.0-Perl Artistic-2.0 Beerware BitTorrent-1.1 BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause
    BSD-2-Clause-Patent BSD-2-Clause-Views BSD-3-Clause BSD-3-Clause-Attribution BSD-3-Clause-Clear BSD-3-Clause-LBNL
    BSD-3-Clause-No-Nuclear-License BSD-3-Clause-Open-MPI BSD-4-Clause BSD-4-Clause-UC BSD-Protection BSD-Source-Code
    BSL-1.0 BUSL-1.1 C-UDA-1.0 CAL-1.0 CAL-1.0-Combined-Work-Exception CATOSL-1.1
    CC-BY-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-3.0-AT CC-BY-3.0-US CC-BY-4.0
    CC-BY-NC-1.0 CC-BY-NC-2.0 CC-BY-NC-2.5 CC-BY-NC-3.0 CC-BY-NC-4.0
    CC-BY-NC-ND-1.0 CC-BY-NC-ND-2.0 CC-BY-NC-ND-2.5 CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0
    CC-BY-NC-SA-1.0 CC-BY-NC-SA-2.0 CC-BY-NC-SA-2.5 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0
    CC-BY-ND-1.0 CC-BY-ND-2.0 CC-BY-ND-2.5 CC-BY-ND-3.0 CC-BY-ND-4.0
    CC-BY-SA-1.0 CC-BY-SA-2.0 CC-BY-SA-2.5 CC-BY-SA-3.0 CC-BY-SA-4.0 CC-PDDC CC0-1.0
    CDDL-1.0 CDDL-1.1 CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0 CECILL-1.0 CECILL-1.1 CECILL-2.0
    CECILL-2.1 CECILL-B CECILL-C CERN-OHL-P-2.0 CERN-OHL-S-2.0 CERN-OHL-W-2.0 ClArtistic CNRI-Python COIL-1.0
    Community-Spec-1.0 CPAL-1.0 CPL-1.0 CUA-OPL-1.0 D-FSL-1.0 DL-DE-BY-2.0 ECL-1.0 ECL-2.0 EFL-1.0 EFL-2.0
    Elastic-2.0 Entessa EPL-1.0 EPL-2.0 etalab-2.0 EUDatagrid EUPL-1.0 EUPL-1.1 EUPL-1.2 Fair FSFAP FSFUL FSFULLR FTL
    GFDL-1.1-only GFDL-1.1-or-later GFDL-1.2-only GFDL-1.2-or-later GFDL-1.3-only GFDL-1.3-or-later
    GPL-1.0-only GPL-1.0-or-later GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later HPND ICU IJG Imlib2
    Intel Interbase-1.0 IPA IPL-1.0 ISC JSON LAL-1.2 LAL-1.3 LGPL-2.0-only LGPL-2.0-or-later LGPL-2.1-only
    LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later LGPLLR Libpng libtiff LiLiQ-P-1.1 LiLiQ-R-1.1 LiLiQ-Rplus-1.1
    LPL-1.0 LPL-1.02 LPPL-1.0 LPPL-1.1 LPPL-1.2 LPPL-1.3a LPPL-1.3c MirOS MIT MIT-0 MIT-advertising MIT-CMU
    MIT-Modern-Variant Motosoto MPL-1.0 MPL-1.1 MPL-2.0 MPL-2.0-no-copyleft-exception MS-PL MS-RL MulanPSL-1.0
    MulanPSL-2.0 Multics NASA-1.3 Naumen NCSA NGPL NLOD-1.0 NLOD-2.0 NOSL NPL-1.0 NPL-1.1 NPOSL-3.0 NTP
    O-UDA-1.0 OCLC-2.0 ODbL-1.0 ODC-By-1.0 OFL-1.0 OFL-1.1 OGC-1.0 OGL-Canada-2.0 OGL-UK-1.0 OGL-UK-2.0 OGL-UK-3.0
    OGTSL OLDAP-2.8 OpenSSL OSL-1.0 OSL-1.1 OSL-2.0 OSL-2.1 OSL-3.0 PDDL-1.0 PHP-3.0 PHP-3.01 PolyForm-Noncommercial-1.0.0
    PolyForm-Small-Business-1.0.0 PostgreSQL PSF-2.0 Python-2.0 Python-2.0.1 QPL-1.0 RPL-1.1 RPL-1.5 RPSL-1.0 RSCPL
    Ruby Sendmail SGI-B-2.0 SimPL-2.0 SISSL Sleepycat SMLNJ SPL-1.0 SSPL-1.0 TAPR-OHL-1.0 TCL UCL-1.0
    Unicode-3.0 Unicode-DFS-2015 Unicode-DFS-2016 Unlicense UPL-1.0 Vim VSL-1.0 W3C Watcom-1.0 WTFPL X11 Xnet
    Zend-2.0 Zlib zlib-acknowledgement ZPL-1.1 ZPL-2.0 ZPL-2.1
    """.split()  # noqa: SIM905 - one a line would be 250 lines
)
#: Identifiers that SPDX has withdrawn and that are still widely used.
_WITHDRAWN = {
    f"{name}{mark}": f"{name}-{word}"
    for name in ("AGPL-3.0", "GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0")
    for mark, word in (("", "only"), ("+", "or-later"))
}
_EXCEPTIONS = frozenset(
    """
    Autoconf-exception-3.0 Bison-exception-2.2 Bootloader-exception Classpath-exception-2.0 eCos-exception-2.0
    FLTK-exception Font-exception-2.0 GCC-exception-2.0 GCC-exception-3.1 LGPL-3.0-linking-exception
    Libtool-exception Linux-syscall-note LLVM-exception OCaml-LGPL-linking-exception openvpn-openssl-exception
    Qt-GPL-exception-1.0 Qt-LGPL-exception-1.1 Universal-FOSS-exception-1.0 WxWindows-exception-3.1
    """.split()  # noqa: SIM905 - one a line would be 250 lines
)
#: The identifiers of Hugging Face, from https://huggingface.co/docs/hub/repositories-licenses.
_WORDS = frozenset(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    openrail++ afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0
    cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0
    cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0
    cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl
    gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0
    odc-by odbl open-mdw openmdw-1.0 openrail-m osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr
    deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community
    gemma unknown other
    """.split()  # noqa: SIM905 - one a line would be 250 lines
)
#: Where Hugging Face's identifier is not SPDX's in lower case.
_OWN_WORDS = {
    "C-UDA-1.0": "c-uda", "ODC-By-1.0": "odc-by", "ODbL-1.0": "odbl", "PDDL-1.0": "pddl", "LGPLLR": "lgpl-lr",
    "GFDL-1.1-only": "gfdl", "GFDL-1.1-or-later": "gfdl", "GFDL-1.2-only": "gfdl", "GFDL-1.2-or-later": "gfdl",
    "GFDL-1.3-only": "gfdl", "GFDL-1.3-or-later": "gfdl",
}  # fmt: skip
_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]{1,200}\Z")
_PART = re.compile(r"\s*([()]|[^\s()]+)")
_MOST_PARTS = 100
#: The operators of an expression, and the letter for each in :func:`_parse_expression`.
_OPERATORS = {"AND": "o", "OR": "o", "WITH": "w", "(": "(", ")": ")"}
_BY_LOWER = {name.lower(): name for name in IDS} | {old.lower(): new for old, new in _WITHDRAWN.items()}


class Licence(NamedTuple):
    """A licence as it was written. ``spdx`` is its SPDX identifier or expression, empty if it is not one.

    ``word`` is its identifier at Hugging Face; ``near`` a similar SPDX identifier, empty if there is none.
    """

    text: str
    spdx: str
    word: str
    near: str = ""

    @property
    def known(self) -> bool:
        """Whether it is an SPDX identifier, or a licence that Hugging Face knows."""
        return bool(self.spdx) or self.word not in (OTHER, "unknown")

    @property
    def name(self) -> str:
        """The ``license_name`` of a licence that Hugging Face does not know."""
        return re.sub(r"[^\w.+]+", "-", (self.spdx or self.text).removeprefix("LicenseRef-").lower()).strip("-")

    @property
    def link(self) -> str:
        """The URL of a licence that SPDX knows and Hugging Face does not; else empty."""
        return f"https://spdx.org/licenses/{self.spdx}.html" if self.word == OTHER and self.spdx in IDS else ""


def parse_license(text: str) -> Licence:
    """Parse a licence, ignoring case."""
    text = " ".join(text.split())
    spdx = _parse_expression(text)
    # Hugging Face's identifiers are SPDX's in lower case, without -only and -or-later.
    words = (
        _OWN_WORDS.get(each, each.lower().removesuffix("-only").removesuffix("-or-later")) for each in (spdx, text)
    )
    word = next((word for word in words if word in _WORDS), OTHER)
    near = "" if spdx or word != OTHER else _find_similar(text)
    return Licence(text, spdx, word, near)


def _find_similar(text: str) -> str:
    """The identifier that ``Apache License 2.0``, ``gpl3``, ``CC BY 4.0`` or ``apache`` may stand for; or empty."""
    name = re.sub(r"\W*(licen[cs]e|version)\b|\b(gnu|the)\b", "", text.lower()).strip(" ,")
    name = re.sub(r"[\s_,-]+v?", "-", name)
    if matches := get_close_matches(re.sub(r"(?<=[a-z])v?(?=[0-9])", "-", name), _BY_LOWER, 1, 0.75):
        return _BY_LOWER[matches[0]]
    begins = [lower for lower in _BY_LOWER if name and re.match(rf"{re.escape(name)}[-.]", lower)]
    newest = max(begins, key=lambda lower: (-len(lower), lower), default="")
    return _BY_LOWER.get(newest, "")


def _parse_expression(text: str) -> str:
    """An SPDX expression in its canonical spelling; empty if it is not one, or has an unknown identifier."""
    parts = _PART.findall(text)
    if len(parts) > _MOST_PARTS:
        return ""
    words: list[str] = []
    for part in parts:
        if words[-1:] == ["WITH"]:
            word = next((name for name in _EXCEPTIONS if name.lower() == part.lower()), "")
        else:
            word = part.upper() if part.upper() in _OPERATORS else _parse_identifier(part)
        if not word:
            return ""
        words.append(word)
    # The kind of each word, with i for an identifier or exception, reduced by the rules of the grammar.
    kinds = re.sub("i(wi)*", "t", "".join(_OPERATORS.get(word, "i") for word in words))
    while (reduced := re.sub(r"tot|\(t\)", "t", kinds)) != kinds:
        kinds = reduced
    return " ".join(words).replace("( ", "(").replace(" )", ")") if kinds == "t" else ""


def _parse_identifier(text: str) -> str:
    plus = text.endswith("+") and text.lower() not in _BY_LOWER
    name = _BY_LOWER.get(text.lower().removesuffix("+") if plus else text.lower(), "")
    if name:
        return f"{name}+" if plus else name
    return text if _REFERENCE.match(text) else ""
