"""The command ``registry``, also ``python -m registry_cli``."""

import sys


def main() -> None:
    """Run one command; ends the process with its exit code."""
    from .cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
