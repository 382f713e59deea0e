"""The report: what is in it, that nothing in it can act, that it is the same twice, and where it is written."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, InvalidInput, NotFound, Registry
from registry_cli.report import charts
from registry_cli.report.charts import Point
from registry_cli.report.html import Markup, element, join
from registry_cli.report.server import make_server
from tests.commands import run

#: What people, and those who mean harm, may have written.
HOSTILE = [
    "<script>alert(1)</script>", "</style><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)",
    "<!--", "-->", "]]>", "&lt;b&gt;", "javascript:alert(1)", "<svg/onload=alert(1)>", "</svg></td></table>", "\u202egnp.exe",
    "\u2066x\u2069", "\u200b", "\x7f", "</title>", "{{7*7}}", "${7*7}", "<base href=//evil>", "<meta http-equiv=refresh content=0>",
]  # fmt: skip


@pytest.fixture
def full(reg: Registry, tmp_path: Path) -> Registry:
    """A registry with two models, observations, an alert, a policy, an approval, and hostile texts everywhere."""
    path = tmp_path / "model.bin"
    for number, text in enumerate(HOSTILE, 1):
        path.write_bytes(f"{number}".encode())
        line = "".join(char for char in text if char.isprintable() or char in "\u202e\u2066\u2069\u200b")
        metrics = {"auc": 0.9 + number / 1000, f"m {line} m".replace("=", ""): number}
        reg.register(
            "risk/fraud", [path], message=text, metrics=metrics, tags={"note": line}, annotations={"data": text}
        )
    reg.admin.describe("risk/fraud", description=" ".join(HOSTILE), owner="<b>team</b>", tags={"<i>": "</i>"})
    reg.promote("risk/fraud@19", "production", reason="<b>because</b>")
    reg.promote("risk/fraud@20", "staging")
    path.write_bytes(b"churn")
    reg.register("churn", [path])
    settings = Path(reg.root) / "registry.yaml"
    settings.write_text(
        settings.read_text()
        + "\nmonitor: {auc: {min: 0.9}, stale: 1y}\n"
        + "policy: {production: {require: {metrics: {auc: '>= 0.91'}}, approvals: 1}}\n"
    )
    for day in range(1, 20):
        reg.monitoring.observe(
            "risk/fraud@19", {"auc": 0.95 - day / 100}, at=f"2026-02-{day:02}", slice={"<b>": "</b>"}, target="<u>"
        )
    reg.monitoring.observe("risk/fraud@19", {"auc": 0.5}, samples=1000)
    reg.monitoring.monitor()
    reg.approvals.approve("risk/fraud@20", "production", reason="<b>fine</b>")
    return reg


class Page(HTMLParser):
    """The elements of a page, and whether each that was opened was closed."""

    VOID = frozenset({"meta", "link", "input"})

    def __init__(self, content: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(content.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def write(reg: Registry, target: Path) -> dict[str, bytes]:
    reg.monitoring.report(target)
    if target.is_file():
        return {"": target.read_bytes()}
    return {
        path.relative_to(target).as_posix(): path.read_bytes() for path in sorted(target.rglob("*")) if path.is_file()
    }


def html(made: dict[str, bytes]) -> dict[str, bytes]:
    return {path: content for path, content in made.items() if path.endswith("html") or not path}


@pytest.mark.parametrize("name", ["site", "one.html"])
def test_nothing_that_people_wrote_can_act(full: Registry, tmp_path: Path, name: str) -> None:
    made = html(write(full, tmp_path / name))
    assert made
    for content in made.values():
        page = Page(content)
        names = {tag for tag, _ in page.elements}
        assert not names & {"img", "iframe", "base", "object", "b", "u", "i", "form", "embed"}
        assert len(page.all("script")) <= 1
        assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
        for attributes in page.all("a"):
            assert re.match(r"(#|index\.html|models/|\.\./)", attributes["href"] or "x")
        assert [each.get("src") for _, each in page.elements if each.get("src")] == []
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x7f]", content.decode())
    shown = "".join(Page(content).text for content in made.values())
    assert "<script>alert(1)</script>" in shown, "it is shown as it was written"
    assert "\\u202egnp.exe" in shown


@pytest.mark.parametrize("name", ["site", "one.html"])
def test_the_policy_of_a_page_allows_its_own_style_and_script_and_nothing_else(
    full: Registry, tmp_path: Path, name: str
) -> None:
    for content in html(write(full, tmp_path / name)).values():
        page = Page(content)
        (policy,) = [
            each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
        text = content.decode()
        for tag, rule in (("script", "script-src"), ("style", "style-src")):
            inline = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
            hashes = ["sha256-" + base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in inline]
            wanted = rules.pop(rule, "'self' file:")
            assert wanted == ("'self' file:" if not hashes else f"'{hashes[0]}'")
        assert rules == {}


@pytest.mark.parametrize("name", ["site", "one.html"])
def test_the_same_registry_makes_the_same_bytes(full: Registry, tmp_path: Path, name: str) -> None:
    first = write(full, tmp_path / name)
    again = write(Registry(full.root), tmp_path / f"again-{name}")
    assert again == first
    assert write(full, tmp_path / name) == first, "it is replaced by the same"


def test_what_it_shows(full: Registry, tmp_path: Path) -> None:
    made = write(full, tmp_path / "site")
    assert sorted(made) == ["data.json", "index.html", "models/churn.html", "models/risk/fraud.html", "style.css"]
    index, fraud = Page(made["index.html"]).text, Page(made["models/risk/fraud.html"])
    for words in ("2models", "21versions", "1in production", "1alert", "risk/fraud", "churn", "@19", "Recent changes"):
        assert words in index
    for words in ("Live versions", "Monitoring", "Day by day", "Metrics over versions", "Gates and approvals", "Versions",
                  "Disk use", "History", "<b>because</b>", "risk/fraud@20 → production"):  # fmt: skip
        assert words in fraud.text
    charts_drawn = fraud.all("svg")
    assert len(charts_drawn) > 3
    assert all(each["role"] == "img" and each["aria-label"] for each in charts_drawn)
    data = json.loads(made["data.json"])
    assert [each["model"] for each in data["models"]] == ["churn", "risk/fraud"]
    assert data["models"][1]["alerts"][0]["metric"] == "auc"
    assert set(data["pages"]) == set(made) - {"data.json"}


def test_models_and_a_beginning_can_be_chosen(full: Registry, tmp_path: Path) -> None:
    full.monitoring.report(tmp_path / "one", "churn")
    assert [path.name for path in (tmp_path / "one/models").iterdir()] == ["churn.html"]
    full.monitoring.report(tmp_path / "new.html", ["risk/fraud"], since="2026-02-15")
    text = (tmp_path / "new.html").read_text()
    assert "02-15" in text
    assert "02-14" not in text
    with pytest.raises(NotFound):
        full.monitoring.report(tmp_path / "x", "nothing")
    assert not (tmp_path / "x").exists()


def test_an_empty_registry_has_a_report(reg: Registry, tmp_path: Path) -> None:
    made = write(reg, tmp_path / "site")
    assert "There are no models yet." in Page(made["index.html"]).text


def test_a_damaged_model_is_named_and_left_out(full: Registry, tmp_path: Path) -> None:
    path = Path(full.root) / "models/churn/model.yaml"
    whole = path.read_bytes()
    path.write_text("[")
    made = write(full, tmp_path / "site")
    assert "Left out" in Page(made["index.html"]).text
    assert "models/risk/fraud.html" in made
    path.write_bytes(whole)


# Where it is written


def test_only_a_report_of_this_registry_is_replaced(full: Registry, tmp_path: Path) -> None:
    target = tmp_path / "site"
    write(full, target)
    (target / "notes.txt").write_text("mine")
    with pytest.raises(Conflict, match=r"notes\.txt"):
        full.monitoring.report(target)
    (target / "notes.txt").unlink()
    page = target / "index.html"
    page.write_text(page.read_text() + "mine")
    with pytest.raises(Conflict, match=r"index\.html"):
        full.monitoring.report(target)
    assert page.read_text().endswith("mine")
    for name, content in (("other", "x"), ("data.json", "{}"), ("data.json", "[")):
        folder = tmp_path / "folder"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / name).write_text(content)
        with pytest.raises(Conflict, match="is not a report of this registry"):
            full.monitoring.report(folder)
        assert (folder / name).read_text() == content
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    with pytest.raises(Conflict):
        full.monitoring.report(tmp_path / "mine.html")
    (tmp_path / "empty").mkdir()
    full.monitoring.report(tmp_path / "empty")


def test_a_report_of_another_registry_is_not_replaced(full: Registry, tmp_path: Path) -> None:
    other = Registry.init(tmp_path / "other")
    for name in ("site", "one.html"):
        write(other, tmp_path / name)
        with pytest.raises(Conflict):
            full.monitoring.report(tmp_path / name)


def test_nothing_is_written_into_a_registry(full: Registry, tmp_path: Path) -> None:
    for place in (Path(full.root), Path(full.root) / "models", Path(full.root) / "models/churn/site"):
        with pytest.raises((InvalidInput, Conflict)):
            full.monitoring.report(place)


def test_a_report_of_a_model_that_went_away_leaves_no_page(full: Registry, tmp_path: Path) -> None:
    write(full, tmp_path / "site")
    full.admin.rename("churn", "attrition")
    assert "models/churn.html" not in write(full, tmp_path / "site")


# The command, and the server


def test_the_command(full: Registry, tmp_path: Path) -> None:
    root = Path(full.root)
    answer = run("report", "-o", tmp_path / "site", root=root)
    assert (answer.code, answer.out) == (0, f"{tmp_path / 'site'}\n")
    assert "2 models, 5 files" in answer.err
    assert run("report", "-o", tmp_path / "one.html", "--json", root=root).json["models"] == 2
    assert run("report", root=root).code == 2
    assert run("report", "--serve", "-o", "x", root=root).code == 2
    assert "invalid port 70000" in run("report", "--serve", "70000", root=root).err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in run("report", "--serve", str(port), root=root).err
    assert run("report", "nothing", "-o", tmp_path / "y", root=root).code == 3
    assert run("report", "-o", root / "models", root=root).code == 2


@pytest.fixture
def port(full: Registry) -> Iterator[int]:
    server = make_server(full.monitoring.site(), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield int(server.server_address[1])
    server.shutdown()
    thread.join()
    server.server_close()


def ask(port: int, path: str, method: str = "GET", host: str | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def test_the_server_shows_the_pages_and_nothing_else(port: int) -> None:
    status, headers, body = ask(port, "/")
    assert (status, headers["X-Content-Type-Options"]) == (200, "nosniff")
    assert b"risk/fraud" in body
    assert ask(port, "/models/risk/fraud.html")[0] == 200
    assert ask(port, "/style.css")[1]["Content-Type"].startswith("text/css")
    assert ask(port, "/", "HEAD")[2] == b""
    for path in ("/../registry.yaml", "/%2e%2e/registry.yaml", "/etc/passwd", "//x", "/models/"):
        assert ask(port, path)[0] == 404
    assert ask(port, "/", "POST")[0] == 501
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "localhost"):
        assert ask(port, "/", host=host)[0] == 421
    assert ask(port, "/", host=f"localhost:{port}")[0] == 200


def test_the_server_shows_what_has_changed(full: Registry, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry_cli.report.server._PAUSE", 0.0)
    assert b"attrition" not in ask(port, "/")[2]
    full.admin.rename("churn", "attrition")
    assert b"attrition" in ask(port, "/")[2]
    before = ask(port, "/models/risk/fraud.html")[2]
    full.monitoring.observe("risk/fraud@19", {"f1": 0.4})
    assert ask(port, "/models/risk/fraud.html")[2] != before


# The pieces


def test_text_is_escaped_and_markup_is_not() -> None:
    made = element(
        "p", "<b>", Markup("<i>x</i>"), 5, None, ["a", "&"], class_="x", data_value='"<', hidden=True, id=None
    )
    assert made == '<p class="x" data-value="&quot;&lt;" hidden>&lt;b&gt;<i>x</i>5a&amp;</p>'
    assert join("a\u202eb\x00") == "a\\u202eb\\u0000"
    assert element("circle", r=1) == '<circle r="1"/>'


@pytest.mark.parametrize(
    "values", [[1.0], [1.0, 1.0], [0.0, 0.0], [-1e300, 1e300], [1e-300, 2e-300], [None, 1.0, None, 2.0], [5.0, None]]
)
def test_a_chart_of_any_values_is_drawn(values: list[float | None]) -> None:
    drawn = charts.draw_line("x", [Point(f"@{at}", value) for at, value in enumerate(values)], lowest=0.5, highest=None)
    page = Page(drawn.encode())
    assert len(page.all("circle")) == sum(value is not None for value in values)
    for name, attributes in page.elements:
        for key in ("x", "y", "x1", "y1", "cx", "cy"):
            if value := attributes.get(key):
                assert 0 <= float(value) <= 320, (name, key)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("name", ["site/index.html", "one.html"])
def test_a_browser_draws_it_without_a_complaint(full: Registry, tmp_path: Path, name: str) -> None:
    full.monitoring.report(tmp_path / name.partition("/")[0])
    words = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile", "--enable-logging=stderr",
             "--virtual-time-budget=2000", "--dump-dom", f"file://{tmp_path}/{name}"]  # fmt: skip
    environment: dict[str, Any] = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert '<div class="tools" id="filter">' in done.stdout, "its script ran: the filter is shown"
