"""Much of everything: U-*. What is measured is work (files opened, bytes read), not time."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from dataclasses import replace

from registry_cli.store import journal
from tests.bad_inputs.audit import audited
from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario
from tests.commands import PEAK, spawn

#: 50,000 work as well, and take a minute on a slow disk.
_FILES = 10_000


def _sealed_folders(world: World, numbers: range) -> None:
    """Versions of which only the folder is there: enough to be counted, quick to be made and removed."""
    versions = os.open(world.model / "versions", os.O_RDONLY)
    for number in numbers:
        os.mkdir(str(number), 0o755, dir_fd=versions)
    os.close(versions)
    world.sound = False


@scenario("U-01")
def a_hundred_thousand_versions(world: World, case: Case) -> None:
    few = audited(world, "register", "m", world.file)
    _sealed_folders(world, range(5, 100_000))
    history = world.model / "history.jsonl"
    last = journal.last_entry(history)
    assert last is not None
    event = replace(last.event, id="many", version=99_999)
    shutil.copytree(world.model / "versions/4", world.model / "versions/100000")
    (world.model / "versions/99999").rmdir()
    (world.model / "versions/100000").rename(world.model / "versions/99999")
    world.change("versions/99999/version.yaml", "version: 4", "version: 99999")
    journal.append(history, journal.next_entry(last, event, 99_999, last.revision), 0o644)
    many = audited(world, "register", "m", world.file, "--request-id", "one-more")
    assert many.answer.out == "m@100000\n", many
    ours = [[path for path in seen.order if str(world.root) in path] for seen in (few, many)]
    assert len(ours[1]) < 1.5 * len(ours[0]), "it opens more files the more versions there are"
    assert many.read < 2 * few.read, "it reads more the more versions there are"
    listed = audited(world, "versions", "m", "--limit", "2")
    assert [line.split("\t")[0] for line in listed.answer.lines] == ["m@100000", "m@99999"]
    assert len([path for path in listed.order if path.endswith("version.yaml")]) == 2


@scenario("U-02")
def a_million_events(world: World, case: Case) -> None:
    """The history's last lines are read, and no more. What is before them here is one line of 500 MB, a hole.

    Only ``archive``, ``delete`` and ``rollback`` read it all: what a rollback would go to stands nowhere else.
    """
    few = audited(world, "tag", "m@1", "a=b")
    history = world.model / "history.jsonl"
    lines = history.read_bytes()
    with history.open("r+b") as stream:
        stream.truncate(500 << 20)
        stream.seek(0, os.SEEK_END)
        stream.write(b"\n" + lines)
    world.sound = False
    for command in (
        ("tag", "m@1", "a=c"),
        ("promote", "m@1", "production"),
        ("register", "m", world.file),
        ("demote", "m", "staging"),
        ("history", "m", "--limit", "3"),
        ("path", "m@1"),
    ):
        seen = audited(world, *command)
        assert seen.code == 0, seen.answer
        assert seen.read < 2 * few.read + (1 << 20), f"{command[0]} reads the whole history"


@scenario("U-03")
def a_great_many_models(world: World, case: Case) -> None:
    """Memory stays flat: a row is small, and nothing else is kept."""
    few = _peak(world)
    documents = {name: (world.model / name).read_bytes() for name in ("model.yaml", "stages.yaml")}
    for number in range(1_500):
        folder = world.root / "models" / f"n{number}"
        folder.mkdir()
        for name, data in documents.items():
            (folder / name).write_bytes(data)
    world.sound = False
    assert _peak(world) - few < 15_000, "more than 10 kB a model"


def _peak(world: World) -> int:
    """The most memory, in KiB, that ``registry list`` takes."""
    answer = spawn("list", "-q", root=world.root, command=(sys.executable, "-c", PEAK))
    assert answer.code == 0, answer
    return int(answer.err.splitlines()[-1])


@scenario("U-04")
def a_great_many_files(world: World, case: Case) -> None:
    """Many files in one version, with a few descriptors; they are brought to the disk in one sync."""
    folder = world.folder / "tree"
    for number in range(50):
        (folder / str(number)).mkdir(parents=True)
    for number in range(_FILES):
        descriptor = os.open(folder / str(number % 50) / str(number), os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"x" if number else b"the first")
        os.close(descriptor)
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))  # noqa: E731
    answer = spawn("register", "m", folder, root=world.root, before=limit)
    assert answer.out == "m@4\n", answer
    assert world.done("show", "m@4", "--json").json["files"] == _FILES
    assert world.done("path", "m@4").code == 0
    world.sound = False  # it is; reading all of them once more proves nothing


@scenario("U-08")
def a_description_of_ten_megabytes(world: World, case: Case) -> None:
    path = world.make("long.md", "x" * (10 << 20))
    world.refused(2, "annotate", "m@1", "--from-file", f"note={path}")
