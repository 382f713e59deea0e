"""The formats that can be told apart and read without loading them: a table, and one small module a format.

A module has one function, ``read(file: File) -> Inspection | None`` (for a format that is a folder
``read(folder: Folder) -> Inspection | None``): None says "this is none of mine"; :class:`Malformed`, or any other
exception, that it could not be read to the end. Whatever bytes do to a reader, ``inspecting`` catches it: a reader is
free to take the first wrong byte as it comes. It must be bounded by itself in what it counts and how deep it goes;
``File`` bounds what it reads.
"""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """One row of the table: how a format is recognised, and the module of this package that reads it.

    ``names`` are the short names that its readings can have (the first is told when a reading fails). ``magics`` are
    beginnings, ``suffixes`` ends of a file's name in lower case. ``markers`` are names of files that make the folder
    around them this format; one that starts with ``*`` is an end of a name.
    """

    module: str
    names: tuple[str, ...]
    magics: tuple[bytes, ...] = ()
    suffixes: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()


#: Files. What a file begins with is asked before what it is called; of rows that fit equally well the first is tried first.
FILES: tuple[Format, ...] = (
    Format("safetensors", ("safetensors",), suffixes=(".safetensors",)),
)  # fmt: skip

#: Folders. Where one folder is several, the first counts.
FOLDERS: tuple[Format, ...] = ()
