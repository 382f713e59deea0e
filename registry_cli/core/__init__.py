"""Shared building blocks without store I/O: redaction of secrets, subprocesses. Imports ``errors`` only."""
