"""What a registry does with the verdict of a scan: the setting ``scan`` of ``registry.yaml``. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..core.lazy_dataclass import dataclass
from ..errors import InvalidInput, Refused

#: From the laxest to the strictest.
OFF, WARN, REFUSE, ALLOWLIST = MODES = ("off", "warn", "refuse-dangerous", "allowlist")
DEFAULT = REFUSE
_KEYS = ("mode", "allow")
_GLOBAL = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\.[A-Za-z_]\w*|\.\*)")
#: Verdicts that each mode lets in.
_LETS_IN = {
    REFUSE: ("safe-format", "known-globals", "unknown-format", "unknown-globals", "unscannable"),
    ALLOWLIST: ("safe-format", "known-globals"),
}


@dataclass(frozen=True, eq=False, repr=False)
class ScanRules:
    """``mode`` says what is refused; ``allow`` are globals that are known besides the usual ones."""

    mode: str = DEFAULT
    allow: tuple[str, ...] = ()

    def allows(self, verdict: str, limited: bool = False) -> bool:
        """Whether a version with this verdict may be registered.

        ``limited`` says that a limit of the scan kept it from reading something that could be a pickle: a limit must not
        be a way past the scan.
        """
        return verdict in _LETS_IN.get(self.mode, (verdict,)) and not (limited and self.mode == REFUSE)

    def with_mode(self, mode: str | None) -> ScanRules:
        """The same with a ``mode`` that somebody asked for, who may only be stricter. :class:`Refused` otherwise."""
        if mode is None:
            return self
        if MODES.index(check_mode(mode, "--scan")) < MODES.index(self.mode):
            raise Refused(
                f"this registry scans with '{self.mode}', and '{mode}' is laxer",
                "to register one version all the same: --allow-unsafe --reason TEXT",
            )
        return ScanRules(mode, self.allow)


def parse_scan_rules(value: Any, what: str) -> ScanRules:
    """``scan: warn``, or ``scan: {mode: warn, allow: [package.Class]}``. Raises :class:`InvalidInput`."""
    document = {"mode": value} if isinstance(value, (str, bool)) else value
    if not isinstance(document, Mapping):
        raise InvalidInput(f"{what}: 'scan' is neither a word nor a mapping", f"for example: scan: {DEFAULT}")
    for key in document:
        if key not in _KEYS:
            raise InvalidInput(f"{what}: there is no setting 'scan.{key}'", f"use {' or '.join(_KEYS)}")
    allow = document.get("allow", [])
    if not isinstance(allow, list):
        raise InvalidInput(f"{what}: 'scan.allow' is no list", "write it as [package.Class, 'package.*']")
    return ScanRules(
        check_mode(document.get("mode", DEFAULT), f"{what}: 'scan'"), tuple(check_global(name) for name in allow)
    )


def check_mode(value: Any, what: str) -> str:
    """One of the modes."""
    if value not in MODES:
        raise InvalidInput(f"{what} can't be '{value}'", f"use {', '.join(MODES)}")
    return str(value)


def check_global(name: Any) -> str:
    """The name of a global, ``package.Class``, or of all that a package has, ``package.*``."""
    if not isinstance(name, str) or not _GLOBAL.fullmatch(name):
        raise InvalidInput(f"'{name}' is no name of a global", "write package.Class, or 'package.*'")
    return name
