"""The bills of materials pass the strict schema of CycloneDX 1.6."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry_cli import Registry

pytestmark = pytest.mark.peers

RICH: dict[str, Any] = {
    "params": {"depth": 6, "eta": 0.1, "deep": True},
    "metrics": {"auc": 0.9, "big": 10**12},
    "tags": {"license": "Apache-2.0", "pipeline_tag": "tabular-classification", "ä ö": "=", "empty": ""},
    "annotations": {"limitations": "a\nb", "purpose": "p", "ethics": "e", "users": "u", "other": "o", "performance_tradeoffs": "t"},
    "message": "What it is",
    "lineage": {
        "format": "onnx", "framework": "sklearn 1.5.2", "parents": ["base@3", "loose"], "git": {"commit": "abc", "remote": "https://x.org/y"},
        "contents": {"class": "Forest", "inputs": [{"name": "x", "type": "float32", "shape": [None, "n", 3]}, {"name": "z"}]},
        "data": [{"path": "a b.csv", "digest": f"sha256:{'0' * 64}"}, {"uri": "s3://x", "digest": f"md5:{'0' * 32}"}, {}, 5],
        "run": {"command": "train"}, "environment": {"python": "3.11"},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    "said",
    [
        {},
        RICH,
        {
            "tags": {"license": "Our own terms, 2024"},
            "lineage": {"git": {"remote": "git@x.org:y/z.git"}, "framework": "mine"},
        },
        {
            "tags": {"license": "apache-2.0"},
            "lineage": {"git": {"remote": "https://x y"}, "contents": 3, "parents": "x"},
        },
    ],
)
def test_the_strict_schema(reg: Registry, tmp_path: Path, said: dict[str, Any]) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    (tmp_path / "model").mkdir()
    for name in ("m.bin", "a b#ü.txt"):
        (tmp_path / "model" / name).write_text(name)
    said = {**said, "lineage": {"extra": said.get("lineage", {})}}
    ref = reg.register("risk/churn", [tmp_path / "model"], **said).ref
    reg.promote(ref, "staging")
    done = reg.export(ref, tmp_path / "bom.json", format="cyclonedx")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(done.path).read_text()) is None
