"""Expected failures: one class per exit code of the command line.

The library raises these. A plain ``OSError`` with an outside cause (a full disk, missing permission) passes through
unchanged; :func:`explain` words it.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any


class RegistryError(Exception):
    """Something that the caller can act on.

    ``message`` says what happened, ``hint`` what to do about it; both are single lines of plain text. ``kind`` is
    the stable name of the failure in JSON output, ``exit_code`` the exit code of the command line.
    """

    exit_code = 1
    kind = "failed"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """So that one crosses to another process whole, whatever its class takes to be made."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[RegistryError], args: tuple[Any, ...], state: dict[str, Any]) -> RegistryError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class InvalidInput(RegistryError):
    """A name, reference, value or file that can't be what was meant. Nothing was written."""

    exit_code = 2
    kind = "usage"


class NotFound(RegistryError):
    """No such registry, model, version, stage, alias or file."""

    exit_code = 3
    kind = "not-found"


class Conflict(RegistryError):
    """It exists already, is protected, or was changed by another process meanwhile."""

    exit_code = 4
    kind = "conflict"


class Refused(RegistryError):
    """A check or a policy says no: unsafe content, a special file, too little room."""

    exit_code = 5
    kind = "refused"


class Damaged(RegistryError):
    """What is stored is not what was stored: a digest, a size, a document or a chain does not hold."""

    exit_code = 6
    kind = "integrity"


class LockTimeout(RegistryError):
    """Another process held the lock for the whole of the time limit. Trying again later is right."""

    exit_code = 7
    kind = "lock-timeout"


class Indeterminate(RegistryError):
    """The change may have been applied. Repeating it with the same request id is safe and settles it."""

    exit_code = 8
    kind = "indeterminate"

    def __init__(self, message: str, hint: str = "", *, request_id: str = "") -> None:
        super().__init__(message, hint or f"retry with `request_id` {request_id}")
        self.request_id = request_id


_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "operation not permitted",
    errno.EIO: "the disk reported an input/output error",
    errno.EFBIG: "the file is larger than this process may write",
    errno.EMFILE: "this process may not open more files",
    errno.ENFILE: "this machine may not open more files",
    errno.ESTALE: "stale network file handle; try again",
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "not a folder",
    errno.EISDIR: "is a folder",
    errno.ELOOP: "a symbolic link is not allowed here",
    errno.ENAMETOOLONG: "the path is too long",
    errno.EXDEV: "it crosses a file system border",
}


FOLDER_GONE = "the current folder no longer exists"
FOLDER_GONE_HINT = "change to another folder, or use `root` and absolute paths"


def current_folder_is_gone() -> bool:
    """Whether the folder that this process works in was removed: no relative path leads anywhere then."""
    try:
        os.getcwd()  # noqa: PTH109 - pathlib takes long to import
    except FileNotFoundError:
        return True
    return False


def explain(error: OSError) -> str:
    """``error`` as one plain sentence: what the system said, and where."""
    words = _WORDS.get(error.errno or 0) or (error.strerror or str(error)).lower()
    names = [str(name) for name in (error.filename, error.filename2) if name]
    if error.errno == errno.ENOENT and not names and current_folder_is_gone():
        return f"{FOLDER_GONE}; {FOLDER_GONE_HINT}"
    return f"{words}: {names[-1]}" if names else words


def indeterminate(what: str, request_id: str, error: BaseException) -> Indeterminate:
    """What to raise for an ``error`` that came after a commit; ``what`` says what is there all the same."""
    interrupted = not isinstance(error, Exception)  # a signal; its text is its number
    words = explain(error) if isinstance(error, OSError) else getattr(error, "message", "") or str(error)
    words = "" if interrupted else words
    return Indeterminate(f"{what}, but could not be confirmed: {words or 'it was interrupted'}", request_id=request_id)
