"""Import from DVC and GTO repositories.

Imports what interop may import.
"""
