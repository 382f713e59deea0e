"""The model registry that lives in a folder.

    from registry_cli import Registry

    reg = Registry.open()
    v = reg.register("churn", ["model.pkl"], params={"depth": 6}, metrics={"auc": 0.93}).version
    reg.promote(v.ref, "staging", reason="nightly run")
    path = reg.path("churn@staging")

Names are imported when they are first used: the command line must start in no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import (
        Conflict,
        Damaged,
        Indeterminate,
        InvalidInput,
        LockTimeout,
        NotFound,
        Refused,
        RegistryError,
    )
    from .names import Reference
    from .records import (
        Changed,
        Event,
        Finding,
        Freed,
        JournalEntry,
        ModelRecord,
        Moved,
        Problem,
        Registered,
        RegistryRecord,
        StageTable,
        Verification,
        VersionRecord,
    )
    from .registry import Registry

__version__ = "0.1.0"

_HOMES = {
    "errors": ("Conflict", "Damaged", "Indeterminate", "InvalidInput", "LockTimeout", "NotFound", "Refused", "RegistryError"),
    "names": ("Reference",),
    "records": (
        "Changed", "Event", "Finding", "Freed", "JournalEntry", "ModelRecord", "Moved", "Problem", "Registered",
        "RegistryRecord", "StageTable", "Verification", "VersionRecord",
    ),
    "registry": ("Registry",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - the class everybody wants first
    "Registry", "__version__",
    "Conflict", "Damaged", "Indeterminate", "InvalidInput", "LockTimeout", "NotFound", "Refused", "RegistryError",
    "Reference",
    "Changed", "Event", "Finding", "Freed", "JournalEntry", "ModelRecord", "Moved", "Problem", "Registered",
    "RegistryRecord", "StageTable", "Verification", "VersionRecord",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'registry_cli' has no attribute '{name}'")
    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
