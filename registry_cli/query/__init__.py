"""The query language of ``search`` and ``--where``: lexer, parser, fields, predicates, sorting, SQL generation.

May import: core, errors.
Does not belong here: reading the records that a query is run on (``store``, ``index``).
"""
