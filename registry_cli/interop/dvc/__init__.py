"""Import from DVC and GTO repositories: tags, artifacts, and the files in DVC's cache.

May import: interop, lineage, store, core, errors.
Does not belong here: which imported versions are registered (``operations/exchange/imports.py``).
"""
