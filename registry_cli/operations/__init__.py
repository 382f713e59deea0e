"""Operations: one module per group of use cases, plain functions that take a :class:`.context.RegistryContext`.

They may call each other where that makes no cycle. Modules are imported when they are first used: start-up matters.

May import: serving, interop, monitoring, report, trust, lineage, index, store, inspect, scan, rules, query, core, errors.
Does not belong here: the command line, the disk format (``store``), decisions that read no file (``rules``).
"""

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from . import (  # noqa: F401
        annotate,
        approvals,
        archive,
        compare,
        data_profiles,
        find,
        gate,
        history,
        inspection,
        lineage,
        maintenance,
        models,
        monitor,
        pointers,
        read,
        register,
        report,
        retention,
        search,
        settings,
    )  # fmt: skip
    from .deployment import deployment_status, deployments, targets  # noqa: F401
    from .exchange import export, imports  # noqa: F401

#: The modules that are in a package of their subject.
_PACKAGES = {
    "deployment_status": "deployment", "deployments": "deployment", "targets": "deployment",
    "export": "exchange", "imports": "exchange",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name.startswith("_"):
        raise AttributeError(f"module 'registry_cli.operations' has no attribute '{name}'")
    from importlib import import_module

    package = _PACKAGES.get(name)
    return import_module(f".{package}.{name}" if package else f".{name}", __name__)
