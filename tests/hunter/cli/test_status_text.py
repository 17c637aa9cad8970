"""The screen of `hunter status`."""

from __future__ import annotations

from typing import Any

from fakes.actor_stage import SWAP

from hunter.cli.market_lines import INSTRUMENTS_SHOWN_MAX, MarketLine
from hunter.cli.status import read
from hunter.cli.status_text import text
from hunter.status.documents import (
    AlertsDocument,
    StoreDocument,
    StoreTableDocument,
    WebDocument,
)


def squeezed(output: str) -> list[str]:
    return [" ".join(line.split()) for line in output.splitlines()]


def test_instruments_have_a_line_each(shown: Any) -> None:
    shown.up()
    report = read(shown.config)
    markets = [
        MarketLine(SWAP, 63_999.6, 16.44, 41.0, True, "up", 0.62, 4.0),
        MarketLine("ETH-USDT", is_book_valid=False),
        MarketLine("SOL-USDT"),
    ]
    lines = squeezed(text(report, markets))
    assert f"{SWAP} 63,999.6 16.4 0.0 s valid up p(up) 0.62, 4.0 s ago" in lines
    assert "ETH-USDT - 0.0 - not valid -" in lines
    assert "SOL-USDT - 0.0 - - -" in lines
    assert "TRADES/S" not in text(report)


def test_instruments_that_are_not_shown_are_counted(shown: Any) -> None:
    shown.up()
    report = read(shown.config)
    report.rings = report.rings * (INSTRUMENTS_SHOWN_MAX + 3)
    assert "and 3 more: hunter trades INSTRUMENT" in text(report, [MarketLine(SWAP)])


def test_companions_say_what_they_do(shown: Any) -> None:
    shown.up()
    report = read(shown.config)
    assert "page:" not in text(report)
    report.web = WebDocument("http://127.0.0.1:8787", viewers=2, refused=3)
    report.alerts = AlertsDocument(sent=4, failed=1, trouble="HTTP 500")
    report.store = StoreDocument(
        (StoreTableDocument("trades", 1_200, lapped=2, dropped=3),), files=2, bytes=3_000_000
    )
    lines = text(report).splitlines()
    assert "page: http://127.0.0.1:8787, 2 open now, 3 requests refused" in lines
    assert "alerts: 4 sent, 1 failed; the last attempt: HTTP 500" in lines
    assert "store: 1,200 trades; 2 files, 3 MB; 5 rows missed" in lines
    report.web, report.alerts, report.store = WebDocument(), AlertsDocument(), StoreDocument()
    lines = text(report).splitlines()
    assert "page: not yet, 0 open now" in lines
    assert "alerts: 0 sent" in lines
    assert "store: nothing yet; 0 files, 0 kB" in lines


def test_what_is_down_has_no_address_and_no_age(shown: Any) -> None:
    shown.up()
    report = read(shown.config)
    report.web = WebDocument("http://127.0.0.1:8787", viewers=2)
    assert "  up " in text(report).splitlines()[0]
    report.actors[2].role, report.actors[2].pid = "web", 0
    assert "page: does not run" in text(report).splitlines()
    report.state, report.pid = "stopped", 0
    head = text(report).splitlines()[0]
    assert "no supervisor" in head
    assert "  up " not in head


def test_each_reason_has_its_next_step(shown: Any) -> None:
    shown.up()
    report = read(shown.config)
    report.state = "degraded"
    report.reasons = ["brain-0: no beat for 2.0 s", "x is down; start it: hunter restart x"]
    lines = text(report).splitlines()
    assert lines[-2:] == [
        "! brain-0: no beat for 2.0 s; see: hunter logs brain-0",
        "! x is down; start it: hunter restart x",
    ]


def test_screen_of_one_instrument_fits_a_hundred_columns(shown: Any) -> None:
    shown.up()
    market = MarketLine(SWAP, 63_999.6, 16.44, 41.0, True, "flat", 0.62, 4_000.0)
    wide = [line for line in text(read(shown.config), [market]).splitlines() if len(line) > 100]
    assert [line.split()[0] for line in wide] in ([], ["●"])
