"""Makes a model store of BentoML with BentoML itself: ``make_bentoml.py FOLDER``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.update(BENTOML_DO_NOT_TRACK="True", BENTOML_HOME=str(Path(sys.argv[1]).absolute()))


def make() -> None:
    import bentoml
    from bentoml.models import ModelContext
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    context = ModelContext(framework_name="sklearn", framework_versions={"scikit-learn": "1.9.1"})
    labels = {"team": "crm"}
    metadata = {"auc": 0.93, "epochs": 12, "note": "by hand", "nested": {"depth": 6}, "reviewed": True}
    with bentoml.models.create(
        "churn:a1", labels=labels, metadata=metadata, module="", context=context, signatures={}
    ) as made:
        Path(made.path_of("weights.bin")).write_bytes(b"some weights")
    bentoml.sklearn.save_model("churn:b2", model, metadata={"auc": 0.95}, signatures={"predict": {"batchable": True}})
    bentoml.sklearn.save_model("fraud:c3", model)


if __name__ == "__main__":
    make()
