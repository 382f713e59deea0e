"""Verification of a model: records, journal, contents, file types, packs, approvals.

Imports what store may import. What mends damage belongs in maintenance.
"""
