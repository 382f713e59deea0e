"""Names and references that are none: N-* and R-*."""

from __future__ import annotations

from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario

_NAMES = (
    "N-01", "N-02", "N-03", "N-04", "N-08", "N-09", "N-12", "N-13", "N-14", "N-16", "N-18", "N-19", "N-24", "N-26",
    "N-28", "N-29", "N-30", "N-32", "N-34", "N-36",
)  # fmt: skip
_REFERENCES = ("R-01", "R-02", "R-04", "R-05", "R-08", "R-12", "R-13")


@scenario(*_NAMES)
def no_model_name(world: World, case: Case) -> None:
    """Every command that takes a NAME, or a reference that begins with one, refuses it."""
    assert case.text is not None
    with_name = ("versions", "history", "verify", "repair", "gc", "show", "alias")
    with_reference = ("show", "path", "fetch", "archive")
    refused = [
        world.refused(2, "register", case.text, world.file),
        world.refused(2, "rollback", case.text, "production"),
        world.refused(2, "delete", f"{case.text}@1", "--yes"),
        *(world.refused(2, verb, case.text) for verb in with_name),
        *(world.refused(2, verb, f"{case.text}@1") for verb in with_reference),
    ]
    if case.id == "N-14":
        assert all(r"\x1b[2J\x1b]0;owned\x07" in answer.err for answer in refused)


@scenario("N-10")
def a_slash(world: World, case: Case) -> None:
    """By DESIGN a name may have one group before a slash; a second slash, or an empty side, is refused."""
    assert world.done("register", case.text, world.file).out == "team/model@1\n"
    for text in ("team/model/x", "team/", "/model", "/", "team//model", "./model", "team/..", "../m"):
        world.refused(2, "register", text, world.file)
    # what is a group can't become a model, nor the other way round
    world.refused(4, "register", "team", world.file)
    world.refused(4, "register", "m/inner", world.file)


@scenario("N-35")
def no_stage_and_no_tag(world: World, case: Case) -> None:
    """Stages and aliases have a narrow alphabet. A tag's name is text by DESIGN: spaces inside it are allowed."""
    world.refused(2, "promote", "m@1", case.text)
    world.refused(2, "demote", "m", case.text)
    world.refused(2, "rollback", "m", case.text)
    world.refused(2, "register", "m", world.file, "--stage", case.text)
    world.refused(2, "alias", "m@1", case.text)
    world.refused(2, "register", "m", world.file, "--alias", case.text)
    for tag in ("=x", "a\nb=x", " a=x", "no mark", "\x1b[2J=x"):
        world.refused(2, "tag", "m@1", tag)
    world.done("tag", "m@1", "a b=c d", f"{case.text}=harmless")
    assert world.done("show", "m@1", "--json").json["tags"] == {"a b": "c d", case.text: "harmless"}


@scenario(*_REFERENCES)
def no_reference(world: World, case: Case) -> None:
    """By DESIGN an alias may begin with a digit: what could be one is looked up, and not found. Never a number."""
    ref, code = case.text, 3 if case.id in ("R-04", "R-05", "R-13") else 2
    for verb in ("show", "path", "fetch", "cat", "archive", "restore"):
        world.refused(code, verb, ref)
    world.refused(code, "tag", ref, "k=v")
    world.refused(code, "annotate", ref, "k=v")
    world.refused(code, "log-metric", ref, "acc=1")
    world.refused(code, "alias", ref, "champion")
    world.refused(code, "promote", ref, "production")
    world.refused(code, "demote", ref, "staging")
    world.refused(code, "delete", ref, "--yes")
    for spelling in (str(ref).replace("@", ":"), f"models:/{str(ref).replace('@', '/')}"):
        world.refused(code, "show", spelling)


@scenario("R-14")
def no_such_version(world: World, case: Case) -> None:
    for verb in ("show", "path", "fetch", "cat", "archive"):
        assert "m@99" in world.refused(3, verb, "m@99").err
    world.refused(3, "show", "nowhere@1")


@scenario("R-15")
def an_empty_stage(world: World, case: Case) -> None:
    for verb in ("path", "show", "fetch"):
        assert "production" in world.refused(3, verb, "m@production").err


@scenario("R-16")
def no_version_at_all(world: World, case: Case) -> None:
    """A model without versions in use: all of them archived, or deleted."""
    world.done("demote", "m", "staging")
    world.done("archive", "m@1", "m@2", "--force", "--reason", "old")
    for ref in ("m@latest", "m"):
        world.refused(3, "path", ref)
    world.done("delete", "m@1", "m@2", "--yes", "--force", "--reason", "old")
    world.refused(3, "path", "m@latest")
    # the next version is 4: no number comes back
    assert world.done("register", "m", world.file).out == "m@4\n"


@scenario("R-18")
def a_removed_version(world: World, case: Case) -> None:
    for verb in ("show", "path", "cat"):
        answer = world.refused(3, verb, "m@3")
        assert "m@3 was deleted on 20" in answer.err
        assert "by alice: by mistake" in answer.err
