"""What a scan says: a verdict a file, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..core.text import replace_unprintable
from ..inspect.binary.limits import Stopped

#: From the best to the worst: of several the worst counts.
SAFE, KNOWN, UNKNOWN_FORMAT, UNKNOWN, UNSCANNABLE, DANGEROUS = (
    "safe-format", "known-globals", "unknown-format", "unknown-globals", "unscannable", "dangerous",
)  # fmt: skip
#: Bytes that no loader is known to run are less of a risk than code that nobody vouches for.
VERDICTS = (SAFE, KNOWN, UNKNOWN_FORMAT, UNKNOWN, UNSCANNABLE, DANGEROUS)
#: Verdicts that need no explanation.
CLEAN = (SAFE, KNOWN)
#: A remark with no verdict of its own.
NOTE = "note"

#: So many remarks of one file are kept, as many again of danger; and so many names in a version's lineage.
_REMARKS = 500
_USES = 2_000
_GLOBALS = 50
_REASONS = 5
_TEXT = 200


def worst(verdicts: list[str]) -> str:
    """The worst of some verdicts; that of no file at all is the best."""
    return max(verdicts, key=VERDICTS.index, default=SAFE)


class ScanFinding(NamedTuple):
    """One thing that was found. ``level`` is the verdict it stands for, or ``note``.

    ``name`` is the global (``posix.system``), empty when it is about something else; ``why`` says what is about it.
    ``where`` is the member, for one in an archive.
    """

    level: str
    name: str
    why: str
    where: str = ""

    @property
    def text(self) -> str:
        """As a person reads it: ``posix.system: it can run commands or code``."""
        return ": ".join(part for part in (self.where, self.name, self.why) if part)


class GlobalUse(NamedTuple):
    """One use of a global in a pickle: ``registry scan --explain``.

    ``member`` is the path in an archive, ``offset`` the byte of the pickle behind the opcode. ``use`` says what is done
    with it (``called with text, number``), ``level`` is the verdict on that, and ``why`` its reason.
    """

    name: str
    member: str
    offset: int
    use: str
    level: str
    why: str


class FileScan:
    """What was found in one file. ``kind`` says what it is (``pickle``, ``zip``); ``globals`` is how many it refers to.

    ``limited`` says that a limit of the scan kept it from reading something that is, or could be, a pickle.
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
        """The worst of all that was found."""
        return worst(list(self.verdicts))

    def add_finding(self, level: str, name: str, why: str, where: str = "") -> None:
        """Note something down; the verdict counts even when there is no room for the words."""
        if level != NOTE:
            self.verdicts.add(level)
        remark = ScanFinding(level, name[:_TEXT], why[:_TEXT], where[:_TEXT])
        room = _REMARKS if level != DANGEROUS else 2 * _REMARKS  # what is worst is not crowded out
        if len(self.remarks) < room and remark not in self._known:
            self._known.add(remark)
            self.remarks.append(remark)

    def explain(self, use: GlobalUse) -> None:
        """Keep what is done with a global, for who asks why: of very many only the first."""
        if len(self.uses) < _USES:
            self.uses.append(use._replace(name=use.name[:_TEXT], use=use.use[:_TEXT], why=use.why[:_TEXT]))

    def add_stop(self, error: Stopped, where: str = "") -> None:
        """Record why reading ended early: what two readers could read differently is dangerous, not unscannable."""
        if error.ambiguous:
            self.add_finding(DANGEROUS, "", str(error), where)
            return
        self.limited |= error.limit
        self.add_finding(UNSCANNABLE, "", f"not read to the end: {error}", where)

    def worst_first(self) -> list[ScanFinding]:
        """The remarks, those that the verdict rests on first."""
        order = (*VERDICTS[::-1], NOTE)
        return sorted(self.remarks, key=lambda each: order.index(each.level))


class Scan(NamedTuple):
    """What was found in all files of an artifact."""

    files: tuple[FileScan, ...]

    @property
    def verdict(self) -> str:
        """The worst of all files."""
        return worst([each.verdict for each in self.files])

    @property
    def limited(self) -> bool:
        """Whether a limit of the scan kept it from reading something that is, or could be, a pickle."""
        return any(each.limited for each in self.files)

    def reasons(self, level: str) -> list[str]:
        """What of this level was found, one line each, with its file."""
        return [
            f"{each.path}: {remark.text}" for each in self.files for remark in each.remarks if remark.level == level
        ]

    def lineage(self) -> dict[str, Any]:
        """As a version keeps it: the verdict, what it rests on, and how many files there are of each."""
        lineage: dict[str, Any] = {"verdict": self.verdict}
        count: dict[str, int] = {}
        for each in self.files:
            count[each.verdict] = count.get(each.verdict, 0) + 1
        if len(count) > 1:
            lineage["files"] = {verdict: count[verdict] for verdict in VERDICTS if verdict in count}
        names: dict[str, None] = {}
        for level in (DANGEROUS, UNKNOWN):
            for each in self.files:
                names.update({remark.name: None for remark in each.remarks if remark.level == level and remark.name})
        if names:
            lineage["globals"] = [_line(name) for name in list(names)[:_GLOBALS]]
        if self.limited:
            lineage["limited"] = True
        if self.verdict not in CLEAN:
            lineage["reasons"] = [_line(text) for text in self.reasons(self.verdict)[:_REASONS]]
        return lineage


def _line(text: str) -> str:
    """One line that can be kept and shown."""
    return replace_unprintable(text, "\N{REPLACEMENT CHARACTER}")[:_TEXT]


class AllowedGlobals:
    """``package.Class`` allows that one name, ``package.*`` all of a package that is not denied."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        given = tuple(names)
        self.exact = frozenset(name for name in given if not name.endswith(".*"))
        self.prefixes = tuple(name[:-1] for name in given if name.endswith(".*"))
