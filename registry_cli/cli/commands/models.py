"""Models as a whole: describe, edit, rename, transfer."""

from __future__ import annotations

import difflib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Optional

from ... import operations
from ...core import values
from ...core.results import ModelChanged, ModelRenamed
from ...errors import InvalidInput, RegistryError
from ..command import argument, command, flag, option
from ..formatting import escape
from ..options import Model, Reason, ReuseName, ensure_alone, parse_model_name
from ..session import Session
from .list import show_model

Pairs = Optional[list[str]]
_TEXT_LIMIT = 1 << 20
_EXITS = (0, 1, 2, 3, 4, 6, 7, 8)


@command("describe", "Add and edit", exits=_EXITS, writes=True, dry_run=True)
def describe(
    cx: Session,
    name: Model,
    description: Annotated[Optional[str], option("--description", "TEXT", "What the model is for.")] = None,
    owner: Annotated[Optional[str], option("--owner", "WHO", "An account or a team.")] = None,
    tag: Annotated[Pairs, option("--tag -t", "KEY=TEXT", "A tag of the model.")] = None,
    annotate: Annotated[Pairs, option("--annotate", "KEY=TEXT", "A free-text note about the model.")] = None,
    remove: Annotated[Pairs, option("--remove -r", "KEY", "Remove a tag, a note or 'description'.")] = None,
    reason: Reason = "",
    reuse_name: ReuseName = False,
) -> None:
    """Set a model's description, owner and tags.

    The model is created if it does not exist. Everything else in its model.yaml, including comments, stays unchanged.
    Without options, show the current values.

    In a pipe: the model; without options, one `key<TAB>value` line per field.

    Examples:
        registry describe churn --description "who leaves within 90 days" --owner crm-team
        registry describe churn --tag domain=retail --annotate limits="not for business customers"
        registry describe churn
    """
    model = parse_model_name(name)
    if description is owner is None and not (tag or annotate or remove):
        if reason:
            raise InvalidInput("--reason has no effect without a change", "add a change such as --description TEXT")
        show_model(cx, cx.reader().model(model))
        return
    done = cx.registry().admin.describe(
        model,
        description=description,
        owner=owner,
        tags=values.pairs(tag or (), values.line),
        annotations=values.pairs(annotate or (), values.text),
        remove=remove or (),
        reason=reason,
        reuse_name=reuse_name,
        **cx.change,
    )
    what = ", ".join(done.keys) or "comments"
    if not done.changed:
        cx.say(f"{done.model}: unchanged")
    else:
        cx.say(f"{'would change' if cx.dry_run else 'changed'} {what} of {done.model}")
    cx.show_changed("described", done, done.model)


@command("edit", "Add and edit", exits=(0, 1, 2, 3, 4, 6, 7, 8, 130), writes=True)
def edit(
    cx: Session,
    name: Annotated[Optional[str], argument("[NAME]", "A model (default: registry.yaml).")] = None,
    reason: Reason = "",
    targets: Annotated[bool, flag("--targets", "Edit targets.yaml: where versions are served.")] = False,
) -> None:
    """Edit model.yaml or registry.yaml in $EDITOR.

    Opens the file in $VISUAL or $EDITOR. An error is reported with its line, and the editor opens again; then the
    differences are shown for confirmation. The file is not locked meanwhile: exit code 4 if it was changed
    concurrently.

    In a pipe: the model, or the path of registry.yaml.

    Examples:
        registry edit churn
        EDITOR=nano registry edit churn --reason 'new owner'
        registry edit
        registry edit --targets
    """
    if not cx.can_ask:
        raise InvalidInput("no terminal: cannot open an editor", "run it in a terminal or use 'registry describe'")
    if targets:
        ensure_alone("--targets", {"NAME": name, "--reason": reason, "--request-id": cx.request_id})
        _edit_targets(cx)
        return
    if name is None:  # registry.yaml has no history to keep them in
        ensure_alone("registry.yaml", {"--reason": reason, "--request-id": cx.request_id})
    registry = cx.registry()
    model = parse_model_name(name) if name else None
    text = registry.admin.text(model)
    called = "model.yaml" if model else "registry.yaml"
    new = _edit_text(cx, text, called, lambda new: registry.admin.check_text(model, new), os.environ)
    if new is None:
        cx.say("nothing was changed")
        done = ModelChanged(model or called, (), 0, changed=False)
    else:
        done = registry.admin.edit(model, new, was=text, reason=reason, request_id=cx.request_id)
        cx.say(f"changed {', '.join(done.keys) or 'the text'} of {model}" if model else f"changed {called}")
    cx.show_one("described", done, done.model, "")


def _edit_targets(cx: Session) -> None:
    context = cx.registry().context
    text = operations.targets.read_text(context)
    new = _edit_text(cx, text, "targets.yaml", lambda new: operations.targets.check_text(context, new), os.environ)
    done = (
        ModelChanged("targets.yaml", (), 0, False) if new is None else operations.targets.edit(context, new, was=text)
    )
    cx.say("changed targets.yaml" if done.changed else "nothing was changed")
    cx.show_one("described", done, done.model, "")


def _edit_text(
    cx: Session, text: str, name: str, check: Callable[[str], None], environment: Mapping[str, str]
) -> str | None:
    """Return the edited ``text`` once ``check`` accepts it; None if nothing should change.

    ``name`` is the name of the file. After a mistake the editor opens again on the edited text.
    """
    words = shlex.split(environment.get("VISUAL") or environment.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="registry-") as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        while True:
            _run_editor(words, path)
            new = _read_edited(path)
            if new == text:
                return None
            try:
                check(new)
                break
            except RegistryError as error:
                cx.warn(str(error))
                if cx.ask("Edit again? [Y/n]").lower() in ("n", "no"):
                    raise InvalidInput("nothing was changed", "the edited text has an error") from None
        for line in difflib.unified_diff(text.splitlines(), new.splitlines(), name, f"{name} as edited", lineterm=""):
            cx.say(line)
        return new if cx.ask("Save these changes? [y/N]").lower() in ("y", "yes") else None


def _run_editor(words: list[str], path: Path) -> None:
    try:
        code = subprocess.run([*words, os.fspath(path)], check=False).returncode
    except OSError as error:
        raise InvalidInput(f"cannot start editor '{escape(words[0])}': {error.strerror}", "set $EDITOR") from None
    if code:
        raise InvalidInput(f"editor exited with code {code}", "nothing was changed")


def _read_edited(path: Path) -> str:
    with path.open("rb") as stream:
        data = stream.read(_TEXT_LIMIT + 1)
    if len(data) > _TEXT_LIMIT:
        raise InvalidInput(f"{path.name} has more than {_TEXT_LIMIT:,} bytes", "nothing was changed")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path.name} is not UTF-8 text", "nothing was changed") from None


@command("rename", "Add and edit", exits=_EXITS, writes=True, dry_run=True)
def rename(
    cx: Session,
    name: Model,
    new: Annotated[str, argument("NEW", "The new name: churn or crm/churn.")],
    reason: Reason = "",
    reuse_name: ReuseName = False,
) -> None:
    """Rename a model, or move it into or out of a group.

    The whole model moves in one step: versions, history, stages, lock. The old name is remembered: commands that use it
    report the new name, and lineages that refer to it still resolve. If interrupted, run it again. A group is a folder,
    so Unix groups control who can write to its models.

    In a pipe: the new name.

    Examples:
        registry rename churn churn-retail
        registry rename churn crm/churn --reason 'one group per team'
        registry rename crm/churn churn
    """
    registry, old = cx.registry(), parse_model_name(name)
    done = registry.admin.rename(old, parse_model_name(new), reason=reason, reuse_name=reuse_name, **cx.change)
    _report_rename(cx, done)


@command("transfer", "", exits=_EXITS, writes=True, dry_run=True)
def transfer(
    cx: Session,
    name: Model,
    group: Annotated[str, argument("GROUP|-", "The target group; '-' for none.")],
    reason: Reason = "",
) -> None:
    """Move a model into a group (deprecated: use 'rename NAME GROUP/NAME').

    It works as before and will be removed in the next release.

    In a pipe: the new name.

    Examples:
        registry rename churn crm/churn
        registry rename crm/churn churn
    """
    cx.say("warning: 'transfer' is deprecated; use 'rename'")
    old = parse_model_name(name)
    own = old.rpartition("/")[2]
    new = own if group == "-" else f"{group}/{own}"
    _report_rename(cx, cx.registry().admin.rename(old, new, reason=reason, **cx.change))


def _report_rename(cx: Session, done: ModelRenamed) -> None:
    if done.changed:
        cx.say(f"{'would rename' if cx.dry_run else 'renamed'} {done.before} to {done.after}")
    else:
        cx.say(f"{done.after} already has this name")
    cx.show_changed("renamed", done, done.after)
