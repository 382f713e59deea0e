"""The floor under every command: a Typer application of two commands that prints one line."""

import typer

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def path(name: str) -> None:
    print(f"/srv/models/{name}")


@app.command()
def other(name: str) -> None:
    print(name)


if __name__ == "__main__":
    app()
