"""What a version is and where it came from: formats, safety, lineage, signatures, cards."""
