"""Results of a scan: findings, and the verdict that follows from them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..core.lazy_dataclass import Record, dataclass
from ..core.text import replace_unprintable
from ..inspect.binary.limits import Budget, Stopped

#: The verdicts from the best to the worst. If there are several, the worst counts.
SAFE, KNOWN, UNKNOWN_FORMAT, UNKNOWN, UNSCANNABLE, DANGEROUS = (
    "safe-format", "known-globals", "unknown-format", "unknown-globals", "unscannable", "dangerous",
)  # fmt: skip
#: ``unknown-format`` is better than ``unknown-globals``: no loader is known that would run such bytes.
VERDICTS = (SAFE, KNOWN, UNKNOWN_FORMAT, UNKNOWN, UNSCANNABLE, DANGEROUS)
#: Verdicts that need no explanation.
CLEAN = (SAFE, KNOWN)
#: The level of a finding that changes no verdict.
NOTE = "note"

#: The most findings of one file that are kept (as many again if dangerous), and the most names in a version's lineage.
_REMARKS = 500
_USES = 2_000
_GLOBALS = 50
_REASONS = 5
_TEXT = 200


def worst(verdicts: Iterable[str]) -> str:
    """The worst of some verdicts; the best one for none."""
    return max(verdicts, key=VERDICTS.index, default=SAFE)


class ScanFinding(NamedTuple):
    """One finding. ``level`` is its verdict, or ``note``.

    ``name`` is the global (``posix.system``), empty for a finding about something else; ``why`` is the reason, and
    ``where`` the member of an archive.
    """

    level: str
    name: str
    why: str
    where: str = ""

    @property
    def text(self) -> str:
        """The finding as one line: ``posix.system: it can run commands or code``."""
        return ": ".join(part for part in (self.where, self.name, self.why) if part)


class GlobalUse(NamedTuple):
    """One use of a global in a pickle, for ``registry scan --explain``.

    ``member`` is the path in an archive, ``offset`` the byte of the pickle after the opcode, ``use`` what is done with
    the global (``called with text, number``), ``level`` the verdict on that, and ``why`` its reason.
    """

    name: str
    member: str
    offset: int
    use: str
    level: str
    why: str


class FileScan(Record):
    """The result for one file. ``kind`` is its format (``pickle``, ``zip``), ``globals`` the number that it refers to.

    ``limited``: because of a limit of the scan, something that is or could be a pickle was not read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.kind = ""
        self.remarks: list[ScanFinding] = []
        self._known: set[ScanFinding] = set()
        self.globals = 0
        self.limited = False
        self.uses: list[GlobalUse] = []
        self.verdicts: set[str] = set()

    @property
    def verdict(self) -> str:
        """The worst verdict of all findings."""
        return worst(self.verdicts)

    def add_finding(self, level: str, name: str, why: str, where: str = "") -> None:
        """Add a finding; its verdict counts even if there is no room for the text."""
        if level != NOTE:
            self.verdicts.add(level)
        remark = ScanFinding(level, name[:_TEXT], why[:_TEXT], where[:_TEXT])
        room = _REMARKS if level != DANGEROUS else 2 * _REMARKS  # the worst findings are not crowded out
        if len(self.remarks) < room and remark not in self._known:
            self._known.add(remark)
            self.remarks.append(remark)

    def explain(self, use: GlobalUse) -> None:
        """Keep a use of a global for ``--explain``; only the first of very many."""
        if len(self.uses) < _USES:
            self.uses.append(use._replace(name=use.name[:_TEXT], use=use.use[:_TEXT], why=use.why[:_TEXT]))

    def add_stop(self, error: Stopped, where: str = "") -> None:
        """Add the reason why reading ended early; one that two readers could read differently is dangerous."""
        if error.ambiguous:
            self.add_finding(DANGEROUS, "", str(error), where)
            return
        self.limited |= error.limit
        self.add_finding(UNSCANNABLE, "", f"not read to the end: {error}", where)

    def worst_first(self) -> list[ScanFinding]:
        """The findings, the worst first."""
        order = (*VERDICTS[::-1], NOTE)
        return sorted(self.remarks, key=lambda each: order.index(each.level))


@dataclass(frozen=True)
class Scan(Record):
    """The result for all files of an artifact."""

    files: tuple[FileScan, ...]

    @property
    def verdict(self) -> str:
        """The worst of all files."""
        return worst(each.verdict for each in self.files)

    @property
    def limited(self) -> bool:
        """Whether something that is or could be a pickle was not read because of a limit of the scan."""
        return any(each.limited for each in self.files)

    def reasons(self, level: str) -> list[str]:
        """The findings of this level as lines, with their files."""
        return [
            f"{each.path}: {remark.text}" for each in self.files for remark in each.remarks if remark.level == level
        ]

    def lineage(self) -> dict[str, Any]:
        """The result as the lineage of a version has it: verdict, reasons, and the number of files of each verdict."""
        lineage: dict[str, Any] = {"verdict": self.verdict}
        verdicts = [each.verdict for each in self.files]
        if len(set(verdicts)) > 1:
            lineage["files"] = {each: verdicts.count(each) for each in VERDICTS if each in verdicts}
        remarks = [remark for each in self.files for remark in each.remarks if remark.name]
        names = dict.fromkeys(each.name for level in (DANGEROUS, UNKNOWN) for each in remarks if each.level == level)
        if names:
            lineage["globals"] = [_line(name) for name in list(names)[:_GLOBALS]]
        if self.limited:
            lineage["limited"] = True
        if self.verdict not in CLEAN:
            lineage["reasons"] = [_line(text) for text in self.reasons(self.verdict)[:_REASONS]]
        return lineage


def _line(text: str) -> str:
    return replace_unprintable(text, "\N{REPLACEMENT CHARACTER}")[:_TEXT]


class AllowedGlobals:
    """Globals that a user allows: ``package.Class``, or ``package.*`` for all of a package that is not denied."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        given = tuple(names)
        self.exact = frozenset(name for name in given if not name.endswith(".*"))
        self.prefixes = tuple(name[:-1] for name in given if name.endswith(".*"))

    def __contains__(self, path: str) -> bool:
        return path in self.exact or path.startswith(self.prefixes)


class ScanContext(NamedTuple):
    """What a scan of a file or of a member of an archive needs: the result to add to, settings, and the member's path."""

    scan: FileScan
    allowed: AllowedGlobals
    budget: Budget
    where: str = ""
    depth: int = 0

    def enter_member(self, name: str) -> ScanContext:
        """The context of a member of this archive, which costs one of the budget's ``members``."""
        self.spend_member()
        return self._replace(where=f"{self.where}!{name}" if self.where else name, depth=self.depth + 1)

    def at_depth(self, depth: int) -> ScanContext:
        return self._replace(depth=depth)

    def add_finding(self, level: str, why: str, name: str = "") -> None:
        self.scan.add_finding(level, name, why, self.where)

    def recognise(self, kind: str, verdict: str = SAFE) -> None:
        """The format is known. The file has the kind of the first one."""
        self.scan.verdicts.add(verdict)
        self.scan.kind = self.scan.kind or kind

    def spend_member(self) -> None:
        self.budget.members -= 1
        if self.budget.members < 0:
            raise Stopped("its archives exceed the limit of members", limit=True)

    def spend_seeking(self, length: int) -> None:
        """Pay for bytes that are searched."""
        self.budget.seeking -= length
        if self.budget.seeking < 0:
            raise Stopped("it exceeds the size limit of the scan", limit=True)


def leaves_folder(path: str, drive: str = r"[A-Za-z]:[/\\]") -> bool:
    """Whether a path is absolute or has ``..`` in it, as Unix or as Windows reads it."""
    return path.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", path) or re.match(drive, path) is not None
