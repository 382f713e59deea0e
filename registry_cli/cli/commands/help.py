"""Help: for a verb, for a topic, for programs."""

from __future__ import annotations

import shutil
from typing import Annotated

from ...errors import InvalidInput
from .. import grammar, process, topics
from ..command import argument, command, flag
from ..session import Output, Session


@command("help", "Get started", exits=(0, 2))
def help_(
    cx: Session,
    subject: Annotated[str | None, argument("[VERB|TOPIC]", "A verb, or a topic: query, policy, formats ...")] = None,
    everything: Annotated[bool, flag("--all -a", "Every verb with its summary, and every topic.")] = False,
) -> None:
    """Show help for a verb or a topic.

    Topics are the pages of the documentation, which is installed with the program. `registry help VERB` is the same as
    `registry VERB --help`. `registry --version` prints the version.

    In a pipe: the text; of a topic, its Markdown.

    Examples:
        registry help promote
        registry help query
        registry help --all
        registry help --json | jq -r '.verbs[].verb'
    """
    if subject is not None and everything:
        raise InvalidInput("--all has no effect with a verb or a topic", "remove one of them")
    documents = topics.list_topics()
    if subject in documents and subject not in grammar.VERBS:
        _show_topic(cx, subject, topics.read_topic(documents[subject]))
        return
    from .. import manual

    if subject is not None and subject not in grammar.VERBS:
        from ..advice import suggest_topic

        raise InvalidInput(f"there is no verb or topic '{subject}'", suggest_topic(subject, [*documents]))
    if cx.as_json:
        cx.show(Output("help", manual.describe([subject] if subject else [*grammar.VERBS])))
    elif subject:
        _show_text(cx, manual.run_help(subject, [subject, "--help"])[0] + "\n")
    else:
        _show_text(cx, (manual.format_all() if everything else grammar.overview()) + "\n")


def _show_topic(cx: Session, name: str, text: str) -> None:
    if cx.as_json:
        cx.show(Output("topic", {"name": name, "text": text}))
    elif cx.has_viewer:
        _show_text(cx, topics.render_topic(text, min(shutil.get_terminal_size().columns, 100), no_color=cx.no_color))
    else:
        _show_text(cx, text)


def _show_text(cx: Session, text: str) -> None:
    if cx.has_viewer:  # by way of the pager
        cx.show(Output("help", None, text=text.rstrip("\n")))
    else:
        process.write(text, end="")
