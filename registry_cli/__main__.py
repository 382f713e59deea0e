"""The command ``registry``, also ``python -m registry_cli``."""

import gc
import sys

#: Objects made before Python looks for cycles among them. A command makes many and few cycles, then ends: at the usual
#: 700 the looking took a third of a list of 10,000 models, and part of every start.
_MANY = 100_000


def main() -> None:
    """Run one command; ends the process with its exit code."""
    gc.set_threshold(_MANY)
    from .cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
