"""Signing an event that is still to be committed, without holding the lock while a key waits for a finger."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar, Union

from ..core.lazy_dataclass import replace
from ..core.records import Event
from ..errors import Conflict
from ..store.reader import ModelReader

#: The path of a key to sign with.
Key = Union[str, "os.PathLike[str]"]
_T = TypeVar("_T")


class Pen:
    """The event of a deed that is done twice: first it only drafts the event, then it commits the event that was signed.

    Between both the signature is made. The second time the deed must come to the same event again, else it is a
    conflict: what is committed is exactly what was signed.
    """

    def __init__(self) -> None:
        self.draft: Event | None = None
        self._signature = ""

    def sign(self, key: Key) -> None:
        from ..provenance import signing

        if self.draft is not None:
            self._signature = signing.sign(signing.statement(self.draft), key)

    def drafts(self, event: Event, model: ModelReader) -> bool:
        """Keep ``event`` if this is the first time, when nothing is to be committed."""
        if self.draft is not None:
            return False
        self.draft = _bound(event, model)
        return True

    def signed(self, event: Event, model: ModelReader) -> Event:
        """The event that was signed; :class:`Conflict` when it is not what this one says."""
        draft = self.draft
        again = _bound(event, model)
        if draft is None or replace(again, id=draft.id, at=draft.at) != draft:
            raise Conflict(f"{model.name} was changed while this was being signed", "look again, then decide")
        return replace(draft, detail={**draft.detail, "signature": self._signature})


def _bound(event: Event, model: ModelReader) -> Event:
    """``event`` with the sha256 of its version's document: so that it can't be told of any other version."""
    if event.version is None or "record" in event.detail:
        return event
    return replace(event, detail={**event.detail, "record": f"sha256:{model.seal(event.version)}"})


def written(deed: Callable[[Pen | None], _T], key: Key | None) -> _T:
    """Do ``deed``; with a key twice: see :class:`Pen`. One that has nothing to commit needs no signature."""
    if key is None:
        return deed(None)
    pen = Pen()
    done = deed(pen)
    if pen.draft is None:
        return done
    pen.sign(key)
    return deed(pen)
