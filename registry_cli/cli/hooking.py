"""Hooks at the end of a command: its result is out, and nothing that they do changes how it ends."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from ..errors import explain
from .process import STOPPING, Stopped, listen, settle

if TYPE_CHECKING:
    from .session import Session


def deliver(cx: Session) -> None:
    """Tell the user's hooks what was changed. A signal ends the hooks, and the command as it would have ended."""
    from ..automation.own import HOOK_SETTINGS, HOOKS, config_folder

    folder, registry = config_folder(os.environ), cx.happened.registry
    if registry is None or folder is None or not any(os.path.exists(folder / each) for each in (HOOKS, HOOK_SETTINGS)):
        return  # and nothing was imported for it
    from ..automation import hooks

    if hooks.INSIDE in os.environ:
        return
    try:
        listen()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        place = hooks.Place(str(registry.root), registry.settings.id)
        hooks.deliver(hooks.load(folder, place.id, cx.warn), place, cx.happened.events, cx.warn)
    except OSError as error:
        cx.warn(f"hooks were not run: {explain(error)}")
    except Stopped:
        cx.warn("the hooks were interrupted; what was changed stays changed")
    finally:
        settle()
