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
    from .core.observations import Observation
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
    from .monitoring.data_profile import ColumnDrift
    from .operations.data_profiles import DriftReport, ProfileRecorded
    from .operations.inspection import inspect_files, scan_files
    from .operations.monitor import ObservationsRecorded
    from .operations.report import ReportWritten
    from .registry import Registry
    from .rules.monitor_evaluation import SeriesStatus
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
    "SeriesStatus": "rules.monitor_evaluation",
    "Observation": "core.observations",
    "ObservationsRecorded": "operations.monitor",
    "ColumnDrift": "monitoring.data_profile",
    "ReportWritten": "operations.report",
    **dict.fromkeys(("DriftReport", "ProfileRecorded"), "operations.data_profiles"),
    "Registry": "registry",
    **dict.fromkeys(("inspect_files", "scan_files"), "operations.inspection"),
}  # fmt: skip

__all__ = [
    "Approval", "Artifact", "Checkpoint", "CleanupItem", "ColumnDrift", "Command", "CommandSet", "Conflict",
    "Damaged", "DoctorCheck", "DriftReport", "Evaluation", "Event", "ExportResult", "FileEntry", "FileScan",
    "ImportResult", "Indeterminate", "Inspected", "Inspection", "InvalidInput", "JournalEntry", "LockTimeout",
    "ModelHistoryEntry", "ModelRecord", "NotFound", "Observation", "ObservationsRecorded", "Plan", "PointerChange",
    "PolicyLine", "Problem", "ProfileRecorded", "Progress", "Reference", "Refused", "RegisterResult", "Registry",
    "RegistryError", "RegistryRecord", "ReportWritten", "RetentionDecision", "RetentionRules", "RuleResult", "Scan",
    "ScanFinding", "SeriesStatus", "Signature", "StageHolder", "Tensor", "Verification", "VersionRecord",
    "VersionsChanged", "__version__", "inspect_files", "scan_files",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'registry_cli' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
