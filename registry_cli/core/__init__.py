"""Shared building blocks without store I/O: names, values, records, results, times, redaction, subprocesses, glob patterns. Imports ``errors`` only."""
