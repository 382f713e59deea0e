"""Stores that were damaged, edited, restored or copied: I-*, and G-08."""

from __future__ import annotations

import shutil
import subprocess

from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario
from tests.commands import assert_refused, run

_DATA = "versions/1/files/model.bin"


@scenario("I-01")
def a_flipped_bit(world: World, case: Case) -> None:
    world.write(_DATA, "onf")  # e and f differ in their last two bits
    answer = world.run("verify")
    assert answer.code == 6
    assert "m@1" in answer.out
    assert "model.bin" in answer.out
    assert_refused(world.run("fetch", "m@1", "-o", world.folder / "out"), 6)
    assert not (world.folder / "out").exists()
    assert_refused(world.run("promote", "m@1", "production"), 6)
    assert_refused(world.run("path", "m@1", "--verify"), 6)
    assert world.run("cat", "m@1").code == 6
    assert world.done("path", "m@2", "--verify").out


@scenario("I-02")
def a_byte_more_or_less(world: World, case: Case) -> None:
    for text in ("on", "one!"):
        world.write(_DATA, text)
        for command in (("verify",), ("verify", "--quick"), ("info",)):
            assert world.run(*command).code == 6, command
        world.refused(6, "path", "m@1")


@scenario("I-03")
def a_missing_file(world: World, case: Case) -> None:
    world.put(_DATA, lambda path: path.unlink())
    assert "model.bin" in world.run("verify").out
    assert world.run("verify", "--quick").code == 6
    world.refused(6, "path", "m@1")
    world.refused(6, "cat", "m@1")
    assert world.done("cat", "m@2").out == "two"
    world.done("register", "m", world.file)


@scenario("I-04")
def a_file_too_many(world: World, case: Case) -> None:
    for place in ("versions/1/files/extra", "versions/1/extra"):
        path = world.put(place, lambda path: path.write_text("x"))
        answer = world.run("verify")
        assert answer.code == 6, place
        assert "extra" in answer.out
        world.put(place, lambda path: path.unlink())
        assert not path.exists()


@scenario("I-07", "I-08")
def names_that_are_no_versions(world: World, case: Case) -> None:
    """By DESIGN a version's folder is called by its number, without zeros in front. What else is there is ignored."""
    names = (".nfs0001", ".tmp-x", "lost+found", "Thumbs.db", "0000001", "000007", "01", "1.0", "v1", "+5", "１")
    for name in names:
        (world.model / "versions" / name).mkdir()
    world.sound = False
    assert world.done("versions", "m", "-q").lines == ["m@2", "m@1"]
    assert world.done("list").out.startswith("m\t2\t0\t2\t")
    told = world.run("verify").out
    for name in ("lost+found", "Thumbs.db", "0000001", "000007"):
        assert name in told
    assert world.done("register", "m", world.file).out == "m@4\n"


@scenario("I-09")
def a_stage_that_points_to_nothing(world: World, case: Case) -> None:
    world.put("versions/2", lambda path: path.rename(world.folder / "gone"))
    answer = world.refused(6, "show", "m@staging")
    assert "staging of m points to version 2, which is missing" in answer.err
    assert world.run("verify").code == 6
    assert world.done("cat", "m@1").out == "one"


@scenario("I-10")
def a_damaged_stage_table(world: World, case: Case) -> None:
    """It is never guessed past: reading refuses, and ``repair`` restores it from its newest claim."""
    good = (world.model / "stages.yaml").read_bytes()
    for bad in (b"", b"\0" * len(good), good[: len(good) // 2], b"format: 1\n"):
        world.write("stages.yaml", bad)
        assert "verify" in world.refused(6, "show", "m@staging").err
        with world.unchanged(folder_times=False):
            assert_refused(world.run("promote", "m@1", "production"), 6)
        assert world.run("verify").code == 6
        world.done("repair")
        assert (world.model / "stages.yaml").read_bytes() == good
        assert world.done("cat", "m@staging").out == "two"
    # an older table than the claims: readers follow the claims
    world.done("promote", "m@1", "production")
    world.write("stages.yaml", good)
    assert world.done("cat", "m@production").out == "one"
    world.done("tag", "m@1", "a=b")
    world.sound = True


@scenario("I-11")
def a_torn_line(world: World, case: Case) -> None:
    history = world.model / "history.jsonl"
    with history.open("ab") as stream:
        stream.write(b'{"seq":7,"torn')
    world.sound = False
    before = len(world.done("history", "m").lines)
    world.done("tag", "m@1", "a=b")
    assert b'\n{"seq":7,"torn\n{"seq":' in history.read_bytes()
    assert len(world.done("history", "m").lines) == before + 1
    answer = world.run("verify")
    assert answer.code == 0
    assert answer.out.startswith("warning\tjournal-torn\t")


@scenario("I-13")
def a_history_that_is_cut(world: World, case: Case) -> None:
    lines = (world.model / "history.jsonl").read_text().splitlines(keepends=True)
    world.write("history.jsonl", "".join(lines[:2]))
    assert world.run("verify").code == 6


@scenario("I-14")
def a_history_that_is_gone(world: World, case: Case) -> None:
    world.put("history.jsonl", lambda path: path.unlink())
    before = world.run("verify")
    assert before.code == 6
    with world.unchanged(folder_times=False):
        assert_refused(world.run("register", "m", world.file), 6)
    world.done("repair")
    events = [line.split("\t")[3] for line in world.done("history", "m").lines]
    assert events == ["deleted", "promoted", "registered", "registered", "registered"]
    assert world.done("register", "m", world.file).out == "m@4\n"


@scenario("I-16")
def an_editor_touched_it(world: World, case: Case) -> None:
    for path in ("versions/1/manifest-sha256.txt", "versions/1/version.yaml", "versions/1/files/model.bin"):
        good = (world.model / path).read_bytes()
        for bad in (good.replace(b"\n", b"\r\n") + b"\r\n", good + b" ", good + b"\n"):
            world.write(path, bad)
            answer = world.run("verify")
            assert answer.code == 6, (path, bad)
            assert "m@1" in answer.out or "versions/1/" in answer.out
        world.write(path, good)
    world.sound = True


@scenario("I-17")
def an_old_backup(world: World, case: Case) -> None:
    """Pointers and history from a backup, versions from today: found, and no number is used again.

    A whole store that was set back can't be told from one that was never used further, without an anchor elsewhere.
    """
    kept = {name: (world.model / name).read_bytes() for name in ("stages.yaml", "history.jsonl")}
    world.done("register", "m", world.make("x", "four"))
    world.done("register", "m", world.make("x", "five"))
    world.done("promote", "m@5", "production")
    for name, data in kept.items():
        world.write(name, data)
    assert world.run("verify").code == 6
    answer = world.run("register", "m", world.make("x", "six"))
    assert answer.code in (0, 6), answer
    assert answer.out in ("", "m@6\n")
    assert world.done("cat", "m@4").out == "four"


@scenario("I-18")
def a_plain_copy(world: World, case: Case) -> None:
    """Times and modes are lost on the way: contents still verify, and what is open is told."""
    copy = world.folder / "copy"
    subprocess.run(["cp", "-r", "--no-preserve=all", world.root, copy], check=True)
    answer = run("verify", root=copy)
    assert answer.code == 0, answer
    assert all(line.startswith("warning\t") for line in answer.lines)
    assert run("list", root=copy).out == world.done("list").out
    assert run("cat", "m@staging", root=copy).out == "two"
    run("repair", root=copy)
    assert run("verify", root=copy).out == ""
    shutil.rmtree(copy / "models/m/blobs")
    assert run("verify", root=copy).code == 0


@scenario("G-08")
def a_stage_set_by_hand(world: World, case: Case) -> None:
    """POSIX can't keep a group's writer from it; ``verify`` finds that no event did it."""
    world.change("stages.yaml", "staging: 2", "staging: 1")
    answer = world.run("verify")
    assert answer.code == 6
    assert "stage" in answer.out
