"""Targets: list, check and edit the places in ``targets.yaml``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...core.results import DoctorCheck, ModelChanged
from ...core.yaml import documents
from ...errors import Conflict, Damaged, InvalidInput, RegistryError
from ...rules.policy.command_checks import CommandSet
from ...rules.settings_errors import SettingsSource
from ...serving import probe, server_layout, targets
from ...serving.target_folder import TargetFolder
from ...serving.targets import Target
from ...store import codec, layout
from ...store.filesystem import files, removal
from .deployment_job import target_commands

if TYPE_CHECKING:
    from ..context import RegistryContext

#: What is in the editor when there is no ``targets.yaml`` yet.
_TEMPLATE = """\
format: 1
targets:
#  eu-1:
#    layout: triton        # plain, tf-serving, triton, mlserver, torchserve, mlflow, bentoml, fastapi
#    path: /srv/models     # the folder that the server reads
#    follows: production   # 'registry sync' deploys the version of this stage
#    models: [churn]       # of these models, and of those that were deployed there
#    probe: http://127.0.0.1:8000
#    reload: api           # none: the server looks by itself; or a command
"""


def list_targets(context: RegistryContext) -> list[Target]:
    """List the targets in ``targets.yaml``.

    Raises:
        InvalidInput: The file is not valid; with the line of the mistake.
    """
    return list(targets.load_targets(context.layout).by_name.values())


def get_target(context: RegistryContext, name: str) -> Target:
    """Return a target. Raises :class:`NotFound`."""
    return targets.load_targets(context.layout).get(name)


def list_target_commands(context: RegistryContext, name: str) -> CommandSet:
    """Return the command of a target, which has to be trusted before it is run."""
    return target_commands(context, get_target(context, name))


def check_target(context: RegistryContext, name: str) -> list[DoctorCheck]:
    """Check whether this machine can deploy to a target: its folder, stage, server and command."""
    target = get_target(context, name)
    if not target.is_here:
        return [DoctorCheck("host", "warning", f"the target is on host {target.host}", "check it there")]
    return [*_check_settings(context, target), *_check_folder(target), *_check_server(context, target)]


def _check_settings(context: RegistryContext, target: Target) -> Iterator[DoctorCheck]:
    if target.follows in context.stages:
        yield DoctorCheck("stage", "ok", f"follows {target.follows}", "")
    elif target.follows:
        yield DoctorCheck(
            "stage", "failed", f"there is no stage '{target.follows}'", "correct 'follows' in targets.yaml"
        )


def _check_folder(target: Target) -> Iterator[DoctorCheck]:
    try:
        targets_folder = TargetFolder(target.path, server_layout.get_layout(target.layout), "")
        writable = os.access(targets_folder.root, os.W_OK | os.X_OK)
    except RegistryError as error:
        yield DoctorCheck("folder", "failed", error.message, error.hint)
        return
    if writable:
        yield DoctorCheck("folder", "ok", "is writable", "")
    else:
        yield DoctorCheck("folder", "failed", f"'{target.path}' can't be written", "change its mode or its group")


def _check_server(context: RegistryContext, target: Target) -> Iterator[DoctorCheck]:
    if target.probe:
        state = probe.read_state(target, server_layout.get_layout(target.layout), "registry-check")
        status = "failed" if state.problem else "ok"
        yield DoctorCheck(
            "server", status, state.problem or f"{target.probe} answers", "start it" if state.problem else ""
        )
    else:
        yield DoctorCheck("server", "warning", "it has no probe: what the server runs is not known", "set 'probe'")
    if target.command:
        trusted = context.trust is not None and context.trust(target_commands(context, target))
        advice = "" if trusted else f"run 'registry trust --target {target.name}'"
        words = "its reload command is trusted" if trusted else "its reload command is not trusted"
        yield DoctorCheck("command", "ok" if trusted else "failed", words, advice)


def read_text(context: RegistryContext) -> str:
    """Return the text of ``targets.yaml``; one with examples in comments if there is none."""
    try:
        return files.read(context.layout.targets, files.DOCUMENT_LIMIT, layout.TARGETS).decode()
    except FileNotFoundError:
        return _TEMPLATE


def check_text(context: RegistryContext, text: str) -> None:
    """Check a text as ``targets.yaml``. Raises :class:`InvalidInput`, with the line of the mistake."""
    data = text.encode()
    try:
        document = codec.loads(data, layout.TARGETS)
    except Damaged as error:
        raise InvalidInput(error.message.removesuffix(f"; {error.hint}"), "correct it, or leave it as it was") from None
    source = SettingsSource(layout.TARGETS, lambda: documents.lines(data))
    for target in targets.parse_targets(document, source, context.layout).by_name.values():
        if target.follows and target.follows not in context.stages:
            place = ("targets", target.name, "follows")
            raise source.error(place, f"there is no stage '{target.follows}'", f"use {', '.join(context.stages)}")


def edit(context: RegistryContext, text: str, *, was: str, dry_run: bool = False) -> ModelChanged:
    """Replace the text of ``targets.yaml``, of which no history tells.

    Args:
        text: The new text.
        was: The text that it must still be, as :func:`read_text` returned it.

    Raises:
        InvalidInput: The text is not valid; with the line of the mistake.
        Conflict: It was changed concurrently.
    """
    check_text(context, text)
    if read_text(context) != was:
        raise Conflict(f"{layout.TARGETS} was changed concurrently", "review it and edit again")
    if text != was and not dry_run:
        removal.replace(context.layout.targets, text.encode(), context.modes.file)
    return ModelChanged(layout.TARGETS, (), 0, changed=text != was)
