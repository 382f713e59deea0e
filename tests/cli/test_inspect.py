"""inspect and show, as a person or a script meets them."""

from __future__ import annotations

import json
import os
import re
import struct
from pathlib import Path

import pytest

from tests.cli.conftest import Site
from tests.commands import Answer, assert_inert, assert_refused, on_terminal, run, uncoloured

DATA = Path(__file__).parent.parent / "inspect" / "data"
NET = DATA / "onnx" / "mlp.onnx"
BERT = DATA / "transformers" / "bert"


def refused(answer: Answer, code: int, words: str) -> None:
    assert_refused(answer, code)
    assert words in answer.err


def test_files_need_no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("inspect", NET).lines == [
        "mlp.onnx\tonnx\ttorch 2.5.1\tmlp\t85\tx float32[batch, 4]\ty float32[batch, 16]\t\t"
    ]
    assert run("inspect", BERT, "-q").lines == ["."]
    found = run("inspect", NET, "--json").json
    assert (found["kind"], found["files"], found["unseen"]) == ("inspected", 1, 0)
    assert found["lineage"]["contents"]["parameters"] == 85
    (item,) = found["items"]
    assert (item["path"], item["format"], item["framework"], item["framework_version"], item["certain"], item["problem"]) == (
        "mlp.onnx", "onnx", "torch", "2.5.1", True, None,
    )  # fmt: skip


def test_a_version_is_looked_at_anew(site: Site) -> None:
    site.run("register", "churn", NET, "--no-inspect", "--no-lineage")
    assert site.run("show", "churn@4", "--json").json["lineage"] == {"scan": {"verdict": "safe-format"}}
    assert site.run("inspect", "churn@4", "--json").json["lineage"]["format"] == "onnx"
    assert site.run("inspect", "churn@latest", "-q").lines == ["mlp.onnx"]
    refused(site.run("inspect", "churn@99"), 3, "churn@99")
    refused(site.run("inspect", "churn@4", "churn@1"), 2, "one version can be inspected at a time")
    refused(site.run("inspect", "churn@4", NET), 2, "one version can be inspected at a time")


def test_what_lies_there_is_a_path_whatever_it_is_called(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.folder)
    Path("churn@1").write_bytes(NET.read_bytes())
    assert site.run("inspect", "churn@1").lines[0].split("\t")[:2] == ["churn@1", "onnx"]


def test_slips(tmp_path: Path) -> None:
    refused(run("inspect", tmp_path / "modle.onnx"), 3, "NAME@SELECTOR")
    refused(run("inspect", "-"), 2, "standard input cannot be inspected")
    refused(run("inspect", "https://example.org/m.onnx"), 2, "only local files")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    refused(run("inspect", fifo), 5, "a FIFO")


def test_unknown_and_broken_files_are_told(tmp_path: Path) -> None:
    plain = tmp_path / "notes.txt"
    plain.write_text("hello")
    assert run("inspect", plain).lines == ["notes.txt\tunknown\t\t\t\t\t\t\t"]
    assert run("inspect", plain, "-q").lines == []
    cut = tmp_path / "cut.gguf"
    cut.write_bytes((DATA / "gguf" / "tiny.gguf").read_bytes()[:5000])
    answer = run("inspect", cut)
    assert (answer.code, answer.lines[0].split("\t")[-1]) == (0, "it is cut short")
    assert "it is cut short" in uncoloured(on_terminal("inspect", cut).out)
    assert re.search(r"^format +unknown$", uncoloured(on_terminal("inspect", plain).out), re.MULTILINE)


def test_a_person_sees_a_block_and_what_lies_beside(tmp_path: Path) -> None:
    shown = uncoloured(on_terminal("inspect", NET, columns=80).out)
    lines = dict(line.split(None, 1) for line in shown.splitlines() if " " in line)
    assert lines["framework"] == "torch 2.5.1"
    assert lines["parameters"] == "85 (80 float32, 5 int64)"
    assert lines["inputs"] == "x float32[batch, 4]"
    several = uncoloured(on_terminal("inspect", NET, DATA / "skops" / "plain.skops", columns=80).out)
    assert several.splitlines()[1].split() == ["plain.skops", "skops", "sklearn", "1.9.1"]
    assert max(map(len, several.splitlines())) <= 80


def test_show_tells_it_too(site: Site) -> None:
    site.run("register", "net", NET)
    rows = dict(line.split("\t", 1) for line in site.run("show", "net@1").lines)
    assert rows["lineage.format"] == "onnx"
    assert rows["lineage.contents.parameters"] == "85"
    assert json.loads(rows["lineage.contents.inputs"]) == [{"name": "x", "type": "float32", "shape": ["batch", 4]}]
    shown = uncoloured(on_terminal("show", "net@1", root=site.root).out)
    assert "x float32[batch, 4]" in shown
    assert site.run("search", "format = onnx", "-q").lines == ["net@1"]


def test_diff_has_a_section_for_the_signature(site: Site, tmp_path: Path) -> None:
    site.run("register", "net", NET)
    site.run("register", "net", site.make("mlp.onnx", NET.read_bytes().replace(b"batch", b"items")))
    rows = [line.split("\t") for line in site.run("diff", "net@1", "net@2").lines]
    assert ["signature", "inputs.x", "changed", "float32[batch, 4]", "float32[items, 4]", ""] in rows
    found = site.run("diff", "net@1", "net@2", "--json").json["signature"]
    assert [each["name"] for each in found] == ["inputs.x", "outputs.y"]
    assert "signature" in uncoloured(on_terminal("diff", "net@1", "net@2", root=site.root).out)


def test_nothing_in_a_file_acts_on_the_terminal(site: Site) -> None:
    header = json.dumps(
        {"__metadata__": {"format": "\x1b[31mred\x07", "\u202eevil\n": "a\tb\x1b]0;title\x07"}}
    ).encode()
    path = site.make("nasty.safetensors", struct.pack("<Q", len(header)) + header)
    site.run("register", "nasty", path)
    for words in (("inspect", path), ("show", "nasty@1"), ("inspect", "nasty@1")):
        assert_inert(site.run(*words).out)
        assert_inert(on_terminal(*words, root=site.root).out)
