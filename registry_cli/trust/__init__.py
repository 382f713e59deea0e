"""Signatures, trusted commands and registries, the user's own configuration, hooks and webhooks.

Imports core, rules and store. Which approvals a policy needs is decided in rules.
"""
