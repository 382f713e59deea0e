"""A report in HTML."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

from ...errors import Conflict, InvalidInput
from ..command import command, flag, library_warnings, option
from ..formatting import format_size, plural
from ..options import Models
from ..session import Session

if TYPE_CHECKING:
    from ...operations.report import ReportWritten

_PORT, _HIGHEST_PORT = 8765, 65_535


@command("report", "Monitor", exits=(0, 1, 2, 3, 4, 6, 130), indexed=True)
def report(
    cx: Session,
    names: Models = None,
    output: Annotated[Optional[str], option("--output -o", "DIR|FILE.html", "A folder of pages, or one file.")] = None,
    since: Annotated[
        Optional[str], option("--since", "TIME", "Events and observations from 2026-03-03, '30d ago' on.")
    ] = None,
    show: Annotated[bool, flag("--open", "Open it in a browser.")] = False,
    serve: Annotated[bool, flag("--serve", "Serve it on 127.0.0.1, or its port N, until Ctrl-C.")] = False,
    port: Annotated[
        int, option("--port", "N", "The port of --serve; 0 takes a free one.", min=0, max=_HIGHEST_PORT)
    ] = _PORT,
) -> None:
    """Write pages about models in HTML, or serve them on this machine.

    What is live, metrics over versions and over time, alerts, gates, approvals, history and disk use, as pages that
    need no server, no network and no script. An earlier report at the same place is replaced in one step. The same
    registry makes the same bytes, so that a report can be committed and compared. `--serve N` is `--serve --port N`;
    pages that are served are always up to date.

    In a pipe: the path of the report, or the address with --serve.

    Examples:
        registry report -o /srv/www/models
        registry report churn risk/fraud -o churn.html --open
        registry report --serve 9000
    """
    if serve:
        if output is not None:
            raise InvalidInput("--serve cannot be combined with --output", "remove one of them")
        ports = [int(name) for name in names or [] if name.isdecimal()]  # which a model's name can't be
        models = [name for name in names or [] if not name.isdecimal()]
        if any(each > _HIGHEST_PORT for each in ports):
            raise InvalidInput(f"invalid port {ports[-1]}", f"ports go up to {_HIGHEST_PORT}")
        _serve(cx, models, since, ports[-1] if ports else port, show)
        return
    if output is None:
        raise InvalidInput("where to write the report is not said", "add -o DIR, -o FILE.html, or --serve")
    with library_warnings(cx):
        done: ReportWritten = cx.reader().monitoring.report(output, names or (), since=since)
    cx.say(f"{plural(done.models, 'model')}, {plural(done.files, 'file')}, {format_size(done.size)}")
    page = Path(done.path) if done.files == 1 else Path(done.path) / "index.html"
    cx.show_one("report", done, done.path)
    if show:
        _open(cx, page.as_uri())


def _serve(cx: Session, names: list[str], since: str | None, port: int, show: bool) -> None:
    from ...report.server import ADDRESS, make_server

    site = cx.reader().monitoring.site(names, since=since)
    site.pages()  # a mistake is told now
    try:
        server = make_server(site, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise Conflict(f"port {port} is in use", "choose another with --port, or --port 0 for a free one") from None
    with server:
        address = f"http://{ADDRESS}:{server.server_address[1]}/"
        cx.show_one("serving", {"address": address}, address)
        cx.say("press Ctrl-C to stop")
        if show:
            _open(cx, address)
        server.serve_forever(poll_interval=0.2)


def _open(cx: Session, address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        cx.warn(f"no browser could be started: open {address}")
