"""A line for each instrument, out of rings and journal."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.actor_stage import SWAP

from hunter.access import Instance
from hunter.cli import market_lines as module
from hunter.cli.market_lines import PACE_NS, PACE_ROWS, MarketLine, market_lines, pace
from hunter.errors import SegmentError

NOW = 1_790_000_000_000_000_000  # as conftest puts rows


class At:
    def __init__(self, wall_ns: int) -> None:
        self._wall_ns = wall_ns

    def wall_ns(self) -> int:
        return self._wall_ns

    def monotonic_ns(self) -> int:
        return 0


def lines(shown: Any, after_s: float = 2.0) -> list[MarketLine]:
    with Instance(shown.config) as instance:
        return market_lines(instance, shown.config, At(NOW + 1 + int(after_s * 1e9)))


def test_nothing_yet(shown: Any) -> None:
    assert lines(shown) == [MarketLine(SWAP)]


def test_last_price_pace_age_book_and_signal(shown: Any) -> None:
    shown.put_trades(10, 13, 16)
    shown.put_book()
    shown.put_signal(1_000, "up")
    shown.put_signal(2_000, "down")
    (line,) = lines(shown)
    assert (line.instrument, line.price, line.is_book_valid) == (SWAP, 42_219.9, True)
    assert line.trades_per_s == pytest.approx(0.3)
    assert line.age_ms == pytest.approx(2_000)
    assert (line.direction, line.probability_up) == ("down", 0.62)
    assert line.signal_age_s == pytest.approx(2.0)


def test_book_that_is_not_valid(shown: Any) -> None:
    shown.put_book(valid=False)
    assert lines(shown)[0].is_book_valid is False


def test_book_that_nobody_writes_any_more_is_not_valid(shown: Any) -> None:
    shown.put_book()
    shown.stage.end_writer()
    assert lines(shown)[0].is_book_valid is False


def test_ring_that_cannot_be_read_has_a_line_all_the_same(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise SegmentError("cut short")

    monkeypatch.setattr(Instance, "lane", cut)
    assert lines(shown) == [MarketLine(SWAP)]


def test_journal_that_may_not_be_read_costs_the_signals_only(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    shown.put_signal(1_000)
    monkeypatch.setattr("hunter.signals.journal_reader.last_signals", refused)
    assert lines(shown)[0].direction == ""


def test_only_so_many_instruments_are_shown(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INSTRUMENTS_SHOWN_MAX", 0)
    assert lines(shown) == []


def test_pace_is_over_ten_seconds_or_over_what_was_read() -> None:
    now_ns = 10 * PACE_NS
    assert pace([], now_ns) == 0.0
    assert pace([now_ns], now_ns) == pytest.approx(0.1)
    assert pace([now_ns - 2 * PACE_NS, now_ns, now_ns], now_ns) == pytest.approx(0.2)
    fast = [now_ns - 1_000_000_000 + number for number in range(PACE_ROWS)]
    assert pace(fast, now_ns) == pytest.approx(PACE_ROWS)
