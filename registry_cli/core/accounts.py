"""The names of the system's accounts, and where the settings of a user lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

#: The environment variable that names the folder of settings.
CONFIG_VARIABLE = "XDG_CONFIG_HOME"
#: What lies in it: programs and settings of hooks.
HOOKS, HOOK_SETTINGS = "hooks", "hooks.yaml"


def account_name(user: int) -> str:
    """Return the name of the account with this user id; ``uid:1234`` for one without a name."""
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except (KeyError, OverflowError):
        return f"uid:{user}"


def config_folder(environment: Mapping[str, str]) -> Path | None:
    """``registry-cli`` in ``$XDG_CONFIG_HOME``, else in ``~/.config``; None if the user has no home."""
    base = environment.get(CONFIG_VARIABLE, "")
    if base.startswith("/"):
        return Path(base) / "registry-cli"
    home = environment.get("HOME", "")
    return Path(home) / ".config" / "registry-cli" if home.startswith("/") else None
