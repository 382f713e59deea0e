"""A command in a process that tells what it opened, imported, ran and connected to."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bad_inputs.conftest import World
from tests.commands import Answer, environment, spawn

_HOOK = """
import json, sys
events = {"open": [], "run": [], "connect": [], "import": []}
def hook(event, arguments):
    if event == "open":
        events["open"].append(str(arguments[0]))
    elif event == "import":
        events["import"].append(str(arguments[0]))
    elif event in ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "pty.spawn", "os.fork", "exec_file"):
        events["run"].append(f"{event} {arguments!r:.200}")
    elif event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        events["connect"].append(f"{event} {arguments!r:.200}")
report = sys.argv[1]
sys.addaudithook(hook)
from registry_cli.cli.main import run
code = run(sys.argv[2:])
sys.stdout.flush()
with open("/proc/self/io") as stream:
    events["io"] = dict(line.split(": ") for line in stream.read().splitlines())
events["modules"] = list(sys.modules)
with open(report, "w") as stream:
    json.dump(events, stream)
sys.exit(code)
"""


@dataclass(frozen=True)
class Seen:
    """What a command did. ``opened`` are paths as they were given to ``open``; ``read`` is in bytes."""

    answer: Answer
    opened: frozenset[str]
    order: tuple[str, ...]
    imported: frozenset[str]
    ran: tuple[str, ...]
    connected: tuple[str, ...]
    read: int

    @property
    def code(self) -> int:
        return self.answer.code


def audited(world: World, *arguments: object, cwd: Path | None = None, **variables: str) -> Seen:
    """A command on the registry of ``world``, in a process with an audit hook."""
    report = world.folder / "audit.json"
    command = (sys.executable, "-c", _HOOK, str(report))
    answer = spawn(*arguments, root=world.root, command=command, env=environment(**variables), cwd=cwd)
    events = json.loads(report.read_text())
    return Seen(
        answer, frozenset(events["open"]), tuple(events["open"]), frozenset([*events["import"], *events["modules"]]),
        tuple(events["run"]), tuple(events["connect"]), int(events["io"]["rchar"]),
    )  # fmt: skip
