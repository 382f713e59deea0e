"""Shared value types: names, records, results, version ranges, quantities, redaction, subprocesses. No store I/O.

Imports errors only. What knows the disk format, a policy or a tool belongs elsewhere.
"""
