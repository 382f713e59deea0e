"""Provenance of a version: git, environment, packages, data; the recipe and the check of reproducibility.

Imports core. What shows lineage belongs in operations and cli.
"""
