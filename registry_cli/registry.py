"""The face: a registry and its verbs. The command line is a view of this class, and scripts use it directly."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .automation.own import config_folder
from .core import names
from .core.times import format_time, utc_now
from .core.values import OneOrMore, as_list
from .errors import InvalidInput
from .store import codec, creation
from .store.layout import Layout
from .verbs.approving import Approving
from .verbs.bundling import Bundling
from .verbs.keeping import Keeping
from .verbs.modelling import Modelling
from .verbs.opened import HOME_VARIABLE, cache_folder, find_root
from .verbs.retaining import Retaining

if TYPE_CHECKING:
    from .provenance.caller import Caller


class Registry(Bundling, Retaining, Approving, Keeping, Modelling):
    """A registry, for reading and writing.

    ``author`` and ``now`` say who and when: by default the real user, and the clock in UTC. ``lock_timeout`` is in
    seconds; ``on_wait`` is told, in a sentence, when a lock is held by somebody else. ``on_event`` is told of each
    change, as the name of the model and the :class:`~registry_cli.core.records.Event`, when it is made and the lock is
    released; also of a gate that stayed shut, as the event ``gate-refused``. ``trust`` is asked with the
    :class:`~registry_cli.lifecycle.commands.Commands` of a policy whether they may run here; by default none does.
    ``cache`` is the folder of the index (see :class:`~registry_cli.verbs.opened.OpenRegistry`); :meth:`open` takes the
    user's own. ``caller`` is the program of which :meth:`register` may tell where a version comes from; none is, unless
    it is given, or by :meth:`open`.

    Every writing verb takes a ``request_id``: repeating a call with the same one, after a crash or an
    :class:`~registry_cli.errors.Indeterminate`, gives the result of the first. What the file system refuses (a full
    disk, missing permission) is an ``OSError``; every other failure is a ``RegistryError``.
    """

    @classmethod
    def open(cls, root: str | os.PathLike[str] | None = None, **options: Any) -> Registry:
        """The registry in ``root``, else in ``$REGISTRY_HOME``, else the nearest one upward from here.

        This is the door for scripts: what :meth:`register` keeps of the lineage is that of the running program, its
        command line, its modules, the repository around it. ``caller=None`` keeps nothing of it.
        """
        options.setdefault("cache", cache_folder(os.environ))
        options.setdefault("caller", this_program())
        config = config_folder(os.environ)
        return cls(find_root(root, os.environ.get(HOME_VARIABLE), config), **options)

    @classmethod
    def init(
        cls,
        root: str | os.PathLike[str],
        *,
        shared: str = "private",
        stages: OneOrMore[str] = codec.DEFAULT_STAGES,
        **options: Any,
    ) -> Registry:
        """Make ``root`` a registry, and open it. ``shared`` is ``private`` or ``group``. Raises :class:`Conflict`."""
        chosen = tuple(names.stage_name(stage) for stage in as_list(stages, "stages"))
        if not chosen or len(set(chosen)) != len(chosen):
            raise InvalidInput("a registry has at least one stage, each once", "for example: development, production")
        now: Callable[[], datetime] = options.get("now", utc_now)
        creation.make_registry(Layout(Path(root).absolute()), shared, chosen, format_time(now()))
        return cls(root, **options)


def this_program() -> Caller:
    """The running program, as far as a lineage wants to know. A notebook has no command line of its own."""
    from .provenance.caller import Caller

    words = list(sys.orig_argv)
    folder = script = ""
    with contextlib.suppress(FileNotFoundError):  # the current folder was removed
        folder = os.getcwd()  # noqa: PTH109
        script = os.path.abspath(words[1]) if len(words) > 1 and words[1].endswith(".py") else ""  # noqa: PTH100
    interactive = len(words) < 2 or any("ipykernel" in word or word.endswith("/ipython") for word in words)
    return Caller(
        folder=folder,
        variables=dict(os.environ),
        command=() if interactive else [os.path.basename(words[0]), *words[1:]],  # noqa: PTH119
        started=_started(),
        script=os.path.dirname(script),  # noqa: PTH120
        python=".".join(map(str, sys.version_info[:3])),
        modules=[path for path in sys.path if path],
        prefix=sys.prefix,
    )


def _started() -> str:
    """When this process began, as events write it; empty where the system doesn't say."""
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()  # the name before may hold anything
        ago = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return ""
    return format_time(utc_now() - timedelta(seconds=ago))
