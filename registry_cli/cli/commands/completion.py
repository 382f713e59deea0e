"""The shell: completion scripts."""

from __future__ import annotations

from typing import Annotated

from ...errors import InvalidInput
from .. import completion, grammar, process
from ..command import argument, command
from ..session import Output, Session


@command("completion", "shell", exits=(0, 2))
def completion_(cx: Session, shell: Annotated[str, argument("bash|zsh|fish", "Your shell.")]) -> None:
    """Print the completion script of a shell.

    Completes commands, options, models, versions, stages and aliases.

    Examples:
        registry completion bash > ~/.local/share/bash-completion/completions/registry
        eval "$(registry completion zsh)"
        registry completion fish > ~/.config/fish/completions/registry.fish
    """
    if shell not in grammar.SHELLS:
        raise InvalidInput(f"there is no completion for '{shell}'", f"use {', '.join(grammar.SHELLS)}")
    script = completion.script(shell)
    if cx.as_json:
        cx.show(Output("completion", {"shell": shell, "script": script}))
    else:
        process.write(script.rstrip("\n"))
