"""Bundles that nobody should make: a good one taken apart, changed in one place, and put together again."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from registry_cli.store.packs import pack_format

HEAD, END = "bundle.json", "bundle-end.json"


@dataclass(frozen=True)
class Member:
    """One member as it is written; ``header`` in place of the one that fits."""

    name: str
    data: bytes
    header: bytes | None = None

    def blocks(self) -> bytes:
        header = pack_format.file_header(self.name, len(self.data)) if self.header is None else self.header
        return header + self.data + pack_format.file_padding(len(self.data))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Forge:
    """A bundle in pieces. :meth:`settle` makes the head fit what the members are: what a forger would do."""

    head: dict[str, Any]
    bodies: dict[str, bytes]
    before: list[Member] = field(default_factory=list)
    after: list[Member] = field(default_factory=list)
    tail: bytes = b""

    @classmethod
    def of(cls, path: Path) -> Forge:
        with tarfile.open(path) as tar:
            found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        head = json.loads(found.pop(HEAD))
        del found[END]
        return cls(head, found)

    def part(self, at: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.head["models"][at]
        return found

    def version(self, at: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.part()["versions"][at]
        return found

    def name(self, path: str) -> str:
        return f"{self.part()['name']}/{path}"

    def edit(self, path: str, old: bytes, new: bytes) -> None:
        data = self.bodies[self.name(path)]
        assert old in data, data
        self.bodies[self.name(path)] = data.replace(old, new)

    def settle(self) -> None:
        """Sizes and digests in the head, and the digest of each manifest, are those of the members."""
        for part in self.head["models"]:
            for version in part["versions"]:
                self._settle_version(part["name"], version)
            for document in part["documents"]:
                self._settle(part["name"], document)

    def _settle_version(self, model: str, version: dict[str, Any]) -> None:
        base = f"{model}/versions/{version['version']}"
        listed = self.bodies.get(f"{base}/manifest-sha256.txt")
        if listed is not None:
            digest = f"sha256:{hashlib.sha256(listed).hexdigest()}"
            document = self.bodies[f"{base}/version.yaml"]
            self.bodies[f"{base}/version.yaml"] = document.replace(version["digest"].encode(), digest.encode())
            version["digest"] = digest
        for document in version["documents"]:
            self._settle(model, document)

    def _settle(self, model: str, document: dict[str, Any]) -> None:
        data = self.bodies.get(f"{model}/{document['path']}")
        if data is not None:
            document["size"], document["sha256"] = len(data), hashlib.sha256(data).hexdigest()

    def members(self) -> list[Member]:
        head = json.dumps(self.head, separators=(",", ":")).encode() + b"\n"
        return [Member(HEAD, head), *(Member(name, data) for name, data in self.bodies.items())]

    def tar(self, members: list[Member] | None = None, *, end: bool = True) -> bytes:
        every = self.members() if members is None else members
        if end:
            every = [*every, ending(every)]
        data = b"".join(member.blocks() for member in every)
        return data + pack_format.end_of_archive(len(data)) + self.tail


def ending(members: list[Member]) -> Member:
    listing = "".join(f"{each.sha256}  {each.name}\n" for each in members).encode()
    fields = {"format": 1, "members": len(members), "digest": f"sha256:{hashlib.sha256(listing).hexdigest()}"}
    return Member(END, json.dumps(fields, separators=(",", ":")).encode() + b"\n")


def header(name: str, size: int, kind: bytes = b"0", **fields: Any) -> bytes:
    """A header with a type of its own, its sum right."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.type = size, 0o444, kind
    for key, value in fields.items():
        setattr(member, key, value)
    return member.tobuf(tarfile.GNU_FORMAT if kind in (b"L", b"S") else tarfile.PAX_FORMAT)


def pax(name: str, length: int, /, **fields: str) -> bytes:
    """An extended header that says more than a path or a size."""
    member = tarfile.TarInfo(name)
    member.size, member.pax_headers = length, fields
    return member.tobuf(tarfile.PAX_FORMAT)


def patched(block: bytes, at: int, new: bytes) -> bytes:
    """A header with some bytes changed, and its sum right again."""
    block = block[:at] + new + block[at + len(new) :]
    total = sum(block) - sum(block[148:156]) + 8 * 32
    return block[:148] + b"%06o\0 " % total + block[156:]


def repaired(history: bytes) -> bytes:
    """A history whose chain holds, in which everything was deleted."""
    last = json.loads(history.splitlines()[-1])
    fields = {"stages": {}, "aliases": {}, "archived": "", "deleted": "1-999999999"}
    line = {
        "seq": last["seq"] + 1, "prev": last["hash"], "highest": last["highest"], "revision": last["revision"], "id": "x",
        "at": last["at"], "by": "x", "host": "x", "action": "repaired", **fields,
    }  # fmt: skip
    text = json.dumps(line, separators=(",", ":")).encode()
    return history + text[:-1] + b',"hash":"' + hashlib.sha256(text).hexdigest().encode() + b'"}\n'


Case = Callable[[Forge], bytes]
CASES: dict[str, Case] = {}
#: Those that need a whole model.
WHOLE: set[str] = set()


def case(function: Case) -> Case:
    CASES[function.__name__.replace("_", " ")] = function
    return function


def whole(function: Case) -> Case:
    WHOLE.add(function.__name__.replace("_", " "))
    return case(function)


def _with(forge: Forge, at: int, **changes: Any) -> bytes:
    """The bundle with one member changed, and its end right."""
    members = forge.members()
    members[at] = replace(members[at], **changes)
    return forge.tar(members)


def _instead(forge: Forge, make: Callable[[Member], bytes]) -> bytes:
    """The bundle with another header before its last file."""
    return _with(forge, -1, header=make(forge.members()[-1]))


# What the archive itself says.


@case
def a_symbolic_link(forge: Forge) -> bytes:
    return _instead(forge, lambda m: header(m.name, len(m.data), tarfile.SYMTYPE, linkname="/etc/passwd"))


@case
def a_hard_link(forge: Forge) -> bytes:
    return _instead(forge, lambda m: header(m.name, 0, tarfile.LNKTYPE, linkname="../../registry.yaml"))


@case
def a_folder(forge: Forge) -> bytes:
    return _instead(forge, lambda m: header(m.name, 0, tarfile.DIRTYPE))


@case
def a_fifo(forge: Forge) -> bytes:
    return _instead(forge, lambda m: header(m.name, 0, tarfile.FIFOTYPE))


@case
def a_device(forge: Forge) -> bytes:
    return _instead(forge, lambda m: header(m.name, 0, tarfile.CHRTYPE, devmajor=1, devminor=5))


@case
def a_sparse_file_of_gnu(forge: Forge) -> bytes:
    return _instead(forge, lambda m: header(m.name, len(m.data), b"S"))


@case
def a_sparse_file_by_an_extended_header(forge: Forge) -> bytes:
    return _instead(
        forge, lambda m: pax(m.name, len(m.data), **{"GNU.sparse.major": "1", "GNU.sparse.realsize": str(1 << 50)})
    )


@case
def an_extended_header_with_a_time(forge: Forge) -> bytes:
    return _instead(forge, lambda m: pax(m.name, len(m.data), mtime="1.5"))


@case
def an_extended_header_with_another_path(forge: Forge) -> bytes:
    return _instead(forge, lambda m: pax(m.name, len(m.data), path="../../../outside"))


@case
def an_extended_header_with_another_size(forge: Forge) -> bytes:
    return _instead(forge, lambda m: pax(m.name, len(m.data), size=str(1 << 50)))


@case
def an_extended_header_of_a_megabyte(forge: Forge) -> bytes:
    return _instead(forge, lambda m: pax(m.name, len(m.data), path="x" * 1_000_000))


@case
def an_extended_header_for_all(forge: Forge) -> bytes:
    return _instead(forge, lambda m: header("pax", 0, b"g") + pack_format.file_header(m.name, len(m.data)))


@case
def a_long_name_of_gnu(forge: Forge) -> bytes:
    return _instead(
        forge, lambda m: header("././@LongLink", 512, b"L") + bytes(512) + pack_format.file_header(m.name, len(m.data))
    )


@case
def a_name_in_two_halves(forge: Forge) -> bytes:
    return _instead(forge, lambda m: patched(pack_format.file_header(m.name, len(m.data)), 345, b"../.."))


@case
def an_absolute_name(forge: Forge) -> bytes:
    return _with(forge, -1, name="/tmp/outside")


@case
def a_name_that_leads_out(forge: Forge) -> bytes:
    return _with(forge, -1, name="churn/versions/2/files/../../../../outside")


@case
def a_name_with_a_control_character(forge: Forge) -> bytes:
    return _with(forge, -1, name="churn/versions/2/files/\x1b[31m")


@case
def a_name_with_a_nul_in_it(forge: Forge) -> bytes:
    return _instead(forge, lambda m: patched(pack_format.file_header(m.name, len(m.data)), 40, b"\0evil"))


@case
def a_name_that_is_no_utf_8(forge: Forge) -> bytes:
    return _instead(forge, lambda m: patched(pack_format.file_header(m.name, len(m.data)), 10, b"\xff\xfe"))


@case
def a_name_in_another_case(forge: Forge) -> bytes:
    return _with(forge, -1, name=forge.members()[-1].name.upper())


@case
def a_member_twice(forge: Forge) -> bytes:
    members = forge.members()
    return forge.tar([*members, members[-1]])


@case
def a_member_too_many_in_between(forge: Forge) -> bytes:
    members = forge.members()
    return forge.tar([members[0], Member("README", b"hello"), *members[1:]])


@case
def a_member_too_few(forge: Forge) -> bytes:
    return forge.tar(forge.members()[:-1])


@case
def two_members_the_other_way_round(forge: Forge) -> bytes:
    members = forge.members()
    return forge.tar([members[0], members[2], members[1], *members[3:]])


@case
def a_size_that_is_negative(forge: Forge) -> bytes:
    return _instead(forge, lambda m: patched(pack_format.file_header(m.name, len(m.data)), 124, b"-0000000001\0"))


@case
def a_size_in_base_256(forge: Forge) -> bytes:
    return _instead(
        forge, lambda m: patched(pack_format.file_header(m.name, len(m.data)), 124, b"\x80" + bytes(10) + b"\x05")
    )


@case
def a_size_that_is_too_large(forge: Forge) -> bytes:
    return _instead(forge, lambda m: pack_format.file_header(m.name, len(m.data) + 512))


@case
def a_size_that_is_too_small(forge: Forge) -> bytes:
    return _instead(forge, lambda m: pack_format.file_header(m.name, 0))


@case
def a_header_whose_sum_is_wrong(forge: Forge) -> bytes:
    block = pack_format.file_header("x", 1)
    return _instead(forge, lambda m: block[:150] + b"7" + block[151:])


@case
def a_header_of_old(forge: Forge) -> bytes:
    return _instead(forge, lambda m: patched(pack_format.file_header(m.name, len(m.data)), 257, bytes(8)))


@case
def no_end(forge: Forge) -> bytes:
    return forge.tar(end=False)


@case
def the_end_of_another(forge: Forge) -> bytes:
    members = forge.members()
    return forge.tar([*members, ending(members[:-1])], end=False)


@case
def an_end_that_is_no_json(forge: Forge) -> bytes:
    return forge.tar([*forge.members(), Member(END, b"{" * 500)], end=False)


@case
def an_end_that_is_too_long(forge: Forge) -> bytes:
    return forge.tar([*forge.members(), Member(END, b" " * 10_000)], end=False)


@case
def something_behind_the_end(forge: Forge) -> bytes:
    members = forge.members()
    return forge.tar([*members, ending(members), Member("more", b"x")], end=False)


@case
def something_behind_the_tar(forge: Forge) -> bytes:
    forge.tail = b"x"
    return forge.tar()


@case
def zeros_behind_the_tar(forge: Forge) -> bytes:
    forge.tail = bytes(1 << 20)
    return forge.tar()


@case
def cut_off_in_the_head(forge: Forge) -> bytes:
    return forge.tar()[:700]


@case
def cut_off_in_a_file(forge: Forge) -> bytes:
    return forge.tar()[:-12_000]


@case
def cut_off_before_its_end(forge: Forge) -> bytes:
    data = forge.tar()
    return data[: data.index(b"bundle-end.json")]


@case
def nothing_at_all(forge: Forge) -> bytes:
    return b""


@case
def a_few_bytes(forge: Forge) -> bytes:
    return b"\x1f\x8b"


@case
def text(forge: Forge) -> bytes:
    return b"hello, world\n" * 1000


@case
def zeros(forge: Forge) -> bytes:
    return bytes(1 << 20)


@case
def another_tar(forge: Forge) -> bytes:
    return forge.tar([Member("README", b"hello")])


@case
def gzip_cut_off(forge: Forge) -> bytes:
    return gzip.compress(forge.tar())[:-9]


@case
def gzip_with_a_wrong_sum(forge: Forge) -> bytes:
    data = gzip.compress(forge.tar())
    return data[:-8] + bytes(4) + data[-4:]


@case
def gzip_twice_in_a_row(forge: Forge) -> bytes:
    data = gzip.compress(forge.tar())
    return data + data


@case
def gzip_in_gzip(forge: Forge) -> bytes:
    return gzip.compress(gzip.compress(forge.tar()))


@case
def a_bomb(forge: Forge) -> bytes:
    """A head of a gigabyte, in a megabyte."""
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as out:
        out.write(pack_format.file_header(HEAD, 1 << 30))
        for _ in range(64):
            out.write(bytes(1 << 20))
    return stream.getvalue()


@case
def a_bomb_that_was_announced(forge: Forge) -> bytes:
    """More than any disk has room for."""
    forge.version(-1)["sizes"][-1] = 1 << 55
    forge.part()["packed"] = 1 << 55
    return forge.tar()


@case
def zstd_that_is_none(forge: Forge) -> bytes:
    return b"\x28\xb5\x2f\xfd" + b"x" * 100


# What the head says.


def _said(name: str, change: Callable[[Forge], None]) -> None:
    def made(forge: Forge) -> bytes:
        change(forge)
        return forge.tar()

    CASES[name] = made


def _head(**changes: Any) -> Callable[[Forge], None]:
    return lambda forge: forge.head.update(changes)


def _part(**changes: Any) -> Callable[[Forge], None]:
    return lambda forge: forge.part().update(changes)


def _version(**changes: Any) -> Callable[[Forge], None]:
    return lambda forge: forge.version().update(changes)


def _document(**changes: Any) -> Callable[[Forge], None]:
    return lambda forge: forge.version()["documents"][0].update(changes)


for _name, _change in {
    "a newer format": _head(format=3),
    "a format that is text": _head(format="1"),
    "no format": lambda forge: forge.head.pop("format"),
    "another kind": _head(kind="everything"),
    "a registry with a path": _head(registry="../../../etc/passwd0000000000000"),
    "models that are no list": _head(models={"churn": {}}),
    "a model that is null": _head(models=[None]),
    "a model named to lead out": _part(name="../churn"),
    "a model named absolutely": _part(name="/churn"),
    "a model named in upper case": _part(name="Churn"),
    "a model named as a folder of ours": _part(name="versions"),
    "a model named as a device": _part(name="con"),
    "a model in a group in a group": _part(name="a/b/c"),
    "a model with a hidden name": _part(name=".tmp-0"),
    "a model with a name of a megabyte": _part(name="a" * 1_000_000),
    "a model twice": lambda forge: forge.head["models"].append(forge.part()),
    "a model and a group of one name": lambda forge: forge.head["models"].append({**forge.part(), "name": "churn/a"}),
    "a model that is neither whole nor not": _part(whole="yes"),
    "no versions": _part(versions=[]),
    "fewer bytes than there are": _part(packed=3),
    "bytes below zero": _part(packed=-1),
    "a checkpoint that is none": _part(checkpoint="../x"),
    "a document of the model where there is none": _part(
        documents=[{"path": "model.yaml", "size": 1, "sha256": "0" * 64}]
    ),
    "version 0": _version(version=0),
    "version of ten digits": _version(version=10**9),
    "a version that is true": _version(version=True),
    "a version that is text": _version(version="1"),
    "versions in another order": lambda forge: forge.part()["versions"].reverse(),
    "sizes below zero": _version(sizes=[-1, 1, 1]),
    "sizes that are fractions": _version(sizes=[1.0, 1, 1]),
    "sizes beyond any": _version(sizes=[1 << 80, 1, 1]),
    "one size too few": lambda forge: forge.version()["sizes"].pop(),
    "one size too many": lambda forge: forge.version()["sizes"].append(1),
    "no sizes": _version(sizes=[]),
    "a digest that is none": _version(digest="sha256:xyz"),
    "a digest of another": _version(digest=f"sha256:{'0' * 64}"),
    "a stage named to lead out": _version(stages=["../../x"]),
    "an alias with a slash": _version(aliases=["a/b"]),
    "archived is text": _version(archived="no"),
    "a document that leads out": _document(path="versions/1/../../../../outside"),
    "an absolute document": _document(path="/etc/passwd"),
    "a document among the files": _document(path="versions/1/files/x"),
    "a document of another version": _document(path="versions/2/version.yaml"),
    "a document beside that nobody knows": lambda forge: forge.version()["documents"].append(
        {"path": "versions/1/run.sh", "size": 1, "sha256": "0" * 64}
    ),
    "a lock": lambda forge: forge.version()["documents"].append({"path": ".lock", "size": 1, "sha256": "0" * 64}),
    "a document twice": lambda forge: forge.version()["documents"].append(forge.version()["documents"][0]),
    "a document of a gigabyte": _document(size=1 << 30),
    "a document with a wrong sha256": _document(sha256="0" * 64),
    "a document with a wrong size": _document(size=1),
    "a version without a manifest": lambda forge: forge.version()["documents"].pop(1),
}.items():
    _said(_name, _change)


@case
def a_head_that_is_no_json(forge: Forge) -> bytes:
    return _with(forge, 0, data=b"format: 1\n")


@case
def a_head_that_is_a_list(forge: Forge) -> bytes:
    return _with(forge, 0, data=b"[]")


@case
def a_head_that_is_nested_without_end(forge: Forge) -> bytes:
    return _with(forge, 0, data=b"[" * 1_000_000)


@case
def a_head_with_a_key_twice(forge: Forge) -> bytes:
    data = forge.members()[0].data
    return _with(forge, 0, data=data[:-2] + b',"kind":"models"}\n')


@case
def a_head_with_nan(forge: Forge) -> bytes:
    return _with(forge, 0, data=forge.members()[0].data.replace(b'"version":1', b'"version":NaN'))


@case
def a_head_with_a_number_of_a_million_digits(forge: Forge) -> bytes:
    return _with(forge, 0, data=forge.members()[0].data.replace(b'"version":1', b'"version":' + b"1" * 1_000_000))


# What the members say, with a head that fits them.


def _forged(name: str, change: Callable[[Forge], None], kind: Callable[[Case], Case] = case) -> None:
    def made(forge: Forge) -> bytes:
        change(forge)
        forge.settle()
        return forge.tar()

    made.__name__ = name.replace(" ", "_")
    kind(made)


VERSION = "versions/1/version.yaml"
MANIFEST = "versions/1/manifest-sha256.txt"


def _line(old: bytes, new: bytes, path: str = VERSION) -> Callable[[Forge], None]:
    return lambda forge: forge.edit(path, old, new)


def _path(new: bytes) -> Callable[[Forge], None]:
    """The last file of the artifact under another name, in the manifest and as a member."""

    def change(forge: Forge) -> None:
        forge.edit(MANIFEST, b"model.bin", new)
        name = forge.name("versions/1/files/model.bin")
        forge.bodies = {
            (key.replace("model.bin", new.decode("utf-8", "replace")) if key == name else key): data
            for key, data in forge.bodies.items()
        }

    return change


for _name, _change in {
    "another number in its document": _line(b"version: 1\ncreated", b"version: 9\ncreated"),
    "another size in its document": _line(b"size: ", b"size: 1"),
    "a version of a newer format": _line(b"format: 1\nversion", b"format: 2\nversion"),
    "a version without a format": _line(b"format: 1\nversion", b"version"),
    "a metric that is text": _line(b"metrics: {auc: 0.91}", b"metrics: {auc: 'high'}"),
    "a metric that is true": _line(b"metrics: {auc: 0.91}", b"metrics: {auc: true}"),
    "a metric that is a mapping": _line(b"metrics: {auc: 0.91}", b"metrics: {auc: {a: 1}}"),
    "metrics that are a list": _line(b"metrics: {auc: 0.91}", b"metrics: [1]"),
    "a param that is a list": _line(b"depth: 6", b"depth: [6]"),
    "a param with an equals sign": _line(b"depth: 6", b"'de=pth': 6"),
    "a message with a nul": _line(b"message: run 1", b'message: "run \\0"'),
    "an author on two lines": _line(b"author: alice\ndigest", b'author: "alice\\nbob"\ndigest'),
    "a time that is none": _line(b"created: '2026", b"created: 'yesterday 2026"),
    "a deed that made it": _line(b"action: registered", b"action: promoted"),
    "no event": _line(b"event:\n", b"evident:\n"),
    "an id with a newline": _line(b"event:\n  id: ", b'event:\n  id: "a\\nb"\n  was: '),
    "yaml that refers to itself": _line(b"message: run 1", b"message: &a [*a]"),
    "yaml with a tag": _line(b"message: run 1", b"message: !!python/object/apply:os.system ['true']"),
    "yaml without end": _line(b"message: run 1", b"lineage: " + b"[" * 100_000),
    "a file that leads out": _path(b"../../../../../outside"),
    "a file with an absolute path": _path(b"/tmp/outside"),
    "a file that leads through itself": _path(b"a/./model.bin"),
    "a file with a control character": _path(b"mo\x1b[31m.bin"),
    "a file with a backslash": _path(b"mo\\\\del.bin"),
    "a file with a name of a kilobyte": _path(b"m" * 1_100),
    "a file below a file": _path(b"conf/params.json/x"),
    "a manifest in another order": lambda forge: forge.bodies.update(
        {forge.name(MANIFEST): b"".join(reversed(forge.bodies[forge.name(MANIFEST)].splitlines(keepends=True)))}
    ),
    "a manifest with a line twice": lambda forge: forge.bodies.update(
        {forge.name(MANIFEST): forge.bodies[forge.name(MANIFEST)] * 2}
    ),
    "a manifest with other line ends": _line(b"\n", b"\r\n", MANIFEST),
    "a manifest that is empty": lambda forge: forge.bodies.update({forge.name(MANIFEST): b""}),
    "a file that is not what the manifest says": lambda forge: forge.bodies.update(
        {forge.name("versions/1/files/model.bin"): b"x" * len(forge.bodies[forge.name("versions/1/files/model.bin")])}
    ),
    "what was said is no mapping": lambda forge: forge.bodies.update({forge.name("annotations/1.yaml"): b"[]\n"}),
    "a tag said on two lines": _line(b"site: eu", b'site: "e\\nu"', "annotations/1.yaml"),
}.items():
    _forged(_name, _change)

for _name, _change in {
    "a stage that is a path": _line(b"production: ", b"../../../outside: ", "stages.yaml"),
    "a stage at a version that is not there": _line(b"production: ", b"canary: 99, production: ", "stages.yaml"),
    "a stage at a version that is no number": _line(b"production: ", b"canary: x, production: ", "stages.yaml"),
    "an alias that is a path": _line(b"aliases: {", b"aliases: {'../x': 1, ", "stages.yaml"),
    "a stage table that is a claim": lambda forge: forge.bodies.update(
        {
            forge.name("stages.yaml"): forge.bodies[forge.name("stages.yaml")]
            + b"redo: {path: annotations/1.yaml, document: {format: 1}}\n"
        }
    ),
    "a stage table of a later revision": _line(b"revision: 1", b"revision: 9", "stages.yaml"),
    "a stage table that was cut off": lambda forge: forge.bodies.update(
        {forge.name("stages.yaml"): b"format: 1\nrevision: 1\n"}
    ),
    "deleted without a tombstone": _line(b"deleted: '3'", b"deleted: 3, 5", "stages.yaml"),
    "deleted without end": _line(b"deleted: '3'", b"deleted: 1-999999999", "stages.yaml"),
    "archived without end": _line(b"archived: '4'", b"archived: 1-999999999", "stages.yaml"),
    "a history that was repaired without end": lambda forge: forge.bodies.update(
        {forge.name("history.jsonl"): repaired(forge.bodies[forge.name("history.jsonl")])}
    ),
    "archived but not there": _line(b"archived: '4'", b"archived: 4, 77", "stages.yaml"),
    "a model that is no mapping": lambda forge: forge.bodies.update({forge.name("model.yaml"): b"- a\n"}),
    "a model with tags that are a list": lambda forge: forge.bodies.update(
        {forge.name("model.yaml"): forge.bodies[forge.name("model.yaml")] + b"tags: [1]\n"}
    ),
    "a history that was cut": lambda forge: forge.bodies.update(
        {
            forge.name("history.jsonl"): b"".join(
                forge.bodies[forge.name("history.jsonl")].splitlines(keepends=True)[:-1]
            )
        }
    ),
    "a history with another author": _line(b'"by":"alice"', b'"by":"carol"', "history.jsonl"),
    "a history of nothing": lambda forge: forge.bodies.update({forge.name("history.jsonl"): b"{}\n" * 1000}),
    "a document changed after it was recorded": _line(b"metrics: {auc: 0.91}", b"metrics: {auc: 0.99}"),
    "what was said changed after it was recorded": _line(b"site: eu", b"site: us", "annotations/1.yaml"),
}.items():
    _forged(_name, _change, whole)


def cases() -> Iterator[tuple[str, Case]]:
    yield from CASES.items()
