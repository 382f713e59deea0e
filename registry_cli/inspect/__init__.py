"""Reading files of models without loading them. Imports ``errors`` and ``core`` only."""
