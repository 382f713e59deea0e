"""Pickles, whatever their names: a file is one by what can be read in it, and judged by its uses of globals."""

from __future__ import annotations

from collections.abc import Callable

from ..inspect.binary.limits import Stopped, Stream
from .pickle.scan_log import CALL, HIDES, IMPORT, ITEMS, NEW, REFER, STATE, PickledGlobalUse
from .pickle.stream_analysis import StreamAnalysis, analyse_stream
from .verdicts import DANGEROUS, KNOWN, NOTE, UNKNOWN, GlobalUse, ScanContext

_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".cpkl", ".pk", ".p", ".sav", ".ckpt", ".pt", ".pth")
#: Bytes that stop being a valid pickle before this offset, and import nothing, are not a pickle.
_CHANCE = 64
#: The uses of a global, from the least to the most telling.
_WEIGHT = (IMPORT, REFER, ITEMS, STATE, NEW, CALL)


def scan_pickle(ctx: ScanContext, opened: Callable[[], Stream], head: bytes, name: str, *, lone: bool = False) -> bool:
    """Analyse what may be a pickle and begins with an opcode; False if it is none.

    What has the magic of protocol 2 to 5, or the name of a pickle, is one, readable or not. Anything else is one if it
    can be read as one, or if it calls something before the place where it can't: an unpickler would have made that call.
    """
    sure = lone or (head[0] == 0x80 and head[1:2] in (b"\2", b"\3", b"\4", b"\5"))
    named = name.lower().endswith(_SUFFIXES)
    found = analyse_stream(opened, ctx.budget, lone=lone)
    if sure and not (lone or named) and _is_chance(found):
        return False
    acts = _acts(ctx, found)
    long = bool(found.uses) or found.offset > _CHANCE  # hardly made for anything else
    if not (sure or acts or found.values or (named and long)):
        if found.limit:
            ctx.scan.add_stop(Stopped(found.why, limit=True), ctx.where)
        return found.limit
    if not (sure or acts or found.complete or named):
        return False  # a text that happens to begin with a small pickle
    _add_findings(ctx, found)
    return True


def _is_chance(found: StreamAnalysis) -> bool:
    """Whether numbers only happen to begin as a pickle does: every reader stops soon, and nothing was imported."""
    cut = found.stopped is not None and found.stopped.end
    return found.broken and not cut and found.offset < _CHANCE and not (found.uses or found.values or found.limit)


def _acts(ctx: ScanContext, found: StreamAnalysis) -> bool:
    """Whether something is called, or something dangerous is in the result: no text does that by chance."""
    return any(
        _has_name(use) and (use.called or (found.values and _judge(ctx, use)[0] == DANGEROUS)) for use in found.uses
    )


def _has_name(use: PickledGlobalUse) -> bool:
    """Whether the global has a name as Python has them."""
    return use.path.replace(".", "").isidentifier()


def _judge(ctx: ScanContext, use: PickledGlobalUse) -> tuple[str, str, str]:
    """The verdict on a use, its reason, and a description of the use."""
    from .pickle import global_verdicts  # large tables, which most texts that begin with an opcode don't need

    return *global_verdicts.judge(use, ctx.allowed), global_verdicts.describe_use(use)


def _add_findings(ctx: ScanContext, found: StreamAnalysis) -> None:
    ctx.recognise("", KNOWN)
    _add_uses(ctx, found.uses)
    for use in found.otherwise:
        if use.called and _has_name(use) and (level := _judge(ctx, use)[0]) != KNOWN:
            ctx.add_finding(level, "in the bytes of an array, as pickle.load would read them", use.path)
    for anomaly in found.anomalies:
        ctx.add_finding(DANGEROUS if anomaly.severity == HIDES else UNKNOWN, anomaly.what)
    if found.broken and found.uses and not found.limit:
        ctx.add_finding(DANGEROUS, f"it calls or imports something, and then breaks off: {found.why}")
    elif found.stopped is not None:
        ctx.scan.add_stop(found.stopped, ctx.where)
    elif found.legacy_torch:
        ctx.add_finding(NOTE, "the numbers of the tensors lie behind the pickles")


def _add_uses(ctx: ScanContext, uses: tuple[PickledGlobalUse, ...]) -> None:
    """Add each global once for each verdict on it, with the most telling use."""
    worst: dict[tuple[str, str], tuple[int, str]] = {}
    for use in uses:
        level, reason, described = _judge(ctx, use)
        ctx.scan.explain(GlobalUse(use.path, ctx.where, use.offset, described, level, reason))
        if level != KNOWN:
            this = (_WEIGHT.index(use.how), reason)
            worst[level, use.path] = max(worst.get((level, use.path), (-1, "")), this)
    for (level, path), (_, why) in worst.items():
        if level == DANGEROUS or (DANGEROUS, path) not in worst:
            ctx.add_finding(level, why, path)
    ctx.scan.globals += len({use[:2] for use in uses})
