"""The security scanner of model files: verdicts, containers, configurations, templates, graphs, pickles.

The readers of formats are imported when they are first used: most files need few of them.

May import: inspect.binary, core, errors.
Does not belong here: which verdicts a registry accepts (``rules/scan_policy.py``).
"""

# ruff: noqa: F401 - imported for the type checker
TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from . import configurations, containers, data_formats, graphs, hdf5_files, keras_configurations, pickle_files

_READERS = frozenset(str.split(
    "configurations containers data_formats graphs hdf5_files keras_configurations pickle_files"
))  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _READERS:
        raise AttributeError(f"module 'registry_cli.scan' has no attribute '{name}'")
    from importlib import import_module

    return import_module(f".{name}", __name__)
