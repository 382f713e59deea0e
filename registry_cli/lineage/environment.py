"""The environment that a model was made in: which Python, which packages, which GPU.

The registry's own command may be installed in an environment of its own (pipx, ``uv tool``), which says nothing of the
model's. What is recorded is therefore only what somebody named, in this order: a file that lists packages; a Python, or
the folder of an environment; the process that makes the model, when it calls us itself; the environment that is active in
the shell (``$VIRTUAL_ENV``, ``$CONDA_PREFIX``). Else it is recorded as unknown. No package is imported: what pip, uv and
conda leave behind is read.
"""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core import redaction, subprocesses
from ..core.lazy_dataclass import dataclass, field
from ..core.text import lazy_pattern, replace_unprintable
from ..errors import InvalidInput, NotFound
from .process_info import Caller

#: The largest list of packages that is kept, in bytes.
LIMIT = 16 << 20
UNKNOWN = "no environment was active, and none was named"
_SITE = ("lib", "lib64")
_ASK = (
    "import sys, json, platform; print(json.dumps([platform.python_version(), sys.prefix, [p for p in sys.path if p]]))"
)
_SECONDS = 10.0
_NVIDIA = "/proc/driver/nvidia"
_CARDS_MOST = 64


@dataclass(frozen=True, eq=False, repr=False)
class Environment:
    """``python`` is its version, ``lines`` the packages as a requirements file has them; ``why`` says why unknown."""

    python: str = ""
    lines: list[str] = field(default_factory=list)
    folder: str = ""
    why: str = ""


def find_environment(caller: Caller | None, python: str | None = None) -> Environment:
    """The environment that is meant; see above. Raises :class:`NotFound` for a Python that isn't there."""
    if python is not None:
        return _resolve_python(python)
    if caller is not None and caller.python:
        return Environment(caller.python, list_installed(caller.modules), caller.prefix)
    variables: Mapping[str, str] = caller.variables if caller is not None else {}
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if folder := variables.get(name):
            found = inspect_folder(folder)
            return found if not found.why else Environment(why=f"${name}: {found.why}")
    return Environment(why=UNKNOWN)


def inspect_folder(folder: str) -> Environment:
    """A virtual environment, or one of conda, by what lies in it; ``why`` is set when it is neither."""
    conda = list_conda_packages(folder)
    said = _configuration(folder)
    if not said and not conda:
        return Environment(why=f"there is no environment in {folder}")
    sites = _site_folders(folder)
    version = said.get("version") or said.get("version_info") or _conda_python(conda)
    version = ".".join(version.split(".")[:3])
    if not version and sites:
        version = Path(sites[0]).parent.name.removeprefix("python")
    if said.get("include-system-site-packages", "").lower() == "true":
        sites += _site_folders(str(Path(said.get("home", "")).parent))
    return Environment(version, conda + list_installed(sites), folder)


def _conda_python(lines: list[str]) -> str:
    return next((line.split("=")[1] for line in lines if line.startswith("# conda python=")), "")


def _configuration(folder: str) -> dict[str, str]:
    """``pyvenv.cfg``: ``name = value`` a line."""
    try:
        text = Path(folder, "pyvenv.cfg").read_text("utf-8", "replace")[:65_536]
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip().lower(): value.strip() for name, mark, value in pairs if mark}


def _site_folders(folder: str) -> list[str]:
    found: dict[tuple[int, int], str] = {}
    for library in _SITE:
        try:
            names = sorted(name for name in os.listdir(Path(folder, library)) if re.match(r"python3", name))
        except OSError:
            continue
        for path in (
            str(Path(folder, library, name, f"{kind}-packages")) for name in names for kind in ("site", "dist")
        ):
            if Path(path).is_dir():
                status = Path(path).stat()
                found.setdefault((status.st_dev, status.st_ino), path)
    return list(found.values())


def _resolve_python(python: str) -> Environment:
    """The environment of an interpreter that was named, or a folder of one. Only one outside of such a folder is run."""
    path = Path(os.path.abspath(python))
    if path.is_dir():
        found = inspect_folder(str(path))
        if found.why:
            raise NotFound(found.why, "name its folder, or its Python: --python .venv/bin/python")
        return found
    if not path.is_file():
        raise NotFound(f"there is no Python '{python}'", "name its folder, or its Python: --python .venv/bin/python")
    if not (found := inspect_folder(str(path.parent.parent))).why:
        return found
    return _query_python(path)


def _query_python(path: Path) -> Environment:
    try:
        done = subprocesses.run([str(path), "-I", "-c", _ASK], seconds=_SECONDS, folder="/", most=1 << 20)
        version, prefix, folders = json.loads(done.output) if done.code == 0 else (None, "", [])
    except (OSError, ValueError, TypeError):
        version, prefix, folders = None, "", []
    if not isinstance(version, str) or not isinstance(folders, list):
        raise InvalidInput(f"'{path}' does not answer as a Python does", "name the interpreter that made the model")
    return Environment(version, list_installed(map(str, folders)), str(prefix))


def read_package_list(path: str) -> bytes:
    """Return a list of packages that was given, without the secrets in it.

    Args:
        path: the file.

    Returns:
        Its bytes, in its encoding. Nothing is changed in a file without secrets.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it is a folder, empty, or too large.
    """
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no file '{path}'") from None
    except IsADirectoryError:
        raise InvalidInput(
            f"'{path}' is a folder", "--environment takes a list of packages; --python a folder"
        ) from None
    if len(data) > LIMIT:
        raise InvalidInput(f"'{path}' has more than {LIMIT:,} bytes", "it should list packages")
    if not data.strip():
        raise InvalidInput(f"'{path}' is empty", "was it written to the end?")
    return _redact(data)


def _redact(data: bytes) -> bytes:
    """The list without secrets. PowerShell's ``pip freeze > requirements.txt`` writes UTF-16."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return redaction.redact_packages(data.decode(encoding, "surrogatepass")).encode(encoding, "surrogatepass")
    return redaction.redact_packages(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def describe_platform() -> str:
    """System, its release, and the machine: ``Linux 6.1.0 x86_64``."""
    system = os.uname()
    return f"{system.sysname} {system.release} {system.machine}"


def describe_gpus(root: str = _NVIDIA) -> dict[str, Any]:
    """``gpu`` and ``driver`` of NVIDIA's cards, as the kernel tells them; empty when there are none."""
    cards = []
    try:
        folders = sorted(os.listdir(f"{root}/gpus"))[:_CARDS_MOST]
    except OSError:
        return {}
    for folder in folders:
        model = re.search(r"^Model:[ \t]*(.+?)[ \t]*$", _read_text(f"{root}/gpus/{folder}/information"), re.MULTILINE)
        cards.append(model[1] if model else "unknown")
    driver = re.search(r"Kernel Module\s+(?:for \S+\s+)?([0-9.]+)", _read_text(f"{root}/version"))
    return {"gpu": cards, **({"driver": driver[1]} if driver else {})} if cards else {}


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")[:65_536]
    except OSError:
        return ""


#: So many packages are listed at most.
MOST = 20_000
_TOML = lazy_pattern(r'''^name[ \t]*=[ \t]*"([^"\n]+)"[ \t]*\nversion[ \t]*=[ \t]*"([^"\n]+)"''', re.MULTILINE)
_YAML = lazy_pattern(
    r"^[ \t]*(?:-[ \t]+)?name:[ \t]*['\"]?([\w.-]+)['\"]?[ \t]*\n[ \t]*version:[ \t]*['\"]?([^\s'\"]+)", re.MULTILINE
)
_CONDA = lazy_pattern(r"^#?[ \t]*(?:conda )?([A-Za-z0-9_.-]+)=([^=\s]+)=[^=\s]+$", re.MULTILINE)
_NAME = lazy_pattern(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z", re.ASCII)
_VERSION = lazy_pattern(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\Z", re.ASCII)
#: Our own package, as it is spelt: what records a model is no part of its environment.
_OWN = "registry-cli"
_INSTALLED = ("site-packages", "dist-packages")
_METADATA_READ = 16 << 10


def parse_packages(text: str) -> dict[str, str]:
    """The packages that a text tells of, with their versions: requirements, ``pip freeze``, uv, Poetry, conda."""
    found = parse_requirements(text)
    for pattern in (_CONDA,) if found else (_TOML, _YAML, _CONDA):
        for name, version in pattern.findall(text):
            found.setdefault(_normalize_name(name), version)
    return found


def parse_requirements(text: str) -> dict[str, str]:
    """The ``name==version`` and ``name @ address`` lines of a requirements file. Other lines are passed over."""
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
    """The packages below ``folders`` as lines of a requirements file, sorted. Of two of a name the first folder's counts."""
    found: dict[str, str] = {}
    for folder in folders:
        for name, version, line in _in_folder(folder):
            key = _normalize_name(name)
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
                yield name, version, _format_requirement(name, version, os.path.join(folder, entry, "direct_url.json"))


def _format_requirement(name: str, version: str, direct: str) -> str:
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


def list_conda_packages(prefix: str) -> list[str]:
    """The packages that conda installed in an environment, each as a remark: ``# conda numpy=2.1.0=py311h…``."""
    try:
        with os.scandir(os.path.join(prefix, "conda-meta")) as entries:
            names = sorted(entry.name[:-5] for entry in entries if entry.name.endswith(".json"))
    except OSError:
        return []
    split = (name.rsplit("-", 2) for name in names)
    return [f"# conda {'='.join(parts)}" for parts in split if len(parts) == 3][:MOST]
