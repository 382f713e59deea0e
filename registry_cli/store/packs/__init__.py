"""Archived versions in one compressed file: paths, writer, reader.

Imports what store may import.
"""
