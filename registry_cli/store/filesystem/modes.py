"""File modes, always set explicitly: a umask never decides what a team can read or a stranger can write."""

from __future__ import annotations

import os

from ...core.lazy_dataclass import dataclass

SHARED = ("private", "group")


@dataclass(frozen=True, eq=False, repr=False)
class Modes:
    """The modes of one registry. Nothing is ever writable for the world.

    ``folder`` and ``file`` are for what changes, ``sealed_folder`` and ``sealed_file`` for versions, ``versions`` for
    the folder that holds them: sticky in a group registry, so that a teammate can't rename over a sealed version.
    """

    folder: int
    file: int
    versions: int
    sealed_folder: int
    sealed_file: int

    @classmethod
    def of(cls, shared: str) -> Modes:
        """For a registry with this ``shared`` setting. A private one narrows the modes by the user's umask.

        The owner keeps access whatever the umask: a store that its owner can't read is of no use to anybody.
        """
        if shared == "group":
            return cls(0o2775, 0o664, 0o3775, 0o555, 0o444)
        allowed = ~_umask() | 0o700
        return cls(0o755 & allowed, 0o644 & allowed, 0o755 & allowed, 0o555 & allowed, 0o444 & allowed)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
