"""What people hand in as files and values: Y-* and M-*."""

from __future__ import annotations

import json
import os
from pathlib import Path

from registry_cli.core.yaml import documents
from tests.bad_inputs.audit import audited
from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario


@scenario("Y-02", "Y-04", "Y-05", "Y-06", "Y-07", "Y-13", "Y-20", "Y-21")
def not_allowed_in_yaml(world: World, case: Case) -> None:
    """The text as a file of params, of metrics, and as a document of the store that somebody edited."""
    path = world.make("in.yaml", f"{case.text}\n")
    for option in ("--params-file", "--metrics-file"):
        answer = world.refused(2, "register", "m", world.file, option, path)
        assert f"{path}, line " in answer.err
    (world.root / "registry.yaml").write_text(f"{case.text}\n")
    world.sound = False
    world.refused(6, "list")
    if case.id == "Y-04":
        seen = audited(world, "list")
        assert seen.code == 6
        assert not seen.ran
        assert not list(Path.cwd().glob("pwned"))


@scenario("Y-33")
def several_lines(world: World, case: Case) -> None:
    """A param may have several lines, as a chat template has; nothing is made a command of. A tag, a reason may not."""
    path = world.make("in.yaml", f"{case.text}\n")
    (text,) = documents.loads_mapping(path.read_bytes(), "in.yaml").values()
    assert "\n" in text
    world.refused(2, "register", "m", world.file, "--metrics-file", path)
    world.refused(2, "register", "m", world.file, "--tag", f"base_image={text}")
    world.refused(2, "tag", "m@1", f"base_image={text}")
    world.done("register", "m", world.file, "--params-file", path)
    assert world.done("show", "m@latest", "--json").json["params"] == {"base_image": text}
    for command in (["show", "m@latest"], ["card", "m@latest"], ["reproduce", "m@latest"]):
        assert not [line for line in world.done(*command).lines if line.lstrip().startswith("RUN")]


@scenario("Y-09")
def looks_like_a_version(world: World, case: Case) -> None:
    """By DESIGN params follow YAML 1.2: an unquoted 1.10 is a number. As a tag, or quoted, it stays what it is."""
    params = world.make("params.yaml", f"{case.text}\nquoted: '1.10'\n")
    world.done("register", "m", world.file, "--params-file", params, "--tag", "version=1.10", "-p", "zero=007")
    shown = world.done("show", "m@latest", "--json").json
    assert shown["params"] == {"version": 1.1, "quoted": "1.10", "zero": "007"}
    assert shown["tags"] == {"version": "1.10"}


@scenario("Y-14")
def a_number_of_5000_digits(world: World, case: Case) -> None:
    digits = "9" * 5000
    for name, text in (("in.yaml", f"a: {digits}"), ("in.json", f'{{"a": {digits}}}')):
        for option in ("--params-file", "--metrics-file"):
            world.refused(2, "register", "m", world.file, option, world.make(name, text))
    world.refused(2, "show", f"m@{digits}")


@scenario("Y-24")
def a_huge_document(world: World, case: Case) -> None:
    for name in ("big.yaml", "big.json"):
        path = world.make(name, "a: 1\n")
        os.truncate(path, 100 << 20)
        for option in ("--params-file", "--metrics-file"):
            assert "1,048,576" in world.refused(2, "register", "m", world.file, option, path).err


@scenario("Y-25")
def an_unknown_setting(world: World, case: Case) -> None:
    """By DESIGN unknown settings survive; one that is nearly a known one is refused, with the right name."""
    config = world.root / "registry.yaml"
    text = config.read_text()
    for slip, right in (("stagess", "stages"), ("shard", "shared"), ("stage", "stages")):
        config.write_text(f"{text}{slip}: [dev]\n")
        assert f"did you mean '{right}'?" in world.refused(2, "list").err
    config.write_text(f"{text}colour: green\nhooks: {{post_publish: touch pwned}}\n")
    assert world.done("list").out.startswith("m\t")


@scenario("Y-26")
def a_format_of_the_future(world: World, case: Case) -> None:
    """Reading is refused too: what a newer format means can't be known."""
    world.sound = False
    for path in (world.root / "registry.yaml", world.model / "stages.yaml"):
        kept = path.read_text()
        path.write_text(kept.replace("format: 1\n", "format: 99\n"))
        for command in (("show", "m@1"), ("register", "m", world.file), ("promote", "m@1", "production")):
            folder_times = command[0] != "register"  # it may come as far as a staging folder
            with world.unchanged(folder_times=folder_times):
                answer = world.run(*command)
            assert answer.code == 5, answer
            assert "format 99" in answer.err
        path.write_text(kept)
    world.sound = True


@scenario("Y-27")
def a_manifest_that_climbs_out(world: World, case: Case) -> None:
    """It is not the manifest that was sealed; and when digest and seal are forged too, still nothing outside is read."""
    secret = world.make("secret", "for my eyes only")
    path = os.path.relpath(secret, world.model / "versions/1/files")
    world.write("versions/1/manifest-sha256.txt", f"{'0' * 64}  {path}\n")
    _nothing_told(world, "for my eyes only")
    from registry_cli.store import manifest

    forged = manifest.digest((world.model / "versions/1/manifest-sha256.txt").read_bytes())
    world.change("versions/1/version.yaml", world.reg.version("m@1").digest, forged)
    _nothing_told(world, "for my eyes only")


def _nothing_told(world: World, secret: str) -> None:
    for command in (("show", "m@1"), ("cat", "m@1"), ("fetch", "m@1"), ("promote", "m@1", "production")):
        answer = world.refused(6, *command)
        assert secret not in answer.err
    assert world.run("verify").code == 6


@scenario("Y-30")
def the_wrong_number(world: World, case: Case) -> None:
    world.change("versions/1/version.yaml", "version: 1", "version: 4")
    assert "claims to be version 4" in world.refused(6, "show", "m@1").err
    assert "version 4" in world.run("verify").out


@scenario("Y-31")
def a_document_that_is_a_link(world: World, case: Case) -> None:
    secret = world.make("shadow", "format: 1\ndescription: root:x:0\n")
    for name, command in (("model.yaml", ("show", "m")), ("stages.yaml", ("show", "m@1"))):
        kept = (world.model / name).read_bytes()
        (world.model / name).unlink()
        (world.model / name).symlink_to(secret)
        answer = world.refused(6, *command)
        assert "root:x" not in answer.err
        assert world.run("verify").code == 6
        (world.model / name).unlink()
        (world.model / name).write_bytes(kept)


@scenario("Y-32")
def a_source_that_is_an_address(world: World, case: Case) -> None:
    """Text is text: the files and hosts that it names are never opened."""
    for text in ("file:///etc/passwd", "/etc/passwd", "http://localhost:1/x"):
        seen = audited(world, "register", "m", world.file, "-t", f"source={text}", "-p", f"source={text}")
        assert seen.code == 0
        assert "/etc/passwd" not in seen.opened  # libc reads it for the account's name, below what the hook sees
        assert not seen.connected
        assert world.done("show", "m@latest", "--json").json["tags"] == {"source": text}


@scenario("Y-34")
def a_switch_hidden_in_a_tag(world: World, case: Case) -> None:
    for tag in ("mlflow.prompt.is_prompt=true", "registry.verify=false", "format=99", "archived=true", "files=0"):
        world.done("tag", "m@1", tag)
        world.refused(2, "register", "m", "http://localhost/x", "-t", tag)
        world.refused(2, "log-metric", "m@1", "acc=nan")
        assert world.done("path", "m@1").out
    world.done("register", "m", world.file, "-t", "mlflow.source.type=LOCAL", "-t", "format=99")
    assert world.done("cat", "m@latest").out == "a model"


@scenario("M-01", "M-02", "M-04", "M-05", "M-06", "M-09", "M-10", "M-11", "M-12", "M-13")
def no_finite_number(world: World, case: Case) -> None:
    """On the command line, in a JSON file, in a YAML file; at registration, and later."""
    text = str(case.text)
    world.refused(2, "register", "m", world.file, "--metric", f"acc={text}")
    world.refused(2, "log-metric", "m@1", f"acc={text}")
    quoted = world.make("in.json", json.dumps({"acc": text}))
    world.refused(2, "register", "m", world.file, "--metrics-file", quoted)
    bare = {"inf": "Infinity", "true": "true", "1e400": "1e400", "-Infinity": "-Infinity"}
    if text in bare or text.startswith("1000"):
        plain = world.make("in.json", f'{{"acc": {bare.get(text, text)}}}')
        world.refused(2, "register", "m", world.file, "--metrics-file", plain)
    yaml = world.make("in.yaml", f"acc: '{text}'\n")
    world.refused(2, "register", "m", world.file, "--metrics-file", yaml)


@scenario("M-15")
def all_17_digits(world: World, case: Case) -> None:
    world.done("register", "m", world.file, "--metric", f"acc={case.text}")
    exact = float(str(case.text))
    answer = world.done("show", "m@latest", "--json")
    assert answer.json["metrics"]["acc"] == exact
    assert f'"acc": {exact!r}' in answer.out
    document = documents.loads_mapping((world.model / "versions/4/version.yaml").read_bytes(), "version.yaml")
    assert repr(document["metrics"]["acc"]) == repr(exact)
    assert f"metrics.acc\t{exact!r}\n" in world.done("show", "m@latest").out
    assert f"\tacc={exact!r}\t" in world.done("versions", "m").out
    world.done("log-metric", "m@latest", "acc=0.123456789")
    assert f"acc: {exact!r} → 0.123456789" in world.done("history", "m", "--limit", "1").out


@scenario("M-16")
def negative_zero(world: World, case: Case) -> None:
    """It is kept, and equal to zero: measuring it again changes nothing."""
    world.done("register", "m", world.file, "--metric", f"loss={case.text}")
    assert '"loss": -0.0' in world.done("show", "m@latest", "--json").out
    assert world.done("log-metric", "m@latest", "loss=0.0", "--json").json["changed"] is False


@scenario("M-19")
def ten_thousand_metrics(world: World, case: Case) -> None:
    path = world.make("in.json", json.dumps({f"m{number}": number / 7 for number in range(10_000)}))
    world.done("register", "m", world.file, "--metrics-file", path)
    assert len(world.done("show", "m@latest", "--json").json["metrics"]) == 10_000
    # one more than the limit, and the limit is told
    many = world.make("in.json", json.dumps({f"m{number}": 1 for number in range(20_001)}))
    assert "the limit is 20,000" in world.refused(2, "register", "m", world.file, "--metrics-file", many).err


@scenario("M-20")
def given_twice(world: World, case: Case) -> None:
    world.refused(2, "register", "m", world.file, "--metric", "acc=1", "--metric", "acc=2")
    world.refused(2, "register", "m", world.file, "--metric", "acc=1", "--metric", "acc=1")
    world.refused(2, "log-metric", "m@1", "acc=1", "acc=2")
    world.refused(2, "register", "m", world.file, "--metrics-file", world.make("a.json", '{"acc": 1, "acc": 2}'))
    one, two = world.make("a.yaml", "acc: 1\n"), world.make("b.yaml", "acc: 2\n")
    world.refused(2, "register", "m", world.file, "--metrics-file", one, "--metrics-file", two)
