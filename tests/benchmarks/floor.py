"""The floor that commands are measured against: a two-command Typer application that prints one line."""

from __future__ import annotations

import typer

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def path(ref: str) -> None:
    print(f"/a/path/of/{ref}")


@app.command()
def other(ref: str) -> None:
    print(ref)


if __name__ == "__main__":
    app()
