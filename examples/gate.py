"""A metric gate: exit 1 unless every condition holds.

python gate.py recommender@staging 'recall_at_10>=0.2'
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

CONDITION = re.compile(r"(.+?)(>=|<=)(-?[0-9.]+)\Z")


def main() -> int:
    reference, *conditions = sys.argv[1:]
    shown = subprocess.run(["registry", "show", reference, "--json"], check=True, capture_output=True, text=True)
    metrics = json.loads(shown.stdout)["metrics"]
    failed = False
    for condition in conditions:
        match = CONDITION.match(condition)
        if match is None:
            sys.exit(f"'{condition}' is no condition: write METRIC>=NUMBER")
        name, operator, bound = match[1], match[2], float(match[3])
        value = metrics.get(name)
        holds = value is not None and (value >= bound if operator == ">=" else value <= bound)
        print(f"{'ok    ' if holds else 'FAILED'} {name} = {value} (wanted {operator} {bound:g})")
        failed |= not holds
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
