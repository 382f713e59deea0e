"""Signatures, trusted commands and registries, the configuration of a user, hooks and webhooks.

May import: store, rules, core, errors.
Does not belong here: which approvals and signatures a policy needs (``rules/policy``).
"""
