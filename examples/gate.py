"""A metric gate: exit 1 unless every condition holds.

    python gate.py recommender@staging 'recall_at_10>=0.2' 'recall_at_10>=recommender@production'

A condition is METRIC>=BOUND or METRIC<=BOUND. BOUND is a number, or a version: then its own METRIC is the bound, and
where there is no such version yet the condition holds.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

CONDITION = re.compile(r"(.+?)(>=|<=)(.+)\Z")
NOT_FOUND = 3


def metrics_of(reference: str) -> dict[str, float] | None:
    """What ``registry show`` says; None if there is no such version."""
    shown = subprocess.run(["registry", "show", reference, "--json"], capture_output=True, check=False)
    if shown.returncode == NOT_FOUND:
        return None
    if shown.returncode:
        sys.stderr.write(shown.stderr.decode())
        sys.exit(shown.returncode)
    metrics: dict[str, float] = json.loads(shown.stdout)["metrics"]
    return metrics


def holds(metrics: dict[str, float], condition: str) -> bool:
    """Whether the condition holds; prints a line that says so."""
    match = CONDITION.match(condition)
    if match is None:
        sys.exit(f"error: '{condition}' is not a condition; use METRIC>=NUMBER")
    name, operator, text = match.groups()
    bound: float | None
    try:
        bound = float(text)
    except ValueError:
        other = metrics_of(text)
        bound = None if other is None else other.get(name)
    value = metrics.get(name)
    if bound is None:
        good, why = True, f"no {name} of {text} to compare with"
    else:
        good = value is not None and (value >= bound if operator == ">=" else value <= bound)
        why = f"wanted {operator} {bound:g}"
    print(f"{'ok    ' if good else 'FAILED'} {name} = {value} ({why})")
    return good


def main() -> int:
    if len(sys.argv) < 3:
        sys.exit(f"usage: gate.py REF CONDITION...\n{__doc__}")
    reference, *conditions = sys.argv[1:]
    metrics = metrics_of(reference)
    if metrics is None:
        sys.exit(f"error: version {reference} not found")
    return 0 if False not in [holds(metrics, condition) for condition in conditions] else 1  # each is reported


if __name__ == "__main__":
    sys.exit(main())
