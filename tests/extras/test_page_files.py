"""The page's files by themselves: what they load, what they weigh, whether they can be read.

Needs no browser.
"""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "hunter" / "web" / "static"
VENDOR = STATIC / "vendor" / "uplot"
OURS = sorted(path for path in STATIC.iterdir() if path.suffix in (".js", ".css", ".html"))
SCRIPTS = [path for path in OURS if path.suffix == ".js"]
PLAIN_TEXT_MIN = 4.5
GRAPHIC_MIN = 3.0


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text inside of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.inline = ""
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "style"):
            self.inline += data.strip()


@pytest.fixture(scope="module")
def elements() -> Elements:
    parser = Elements()
    parser.feed((STATIC / "index.html").read_text())
    return parser


def colours() -> dict[str, tuple[str, str]]:
    """Variable -> its light and its dark value."""
    css = (STATIC / "style.css").read_text()
    found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", css)
    return {name: (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    """Of WCAG 2.2: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_what_others_made_is_as_they_made_it_with_its_licence() -> None:
    sums = dict(
        reversed(line.split("  ")) for line in (VENDOR / "SHA256SUMS").read_text().splitlines()
    )
    for path in VENDOR.iterdir():
        if path.name != "SHA256SUMS":
            assert hashlib.sha256(path.read_bytes()).hexdigest() == sums.pop(path.name), path.name
    assert sums == {}
    assert "MIT" in (VENDOR / "LICENSE").read_text()


def test_the_page_is_small() -> None:
    assert sum(path.stat().st_size for path in STATIC.rglob("*") if path.is_file()) < 200_000


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(elements: Elements) -> None:
    assert elements.inline == ""
    for tag, attributes in elements.found:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        for name in ("src", "href"):
            target = attributes.get(name, "")
            assert not target or target.startswith(("/", "#")), target
            assert not target.startswith("//"), target
            if target.startswith("/static/"):
                assert (STATIC / target.removeprefix("/static/")).is_file(), target


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_text_becomes_markup_and_no_address_is_in_the_files(path: Path) -> None:
    text = path.read_text()
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "url("):
        assert word not in text, word
    assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_modules_import_what_is_there(path: Path) -> None:
    for name, source in re.findall(r'import \{([^}]+)\} from "\./([\w.]+)"', path.read_text()):
        module = (STATIC / source).read_text()
        for wanted in (part.strip() for part in name.split(",")):
            assert re.search(rf"^export (function|class|const) {wanted}\b", module, re.M), wanted
            assert len(re.findall(rf"\b{wanted}\b", path.read_text())) > 1, f"{wanted} is not used"


def test_scripts_ask_for_elements_that_are_there(elements: Elements) -> None:
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for path in SCRIPTS:
        for wanted in re.findall(r'byId\("([\w-]+)"\)', path.read_text()):
            assert wanted in ids, f"{path.name} asks for {wanted}"


def test_labels_and_descriptions_name_what_is_there(elements: Elements) -> None:
    ids = {attributes["id"] for _, attributes in elements.found if "id" in attributes}
    for _, attributes in elements.found:
        for name in ("for", "aria-labelledby"):
            assert not attributes.get(name) or attributes[name] in ids, attributes[name]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_has_enough_contrast_with_its_ground(scheme: int) -> None:
    values = {name: pair[scheme] for name, pair in colours().items()}
    pairs = [
        (name, ground)
        for name in ("text", "muted", "accent", "good", "warn", "bad", "up", "down")
        for ground in ("panel", "ground")
    ]
    pairs += [(name, f"{name}-ground") for name in ("good", "warn", "bad")]
    pairs += [("text", "warn-ground"), ("text", "bad-ground")]
    poor = {pair: contrast(values[pair[0]], values[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < PLAIN_TEXT_MIN} == {}
    for name in ("price", "line", "bar", "up", "down"):
        assert contrast(values[name], values["panel"]) >= GRAPHIC_MIN, name


def test_every_colour_has_both_values_and_is_used() -> None:
    css = (STATIC / "style.css").read_text()
    declared = set(re.findall(r"^  --([\w-]+):", css, re.M))
    assert declared == set(colours())
    assert {name for name in declared if f"var(--{name})" not in css} == set()
    assert set(re.findall(r"var\(--([\w-]+)\)", css)) == declared
