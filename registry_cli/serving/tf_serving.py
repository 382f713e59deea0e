"""Layout ``tf-serving``: version folders, and one ``models.config`` for all models of the target.

``NAME/7/`` has the SavedModel. The server is started with ``--model_config_file=TARGET/models.config`` and
``--model_config_file_poll_wait_seconds=10``.
"""

from __future__ import annotations

import re

from ..errors import Conflict
from .server_layout import Plan, Release, ServerLayout

_HEAD = "# Written by 'registry deploy'; changes by hand are refused.\n"
_ENTRY = re.compile(
    r'  config \{\n    name: "([a-z0-9._-]+)"\n    base_path: "([^"\n]*)"\n    model_platform: "tensorflow"\n'
    r"    model_version_policy \{ specific \{ versions: ([1-9][0-9]{0,8}) \} \}\n  \}\n"
)


def _parse(switch: bytes) -> dict[str, tuple[str, int]]:
    """The models of a ``models.config``, each with its folder and version. :class:`Conflict` if people wrote it."""
    text = switch.decode("utf-8", "replace")
    found = {match[1]: (match[2], int(match[3])) for match in _ENTRY.finditer(text)}
    if _format(found) != switch:
        raise Conflict("models.config was not written by the registry", "move it away, or use another folder")
    return found


def _format(models: dict[str, tuple[str, int]]) -> bytes:
    entries = "".join(
        f'  config {{\n    name: "{name}"\n    base_path: "{folder}"\n    model_platform: "tensorflow"\n'
        f"    model_version_policy {{ specific {{ versions: {number} }} }}\n  }}\n"
        for name, (folder, number) in sorted(models.items())
    )
    return f"{_HEAD}model_config_list {{\n{entries}}}\n".encode()


def _plan(release: Release, switch: bytes | None) -> Plan:
    roots = [path.removesuffix("saved_model.pb") for path in release.files if path.split("/")[-1] == "saved_model.pb"]
    if len(roots) != 1:
        raise release.refuse(f"it has {len(roots)} files saved_model.pb, not one", "register the SavedModel folder")
    base, target = roots[0], release.target
    folder = f"{(target.server_path or target.path).rstrip('/')}/{release.name}"
    if '"' in folder or "\\" in folder or not folder.isprintable():
        raise release.refuse("the path of the target has characters that models.config can't have", "set server_path")
    models = {**(_parse(switch) if switch is not None else {}), release.name: (folder, release.version.number)}
    return Plan({path.removeprefix(base): path for path in release.files if path.startswith(base)}, _format(models))


def _served(switch: bytes, name: str) -> int | None:
    return _parse(switch).get(name, ("", None))[1]


def _without(switch: bytes, name: str) -> bytes | None:
    return _format({key: entry for key, entry in _parse(switch).items() if key != name})


LAYOUTS = {
    "tf-serving": ServerLayout(
        "{name}", "{name}/{number}", "models.config", _plan, is_link=False, served=_served, without=_without,
        server="tf-serving",
    )
}  # fmt: skip
