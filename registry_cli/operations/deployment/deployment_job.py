"""One deployment, step by step: stage, record the intent, switch, let the server load it, record the outcome.

The model is locked for the two commits only, the target for all of it. After a death at any step the target serves a
complete version, and the next deployment does what is missing.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ... import operations
from ...core.names import Reference
from ...core.progress import Progress
from ...core.results import Deployed
from ...errors import Conflict, Indeterminate, Refused, RegistryError, indeterminate
from ...rules import deployments as rules
from ...rules import stages as stage_rules
from ...rules.policy.command_checks import Command, CommandCheck, CommandSet
from ...serving import probe, server_layout, targets
from ...serving.server_layout import Plan, Release, ServerLayout
from ...serving.target_folder import Placed, Staged, TargetFolder
from ...serving.targets import Target
from ...store import codec, layout
from ...store.codec import Redo
from ...store.packs import pack_reader
from ...store.reader import ModelReader
from ..context import open_snapshot
from ..transaction import EventSigner, make_event, run_signed, take_snapshot, transaction

if TYPE_CHECKING:
    from ...core.records import VersionRecord
    from ...store.writer import Writer
    from ..context import RegistryContext
    from ..gate import CheckResults
    from ..transaction import Key

#: Seconds between two questions to a server: at first, and at most.
_POLL, _SLOWEST = 0.1, 2.0
#: Files of an artifact that a layout may read have at most so many bytes.
_SMALL = 4 << 20


class DeploymentRequest(NamedTuple):
    """Why and how a deployment is made."""

    reason: str
    force: bool
    sign: Key | None
    request_id: str | None


class DeploymentJob(NamedTuple):
    """The deployment of a model to a target. ``entry`` is its record as it was before the target was locked."""

    context: RegistryContext
    target: Target
    layout: ServerLayout
    folder: TargetFolder
    model: str
    name: str
    entry: Mapping[str, Any]
    options: Mapping[str, Any]

    @classmethod
    def start(cls, context: RegistryContext, target: Target, model: str, **options: Any) -> DeploymentJob:
        """Raises :class:`Refused` on a machine that does not have the path of the target."""
        if not target.is_here:
            raise Refused(f"target {target.name} is on host {target.host}, not on this one", "run it there")
        targets.ensure_outside(target, context.layout)
        entry = read_entries(context, model).get(target.name, {})
        kind = server_layout.get_layout(target.layout)
        name = str(entry.get("name") or server_layout.name_in_target(model))
        if entry and (entry.get("layout"), entry.get("path")) != (target.layout, target.path):
            raise Conflict(
                f"{model} is deployed to {target.name} in '{entry.get('path')}', layout {entry.get('layout')}",
                f"set that back in targets.yaml and run 'registry undeploy {model} --from {target.name}', or add --forget",
            )
        return cls(context, target, kind, TargetFolder(target.path, kind, name), model, name, entry, options)

    @property
    def before(self) -> int | None:
        return self.entry.get("version")

    def owner(self) -> dict[str, str]:
        model = open_snapshot(self.context, self.model)
        return {"registry": self.context.settings.id, "model": self.model, "id": codec.model_id(model.document())}

    def ensure_unchanged(self) -> None:
        """Raise :class:`Conflict` if the record of the deployment was changed while the target was not locked."""
        now = read_entries(self.context, self.model).get(self.target.name, {})
        if {**now, "check": None} != {**self.entry, "check": None}:
            version = now.get("version")
            what = f"{self.model}@{version}" if version else "nothing"
            raise Conflict(f"{self.target.name} was changed meanwhile: it has {what} of {self.model}", "look again")

    def make_release(self, version: VersionRecord, model: ModelReader) -> Release:
        listed = tuple(entry.path for entry in model.manifest(version))

        def read(path: str) -> bytes:
            found = pack_reader.members(model, version, {path})
            with contextlib.closing(found):
                return b"".join(stream.read() for _, stream in found if stream.size <= _SMALL)

        return Release(version, self.name, self.target, listed, read)

    def run(
        self,
        release: Release,
        model: ModelReader,
        gate: CheckResults | None,
        wish: DeploymentRequest,
        progress: Progress,
    ) -> Deployed:
        """Deploy under the lock of the target."""
        folder, version, number = self.folder, release.version, release.version.number
        self.ensure_unchanged()
        folder.claim(self.owner())
        old = folder.read_switch()
        served = None if old is None else self.layout.served(old, self.name)
        folder.ensure_free(number)
        self.ensure_command_trusted()
        plan = self.layout.plan(release, old)
        staged, placed = self._stage(release, model, plan, progress)
        detail = {
            "digest": f"sha256:{version.digest}", "placed": f"sha256:{placed.digest}", "name": self.name,
            "layout": self.target.layout, "path": self.target.path, "before": self.before, "reason": wish.reason,
        }  # fmt: skip
        try:
            overridden = self._record_intent(number, gate, wish, detail)
        except BaseException:
            if staged:
                folder.discard(staged)
            raise
        self._switch(number, staged, plan, served, old, detail)
        try:
            state, problem = self._start_server(number)
            if problem:
                problem = self._end_failed(number, problem, served, old, detail)
            else:
                self._record_deployed(number, wish, {**detail, "state": state, **overridden})
        except Indeterminate:
            raise
        except (RegistryError, OSError) as error:
            raise indeterminate(
                f"{version.ref} is in target {self.target.name}", wish.request_id or "ID", error
            ) from error
        if problem:
            raise Refused(
                f"{version.ref} does not run in target {self.target.name}: {problem}", "see the log of the server"
            )
        self._remove_old(number)
        path, failed = str(folder.release_path(number)), tuple(map(str, overridden.get("failed", ())))
        return Deployed(self.model, self.target.name, number, self.before, state, path, True, failed)

    def _stage(
        self, release: Release, model: ModelReader, plan: Plan, progress: Progress
    ) -> tuple[Staged | None, Placed]:
        """Stage a release, unless it is in the target, undamaged."""
        version = release.version
        placed = self.folder.placed(version.number)
        if placed is not None and not self.folder.find_damage(version.number, placed.digest):
            return None, placed

        def content(wanted: set[str]) -> Iterator[tuple[str, pack_reader.VerifiedStream]]:
            return ((entry.path, stream) for entry, stream in pack_reader.members(model, version, wanted))

        progress.expect(version.size)
        staged = self.folder.stage(version.number, plan, content, progress)
        return staged, staged.placed

    def _switch(
        self, number: int, staged: Staged | None, plan: Plan, served: int | None, old: bytes | None,
        detail: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Let the folder serve a version. After an error it serves what it did before, and that is recorded."""
        try:
            if staged:
                self.folder.publish(number, staged)
            self.folder.switch(plan.switch)
        except (RegistryError, OSError) as error:
            with contextlib.suppress(RegistryError, OSError):
                self._end_failed(number, getattr(error, "message", "") or str(error), served, old, detail)
            raise

    def _end_failed(
        self, number: int, problem: str, served: int | None, old: bytes | None, detail: Mapping[str, Any]
    ) -> str:
        """Go back to what was served before, unless a failed version is to be kept, and record it. Return why."""
        kept = {"state": "failed"} if self.options.get("keep_failed") else {}
        if not kept:
            self._revert(served, old)
            problem += f"; {self.model}@{served} is served again" if served else ""
        record_event(
            self.context,
            self.model,
            self.target.name,
            "deploy-failed",
            number,
            None,
            **{**detail, **kept, "why": problem},
        )
        return problem

    def _record_intent(
        self, number: int, gate: CheckResults | None, wish: DeploymentRequest, detail: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Commit that the version is being deployed: from here on it is protected. Return the rules that were overridden."""
        with transaction(self.context, self.model, None, "deploying") as (writer, _):
            stage_rules.check_in_use(writer.table, self.model, number)
            take_snapshot(writer).resolve(
                Reference.parse(f"{self.model}@{number}").or_latest()
            )  # it may be deleted by now
            overridden: dict[str, Any] = {}
            if gate:
                overridden = operations.gate.ensure_allowed(self.context, writer, gate, self.target.follows, wish.force)
            kept = {key: detail[key] for key in ("name", "layout", "path", "before")}
            event = make_event(self.context, "deploying", number, None, target=self.target.name, **kept)
            commit_deployments(writer, event)
        return overridden

    def _record_deployed(self, number: int, wish: DeploymentRequest, detail: Mapping[str, Any]) -> None:
        def change(signer: EventSigner | None) -> None:
            with transaction(self.context, self.model, wish.request_id, "deployed") as (writer, done):
                event = make_event(
                    self.context, "deployed", number, wish.request_id, target=self.target.name, **detail
                )  # fmt: skip
                reader = ModelReader(writer.paths)
                if done or (signer and signer.keep_draft(event, reader)):
                    return
                commit_deployments(writer, signer.make_signed_event(event, reader) if signer else event)

        run_signed(change, wish.sign)

    def is_settled(self, number: int) -> bool:
        """Whether the target has this version by all that is known without reading its files."""
        entry, target = self.entry, self.target
        if entry.get("version") != number or entry.get("pending") or entry.get("check") == rules.DAMAGED:
            return False
        if entry.get("state") == "failed" or self.folder.served() != number:
            return False
        if target.probe and self.options.get("reload", True):
            return entry["state"] == "running" and probe.read_state(target, self.layout, self.name).runs(number)
        return True

    def _start_server(self, number: int) -> tuple[str, str]:
        """Let the server load a version, and wait until it runs: the state, and why it does not run."""
        if not self.options.get("reload", True):
            return "placed", ""
        if problem := self.reload(number):
            return "failed", problem
        if not self.target.probe:
            return "placed", ""
        seconds, pause = self.options.get("wait"), _POLL
        until = time.monotonic() + (self.target.wait if seconds is None else seconds)
        while True:
            state = probe.read_state(self.target, self.layout, self.name)
            if state.runs(number):
                return "running", ""
            if (left := until - time.monotonic()) <= 0:
                runs = ", ".join(map(str, state.versions or ())) or "nothing"
                return "failed", state.problem or f"the server runs {runs} after {self.target.wait:g} s"
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _SLOWEST)

    def reload(self, number: int) -> str:
        """Tell the server, as the target says. Returns why that failed; empty if it did not."""
        if self.target.reload == targets.API:
            release = self.folder.release_path(number).name
            return probe.load(self.target, self.layout, self.name, number, release)
        if not self.target.command:
            return ""
        self.ensure_command_trusted()
        ref, path = f"{self.model}@{number}", str(self.folder.release_path(number))
        check = CommandCheck("reload", self.target.command, targets.COMMAND_LIMIT)
        values = {"path": path, "ref": ref, "stage": self.target.follows}
        variables = {"REGISTRY_REF": ref, "REGISTRY_PATH": path, "REGISTRY_TARGET": self.target.name}
        outcome = operations.gate.run_command(check, check.fill(values), variables, self.context.root)
        return "" if outcome.outcome == "passed" else f"its reload command: {outcome.words}"

    def ensure_command_trusted(self) -> None:
        commands = target_commands(self.context, self.target)
        if commands.items and not (self.context.trust and self.context.trust(commands)):
            raise Refused(
                f"the reload command of target {self.target.name} is not trusted, or was changed since",
                f"run 'registry trust --target {self.target.name}'",
            )

    def _revert(self, served: int | None, switch: bytes | None) -> None:
        """Let the target serve what it served before."""
        if switch is not None and served is not None:
            self.folder.switch(switch)
            if self.options.get("reload", True):
                self.reload(served)
        else:
            self.folder.withdraw()

    def _remove_old(self, number: int) -> None:
        """Remove releases from the target but the newest, and those that the server still runs."""
        folder, target = self.folder, self.target
        numbers = [each for each in folder.numbers() if each != number]
        running: Sequence[int] = ()
        if target.probe and len(numbers) >= target.keep:
            running = probe.read_state(target, self.layout, self.name).versions or ()
        for old in numbers[: max(0, len(numbers) - target.keep + 1)]:
            if old not in running or self.layout.server == "torchserve":
                if self.layout.server == "torchserve" and target.reload == targets.API:
                    probe.unload(target, self.layout, self.name, old)
                folder.remove_release(old)


def read_entries(context: RegistryContext, name: str) -> Mapping[str, Mapping[str, Any]]:
    """Read the deployments of a model, by target."""
    snapshot = open_snapshot(context, name)
    return snapshot.model.deployments(snapshot.state)


def commit_deployments(writer: Writer, event: Any) -> None:
    """Commit an event, with the ``deployments.yaml`` that follows from it."""
    snapshot = take_snapshot(writer)
    after = rules.apply_event(snapshot.model.deployments(snapshot.state), event)
    writer.move(writer.table, event, Redo(layout.DEPLOYMENTS, codec.deployments_document(after)))


def record_event(
    context: RegistryContext, name: str, target: str, action: str, number: int, request_id: str | None, /, **detail: Any
) -> None:
    """Commit an event about a target, unless this request did it before."""
    with transaction(context, name, request_id, action) as (writer, done):
        if not done:
            commit_deployments(writer, make_event(context, action, number, request_id, target=target, **detail))


def target_commands(context: RegistryContext, target: Target) -> CommandSet:
    """The command of a target, to be trusted before it is run."""
    command = target.command
    items = (
        (Command(target.name, "reload", command, targets.COMMAND_LIMIT, layout.TARGETS, target.line),)
        if command
        else ()
    )
    return CommandSet(os.path.realpath(context.root), context.settings.id, f"target {target.name}", items)
