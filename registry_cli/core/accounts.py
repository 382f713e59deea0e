"""The names of the system's accounts."""

from __future__ import annotations


def account_name(user: int) -> str:
    """Return the name of the account with this user id; ``uid:1234`` for one without a name."""
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except (KeyError, OverflowError):
        return f"uid:{user}"
