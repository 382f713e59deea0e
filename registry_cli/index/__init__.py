"""The index: a private SQLite cache of the documents of a registry, for questions about many models or versions.

It imports ``store`` and the query language; ``store`` never imports it. Nothing depends on its contents: whoever can't
use it reads the documents. How documents are written does not belong here.
"""
