"""Export versions to folders, bundles and other tools, and import them from there.

May import: operations, interop, trust, lineage, index, store, inspect, scan, rules, query, core, errors.
Does not belong here: the formats of bundles and other tools (``interop``).
"""
