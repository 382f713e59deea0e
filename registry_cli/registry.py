"""The face: a registry and its verbs. The command line is a view of this class, and scripts use it directly."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from . import names
from .errors import InvalidInput
from .store import codec, creation
from .store.layout import Layout
from .verbs.approving import Approving
from .verbs.bundling import Bundling
from .verbs.clock import stamp, utc_now
from .verbs.describing import Describing
from .verbs.keeping import Keeping
from .verbs.opened import HOME_VARIABLE, cache_folder, find_root
from .verbs.retaining import Retaining


class Registry(Bundling, Retaining, Describing, Approving, Keeping):
    """A registry, for reading and writing.

    ``author`` and ``now`` say who and when: by default the real user, and the clock in UTC. ``lock_timeout`` is in
    seconds; ``on_wait`` is told, in a sentence, when a lock is held by somebody else. ``cache`` is the folder of the
    index (see :class:`~registry_cli.verbs.opened.OpenRegistry`); :meth:`open` takes the user's own.

    Every writing verb takes a ``request_id``: repeating a call with the same one, after a crash or an
    :class:`~registry_cli.errors.Indeterminate`, gives the result of the first. What the file system refuses (a full
    disk, missing permission) is an ``OSError``; every other failure is a ``RegistryError``.
    """

    @classmethod
    def open(cls, root: str | os.PathLike[str] | None = None, **options: Any) -> Registry:
        """The registry in ``root``, else in ``$REGISTRY_HOME``, else the nearest one upward from here."""
        options.setdefault("cache", cache_folder(os.environ))
        return cls(find_root(root, os.environ.get(HOME_VARIABLE)), **options)

    @classmethod
    def init(
        cls,
        root: str | os.PathLike[str],
        *,
        shared: str = "private",
        stages: Iterable[str] = codec.DEFAULT_STAGES,
        **options: Any,
    ) -> Registry:
        """Make ``root`` a registry, and open it. ``shared`` is ``private`` or ``group``. Raises :class:`Conflict`."""
        chosen = tuple(names.stage_name(stage) for stage in stages)
        if not chosen or len(set(chosen)) != len(chosen):
            raise InvalidInput("a registry has at least one stage, each once", "for example: development, production")
        now: Callable[[], datetime] = options.get("now", utc_now)
        creation.make_registry(Layout(Path(root).absolute()), shared, chosen, stamp(now()))
        return cls(root, **options)
