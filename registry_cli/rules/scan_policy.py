"""The setting ``scan`` of ``registry.yaml``: which verdicts of the scanner are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..core.lazy_dataclass import dataclass
from ..errors import InvalidInput, Refused

#: From the most permissive to the strictest.
OFF, WARN, REFUSE, ALLOWLIST = MODES = ("off", "warn", "refuse-dangerous", "allowlist")
DEFAULT = REFUSE
_KEYS = ("mode", "allow")
_GLOBAL = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\.[A-Za-z_]\w*|\.\*)")
#: The verdicts that each mode allows; modes that are not listed allow all.
_LETS_IN = {
    REFUSE: ("safe-format", "known-globals", "unknown-format", "unknown-globals", "unscannable"),
    ALLOWLIST: ("safe-format", "known-globals"),
}


@dataclass(frozen=True, eq=False, repr=False)
class ScanRules:
    """``mode`` says which verdicts are refused; ``allow`` are globals that are known besides the built-in list."""

    mode: str = DEFAULT
    allow: tuple[str, ...] = ()

    def allows(self, verdict: str, limited: bool = False) -> bool:
        """Return whether a version with this verdict may be registered.

        ``limited``: a limit kept the scan from reading a possible pickle, which must not be a way to evade it.
        """
        return verdict in _LETS_IN.get(self.mode, (verdict,)) and not (limited and self.mode == REFUSE)

    def with_mode(self, mode: str | None) -> ScanRules:
        """Return the rules with another mode, which must not be more permissive: otherwise :class:`Refused`."""
        if mode is None:
            return self
        if MODES.index(check_mode(mode, "`scan`")) < MODES.index(self.mode):
            raise Refused(
                f"this registry requires scan mode '{self.mode}'; '{mode}' is weaker",
                "use `unsafe` to register one version anyway",
            )
        return ScanRules(mode, self.allow)


def parse_scan_rules(value: Any, what: str) -> ScanRules:
    """Parse ``scan: warn``, or ``scan: {mode: warn, allow: [package.Class]}``. Raises :class:`InvalidInput`."""
    document = {"mode": value} if isinstance(value, (str, bool)) else value
    if not isinstance(document, Mapping):
        raise InvalidInput(f"{what}: 'scan' must be a word or a mapping", f"for example: scan: {DEFAULT}")
    for key in document:
        if key not in _KEYS:
            raise InvalidInput(f"{what}: unknown setting 'scan.{key}'", f"use {' or '.join(_KEYS)}")
    allow = document.get("allow", [])
    if not isinstance(allow, list):
        raise InvalidInput(f"{what}: 'scan.allow' must be a list", "for example: [package.Class, 'package.*']")
    return ScanRules(
        check_mode(document.get("mode", DEFAULT), f"{what}: 'scan'"), tuple(check_global(name) for name in allow)
    )


def check_mode(value: Any, what: str) -> str:
    if value not in MODES:
        raise InvalidInput(f"invalid value for {what}: '{value}'", f"use {', '.join(MODES)}")
    return str(value)


def check_global(name: Any) -> str:
    """Check the name of a global, ``package.Class``, or ``package.*``."""
    if not isinstance(name, str) or not _GLOBAL.fullmatch(name):
        raise InvalidInput(f"'{name}' is not the name of a global", "use package.Class or 'package.*'")
    return name
