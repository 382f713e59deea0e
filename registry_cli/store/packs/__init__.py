"""Packs: the files of an archived version in one compressed file; paths, writer, reader.

May import: store, core, errors.
Does not belong here: which versions are packed (``rules/retention.py``).
"""
