"""Speed, each figure as a ratio to its floor in the same run: ``make bench``, or ``python -m tests.benchmarks.bench``.

The commands that are compared run in turn, and the table shows medians; the ratio is that of the time on the wall.
Beside it, for a machine that is busy with other things: the ratio of the fastest runs, and that of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks import deploying, growing, observing, scaling, starting, storing
from tests.benchmarks.measure import Bench, NoRoom, Row, Timing, remove

PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "start": starting.start,
    "path": starting.path,
    "register": starting.register,
    "large": storing.large,
    "small": storing.small,
    "many": growing.many,
    "growth": growing.growth,
    "deploy": deploying.deploy,
    "deployments": deploying.deployments,
    "monitor": observing.monitor,
    "report": observing.report,
    "scale": scaling.scale,
    "large-scale": scaling.large_scale,
}
HEAD = ("work", "ours", "baseline", "", "ratio", "fastest", "cpu", "goal", "met?", "note")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", metavar="PART", action="append", choices=PARTS, help=f"one of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer runs and smaller files: a look, not a figure")
    parser.add_argument("--dir", type=Path, default=Path(".bench"), help="on the disk to be measured (default: .bench)")
    parser.add_argument("--json", type=Path, help="where the figures go as JSON (default: DIR/results.json)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that gigabytes don't stay behind
    options.dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=options.dir)).absolute()
    rows: list[Row] = []
    troubles: list[str] = []
    code = 0
    try:
        for part in options.only or PARTS:
            print(f"measuring: {part} …", file=sys.stderr)
            try:
                for row in PARTS[part](Bench(folder, options.quick)):
                    rows.append(row)
                    print(f"  {row.work}: {row.ratio:.2f} ×", file=sys.stderr)
            except NoRoom as error:
                troubles.append(f"skipped {part}: {error}")
            except RuntimeError as error:
                code = 1
                troubles.append(f"FAILED {part}: {error}")
    except (KeyboardInterrupt, SystemExit):
        code = 130
        troubles.append("interrupted: the rest was not measured")
    finally:
        remove(folder)
    print("\n".join([table(rows), *troubles]))
    target = options.json or options.dir / "results.json"
    target.write_text(json.dumps(document(rows, quick=options.quick), indent=2) + "\n")
    return code


def document(rows: Sequence[Row], *, quick: bool) -> dict[str, object]:
    """The figures as JSON: times in seconds."""
    listed = [
        {**asdict(row), "ratio": row.ratio, "least_ratio": row.least_ratio, "cpu_ratio": row.cpu_ratio, "met": row.met}
        for row in rows
    ]
    machine = {"python": platform.python_version(), "system": platform.platform(), "processors": os.cpu_count()}
    return {"schema": 1, "kind": "benchmark", "quick": quick, "machine": machine, "rows": listed}


def table(rows: Sequence[Row]) -> str:
    """The figures for a person."""
    lines = [HEAD, *map(_cells, rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEAD))]
    numeric = {HEAD.index(name) for name in ("ours", "baseline", "ratio", "fastest", "cpu", "goal")}
    return "\n".join(
        "  ".join(f"{cell:>{width}}" if at in numeric else f"{cell:<{width}}" for at, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.work,
        _seconds(row.ours),
        _seconds(row.baseline),
        row.floor,
        f"{row.ratio:.2f} ×",
        f"{row.least_ratio:.2f} ×",
        "" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f} ×",
        "" if row.goal is None else f"≤ {row.goal:g} ×",
        {None: "", True: "yes", False: "NO"}[row.met],
        row.note,
    )


def _seconds(timing: Timing) -> str:
    return f"{timing.wall:.2f} s" if timing.wall >= 1 else f"{timing.wall * 1000:.1f} ms"


if __name__ == "__main__":
    sys.exit(main())
