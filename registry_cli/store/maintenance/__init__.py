"""Repair, restoration of files, garbage collection, and the checks of ``doctor``.

Imports what store may import.
"""
