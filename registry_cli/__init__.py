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
        ModelHistoryEntry,
        ModelRecord,
        RegistryRecord,
        VersionRecord,
    )
    from .core.results import (
        Approval,
        CleanupItem,
        DoctorCheck,
        ExportResult,
        ImportResult,
        PointerChange,
        Problem,
        RegisterResult,
        Signature,
        Verification,
        VersionsChanged,
    )
    from .errors import Conflict, Damaged, Indeterminate, InvalidInput, LockTimeout, NotFound, Refused, RegistryError
    from .inspect.inspection import Inspected, Inspection, Tensor
    from .operations.inspection import inspect_files, scan_files
    from .registry import Registry
    from .rules.policy.command_checks import Command, CommandSet
    from .rules.policy.evaluation import Evaluation, PolicyLine, RuleResult
    from .rules.retention import Plan, RetentionDecision
    from .rules.retention_rules import RetentionRules
    from .rules.rollback import StageHolder
    from .scan.verdicts import FileScan, Scan, ScanFinding

__version__ = "0.1.0"

_HOME_OF = {
    **dict.fromkeys(
        ("Conflict", "Damaged", "Indeterminate", "InvalidInput", "LockTimeout", "NotFound", "Refused", "RegistryError"),
        "errors",
    ),
    **dict.fromkeys(("Plan", "RetentionDecision"), "rules.retention"),
    "RetentionRules": "rules.retention_rules",
    **dict.fromkeys(("Command", "CommandSet"), "rules.policy.command_checks"),
    **dict.fromkeys(("Evaluation", "RuleResult", "PolicyLine"), "rules.policy.evaluation"),
    "Reference": "core.names",
    "Progress": "core.progress",
    **dict.fromkeys(
        (
            "Artifact", "Checkpoint", "Event", "FileEntry", "JournalEntry", "ModelRecord", "RegistryRecord", "ModelHistoryEntry",
            "VersionRecord",
        ),
        "core.records",
    ),
    **dict.fromkeys(
        ("Approval", "VersionsChanged", "ExportResult", "DoctorCheck", "CleanupItem", "ImportResult", "PointerChange", "Problem", "RegisterResult", "Signature", "Verification"),
        "core.results",
    ),
    "StageHolder": "rules.rollback",
    **dict.fromkeys(("Inspected", "Inspection", "Tensor"), "inspect.inspection"),
    **dict.fromkeys(("FileScan", "ScanFinding", "Scan"), "scan.verdicts"),
    "Registry": "registry",
    **dict.fromkeys(("inspect_files", "scan_files"), "operations.inspection"),
}  # fmt: skip

__all__ = [
    "Approval", "Artifact", "Checkpoint", "CleanupItem", "Command", "CommandSet", "Conflict", "Damaged",
    "DoctorCheck", "Evaluation", "Event", "ExportResult", "FileEntry", "FileScan", "ImportResult", "Indeterminate",
    "Inspected", "Inspection", "InvalidInput", "JournalEntry", "LockTimeout", "ModelHistoryEntry", "ModelRecord",
    "NotFound", "Plan", "PointerChange", "PolicyLine", "Problem", "Progress", "Reference", "Refused",
    "RegisterResult", "Registry", "RegistryError", "RegistryRecord", "RetentionDecision", "RetentionRules",
    "RuleResult", "Scan", "ScanFinding", "Signature", "StageHolder", "Tensor", "Verification", "VersionRecord",
    "VersionsChanged", "__version__", "inspect_files", "scan_files",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'registry_cli' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
