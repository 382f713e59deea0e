"""Import from other tools and export to them: MLflow, BentoML, Hugging Face, DVC, CycloneDX, bundles, model cards.

``tools.py`` has a row for each tool; a source yields versions with their metadata, an exporter writes files.

May import: store, lineage, inspect, rules, core, errors.
Does not belong here: registering what was read (``operations``).
"""
