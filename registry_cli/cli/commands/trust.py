"""Trust: which commands of policies may run on this machine, for this user."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from ...errors import InvalidInput, NotFound
from ..command import argument, command, flag
from ..formatting import format_time, plural
from ..options import Yes
from ..session import Output, Session
from ..trust_prompt import QUESTION, format_command, open_trust_file, print_commands

if TYPE_CHECKING:
    from ...trust.trusted_commands import TrustedCommandSet, TrustFile


def _trust_file() -> TrustFile:
    file = open_trust_file()
    if file is None:
        raise NotFound("there is no folder for your settings", "set HOME, or XDG_CONFIG_HOME")
    return file


@command("trust", "Release", exits=(0, 2, 3, 5, 6))
def trust(
    cx: Session,
    name: Annotated[str | None, argument("[NAME]", "A model or a group: with what its own policies add.")] = None,
    listed: Annotated[bool, flag("--list", "Only show what you trust, in all registries.")] = False,
    revoke: Annotated[
        bool, flag("--revoke", "Trust it no more: these commands, or without a NAME all of this registry.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Let the commands of policies run on this machine.

    Policies can have `checks`: commands that run on the machine of whoever promotes. None does before you have seen
    it and said yes. The answer is kept in your own folder of settings, for these commands as they are, in this registry
    where it is: what changes is asked again.

    In a pipe: stage, check, command, time limit in seconds, file, line; with --list and --revoke time, registry, name,
    number of commands, digest; separated by tabs.

    Examples:
        registry trust
        registry trust churn
        registry trust --list
        registry trust --revoke
    """
    if listed and (revoke or name or yes):
        raise InvalidInput("--list only shows", "leave out the rest")
    if listed:
        _show_trusted(cx, _trust_file(), None)
    elif revoke:
        _revoke(cx, name)
    else:
        _trust(cx, name, yes)


def _trust(cx: Session, name: str | None, yes: bool) -> None:
    registry = cx.reader()
    commands = registry.policies.commands(name)
    file = _trust_file()
    if not commands.items:
        cx.say(f"the policies of {name or 'this registry'} have no commands in them: there is nothing to trust")
    elif file(commands):
        cx.say("you trust them already")
    else:
        if not yes:
            print_commands(commands, " are commands that would run here")
            cx.confirm(QUESTION, "to let commands run needs a yes")
        registry.policies.trust(commands)
        cx.say(f"{plural(len(commands.items), 'command')} may run now")
    rows = [
        (each.stage, each.name, format_command(each.arguments), each.time_limit, each.file, each.line)
        for each in commands.items
    ]
    shown = [
        (stage, check, words, f"{limit:g} s", f"{source}:{line}") for stage, check, words, limit, source, line in rows
    ]
    digests = [f"sha256:{commands.digest}"] if commands.items else []
    cx.show(Output("commands", commands, digests, ("stage", "check", "command", "time limit", "from"), rows, shown))


def _revoke(cx: Session, name: str | None) -> None:
    reader, file = cx.reader(), _trust_file()
    if name is None:  # also when its policies can't be read
        place = (os.path.realpath(reader.root), reader.settings.id)
        gone = file.remove(lambda each: (each.root, each.id) == place)
    else:
        digest = reader.policies.commands(name).digest
        gone = file.remove(lambda each: each.digest == digest)
    count = sum(len(each.commands) for each in gone)
    cx.say(f"{plural(count, 'command')} may run no more" if gone else "none of them was trusted")
    _show_trusted(cx, file, gone)


def _show_trusted(cx: Session, file: TrustFile, which: list[TrustedCommandSet] | None) -> None:
    found = file.all() if which is None else which
    rows = [(each.at, each.root, each.name, len(each.commands), f"sha256:{each.digest}") for each in found]
    shown = [
        [format_time(each.at), each.root, each.name or "(the registry)", str(len(each.commands)), each.digest[:12]]
        for each in found
    ]
    columns = ("since", "registry", "for", "commands", "digest")
    nothing = "nothing is trusted" if which is None else ""
    cx.show(Output("trusted", found, [row[-1] for row in rows], columns, rows, shown, empty=nothing))
