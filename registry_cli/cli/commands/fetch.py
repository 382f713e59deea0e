"""Retrieving: path, fetch, cat."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ...core.names import Reference
from ...errors import InvalidInput
from .. import process
from ..command import argument, command, flag, library_warnings, option
from ..formatting import format_size
from ..options import AsOf, Except, Only, Ref
from ..session import Session

File = Annotated[str | None, argument("[FILE]", "A file of the version.")]


@command("path", "Retrieve", exits=(0, 2, 3, 4, 6), indexed=True)
def path(
    cx: Session,
    ref: Ref,
    file: File = None,
    verify: Annotated[bool, flag("--verify", "Verify the sha256 of every file first.")] = False,
    as_of: AsOf = None,
) -> None:
    """Print the path to a version's files.

    The path can be read in place: the folder with the files, or one file in it. File count and sizes are compared with
    the manifest before anything is printed, so `$(registry path …)` is empty if something is wrong. A packed version
    has no folder: exit 4.

    Examples:
        registry path churn@production
        MODEL := $(shell registry path churn@production model.pkl)
        python score.py --model "$(registry path churn@production model.pkl)"
    """
    registry = cx.reader()
    reference = Reference.parse(ref)
    if as_of is not None:
        reference = Reference.parse(registry.version(reference, as_of=as_of).ref)
    if verify:
        reference = Reference.parse(registry.artifacts.verify_files(reference).ref)
    where = str(registry.path(reference, file))
    cx.show_one("path", {"ref": str(reference), "path": where}, where)


@command("fetch", "Retrieve", exits=(0, 1, 2, 3, 4, 6, 130), indexed=True)
def fetch(
    cx: Session,
    ref: Ref,
    output: Annotated[
        str | None, option("--output -o", "DIR", "The folder to create (default: ./NAME-NUMBER).")
    ] = None,
    only: Only = None,
    exclude: Except = None,
    force: Annotated[bool, flag("--force", "Replace DIR if it is an earlier copy; otherwise exit 4.")] = False,
) -> None:
    """Copy a version's files to a folder and verify them.

    Every file is compared with its sha256, and the folder appears complete or not at all. Execute permissions are not
    copied. Prints the folder.

    --only and --exclude select files by globs as in .gitignore: '*.safetensors' matches at any depth, 'tokenizer/' a
    whole folder. Exit 3 if no file matches.

    Examples:
        registry fetch churn@production -o model/
        registry fetch churn@7
        registry fetch churn@latest -o model/ --force
        registry fetch churn@7 -o weights/ --only '*.safetensors' --exclude 'checkpoints/'
    """
    if output == "":
        raise InvalidInput("'' is not a path", "check for an empty variable")
    registry = cx.reader()
    version = registry.version(ref)
    target = output or f"{version.model.replace('/', '-')}-{version.number}"
    with library_warnings(cx), cx.progress(f"fetching {version.ref}") as progress:
        registry.fetch(version.ref, target, only=only or (), exclude=exclude or (), replace=force, progress=progress)
    count, total, of = version.files, version.size, ""
    if only or exclude:
        chosen = registry.artifacts.files(version.ref, only=only or (), exclude=exclude or ())
        count, total = len(chosen), sum((Path(target) / entry.path).stat().st_size for entry in chosen)
        of = f" of {version.files:,}"
    cx.say(
        f"fetched {version.ref} to {target}: {count:,}{of} file{'s' if version.files != 1 else ''}, {format_size(total)}, verified"
    )
    skipped = version.files - count
    data = {"ref": version.ref, "path": target, "files": count, "size": total, "skipped": skipped}
    cx.show_changed("fetched", data, target)


class _TextTerminal(process.StandardOutput):
    """A terminal that refuses binary files: their bytes could change the state of the terminal."""

    def write(self, block: bytes) -> None:
        try:
            block.decode()
            broken = False
        except UnicodeDecodeError as error:
            broken = error.start < len(block) - 3  # not a character that the next block continues
        if broken or b"\0" in block or b"\x1b" in block:
            raise InvalidInput("the file is binary", "redirect it to a file or program, or add --force")
        super().write(block)


@command("cat", "Retrieve", exits=(0, 1, 2, 3, 6), indexed=True)
def cat(
    cx: Session,
    ref: Ref,
    file: File = None,
    only: Only = None,
    exclude: Except = None,
    force: Annotated[bool, flag("--force", "Write a binary file even to a terminal.")] = False,
) -> None:
    """Write files of a version to standard output.

    FILE can be left out if the version has only one. With --only or --exclude, all matching files are written one after
    another, in the order of the manifest; exit 3 if none matches. If the bytes do not match the stored sha256, the exit
    code is 6: check it before you use the output.

    Examples:
        registry cat churn@production metrics.json | jq .
        registry cat churn@7 > model.pkl
        registry cat churn@7 --only 'logs/*.csv' > all.csv
    """
    if cx.as_json:
        raise InvalidInput("cat does not support --json", f"run 'registry show {ref} --json' to list files")
    stream = process.StandardOutput() if force or cx.is_piped else _TextTerminal()
    cx.reader().artifacts.cat(ref, file, stream, only=only or (), exclude=exclude or ())
