"""Inspection of model files: format, framework, parameters, inputs and outputs. Nothing in a file is run.

May import: scan.pickle, core, errors.
Does not belong here: whether a file is safe to load (``scan``).
"""
