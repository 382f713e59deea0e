"""Models that come from, or go to, other places: bundles, MLflow, BentoML, Hugging Face, DVC, bills of materials."""
