"""Verification of a model: records, journal, contents, file types, packs, annotations, approvals. It only reads.

It has code of its own for what the writer does, and never imports it, so that a fault of the writer is found.

May import: store, core, errors.
Does not belong here: mending what was found (``store/maintenance``).
"""
