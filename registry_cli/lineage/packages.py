"""Which packages there are: in an environment, by the names of the folders that describe them; in a list of them.

Nothing is imported and no interpreter is started: what pip, uv and conda leave behind says it all.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..core import redaction
from ..core.text import replace_unprintable

#: So many packages are listed at most.
MOST = 20_000
_TOML = re.compile(r'''^name[ \t]*=[ \t]*"([^"\n]+)"[ \t]*\nversion[ \t]*=[ \t]*"([^"\n]+)"''', re.MULTILINE)
_YAML = re.compile(
    r"^[ \t]*(?:-[ \t]+)?name:[ \t]*['\"]?([\w.-]+)['\"]?[ \t]*\n[ \t]*version:[ \t]*['\"]?([^\s'\"]+)", re.MULTILINE
)
_CONDA = re.compile(r"^#?[ \t]*(?:conda )?([A-Za-z0-9_.-]+)=([^=\s]+)=[^=\s]+$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\Z", re.ASCII)
#: Our own package, as it is spelt: what records a model is no part of its environment.
_OWN = "registry-cli"
_INSTALLED = ("site-packages", "dist-packages")
_METADATA_READ = 16 << 10


def listed(text: str) -> dict[str, str]:
    """The packages that a text tells of, with their versions: requirements, ``pip freeze``, uv, Poetry, conda."""
    found = requirements(text)
    for pattern in (_CONDA,) if found else (_TOML, _YAML, _CONDA):
        for name, version in pattern.findall(text):
            found.setdefault(_spelt(name), version)
    return found


def requirements(text: str) -> dict[str, str]:
    """The ``name==version`` and ``name @ address`` lines of a requirements file. Other lines are passed over."""
    found = {}
    for line in text.splitlines():  # no pattern over the whole line: it may have a million spaces
        name, mark, rest = line.partition(" @ " if " @ " in line.partition("==")[0] else "==")
        name = name.partition("[")[0].strip()
        version = re.split(r"[\s;,#\\]", rest.lstrip("= \t"), maxsplit=1)[0]
        if mark and version and _NAME.match(name):
            found[_spelt(name)] = version
    return found


def _spelt(name: str) -> str:
    """A name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(folders: Iterable[str]) -> list[str]:
    """The packages below ``folders`` as lines of a requirements file, sorted. Of two of a name the first folder's counts."""
    found: dict[str, str] = {}
    for folder in folders:
        for name, version, line in _in_folder(folder):
            key = _spelt(name)
            if version and key != _OWN and len(found) < MOST:
                found.setdefault(key, line)
    return [found[key] for key in sorted(found)]


def _in_folder(folder: str) -> Iterator[tuple[str, str, str]]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError:
        return
    for entry in names:
        stem, mark, kind = entry.rpartition(".")
        if not mark or kind not in ("dist-info", "egg-info"):
            continue
        name, _, version = stem.partition("-")
        if kind == "egg-info":
            version = version.partition("-py")[0]
        if not version:
            version = _metadata_version(os.path.join(folder, entry, "PKG-INFO" if kind == "egg-info" else "METADATA"))
        version = version.replace("_", "-")
        if _NAME.match(name) and _VERSION.match(version):  # a folder may be called anything
            if kind == "egg-info" and os.path.basename(folder) not in _INSTALLED:  # a checkout that is on the path
                yield (
                    name,
                    version,
                    f"# {name}=={version}  # from file://{replace_unprintable(os.path.abspath(folder), '?')}",
                )
            else:
                yield name, version, _line(name, version, os.path.join(folder, entry, "direct_url.json"))


def _line(name: str, version: str, direct: str) -> str:
    """``numpy==2.1.0``; what came from an address, as pip writes it. What came from a folder or file of that machine is a
    remark: an index may have another package of that name, by somebody else.
    """
    try:
        with open(direct, "rb") as stream:
            said = json.loads(stream.read(_METADATA_READ))
        url = redaction.redact_url(str(said["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        return f"{name}=={version}"
    if any(ord(letter) < 33 for letter in url):
        return f"{name}=={version}"
    vcs: Any = said.get("vcs_info")
    if isinstance(vcs, dict) and re.fullmatch(r"[0-9a-fA-F]{7,64}", str(vcs.get("commit_id"))):
        return f"{name} @ {vcs.get('vcs', 'git')}+{url}@{vcs['commit_id']}"
    if url.lower().startswith("file:"):
        directory = said.get("dir_info")
        editable = "editable, " if isinstance(directory, dict) and directory.get("editable") is True else ""
        return f"# {name}=={version}  # {editable}from {url}"
    return f"{name} @ {url}"


def _metadata_version(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            text = stream.read(_METADATA_READ).decode("utf-8", "replace")
    except OSError:
        return ""
    found = re.search(r"^Version: *([^\s]+)", text, re.MULTILINE)
    return found[1] if found else ""


def of_conda(prefix: str) -> list[str]:
    """The packages that conda installed in an environment, each as a remark: ``# conda numpy=2.1.0=py311h…``."""
    try:
        with os.scandir(os.path.join(prefix, "conda-meta")) as entries:
            names = sorted(entry.name[:-5] for entry in entries if entry.name.endswith(".json"))
    except OSError:
        return []
    split = (name.rsplit("-", 2) for name in names)
    return [f"# conda {'='.join(parts)}" for parts in split if len(parts) == 3][:MOST]
