"""Pure decisions over records: stages, history, retention, rollback, comparison, approvals, scan policy.

May import: query, core, errors.
Does not belong here: whatever reads or writes a file. Settings are loaded in ``store`` and ``operations``.
"""

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from . import approvals, event_history, rollback, stages

__all__ = ["approvals", "event_history", "rollback", "stages"]


def __getattr__(name: str) -> object:
    """The modules that most commands do without, imported at their first use."""
    if name not in __all__:
        raise AttributeError(f"module 'registry_cli.rules' has no attribute '{name}'")
    from importlib import import_module

    return import_module(f".{name}", __name__)
