"""Counts what a scanner says of malicious and of honest files: ``evaluate.py SCANNER MALICIOUS HONEST``.

The folders are those of ``make_corpus`` and ``make_benign``. SCANNER is ``registry``, ``picklescan`` or ``modelscan``;
it must be installed where this runs.
"""
# mypy: ignore-errors

from __future__ import annotations

import collections
import contextlib
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

#: Verdicts that are wrong of a malicious and of an honest file.
_WRONG = {"malicious": ("safe-format", "known-globals"), "honest": ("dangerous", "infected")}


def registry(folder: Path) -> Callable[[Path], str]:
    from registry_cli.scan.scanner import scan

    return lambda path: scan({str(path.relative_to(folder)): path}).verdict


def picklescan(_folder: Path) -> Callable[[Path], str]:
    from picklescan.scanner import scan_file_path

    def look(path: Path) -> str:
        found = scan_file_path(str(path))
        if found.issues_count:
            return "infected"
        return "failed" if found.scan_err else "clean" if found.scanned_files else "not scanned"

    return look


def modelscan(_folder: Path) -> Callable[[Path], str]:
    from modelscan.modelscan import ModelScan

    def look(path: Path) -> str:
        found = ModelScan().scan(path)
        if found["summary"]["total_issues"]:
            return "infected"
        return (
            "failed" if found["errors"] else "clean" if found["summary"]["scanned"]["total_scanned"] else "not scanned"
        )

    return look


def evaluate(make: Callable[[Path], Callable[[Path], str]], title: str, folder: Path) -> None:
    look = make(folder)
    counts: collections.Counter[str] = collections.Counter()
    slowest, wrong = (0.0, ""), []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        start = time.process_time()
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                verdict = look(path)
        except Exception:
            verdict = "failed"
        name = str(path.relative_to(folder))
        slowest = max(slowest, (time.process_time() - start, name))
        counts[verdict] += 1
        if verdict in _WRONG[title]:
            wrong.append(f"    {verdict}: {name}")
    shown = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
    print(f"{title}: {counts.total()} files: {shown}; at most {slowest[0]:.1f} s ({slowest[1]})")
    print(*wrong, sep="\n")


def main() -> None:
    import logging

    logging.disable(logging.CRITICAL)
    scanner = {"registry": registry, "picklescan": picklescan, "modelscan": modelscan}[sys.argv[1]]
    for title, folder in zip(_WRONG, map(Path, sys.argv[2:4]), strict=True):
        evaluate(scanner, title, folder)


if __name__ == "__main__":
    main()
