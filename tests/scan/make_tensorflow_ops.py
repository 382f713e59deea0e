"""Adds the operations of the TensorFlow that is installed to the list of those that only compute.

``python tests/scan/make_tensorflow_ops.py``. What writes, reads or calls is named in ``graphs.py`` and left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "registry_cli" / "scan" / "tensorflow_ops.json"


def main() -> None:
    import tensorflow as tf
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session as session

    sys.path.insert(0, str(ROOT))
    from registry_cli.scan.graphs import HARMFUL, READING

    found = op_def_pb2.OpList()
    found.ParseFromString(session.TF_GetBuffer(session.TF_GetAllOpList()))
    before = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {"releases": [], "operations": []}
    names = {each.name for each in found.op if not each.name.startswith("_")} | set(before["operations"])
    document = {
        "releases": sorted({*before["releases"], f"tensorflow {tf.__version__}"}),
        "operations": sorted(names - HARMFUL - READING),
    }
    TARGET.write_text(
        json.dumps(document, indent=0, separators=(",", ":")).replace('",\n"', '","') + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
