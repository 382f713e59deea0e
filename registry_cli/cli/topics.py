"""The documents that ``registry help TOPIC`` shows: those of ``docs/``, which are installed with the package."""

from __future__ import annotations

import os
import re

from . import grammar

_FOLDER = os.path.join(os.path.dirname(__file__), "docs")
#: Readable on a dark and on a light background.
_STYLES = {
    "markdown.h1": "bold", "markdown.h2": "bold underline", "markdown.h3": "bold", "markdown.code": "bold",
    "markdown.table.border": "dim", "markdown.table.header": "bold", "markdown.item.bullet": "none", "markdown.item.number": "none",
}  # fmt: skip
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


def list_topics() -> dict[str, str]:
    """The documents by the names of their topics, in alphabetical order."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(_FOLDER, followlinks=True) for name in names]
    stems = {os.path.basename(path).removesuffix(".md"): path for path in paths if path.endswith(".md")}
    return {_name_topic(stem): stems[stem] for stem in sorted(stems)}


def _name_topic(stem: str) -> str:
    """The name of a document's topic; one that would hide behind a verb is its guide."""
    return f"{stem}-guide" if stem in grammar.VERBS else stem


def read_topic(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def read_title(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.readline().strip("# \n")


def render_topic(text: str, width: int, *, no_color: bool) -> str:
    """A document for a terminal. Links become their texts; the topics that they lead to stand at the end."""
    import io

    from rich.console import Console
    from rich.markdown import Markdown
    from rich.theme import Theme

    known = {os.path.basename(path): name for name, path in list_topics().items()}
    linked = [known.get(target.partition("#")[0].rpartition("/")[2]) for _, target in _LINK.findall(text)]
    further = ", ".join(dict.fromkeys(f"`registry help {name}`" for name in linked if name))
    text = re.sub(r"<!--.*?-->\n*", "", _LINK.sub(lambda link: link[1], text), flags=re.DOTALL)
    text += f"\n\nSee also: {further}\n" if further else ""
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=not no_color, no_color=no_color, emoji=False, theme=Theme(_STYLES)
    )  # fmt: skip
    console.print(Markdown(text, code_theme="ansi_dark", hyperlinks=False))
    return file.getvalue().rstrip("\n")
