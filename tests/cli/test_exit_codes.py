"""Every exit code, produced for real; what is said with it; and what a person who slipped is told."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from registry_cli import __version__
from registry_cli.cli import grammar
from tests.bad_inputs.locks import HOLDER
from tests.cli.conftest import Site
from tests.commands import COMMAND, Answer, assert_refused, begin, ended, run, spawn, staged, until
from tests.crash.shim import Call, Fault, Shim
from tests.crash.world import copied


def test_0_to_6(site: Site) -> None:
    assert site.run("list").code == 0
    full = spawn("list", root=site.root, command=("sh", "-c", 'exec "$@" >/dev/full', "sh", *COMMAND))
    assert full.code == 1
    assert_refused(site.run("show", "Churn"), 2)
    assert_refused(site.run("show", "churn@99"), 3)
    assert_refused(site.run("promote", "churn@2", "production", "--expect", "2"), 4)
    assert_refused(site.run("register", "churn", "/dev/null"), 5)
    path = site.root / "models/churn/versions/1/files/model.pkl"
    good = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(b"x" * len(good))
    assert_refused(site.run("promote", "churn@1", "staging"), 6)
    path.write_bytes(good)
    path.chmod(0o444)


def test_7_a_lock_that_is_held(site: Site) -> None:
    words = [sys.executable, "-c", HOLDER, str(site.root / "models/churn/.lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        answer = site.spawn("promote", "churn@2", "production", "--lock-timeout", "1")
        assert (answer.code, answer.out) == (7, "")
        waiting, error = answer.err.splitlines()
        assert waiting == f"waiting for churn, locked by another process (process {holder.pid}) …"
        assert error.startswith("error: churn is locked by another process")
        assert "raise --lock-timeout" in error
        quiet = site.spawn("promote", "churn@2", "production", "--lock-timeout", "0.5", "--json")
        assert (quiet.code, quiet.err.count("\n")) == (7, 1)
        holder.kill()
    assert site.run("promote", "churn@2", "production", "--lock-timeout", "0").code == 0


def test_8_a_change_that_could_not_be_confirmed(site: Site) -> None:
    synced: list[Call] = []
    twin = copied(site.root, site.folder / "twin")
    with Shim(twin, watcher=lambda call, _: synced.append(call)):
        run("promote", "churn@2", "production", root=twin)
    at = next(call.number for call in synced if call.name == "fsync" and call.path.endswith("history.jsonl"))
    with Shim(site.root, Fault("error", at, errno.EIO)):
        answer = site.run("promote", "churn@2", "production")
    assert_refused(answer, 8)
    again = site.run("promote", "churn@2", "production", "--request-id", answer.err.split("--request-id ")[1].strip())
    assert (again.code, again.out) == (0, "churn@2\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_130_and_143_in_the_middle_of_a_large_file(number: int, site: Site) -> None:
    path = site.make("large.bin", b"x")
    os.truncate(path, 3 << 30)
    process = begin("register", "churn", path, root=site.root)
    until(lambda: staged(site.root, "churn"), "the copy begins")
    process.send_signal(number)
    assert ended(process) == Answer(128 + number, "", "error: interrupted\n")
    assert not list((site.root / "models/churn/versions").glob(".*"))
    assert site.run("register", "churn", site.file, "--lock-timeout", "0").out == "churn@4\n"


def test_verify_of_a_large_file_is_interrupted_at_once(site: Site) -> None:
    path = site.make("large.bin", b"x")
    os.truncate(path, 1 << 30)
    assert site.run("register", "churn", path).code == 0
    process = begin("verify", root=site.root)
    until(lambda: _reads(process.pid, "large.bin"), "it reads the large file")
    process.send_signal(signal.SIGINT)
    assert ended(process) == Answer(130, "", "error: interrupted\n")


def _reads(process: int, name: str) -> bool:
    """Whether a process has a file of this name open."""
    try:
        links = [os.readlink(path) for path in Path(f"/proc/{process}/fd").iterdir()]
    except OSError:
        return False
    return any(link.endswith(name) for link in links)


def test_every_code_is_in_the_table() -> None:
    assert set(grammar.EXIT_CODES) >= {0, 1, 2, 3, 4, 5, 6, 7, 8, 130}


def test_slips_are_answered_with_what_was_meant(still: Site) -> None:
    assert "'promote'" in still.run("promte", "churn@1", "staging").err
    assert "--message" in still.run("register", "churn", still.file, "--mesage", "x").err
    for words in (("promte",), ("versions",), ("versions", "churn", "--limit"), ("list", "extra"), ("--nonsense",)):
        assert_refused(still.run(*words), 2)
    assert "registry versions --help" in still.run("versions").err
    assert "unknown stage 'prod'" in still.run("promote", "churn@1", "prod").err


def test_what_needs_no_registry() -> None:
    assert run("--version") == Answer(0, f"registry {__version__}\n", "")
    assert run("-V").out == run("--version").out
    overview = run()
    assert (overview.code, overview.err) == (0, "")
    assert overview == run("--help") == run("help")


def test_a_traceback_only_with_debug(site: Site) -> None:
    for words in (("show", "churn@99"), ("show", "Churn")):
        for place in (("--debug", *words), (*words, "--debug")):
            debugged = site.run(*place)
            assert "Traceback (most recent call last)" in debugged.err
            assert debugged.err.splitlines()[-1].startswith("error: ")
            assert debugged.out == ""
        assert "Traceback" not in site.run(*words).err


def test_python_m(still: Site) -> None:
    assert still.spawn("list").out == still.run("list").out
