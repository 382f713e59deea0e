"""The environment in which a model was made: Python, packages, GPU.

The registry's own command may be installed in an environment of its own (pipx, ``uv tool``), which has nothing to do
with the model. Recorded is therefore, in this order: a file that lists packages; a Python that is named, or the folder
of an environment; the process that makes the model, if it calls the library; the active environment (``$VIRTUAL_ENV``,
``$CONDA_PREFIX``). Otherwise it is unknown. No package is imported: the metadata of pip, uv and conda is read.
"""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..core import redaction, subprocesses
from ..core.lazy_dataclass import dataclass, field
from ..core.text import lazy_pattern, replace_unprintable
from ..errors import InvalidInput, NotFound
from .process_info import Caller

#: The largest list of packages, in bytes.
LIMIT = 16 << 20
UNKNOWN = "no environment was active or specified"
_ASK = "import sys, json, platform; print(json.dumps([platform.python_version(), [p for p in sys.path if p]]))"
_SECONDS = 10.0
_CARDS_MOST = 64


@dataclass(frozen=True, eq=False, repr=False)
class Environment:
    """``python`` is its version, ``lines`` its packages as in a requirements file, ``why`` the reason if unknown."""

    python: str = ""
    lines: list[str] = field(default_factory=list)
    why: str = ""


def find_environment(caller: Caller | None, python: str | None = None) -> Environment:
    """Return the environment to record; see above. Raises :class:`NotFound` for a ``python`` that does not exist."""
    if python is not None:
        return _resolve_python(python)
    if caller is not None and caller.python:
        return Environment(caller.python, list_installed(caller.modules))
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if folder := caller.variables.get(name) if caller else None:
            found = inspect_folder(folder)
            return found if not found.why else Environment(why=f"${name}: {found.why}")
    return Environment(why=UNKNOWN)


def inspect_folder(folder: str) -> Environment:
    """Return the virtual environment, or conda environment, in a folder; ``why`` is set if there is none."""
    conda = list_conda_packages(folder)
    pairs = (line.partition("=") for line in _read_text(f"{folder}/pyvenv.cfg").splitlines())
    config = {name.strip().lower(): value.strip() for name, mark, value in pairs if mark}
    if not config and not conda:
        return Environment(why=f"no environment in {folder}")
    sites = _site_folders(folder)
    conda_python = next((line.split("=")[1] for line in conda if line.startswith("# conda python=")), "")
    version = config.get("version") or config.get("version_info") or conda_python
    version = ".".join(version.split(".")[:3])
    if not version and sites:
        version = Path(sites[0]).parent.name.removeprefix("python")
    if config.get("include-system-site-packages", "").lower() == "true":
        sites += _site_folders(str(Path(config.get("home", "")).parent))
    return Environment(version, conda + list_installed(sites))


def _site_folders(folder: str) -> list[str]:
    found: dict[tuple[int, int], str] = {}
    for library in ("lib", "lib64"):
        names = [name for name in _list_folder(Path(folder, library)) if name.startswith("python3")]
        for path in (Path(folder, library, name, f"{kind}-packages") for name in names for kind in ("site", "dist")):
            if path.is_dir():
                status = path.stat()
                found.setdefault((status.st_dev, status.st_ino), str(path))
    return list(found.values())


def _resolve_python(python: str) -> Environment:
    """The environment of an interpreter, or in a folder. Only an interpreter outside of an environment is run."""
    path = Path(os.path.abspath(python))
    found = inspect_folder(str(path if path.is_dir() else path.parent.parent))
    if path.is_file():
        return _query_python(path) if found.why else found
    why = found.why if path.is_dir() else f"Python '{python}' not found"
    if why:
        raise NotFound(why, "give its folder or its Python as `python`, for example .venv/bin/python")
    return found


def _query_python(path: Path) -> Environment:
    version, folders = None, []
    try:
        done = subprocesses.run([str(path), "-I", "-c", _ASK], seconds=_SECONDS, folder="/", most=1 << 20)
        if done.code == 0:
            version, folders = json.loads(done.output)
    except (OSError, ValueError, TypeError):
        version = None
    if not isinstance(version, str) or not isinstance(folders, list):
        raise InvalidInput(f"'{path}' is not a Python interpreter", "give the interpreter that produced the model")
    return Environment(version, list_installed(map(str, folders)))


def read_package_list(path: str) -> bytes:
    """Return a list of packages as bytes, secrets redacted. Raises :class:`NotFound`, :class:`InvalidInput`."""
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"file '{path}' not found") from None
    except IsADirectoryError:
        hint = "`environment` takes a list of packages; `python` a folder"
        raise InvalidInput(f"'{path}' is a folder", hint) from None
    if len(data) > LIMIT:
        raise InvalidInput(f"'{path}' has more than {LIMIT:,} bytes", "it should list packages")
    if not data.strip():
        raise InvalidInput(f"'{path}' is empty", "the file may be incomplete")
    return _redact(data)


def _redact(data: bytes) -> bytes:
    encoding, errors = "utf-8", "surrogateescape"
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):  # as PowerShell's ``pip freeze > requirements.txt``
            encoding, errors = name, "surrogatepass"
    return redaction.redact_packages(data.decode(encoding, errors)).encode(encoding, errors)


def describe_gpus(root: str = "/proc/driver/nvidia") -> dict[str, Any]:
    """Return ``gpu`` (the names) and ``driver`` of NVIDIA's cards, from the kernel; empty if there are none."""
    cards = []
    for folder in _list_folder(f"{root}/gpus")[:_CARDS_MOST]:
        model = re.search(r"^Model:[ \t]*(.+?)[ \t]*$", _read_text(f"{root}/gpus/{folder}/information"), re.MULTILINE)
        cards.append(model[1] if model else "unknown")
    driver = re.search(r"Kernel Module\s+(?:for \S+\s+)?([0-9.]+)", _read_text(f"{root}/version"))
    return {"gpu": cards, **({"driver": driver[1]} if driver else {})} if cards else {}


def _list_folder(path: str | Path) -> list[str]:
    """The names in a folder, sorted; empty if it can't be read."""
    try:
        return sorted(os.listdir(path))
    except (OSError, ValueError):  # a null byte
        return []


def _read_text(path: str, most: int = 65_536) -> str:
    """The beginning of a file; empty if it can't be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read(most).decode("utf-8", "replace")
    except OSError:
        return ""


#: The most packages that are listed.
MOST = 20_000
_TOML = lazy_pattern(r'''^name[ \t]*=[ \t]*"([^"\n]+)"[ \t]*\nversion[ \t]*=[ \t]*"([^"\n]+)"''', re.MULTILINE)
_YAML = lazy_pattern(
    r"^[ \t]*(?:-[ \t]+)?name:[ \t]*['\"]?([\w.-]+)['\"]?[ \t]*\n[ \t]*version:[ \t]*['\"]?([^\s'\"]+)", re.MULTILINE
)
_CONDA = lazy_pattern(r"^#?[ \t]*(?:conda )?([A-Za-z0-9_.-]+)=([^=\s]+)=[^=\s]+$", re.MULTILINE)
_NAME = lazy_pattern(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z", re.ASCII)
_VERSION = lazy_pattern(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\Z", re.ASCII)
#: Our own package, which is not part of the model's environment.
_OWN = "registry-cli"
_INSTALLED = ("site-packages", "dist-packages")
_METADATA_READ = 16 << 10


def parse_packages(text: str) -> dict[str, str]:
    """Parse a list of packages (requirements, ``pip freeze``, uv, Poetry, conda) into versions by normalized name."""
    found = parse_requirements(text)
    for pattern in (_CONDA,) if found else (_TOML, _YAML, _CONDA):
        for name, version in pattern.findall(text):
            found.setdefault(_normalize_name(name), version)
    return found


def parse_requirements(text: str) -> dict[str, str]:
    """Parse the ``name==version`` and ``name @ address`` lines of a requirements file; other lines are ignored."""
    found = {}
    for line in text.splitlines():  # no pattern over the whole line: it may have a million spaces
        name, mark, rest = line.partition(" @ " if " @ " in line.partition("==")[0] else "==")
        name = name.partition("[")[0].strip()
        version = re.split(r"[\s;,#\\]", rest.lstrip("= \t"), maxsplit=1)[0]
        if mark and version and _NAME.match(name):
            found[_normalize_name(name)] = version
    return found


def _normalize_name(name: str) -> str:
    """A name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def list_installed(folders: Iterable[str]) -> list[str]:
    """List the packages in ``folders`` as lines of a requirements file, sorted. Earlier folders take precedence."""
    found: dict[str, str] = {}
    for folder in folders:
        for name, line in _iter_installed(folder):
            key = _normalize_name(name)
            if key != _OWN and len(found) < MOST:
                found.setdefault(key, line)
    return [found[key] for key in sorted(found)]


def _iter_installed(folder: str) -> Iterator[tuple[str, str]]:
    for entry in _list_folder(folder):
        stem, mark, kind = entry.rpartition(".")
        if not mark or kind not in ("dist-info", "egg-info"):
            continue
        name, _, version = stem.partition("-")
        if kind == "egg-info":
            version = version.partition("-py")[0]
        if not version:
            path = os.path.join(folder, entry, "PKG-INFO" if kind == "egg-info" else "METADATA")
            version = "".join(re.findall(r"^Version: *([^\s]+)", _read_text(path, _METADATA_READ), re.MULTILINE)[:1])
        version = version.replace("_", "-")
        if _NAME.match(name) and _VERSION.match(version):  # a folder may be called anything
            if kind == "egg-info" and os.path.basename(folder) not in _INSTALLED:  # a checkout that is on the path
                path = replace_unprintable(os.path.abspath(folder), "?")
                yield name, f"# {name}=={version}  # from file://{path}"
            else:
                yield name, _format_requirement(name, version, os.path.join(folder, entry, "direct_url.json"))


def _format_requirement(name: str, version: str, direct: str) -> str:
    """``numpy==2.1.0``; with an address, as pip writes it. A package from a local folder or file becomes a comment: an
    index may have another package of the same name.
    """
    try:
        with open(direct, "rb") as stream:
            origin = json.loads(stream.read(_METADATA_READ))
        url: str | None = redaction.redact_url(str(origin["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        url = None
    if url is None or any(ord(letter) < 33 for letter in url):
        return f"{name}=={version}"
    vcs: Any = origin.get("vcs_info")
    if isinstance(vcs, dict) and re.fullmatch(r"[0-9a-fA-F]{7,64}", str(vcs.get("commit_id"))):
        return f"{name} @ {vcs.get('vcs', 'git')}+{url}@{vcs['commit_id']}"
    if url.lower().startswith("file:"):
        directory = origin.get("dir_info")
        editable = "editable, " if isinstance(directory, dict) and directory.get("editable") is True else ""
        return f"# {name}=={version}  # {editable}from {url}"
    return f"{name} @ {url}"


def list_conda_packages(prefix: str) -> list[str]:
    """List the packages that conda installed in an environment, as comments: ``# conda numpy=2.1.0=py311h…``."""
    names = sorted(name[:-5] for name in _list_folder(os.path.join(prefix, "conda-meta")) if name.endswith(".json"))
    split = (name.rsplit("-", 2) for name in names)
    return [f"# conda {'='.join(parts)}" for parts in split if len(parts) == 3][:MOST]
