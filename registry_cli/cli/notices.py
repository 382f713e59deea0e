"""What the library warns of, shown to the person who ran the command."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

from .session import Session


@contextlib.contextmanager
def show_warnings(cx: Session) -> Iterator[None]:
    """Show what the library warns of in the ``with`` as lines of ``cx``, when its work is done."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        yield
    for each in caught:
        cx.warn(str(each.message))
