"""The command ``registry``, also ``python -m registry_cli``."""

import gc
import os
import sys

#: Objects made before Python looks for cycles among them. A command makes many and few cycles, then ends: at the usual
#: 700 the looking took a third of a list of 10,000 models, and part of every start.
_MANY = 100_000


def _leave_out_current_folder() -> None:
    """Import nothing from the current folder: with ``python -m``, a ``typer.py`` or ``json.py`` in it would be run."""
    try:
        here = os.getcwd()  # noqa: PTH109  pathlib is not imported for this
    except OSError:  # it was removed
        here = ""
    site = sys.modules.get("site")  # not imported with python -S
    installed = {*site.getsitepackages(), site.getusersitepackages()} if site is not None else set()
    sys.path[:] = [entry for entry in sys.path if entry not in ("", ".") and (entry != here or entry in installed)]


def main() -> None:
    """Run one command; ends the process with its exit code."""
    _leave_out_current_folder()
    gc.set_threshold(_MANY)
    from .cli.main import run

    code = run(sys.argv[1:])
    gc.freeze()  # or Python looks for cycles among all that was imported once more before it ends
    sys.exit(code)


if __name__ == "__main__":
    main()
