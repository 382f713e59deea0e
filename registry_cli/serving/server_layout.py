"""What a layout decides: where a release lies in a target, what is in it, and what says which one is served."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import NamedTuple

from ..core.lazy_dataclass import dataclass, field
from ..core.records import VersionRecord
from ..errors import Refused
from .targets import Target

_NUMBER = re.compile(r"(?:.*[/-])?([1-9][0-9]{0,8})(?:\.mar)?\Z", re.ASCII | re.DOTALL)


class Release(NamedTuple):
    """A version that is to be served. ``name`` is that of its model in the target, ``files`` are the paths of the
    artifact, ``read`` returns the bytes of one that is small.
    """

    version: VersionRecord
    name: str
    target: Target
    files: tuple[str, ...]
    read: Callable[[str], bytes]

    def refuse(self, message: str, hint: str) -> Refused:
        return Refused(f"{self.version.ref} can't be served in layout {self.target.layout}: {message}", hint)


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """What a release consists of: ``copies`` of files of the artifact and ``written`` files, by path in the release.

    ``switch`` are the bytes of the file (or the target of the link) that lets the server use it. With ``archive`` the
    release is one zip file.
    """

    copies: Mapping[str, str]
    switch: bytes
    written: Mapping[str, bytes] = field(default_factory=dict)
    archive: bool = False


class ServerLayout(NamedTuple):
    """A layout. Paths are relative to the folder of the target; ``{name}`` and ``{number}`` stand in them.

    Attributes:
        home: The folder that has all of a model; empty where there is none.
        release: The folder, or the file, of a version.
        switch: The small file or link that says which version is served.
        plan: Returns the plan of a release; given the bytes of the switch as it is, None if there is none.
        is_link: Whether the switch is a symbolic link.
        served: Returns the number that a switch names for a model.
        without: Returns a switch without a model; None if it is to be removed.
        server: How the server is asked, see ``probe``: ``v2``, ``tf-serving``, ``torchserve`` or ``json``.
        probe: What is asked of a ``json`` server, behind its address, if the target's probe has no ``#``.
    """

    home: str
    release: str
    switch: str
    plan: Callable[[Release, bytes | None], Plan]
    is_link: bool = True
    served: Callable[[bytes, str], int | None] = lambda switch, _: trailing_number(switch)
    without: Callable[[bytes, str], bytes | None] = lambda *_: None
    server: str = "json"
    probe: str = ""


def get_layout(name: str) -> ServerLayout:
    """Return a layout of ``targets.LAYOUTS``."""
    found: ServerLayout = import_module(f".{_MODULES.get(name, name.replace('-', '_'))}", __package__).LAYOUTS[name]
    return found


_MODULES = {"mlflow": "plain"}


def trailing_number(switch: bytes) -> int | None:
    """The version number at the end of the target of a link."""
    match = _NUMBER.match(switch.decode("utf-8", "replace"))
    return int(match[1]) if match else None


def name_in_target(model: str) -> str:
    """Return what a model is called in a target: servers have no groups."""
    return model.replace("/", "-")


def find_file(release: Release, *endings: str) -> str | None:
    """Return the only file of the artifact with one of these endings, the first ending that there is; None if none.

    Raises :class:`Refused` when there are several.
    """
    for ending in endings:
        found = [path for path in release.files if path.lower().endswith(ending)]
        if len(found) > 1:
            raise release.refuse(f"it has {len(found)} files '*{ending}'", "register one model file")
        if found:
            return found[0]
    return None
