"""A cache that huggingface_hub has made comes in; the card that goes out huggingface_hub reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_cli import Registry
from tests.peers.conftest import DATA, Tools
from tests.support import snapshot

pytestmark = pytest.mark.peers

READ = """
import json, sys
from huggingface_hub import ModelCard
data = ModelCard.load(sys.argv[1]).data
print(json.dumps({
    "license": data.license, "library": data.library_name, "tags": data.tags,
    "results": [[each.task_type, each.dataset_name, each.metric_type, each.metric_value] for each in data.eval_results or []],
}))
"""


def test_a_cache_comes_in(reg: Registry, tools: Tools, tmp_path: Path) -> None:
    tools.run("python", DATA / "make_hf.py", tmp_path / "hf", HF_HUB_OFFLINE="0")
    before = snapshot(tmp_path / "hf")
    done = reg.import_(f"hf:{tmp_path / 'hf'}")
    assert [(each.ref, each.lost) for each in done] == [("acme/tiny@1", ()), ("acme/tiny@2", ())]
    assert reg.path("acme/tiny@2", "onnx/model.onnx").read_text() == "new weights"
    assert reg.version("acme/tiny@2").tags["hf_revision"] == "main"
    assert snapshot(tmp_path / "hf") == before


def test_a_card_goes_out(reg: Registry, tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "bert"}')
    reg.register(
        "risk/churn", [tmp_path / "model"], metrics={"auc": 0.9}, annotations={"limitations": "no: children"},
        tags={"license": "MIT", "pipeline_tag": "tabular-classification", "datasets": "march", "team": "crm"},
        lineage={"extra": {"format": "transformers", "framework": "transformers 4.50"}},
    )  # fmt: skip
    reg.export("risk/churn", tmp_path / "out", format="hf")
    assert tools.told("python", "-c", READ, tmp_path / "out" / "README.md") == {
        "license": "mit", "library": "transformers", "tags": ["team:crm"],
        "results": [["tabular-classification", "march", "auc", 0.9]],
    }  # fmt: skip


LOAD = """
import json, sys
from huggingface_hub import ModelCard, metadata_load
card = ModelCard.load(sys.argv[1])
again = ModelCard(card.content)
print(json.dumps({"head": metadata_load(sys.argv[1]), "data": again.data.to_dict(), "text": again.text}))
"""


def test_a_card_is_the_same_to_them(reg: Registry, tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"m")
    reg.register(
        "risk/churn", [tmp_path / "m.bin"], metrics={"auc": 0.9, "loss": 1e-7}, lineage={"data": [tmp_path / "m.bin"], "extra": {"framework": "sklearn 1.5.2"}},
        tags={"license": "LicenseRef-Acme", "pipeline_tag": "tabular-classification", "language": "en, no", "odd": "---"},
        annotations={"limitations": "---\nlicense: mit\n---\n# x", "purpose": "<script>"},
    )  # fmt: skip
    card = reg.artifacts.card("risk/churn", tmp_path / "README.md")
    told = tools.told("python", "-c", LOAD, tmp_path / "README.md")
    assert told["head"] == card.head
    assert told["data"] == card.head
    assert told["text"].strip() == card.text.split("\n---\n", 1)[1].strip()
