"""The security scanner of model files: verdicts, containers, configurations, templates, graphs, pickles.

May import: inspect.binary, core, errors.
Does not belong here: which verdicts a registry accepts (``rules/scan_policy.py``).
"""
