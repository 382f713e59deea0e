"""The policy of a stage: model, parser, requirements, approvals, command checks, and their evaluation.

May import: rules, query, core, errors.
Does not belong here: loading the settings (``operations/settings.py``) and running the checks (``operations/gate.py``).
"""
