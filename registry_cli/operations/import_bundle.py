"""Import a bundle: all of it is read, compared and staged before the first version becomes visible."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Union

from ..core import values
from ..core.progress import SILENT, Progress
from ..core.results import ImportResult
from ..errors import Damaged, InvalidInput, NotFound
from .import_versions import ignore_outcome
from .transaction import ensure_not_former_name

if TYPE_CHECKING:
    from .context import RegistryContext
    from .import_versions import OnEach


class Stream(Protocol):
    """What gives a bundle's bytes: a binary file, a socket's file, a buffer."""

    def read(self, most: int, /) -> bytes: ...


Source = Union[str, "os.PathLike[str]", Stream]


def import_from(
    context: RegistryContext,
    /,
    source: Source,
    *,
    only: str | None = None,
    artifacts: str | os.PathLike[str] | None = None,
    **options: Any,
) -> list[ImportResult]:
    """:meth:`import_versions` or :meth:`import_bundle`, of a source as the command line names it: ``mlflow:PATH`` and
    the like, the path of a bundle, or a stream with one.

    With ``only``, one model of another tool, by the name that it has there. ``artifacts`` is a folder besides in which
    the files of MLflow's versions may lie. ``options`` are those of these two methods; ``exclude`` and ``include`` are
    for other tools only.
    """
    from .import_versions import import_versions

    if isinstance(source, str):
        from ..interop import tools

        scheme, place = tools.split_source(source)
        if scheme:
            return import_versions(context, tools.read(scheme, place, only, artifacts), **options)
    if any([options.pop("exclude", ()), options.pop("include", ())]):
        raise InvalidInput("--exclude and --include are for what other tools have", "a bundle is imported whole")
    if only is not None or artifacts is not None:
        raise InvalidInput("--only and --artifacts are for what other tools have", "leave them out for a bundle")
    return import_bundle(context, source, **options)


def import_bundle(
    context: RegistryContext,
    source: Source,
    *,
    name: str | None = None,
    merge: bool = False,
    skip_existing: bool = False,
    stages: bool = False,
    aliases: bool = False,
    dry_run: bool = False,
    request_id: str | None = None,
    unsafe: str = "",
    reuse_name: bool = False,
    progress: Progress = SILENT,
    on_each: OnEach = ignore_outcome,
) -> list[ImportResult]:
    """Take in what a bundle holds; what became of each version, or of each whole model.

    A whole model comes with its history, its numbers, its stages and aliases, as it was; whatever a policy here
    would say of its stages is told. A model that is here already can only be added to (``merge``): then its versions
    become new versions, as single ones do; see :meth:`import_versions` for these and for the options.

    Everything is read to the end and compared before the first of it appears. Of a file with several whole models
    each then appears as soon as it is there, so that what was interrupted need not begin anew. With ``unsafe``, a
    version of a whole model that the scan would refuse gets the annotation ``unsafe``, as soon as the model is there.

    Raises :class:`Damaged` or :class:`Refused` for a bundle that can't be believed, with nothing taken in, and
    :class:`Conflict` for a model that is here and not merged into.
    """
    from ..interop.bundle import bundle_reader
    from .bundle_intake import BundleIntake
    from .import_plan import Choice

    unsafe = values.line(unsafe, "reason") if unsafe else ""
    choice = Choice(name, merge, skip_existing, stages, aliases, dry_run, request_id, unsafe, reuse_name=reuse_name)
    with _open_source(source) as (read, what, again):
        try:
            opened = bundle_reader.BundleReader(read, what)
            taking = BundleIntake(context, choice, opened.contents, progress, on_each)
            called = [choice.name or part.name for part in opened.contents.parts]
            for each in dict.fromkeys(called):
                ensure_not_former_name(context, each, reuse_name, but=called)
            taking.refuse_too_large()
            if dry_run:
                opened.drain(progress)
                return taking.planned()
            several = again is not None and sum(part.whole for part in opened.contents.parts) > 1
            if again is not None and several:  # read twice, written once
                opened.drain(progress)
                again()
                opened = bundle_reader.BundleReader(read, what)
                taking = BundleIntake(context, choice, opened.contents, progress, on_each)
            return taking.run(opened, eager=several)
        except Damaged as error:
            raise bundle_reader.without_repair_hint(error) from None


Read = Callable[[int], bytes]


@contextlib.contextmanager
def _open_source(source: Source) -> Iterator[tuple[Read, str, Callable[[], object] | None]]:
    """What reads a source, its name, and what begins anew; None for a stream, which can be read only once."""
    if not isinstance(source, (str, os.PathLike)):
        yield source.read, "the bundle", None
        return
    path = Path(source)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no bundle '{source}'", "name a file that registry export wrote") from None
    except ValueError:
        raise InvalidInput(f"'{source}' is no path") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise InvalidInput(f"'{source}' is a folder", "name a file that registry export wrote")
        again = partial(os.lseek, descriptor, 0, os.SEEK_SET) if stat.S_ISREG(mode) else None
        yield partial(os.read, descriptor), path.name, again
    finally:
        os.close(descriptor)
