"""Import from MLflow's file and database stores, and export as an MLflow model.

Imports what interop may import.
"""
