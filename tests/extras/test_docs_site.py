"""The documentation as a site: it builds strictly, every link in it leads somewhere, and it asks no
other host for anything, which a browser says.
"""

from __future__ import annotations

import functools
import html.parser
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("mkdocs", reason="needs the environment of make test-extras")

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# What is loaded as soon as a page is shown; a link waits for a click.
LOADING = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}


class Page(html.parser.HTMLParser):
    """What a page loads, where it leads, and what can be led to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.add(values.get("id", ""))
        self.loads += [value for name, value in values.items() if (tag, name) in LOADING]
        if tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(values.get("href", ""))
        elif tag == "a" and "href" in values:
            self.links.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """By path from the root of the site; 404.html stands anywhere, with links from the root."""
    found = {path.relative_to(site).as_posix(): path for path in site.rglob("*.html")}
    return {
        name: Page(path.read_text("utf-8")) for name, path in found.items() if name != "404.html"
    }


def test_every_page_is_there(site: Path, pages: dict[str, Page]) -> None:
    sources = (ROOT / "docs").rglob("*.md")
    wanted = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in sources}
    assert wanted == set(pages)
    assert not list(site.rglob("*.py"))


def test_no_page_loads_anything_from_elsewhere(pages: dict[str, Page]) -> None:
    assert any(page.loads for page in pages.values())
    foreign = {
        name: loads
        for name, page in pages.items()
        if (loads := [url for url in page.loads if urlsplit(url).netloc])
    }
    assert foreign == {}


def test_no_style_loads_anything_from_elsewhere(site: Path) -> None:
    styles = list(site.rglob("*.css"))
    assert styles
    for path in styles:
        text = path.read_text("utf-8")
        assert "@import" not in text
        assert "url(http" not in text.replace('"', "").replace("'", "")
        assert "url(//" not in text.replace('"', "").replace("'", "")


def test_every_link_within_the_site_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    broken = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (
                ((site / name).parent / unquote(parts.path)).resolve()
                if parts.path
                else (site / name).resolve()
            )
            other = pages.get(target.relative_to(site.resolve()).as_posix())
            anchor = unquote(parts.fragment)
            if not target.exists() or (anchor and other and anchor not in other.anchors):
                broken.append(f"{name}: {link}")
    assert broken == []


def test_search_knows_the_sentences_of_a_status(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    titles = " ".join(entry["title"] for entry in index["docs"])
    assert "is parked after EXIT" in titles
    assert len(index["docs"]) > 100


def test_tables_of_faults_are_the_architectures(site: Path) -> None:
    text = (site / "reference" / "faults.html").read_text("utf-8")
    assert all(f"<td>{line}</td>" in text for line in ("P1", "R18", "C14", "X28", "S14"))
    architecture = (site / "explanation" / "architecture.html").read_text("utf-8")
    assert "<td>X28</td>" not in architecture
    assert 'id="the-ring-intent-rows-head"' in architecture


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None: ...

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_reader_finds_a_sentence_and_turns_the_light_off(address: str) -> None:
    """In a browser: the search works with this server alone, the toggle stays, and nothing is asked
    of anybody else."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("needs /usr/bin/chromium")
    asked: list[str] = []
    errors: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}/index.html")
        scheme = "document.body.getAttribute('data-md-color-scheme')"
        assert page.evaluate(scheme) == "default"
        page.locator("label[title=Dark]").click()
        assert page.evaluate(scheme) == "slate"
        page.locator(".md-search__input").click()
        # letter by letter: the search listens to keys
        page.locator(".md-search__input").press_sequentially("rows unread")
        page.locator(".md-search-result__link").first.click()
        page.wait_for_url("**/how-to/troubleshooting.html**")
        assert page.evaluate(scheme) == "slate"
        page.set_viewport_size({"width": 390, "height": 844})
        for name in ("index", "how-to/troubleshooting", "reference/configuration"):
            page.goto(f"{address}/{name}.html")
            width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width[0] <= width[1], name
        browser.close()
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert errors == []
