"""Bundles: models or versions with their records in one tar file.

May import: interop, store, rules, core, errors.
Does not belong here: adding what a bundle holds to a registry (``operations/exchange/bundle_importer.py``).
"""
