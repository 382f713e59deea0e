"""Model files that would act when loaded: B-*. They are bytes to us."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from pathlib import Path

from tests.bad_inputs.audit import audited
from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario

_LOADERS = {"pickle", "_pickle", "cPickle", "joblib", "torch", "numpy", "keras", "tensorflow", "marshal_model", "dill"}


class _Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


@scenario("B-01", "B-02", "B-04", "B-07", "B-08")
def never_loaded(world: World, case: Case) -> None:
    """Whatever the file is called and however it begins. It is refused, and stored as any bytes when that is insisted on."""
    sprung = world.folder / "sprung"
    trap = pickle.dumps(_Trap(sprung))
    names = {
        "B-01": ("evil.pkl", trap),
        "B-02": ("evil.joblib", trap),
        "B-04": ("evil.keras", trap),
        "B-07": ("model.onnx", trap),
        "B-08": ("model.safetensors", b"PK\x03\x04%PDF-1.4\n\x89PNG\r\n" + trap),
    }
    name, content = names[case.id]
    path = world.make(name, content)
    if case.id == "B-04":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", '{"class_name": "Lambda"}')
            archive.writestr("../escaped.pkl", trap)
    refused = audited(world, "register", "m", path)
    assert refused.code == 5, refused.answer
    assert not refused.imported & _LOADERS and not refused.ran
    out = world.folder / "out"
    for command in (
        ("register", "m", path, "--allow-unsafe", "--reason", "a test"),
        ("show", "m@4"),
        ("verify",),
        ("promote", "m@4", "production"),
        ("fetch", "m@4", "-o", out),
        ("path", "m@4", "--verify"),
    ):
        seen = audited(world, *command)
        assert seen.code == 0, seen.answer
        assert not seen.imported & _LOADERS, seen.imported & _LOADERS
        assert not seen.ran
    assert not sprung.exists()
    assert (out / name).read_bytes() == path.read_bytes()


@scenario("B-09")
def execute_bits(world: World, case: Case) -> None:
    world.make("dir/run.sh", "#!/bin/sh\n").chmod(0o755)
    world.done("register", "m", world.folder / "dir")
    world.done("fetch", "m@4", "-o", world.folder / "out")
    assert not (world.folder / "out/run.sh").stat().st_mode & 0o111
    assert not (world.model / "versions/4/files/run.sh").stat().st_mode & 0o111


@scenario("B-06")
def a_header_that_claims_too_much(world: World, case: Case) -> None:
    """No more is read than there is, and what is wrong is named. The file is stored as any bytes are."""
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    sound = struct.pack("<Q", len(header)) + header + bytes(4)
    found = world.done("inspect", world.make("sound.safetensors", sound), "--json").json["items"][0]
    assert (found["format"], found.get("problem")) == ("safetensors", None)
    for claimed, problem in (
        (1 << 63, "its header has 9,223,372,036,854,775,808 bytes"),
        ((1 << 64) - 1, "its header has 18,446,744,073,709,551,615 bytes"),
        (1 << 40, "its header has 1,099,511,627,776 bytes"),
        (len(header) + 5, "it is cut short"),
    ):
        path = world.make("model.safetensors", struct.pack("<Q", claimed) + sound[8:])
        seen = audited(world, "inspect", path, "--json")
        assert seen.code == case.exit
        found = seen.answer.json["items"][0]
        assert (found["problem"], found.get("parameters")) == (problem, None)
        assert "Traceback" not in seen.answer.err
    world.done("register", "m", path)
    assert (world.model / "versions/4/files/model.safetensors").read_bytes() == path.read_bytes()
