"""Commands: one module for each group of verbs.

A command parses its arguments, calls the library once, and shows the result in the requested format.

May import: cli, registry, operations, monitoring, report, trust, lineage, store, inspect, scan, rules, query, schemas, core, errors.
Does not belong here: what several commands share (``cli``); tables, trees and text for a terminal that take more
than a few lines (``cli/views``).
"""
