"""Deployment targets: how model servers expect their folders, what is placed there, and what a server says it runs.

May import: interop, store, rules, core, errors.
Does not belong here: the record of what was deployed (``operations`` and ``store``); running a command of a target.
"""
