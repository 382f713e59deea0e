"""Text that would act on a terminal, hide from a reader, or be taken for markup: T-*."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario
from tests.commands import Answer, assert_inert, environment, on_terminal, shell, spawn, uncoloured

_TEXTS = ("T-01", "T-03", "T-05", "T-06", "T-07", "T-09", "T-10", "T-11", "T-12", "T-13")


@scenario(*_TEXTS)
def printed_inert(world: World, case: Case) -> None:
    """In a message and an annotation; in a param, where lines may stand; and in a tag and a reason, which are one line."""
    text = str(case.text)
    world.done("register", "m", world.file, "--message", text, "--annotate", f"note={text}")
    control = {char for char in text if unicodedata.category(char) == "Cc"}
    plain = not control
    param = world.run("register", "m", world.file, "-p", f"p={text}")
    assert param.code == (0 if control <= set("\t\n") else 2), param
    for command in (("tag", "m@4", f"label={text}"), ("promote", "m@4", "production", "--reason", text)):
        assert world.run(*command).code == (0 if plain else 2)
    # a person may write anything into model.yaml, and another program too
    description = "".join(f"\\U{ord(char):08x}" for char in text)
    document = world.model / "model.yaml"
    text_of_it = document.read_text().replace("owner: alice\n", f'owner: "{description}"\n')
    document.write_text(f'{text_of_it}description: "{description}"\n')
    for answer in _shown(world):
        assert answer.code == 0, answer
        assert_inert(uncoloured(answer.out))
        assert_inert(answer.err)
    version = world.done("show", "m@4", "--json").json
    assert (version["message"], version["annotations"]["note"]) == (text, text)
    if param.code == 0:
        assert world.done("show", "m@5", "--json").json["params"]["p"] == text
    assert world.done("show", "m", "--json").json["description"] == text
    if plain:
        assert version["tags"]["label"] == text
    if case.id in ("T-01", "T-03", "T-05"):
        assert text in on_terminal("show", "m@4", root=world.root, columns=120).out


def _shown(world: World) -> Iterator[Answer]:
    for command in (
        ("list",),
        ("versions", "m"),
        ("show", "m"),
        ("show", "m@4"),
        ("show", "m@latest"),
        ("history", "m"),
        ("info",),
    ):
        yield world.run(*command)
        if command != ("info",):
            yield on_terminal(*command, root=world.root)


@scenario("T-14")
def a_very_long_text(world: World, case: Case) -> None:
    """64 KiB is the most that may be said; a table shows the beginning, JSON all of it."""
    world.refused(2, "register", "m", world.file, "--annotate", f"note={'x' * 100_000}")
    line = "word " * 13_000
    world.done("register", "m", world.file, "--message", line, "--annotate", f"note={line}")
    assert world.done("show", "m@latest", "--json").json["message"] == line
    assert max(map(len, uncoloured(on_terminal("list", root=world.root).out).splitlines())) <= 80
    shown = uncoloured(on_terminal("versions", "m", root=world.root).out)
    assert max(map(len, shown.splitlines())) <= 80
    assert len(shown.splitlines()) < 50, "one long message fills the screen"
    with (world.model / "model.yaml").open("a") as stream:
        stream.write(f"description: {'x' * (1 << 20)}\n")
    assert len(on_terminal("list", root=world.root).out.splitlines()) < 10
    assert len(world.done("show", "m", "--json").json["description"]) == 1 << 20


@scenario("T-15")
def in_an_error(world: World, case: Case) -> None:
    escape = "\x1b[2J\x1b[31m\x9b31m\u202e\r\n"
    nasty = world.make("nasty\x1b[2J.yaml", "a: [\n")
    for command in (
        ("register", "m", f"{world.folder}/{escape}"),
        ("register", escape, world.file),
        ("register", "m", world.file, "--params-file", nasty),
        ("register", "m", world.file, "--metric", f"{escape}=x"),
        ("show", f"m@{escape}"),
        ("cat", "m@1", escape),
        ("promote", "m@1", escape),
        ("versions", "m", f"--{escape}"),
        (escape,),
        ("versions", "m", "--limit", escape),
    ):
        code = 3 if command[0] == "cat" or command[-1] == f"{world.folder}/{escape}" else 2
        world.refused(code, *command)
        assert_inert(on_terminal(*command, root=world.root, env=environment(NO_COLOR="1")).out)
    # what somebody wrote into a document of the store
    (world.root / "registry.yaml").write_text('format: 1\nid: x\nstages: ["\\e[2J"]\n')
    world.refused(2, "list")
    (world.root / "registry.yaml").write_text('format: 1\nid: x\ncreated: x\n"stage\\e[2J": 1\n')
    world.run("list")
    world.sound = False


@scenario("T-16")
def nothing_to_draw_with(world: World, case: Case) -> None:
    variables = environment(NO_COLOR="1", TERM="dumb", COLUMNS="0")
    piped = shell(f'registry -C "{world.root}" list | cat', env=variables)
    assert piped.code == 0
    assert piped.out.startswith("m\t2\t")
    for extra in ({}, {"COLUMNS": "0"}, {"COLUMNS": "-1"}, {"COLUMNS": "x"}, {"COLUMNS": "1"}):
        shown = on_terminal("list", root=world.root, env=environment(NO_COLOR="1", TERM="dumb", **extra))
        assert shown.code == 0
        assert_inert(shown.out)
        assert "\x1b" not in shown.out
    assert spawn("list", root=world.root, env=environment(COLUMNS="0")).out == piped.out
