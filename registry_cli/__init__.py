"""The model registry that lives in a folder.

    from registry_cli import Registry

    reg = Registry.open()
    v = reg.register("churn", ["model.pkl"], params={"depth": 6}, metrics={"auc": 0.93})
    reg.promote(v.ref, "staging", reason="nightly run")
    path = reg.path("churn@staging")

Names are imported when they are first used: the command line must start in no time.
"""

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from .core.names import Reference
    from .core.progress import Progress
    from .core.records import (
        Artifact,
        Checkpoint,
        Event,
        FileEntry,
        JournalEntry,
        ModelRecord,
        RegistryRecord,
        Told,
        VersionRecord,
    )
    from .core.results import (
        Approval,
        Changed,
        Exported,
        Finding,
        Freed,
        Imported,
        Moved,
        Problem,
        Registered,
        Signature,
        Verification,
    )
    from .errors import Conflict, Damaged, Indeterminate, InvalidInput, LockTimeout, NotFound, Refused, RegistryError
    from .inspect.inspection import Inspected, Inspection, Tensor
    from .registry import Registry
    from .rules.policy.command_set import Command, Commands
    from .rules.policy.evaluation import Evaluation, Judgement, PolicyLine
    from .rules.retention import Plan, Verdict
    from .rules.retention_rules import Rules
    from .rules.rollback import Holder
    from .scan.verdicts import FileScan, Remark, Scan

__version__ = "0.1.0"

_HOME_OF = {
    **dict.fromkeys(
        ("Conflict", "Damaged", "Indeterminate", "InvalidInput", "LockTimeout", "NotFound", "Refused", "RegistryError"),
        "errors",
    ),
    **dict.fromkeys(("Plan", "Verdict"), "rules.retention"),
    "Rules": "rules.retention_rules",
    **dict.fromkeys(("Command", "Commands"), "rules.policy.command_set"),
    **dict.fromkeys(("Evaluation", "Judgement", "PolicyLine"), "rules.policy.evaluation"),
    "Reference": "core.names",
    "Progress": "core.progress",
    **dict.fromkeys(
        (
            "Artifact", "Checkpoint", "Event", "FileEntry", "JournalEntry", "ModelRecord", "RegistryRecord", "Told",
            "VersionRecord",
        ),
        "core.records",
    ),
    **dict.fromkeys(
        ("Approval", "Changed", "Exported", "Finding", "Freed", "Imported", "Moved", "Problem", "Registered", "Signature", "Verification"),
        "core.results",
    ),
    "Holder": "rules.rollback",
    **dict.fromkeys(("Inspected", "Inspection", "Tensor"), "inspect.inspection"),
    **dict.fromkeys(("FileScan", "Remark", "Scan"), "scan.verdicts"),
    "Registry": "registry",
}  # fmt: skip

__all__ = [
    "Approval",
    "Artifact",
    "Changed",
    "Checkpoint",
    "Command",
    "Commands",
    "Conflict",
    "Damaged",
    "Evaluation",
    "Event",
    "Exported",
    "FileEntry",
    "FileScan",
    "Finding",
    "Freed",
    "Holder",
    "Imported",
    "Indeterminate",
    "Inspected",
    "Inspection",
    "InvalidInput",
    "JournalEntry",
    "Judgement",
    "LockTimeout",
    "ModelRecord",
    "Moved",
    "NotFound",
    "Plan",
    "PolicyLine",
    "Problem",
    "Progress",
    "Reference",
    "Refused",
    "Registered",
    "Registry",
    "RegistryError",
    "RegistryRecord",
    "Remark",
    "Rules",
    "Scan",
    "Signature",
    "Tensor",
    "Told",
    "Verdict",
    "Verification",
    "VersionRecord",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'registry_cli' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
