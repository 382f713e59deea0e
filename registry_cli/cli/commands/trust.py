"""What may run on this machine for this user: the commands of policies, and hooks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from ...core import times
from ...core.records import Event
from ...errors import InvalidInput, NotFound
from ...operations.context import get_account_name
from ..command import argument, command, flag, option
from ..formatting import format_time, plural
from ..options import Yes
from ..session import Output, Session
from ..trust_prompt import QUESTION, format_command, open_trust_file, print_commands

if TYPE_CHECKING:
    from ...registry import Registry
    from ...rules.policy.command_checks import CommandSet
    from ...trust.hooks import Hook
    from ...trust.trusted_commands import TrustedCommandSet, TrustFile


def _trust_file() -> TrustFile:
    file = open_trust_file()
    if file is None:
        raise NotFound("no folder for user settings", "set HOME or XDG_CONFIG_HOME")
    return file


@command("trust", "Release", exits=(0, 2, 3, 5, 6), lists=True)
def trust(
    cx: Session,
    name: Annotated[str | None, argument("[NAME]", "A model or group, to include its own policies.")] = None,
    listed: Annotated[bool, flag("--list", "Only list what you trust, in all registries.")] = False,
    revoke: Annotated[
        bool, flag("--revoke", "Revoke trust in these commands, or without NAME in the whole registry.")
    ] = False,
    target: Annotated[
        str | None, option("--target", "TARGET", "The reload command of a target, not the commands of policies.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Trust policy commands on this machine.

    Policies can have `checks`: commands that run on the machine of whoever promotes. None of them runs until you have
    reviewed and trusted it. Trust is stored in your user settings, for exactly these commands and this location of the
    registry; changed commands must be trusted again.

    In a pipe: stage, check, command, time limit in seconds, file, line; with --list and --revoke time, registry, name,
    number of commands, digest; separated by tabs.

    Examples:
        registry trust
        registry trust churn
        registry trust --target eu-1
        registry trust --list
        registry trust --revoke
    """
    if target and name:
        raise InvalidInput("--target cannot be combined with NAME", "remove one of them")
    if listed and (revoke or name or yes or target):
        raise InvalidInput("--list cannot be combined with other options", "remove the others")
    if listed:
        _show_trusted(cx, _trust_file(), None)
    elif revoke:
        _revoke(cx, name, target)
    else:
        _trust(cx, name, target, yes)


def _commands(registry: Registry, name: str | None, target: str | None) -> CommandSet:
    return registry.deployments.commands(target) if target else registry.policies.commands(name)


def _trust(cx: Session, name: str | None, target: str | None, yes: bool) -> None:
    registry = cx.reader()
    commands = _commands(registry, name, target)
    file = _trust_file()
    if not commands.items:
        whose = f"target {target} has" if target else f"the policies of {name or 'this registry'} contain"
        cx.say(f"nothing to trust: {whose} no {'command' if target else 'commands'}")
    elif file(commands):
        cx.say("already trusted")
    else:
        if not yes:
            print_commands(commands)
            cx.confirm(QUESTION, "trusting commands requires confirmation")
        registry.policies.trust(commands)
        cx.say(f"trusted {plural(len(commands.items), 'command')}")
    rows = [
        (each.stage, each.name, format_command(each.arguments), each.time_limit, each.file, each.line)
        for each in commands.items
    ]
    shown = [
        (stage, check, words, f"{limit:g} s", f"{source}:{line}") for stage, check, words, limit, source, line in rows
    ]
    digests = [f"sha256:{commands.digest}"] if commands.items else []
    columns = ("stage", "check", "command", "time limit", "from")
    names = ("stage", "check", "command", "time_limit", "file", "line")
    cx.show(Output("commands", commands, digests, columns, rows, shown, names=names, wrap=True))


def _revoke(cx: Session, name: str | None, target: str | None) -> None:
    reader, file = cx.reader(), _trust_file()
    if name is target is None:  # also when its policies can't be read
        place = (os.path.realpath(reader.root), reader.admin.settings.id)
        gone = file.remove(lambda each: (each.root, each.id) == place)
    else:
        digest = _commands(reader, name, target).digest
        gone = file.remove(lambda each: each.digest == digest)
    count = sum(len(each.commands) for each in gone)
    cx.say(f"revoked trust in {plural(count, 'command')}" if gone else "none of them was trusted")
    _show_trusted(cx, file, gone)


def _show_trusted(cx: Session, file: TrustFile, which: list[TrustedCommandSet] | None) -> None:
    found = file.all() if which is None else which
    rows = [(each.at, each.root, each.name, len(each.commands), f"sha256:{each.digest}") for each in found]
    shown = [
        [format_time(each.at), each.root, each.name or "(the registry)", str(len(each.commands)), each.digest[:12]]
        for each in found
    ]
    columns = ("since", "registry", "for", "commands", "digest")
    nothing = "Nothing is trusted." if which is None else ""
    names = ("time", "registry", "name", "commands", "digest")
    cx.show(Output("trusted", found, [row[-1] for row in rows], columns, rows, shown, empty=nothing, names=names))


@command("hooks", "Monitor", exits=(0, 1, 2, 3), lists=True)
def hooks(cx: Session, action: Annotated[str, argument("list|test", "What to do with them.")]) -> None:
    """List your hooks, or try them.

    Hooks are the programs in `hooks/`, and the webhooks in `hooks.yaml`, of your own folder of settings. `list` shows
    those that hear of this registry. `test` sends each of them an event with the action `ping`, once, whatever actions
    it wants; exit code 1 when one fails.

    In a pipe: hook, actions, models, template, time limit in seconds, retries; with test: hook, ok or the error;
    separated by tabs. -q prints the hooks; with test those that failed.

    Examples:
        registry hooks list
        registry hooks test
    """
    from ...core.accounts import config_folder
    from ...trust import hooks as user_hooks

    if action not in ("list", "test"):
        raise InvalidInput(f"hooks can't '{action}'", "write: registry hooks list or test")
    folder = config_folder(os.environ)
    if folder is None:
        raise NotFound("no folder for user settings", "set HOME or XDG_CONFIG_HOME")
    registry = cx.reader()
    place = user_hooks.RegistryIdentity(str(registry.root), registry.admin.settings.id)
    found = user_hooks.load_hooks(folder, place.id, cx.warn)
    empty = f"no hooks in {folder}"
    if action == "list":
        rows = [
            (each.name, ", ".join(sorted(each.wanted.actions)), ", ".join(each.wanted.models), _get_template(each),
             each.limits.seconds, each.limits.retries)
            for each in found
        ]  # fmt: skip
        shown = [
            [name, actions or "all", models or "all", template or "-", f"{seconds:g} s", str(retries)]
            for name, actions, models, template, seconds, retries in rows
        ]
        columns = ("hook", "actions", "models", "template", "limit", "retries")
        body = [dict(zip(_HOOK_KEYS, row, strict=True)) for row in rows]
        cx.show(
            Output("hooks", {"items": body}, [row[0] for row in rows], columns, rows, shown, empty=empty, wrap=True)
        )
        return
    event = Event(
        os.urandom(16).hex(), times.format_time(times.utc_now()), get_account_name(), os.uname().nodename, "ping"
    )
    results = [(hook.name, error or "ok") for hook, error in user_hooks.ping(found, place, event)]
    failed = [name for name, result in results if result != "ok"]
    items = [{"hook": name, "result": result} for name, result in results]
    cx.show(Output("hooks-test", {"items": items}, failed, ("hook", "result"), results, empty=empty, wrap=True))
    if failed:
        raise typer.Exit(1)


_HOOK_KEYS = ("hook", "actions", "models", "template", "time_limit", "retries")


def _get_template(hook: Hook) -> str:
    template = getattr(hook, "template", None)
    return "" if template is None else template.name or "own"
