"""Model cards: the facts of a version as Markdown with front matter.

May import: interop, lineage, rules, core, errors.
Does not belong here: reading the version and its history (``operations/exchange/export.py``).
"""
