"""Layouts ``plain`` and ``mlflow``: each version in a folder, and a link ``current``.

``NAME/releases/7/`` has the artifact, ``NAME/current`` is a link to ``releases/7``.
"""

from __future__ import annotations

from .server_layout import Plan, Release, ServerLayout


def _plan(release: Release, _: bytes | None) -> Plan:
    return Plan({path: path for path in release.files}, b"releases/%d" % release.version.number)


def _plan_mlflow(release: Release, switch: bytes | None) -> Plan:
    """For ``mlflow models serve -m TARGET/NAME/current``."""
    if "MLmodel" not in release.files:
        raise release.refuse("it has no file MLmodel", "register the folder that MLflow's save_model wrote")
    return _plan(release, switch)


_PATHS = ("{name}", "{name}/releases/{number}", "{name}/current")
LAYOUTS = {"plain": ServerLayout(*_PATHS, _plan), "mlflow": ServerLayout(*_PATHS, _plan_mlflow)}
