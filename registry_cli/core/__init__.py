"""Shared building blocks without store I/O: redaction of secrets, subprocesses, glob patterns. Imports ``errors`` only."""
