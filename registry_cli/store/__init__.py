"""The registry on disk: layout, codec, journal, reader, writer, staging, registration, fetch, settings.

May import: rules, query, schemas, core, errors.
Does not belong here: the steps of a verb over several of these (``operations``).
"""

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from . import creation, model_names

__all__ = ["creation", "model_names"]


def __getattr__(name: str) -> object:
    """The modules that most commands do without, imported at their first use."""
    if name not in __all__:
        raise AttributeError(f"module 'registry_cli.store' has no attribute '{name}'")
    from importlib import import_module

    return import_module(f".{name}", __name__)
