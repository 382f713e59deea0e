"""Import from MLflow's file and database stores, and export as an MLflow model.

May import: interop, inspect, core, errors.
Does not belong here: which imported versions are registered (``operations/exchange/imports.py``).
"""
