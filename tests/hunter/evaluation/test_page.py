"""The report page: alone in the world, in both schemes, and with every number it promises."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from math import nan

from fakes.cells import cell, report

from hunter.evaluation.page import number, page, seconds, signed

VOID = {"meta", "br", "link"}


class Nesting(HTMLParser):
    """Whether every element is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.count += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.count += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_whole_and_asks_nobody() -> None:
    text = page(report(cell(), cell(horizon_ms=5_000), cell(horizon_ms=10_000)))
    nesting = Nesting()
    nesting.feed(text)
    assert nesting.open == []
    assert not re.search(r"<script|<link|<img|https?:|url\(|@import|src=", text)
    assert "prefers-color-scheme:dark" in text
    assert 'name="viewport"' in text
    assert text.count("<figure>") == 4
    assert "<b>0.800</b>" in text
    assert "1 s ahead" in text


def test_page_shows_a_section_for_each_brain_and_instrument() -> None:
    text = page(report(cell(), cell(kind="x:Y", brain="x:Y"), cell(instrument="BTC-USDT")))
    assert text.count("<h2>") == 5  # and the means, and what was read
    assert page(report(cell())).count("<h2>") == 2  # there is no mean of one


def test_page_escapes_what_others_named() -> None:
    text = page(report(cell(brain="<i>&"), notes=["<u>"]))
    assert "<i>" not in text
    assert "<u>" not in text


def test_page_says_the_verdict_and_the_suspicion() -> None:
    assert "All limits of the gate are kept" in page(report(cell(), shortfalls=[]))
    assert "Below the gate" in page(report(cell(), shortfalls=["AUC is low"]))
    assert "gate" not in page(report(cell())).partition("<h2>")[0]
    assert "look-ahead suspected" in page(report(cell(look_ahead="it has seen the future")))


def test_page_of_what_cannot_be_said() -> None:
    text = page(report(cell(auc=nan, auc_low=nan, n_eff_needed=nan, delays=cell().delays[:1])))
    assert "nan" not in text.lower()


def test_numbers_in_words() -> None:
    assert (seconds(1_000), seconds(300)) == ("1 s", "0.3 s")
    assert (number(0.12345), number(nan), number(1.5, 1)) == ("0.123", "-", "1.5")
    assert (signed(0.01), signed(-0.01), signed(nan)) == ("+0.010", "-0.010", "-")
