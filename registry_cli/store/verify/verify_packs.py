"""Checking packs: each holds just the files of its version, and what packing left is told. Only reads."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from ...core.progress import Progress
from ...core.records import FileEntry, StageTable
from ...errors import Refused, RegistryError
from .. import layout
from ..filesystem import files
from ..layout import ModelLayout
from ..packs import pack_paths, pack_reader
from .verify_records import FRESH, age, words

if TYPE_CHECKING:
    from .verify import Findings


def check_names(paths: ModelLayout, table: StageTable, found: Findings) -> None:
    """What lies beside the packs, and what an interrupted packing or restoring left."""
    is_folder = paths.packs.is_dir() and not paths.packs.is_symlink()  # else verify_types says so
    for name in sorted(files.list_folder(paths.packs)) if is_folder else ():
        where = f"{paths.name}/{layout.PACKS}/{name}"
        number = layout.packed_version_of(name)
        if number is not None and number in table.packed:
            continue
        if number is not None or layout.is_trash(name):
            found.warning("leftover", where, "a pack that no version needs; registry gc removes it", repair=True)
        elif not layout.is_temporary(name):
            found.warning("unknown-name", where, "not a name that the registry gives; it is ignored")
        elif age(paths.packs / name) > FRESH:
            found.warning("leftover", where, "a pack nobody works on; registry gc removes it", repair=True)
    for number in table.packed:
        if files.exists(paths.files(number)) and pack_paths.path(paths, number):
            where = f"{paths.name}/versions/{number}/{layout.FILES}"
            found.warning("leftover", where, "the files of a packed version; registry gc removes them", repair=True)


def check_pack(
    paths: ModelLayout, number: int, size: int, listed: dict[str, str], found: Findings, progress: Progress | None
) -> None:
    """A pack against the manifest of its version; without ``progress`` only that it is there and sealed."""
    ref = f"{paths.name}@{number}"
    pack = pack_paths.path(paths, number)
    if pack is None:
        found.error("missing-pack", ref, "it is packed, but its pack is missing")
        return
    mode = os.lstat(pack).st_mode
    if not stat.S_ISREG(mode):
        found.error("pack", ref, "its pack is no regular file")
        return
    if mode & 0o222:
        found.warning("mode", ref, "its pack is writable", repair=True)
    found.files += len(listed)
    found.size += size
    if progress is None:
        return
    progress.expect(size)
    entries = [FileEntry(path, sha256) for path, sha256 in listed.items()]
    try:
        with (
            files.opened(pack, f"the pack of {ref}") as descriptor,
            contextlib.closing(pack_reader.opened(descriptor, pack, entries, size, ref)) as members,
        ):
            for _, content in members:
                content.copy(progress=progress)
    except Refused as error:  # by zstd, which this Python has not: nothing is known to be wrong
        found.warning("pack", ref, f"its pack was not read: {error}")
    except (RegistryError, OSError) as error:
        found.error("pack", ref, words(error))
