"""Bundles: models or versions in one tar file, with their records.

Imports what interop may import.
"""
