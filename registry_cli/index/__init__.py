"""The index: a private SQLite cache of the documents of a registry, for queries over many models or versions.

Nothing depends on its contents: where it can't be used, the documents are read instead.

May import: store, query, core, errors.
Does not belong here: how documents are written. ``store`` never imports the index.
"""
