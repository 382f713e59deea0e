"""Pure decisions over records: stages, retention, rollback, comparison, scan policy, metric directions.

Imports core and query. Nothing here reads or writes a file; what loads settings belongs in store and operations.
"""
