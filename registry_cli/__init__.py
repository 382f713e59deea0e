"""The model registry that lives in a folder.

    from registry_cli import Registry

    reg = Registry.open()
    v = reg.register("churn", "model.pkl", params={"depth": 6}, metrics={"auc": 0.93})
    reg.promote(v.ref, "staging", reason="nightly run")
    path = reg.path("churn@staging")

The types of all results are in ``registry_cli.types``. Names are imported when they are first used: the command line must
start in no time.
"""

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from .core.names import Reference
    from .core.observations import Observation
    from .core.progress import Progress
    from .core.records import Event, ModelRecord, VersionRecord
    from .core.results import RegisteredVersion
    from .core.values import Lineage
    from .errors import Conflict, Damaged, Indeterminate, InvalidInput, LockTimeout, NotFound, Refused, RegistryError
    from .operations.inspection import inspect_files, scan_files
    from .registry import Registry
    from .rules.retention_rules import RetentionRules

__version__ = "0.1.0"

_HOME_OF = {
    "Reference": "core.names",
    "Observation": "core.observations",
    "Progress": "core.progress",
    **dict.fromkeys(("Event", "ModelRecord", "VersionRecord"), "core.records"),
    "RegisteredVersion": "core.results",
    "Lineage": "core.values",
    **dict.fromkeys(("Conflict", "Damaged", "Indeterminate", "InvalidInput", "LockTimeout", "NotFound", "Refused", "RegistryError"), "errors"),
    **dict.fromkeys(("inspect_files", "scan_files"), "operations.inspection"),
    "Registry": "registry",
    "RetentionRules": "rules.retention_rules",
}  # fmt: skip

__all__ = [
    "Conflict", "Damaged", "Event", "Indeterminate", "InvalidInput", "Lineage", "LockTimeout", "ModelRecord",
    "NotFound", "Observation", "Progress", "Reference", "Refused", "RegisteredVersion", "Registry",
    "RegistryError", "RetentionRules", "VersionRecord", "__version__", "inspect_files", "scan_files",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'registry_cli' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
