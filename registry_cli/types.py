"""The types of what the methods of :class:`Registry` take and return, for annotations and ``isinstance``."""

from .core.lazy_dataclass import Record, RecordList
from .core.names import Reference, Selector
from .core.normalization import SkippedValue
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
    ModelSummary,
    RegistryRecord,
    VersionRecord,
    VersionSummary,
)
from .core.results import (
    Approval,
    CleanupItem,
    Deployed,
    Deployment,
    DoctorCheck,
    ExcludedFiles,
    ExportResult,
    ImportResult,
    LineageGraph,
    LineageNode,
    ModelChanged,
    ModelRenamed,
    PendingApproval,
    PointerChange,
    Problem,
    Recipe,
    RecipeStep,
    RegisteredVersion,
    ReproducibilityCheck,
    Signature,
    Verification,
    VersionsChanged,
)
from .core.values import Lineage
from .inspect.inspection import Inspected, Inspection, Tensor
from .interop.cards.model_card import Card, CardCheck
from .lineage.process_info import Caller
from .monitoring.data_profile import ColumnDrift
from .monitoring.observation_sources import ObservationRow
from .operations.data_profiles import DriftReport, ProfileRecorded
from .operations.find import FileMatch
from .operations.gate import Review
from .operations.monitor import ObservationsRecorded
from .operations.report import ReportWritten
from .query.fields import QueryField
from .registry import (
    AdminOperations,
    ApprovalOperations,
    ArtifactOperations,
    DeploymentOperations,
    LineageOperations,
    MonitoringOperations,
    PolicyOperations,
    RetentionOperations,
)
from .report.server import Site
from .rules.comparison import Comparison, Diff, Difference, FileDifference, MetricDifference, Row
from .rules.metric_directions import Directions
from .rules.monitor_evaluation import SeriesKey, SeriesStatus
from .rules.policy.command_checks import Command, CommandSet
from .rules.policy.evaluation import Evaluation, PolicyLine, RuleResult
from .rules.retention import Plan, RetentionDecision
from .rules.retention_rules import Best, RetentionRules
from .rules.rollback import StageHolder
from .rules.scan_policy import ScanRules
from .rules.settings_errors import SettingsSource
from .scan.verdicts import FileScan, GlobalUse, Scan, ScanFinding
from .serving.targets import Target
from .store.codec import RegistrySettings

__all__ = [
    "AdminOperations", "Approval", "ApprovalOperations", "Artifact", "ArtifactOperations", "Best", "Caller",
    "Card", "CardCheck", "Checkpoint", "CleanupItem", "ColumnDrift", "Command", "CommandSet", "Comparison",
    "Deployed", "Deployment", "DeploymentOperations", "Diff", "Difference", "Directions", "DoctorCheck", "DriftReport", "Evaluation", "Event", "ExcludedFiles",
    "ExportResult", "FileDifference", "FileEntry", "FileMatch", "FileScan", "GlobalUse", "ImportResult",
    "Inspected", "Inspection", "JournalEntry", "Lineage", "LineageGraph", "LineageNode", "LineageOperations",
    "MetricDifference", "ModelChanged", "ModelHistoryEntry", "ModelRecord", "ModelRenamed", "ModelSummary",
    "MonitoringOperations", "Observation", "ObservationRow", "ObservationsRecorded", "PendingApproval", "Plan", "PointerChange", "PolicyLine",
    "PolicyOperations", "Problem", "ProfileRecorded", "Progress", "QueryField", "Recipe", "RecipeStep",
    "Record", "RecordList", "Reference", "RegisteredVersion", "RegistryRecord", "RegistrySettings",
    "ReportWritten", "ReproducibilityCheck", "RetentionDecision", "RetentionOperations", "RetentionRules",
    "Review", "Row", "RuleResult", "Scan", "ScanFinding", "ScanRules", "Selector", "SeriesKey", "SeriesStatus",
    "SettingsSource", "Signature", "Site", "SkippedValue", "StageHolder", "Target", "Tensor", "Verification",
    "VersionRecord", "VersionSummary", "VersionsChanged",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
