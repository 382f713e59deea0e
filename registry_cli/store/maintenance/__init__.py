"""Maintenance: repair, restoration of files, garbage collection, and the checks of ``doctor``.

May import: store, rules, core, errors.
Does not belong here: finding damage (``store/verify``).
"""
