"""The query language of ``search`` and ``--where``: lexer, parser, fields, predicates, sorting, SQL generation.

Imports core only. Reading what the queries run on belongs in store and index.
"""
