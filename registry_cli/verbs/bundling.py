"""Taking in a bundle: all of it is read, compared and laid aside before the first of it appears."""

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
from ..core.records import Checkpoint
from ..core.results import Imported
from ..errors import Conflict, Damaged, InvalidInput, NotFound
from ..store import creation, reader
from ..store.layout import ModelLayout
from .arriving import Choice
from .exchanging import Exchanging, OnEach, untold

if TYPE_CHECKING:
    from ..exchange.bundle import Contents, Part


class Stream(Protocol):
    """What gives a bundle's bytes: a binary file, a socket's file, a buffer."""

    def read(self, most: int, /) -> bytes: ...


Source = Union[str, "os.PathLike[str]", Stream]


class Bundling(Exchanging):
    """``import_bundle``: what ``export`` wrote, here or elsewhere."""

    def import_from(
        self,
        source: Source,
        *,
        only: str | None = None,
        artifacts: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> list[Imported]:
        """:meth:`import_versions` or :meth:`import_bundle`, of a source as the command line names it: ``mlflow:PATH`` and
        the like, the path of a bundle, or a stream with one.

        With ``only``, one model of another tool, by the name that it has there. ``artifacts`` is a folder besides in which
        the files of MLflow's versions may lie. ``options`` are those of these two methods; ``exclude`` and ``include`` are
        for other tools only.
        """
        if isinstance(source, str):
            from ..exchange import dispatch

            scheme, place = dispatch.split(source)
            if scheme:
                return self.import_versions(dispatch.read(scheme, place, only, artifacts), **options)
        if any([options.pop("exclude", ()), options.pop("include", ())]):
            raise InvalidInput("--exclude and --include are for what other tools have", "a bundle is imported whole")
        if only is not None or artifacts is not None:
            raise InvalidInput("--only and --artifacts are for what other tools have", "leave them out for a bundle")
        return self.import_bundle(source, **options)

    def import_bundle(
        self,
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
        on_each: OnEach = untold,
    ) -> list[Imported]:
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
        from ..exchange import unpacking
        from .taking import Taking

        unsafe = values.line(unsafe, "reason") if unsafe else ""
        choice = Choice(name, merge, skip_existing, stages, aliases, dry_run, request_id, unsafe, reuse_name=reuse_name)
        with _opened(source) as (read, what, again):
            try:
                opened = unpacking.Unpacking(read, what)
                taking = Taking(self, choice, opened.contents, progress, on_each)
                called = [choice.name or part.name for part in opened.contents.parts]
                for each in dict.fromkeys(called):
                    self._refuse_former(each, reuse_name, but=called)
                taking.refuse_too_large()
                if dry_run:
                    opened.drain(progress)
                    return taking.planned()
                several = again is not None and sum(part.whole for part in opened.contents.parts) > 1
                if again is not None and several:  # read twice, written once
                    opened.drain(progress)
                    again()
                    opened = unpacking.Unpacking(read, what)
                    taking = Taking(self, choice, opened.contents, progress, on_each)
                return taking.run(opened, eager=several)
            except Damaged as error:
                raise unpacking.told(error) from None

    def _intent(self, part: Part, contents: Contents, choice: Choice) -> str:
        """What is to be done with what a bundle holds of a model: ``adopt`` it whole, ``add`` its versions, or ``skip`` it.

        :class:`Conflict` for a model that is here, made by something else, and not to be merged into.
        """
        name = choice.name or part.name
        paths = self._layout.model(name)
        creation.refuse_collision(self._layout, name)
        if not reader.is_model(paths):
            return "adopt" if part.whole else "add"
        if part.whole and is_same(paths, part):
            return "same"
        if choice.merge or any(
            self._registered_before(paths, choice.identity(key_of(contents, part, version.number)))
            for version in part.versions
        ):
            return "add"
        if choice.skip_existing:
            return "skip"
        raise Conflict(f"there is a model {name} already", "add to it with --merge, or choose another name with --as")


def key_of(contents: Contents, part: Part, number: int) -> str:
    """What a version of a bundle is called: numbers are never used again, so it is the same wherever it goes."""
    return f"bundle:{contents.registry}/{part.name}/{number}"


def is_same(paths: ModelLayout, part: Part) -> bool:
    """Whether this model came from the same history: its journal has the last line that the bundle has."""
    from ..lifecycle import checkpoints
    from ..store import journal

    known: Checkpoint | None = checkpoints.parse(part.checkpoint) if part.checkpoint else None
    if known is None or known.seq is None:
        return False
    for entry in journal.newest_first(paths.history):
        if entry.seq <= known.seq:
            return entry.hash == known.hash
    return False


Read = Callable[[int], bytes]


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[tuple[Read, str, Callable[[], object] | None]]:
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
