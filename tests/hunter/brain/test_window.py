from __future__ import annotations

from math import isnan, nan

import pytest
from fakes.brain_rows import MS, START_NS

from hunter.brain.quote import Source
from hunter.brain.window import FlowWindow

BBO, BOOK = int(Source.BBO), int(Source.BOOK)


def quoted(window: FlowWindow, ms: int, bid: tuple[float, float], ask: tuple[float, float]) -> None:
    ts_ns = START_NS + ms * MS
    window.on_quote((ts_ns, ts_ns), BBO, bid, ask)


@pytest.mark.parametrize(
    ("bid", "ask", "flow"),
    [
        ((100.0, 5.0), (101.0, 4.0), 3.0),  # more at the same bid
        ((100.5, 5.0), (101.0, 4.0), 5.0),  # a better bid: all of it is new
        ((99.5, 5.0), (101.0, 4.0), -2.0),  # the old bid is gone
        ((100.0, 2.0), (101.0, 1.0), 3.0),  # less at the ask
        ((100.0, 2.0), (100.5, 1.0), -1.0),  # a better ask
        ((100.0, 2.0), (101.5, 9.0), 4.0),  # the old ask is gone
    ],
)
def test_order_flow_of_one_change_follows_the_definition(
    bid: tuple[float, float], ask: tuple[float, float], flow: float
) -> None:
    window = FlowWindow(2_000)
    quoted(window, 0, (100.0, 2.0), (101.0, 4.0))
    quoted(window, 10, bid, ask)
    assert window.ofi_1s.read(START_NS + 10 * MS) == flow


def test_move_across_a_one_sided_quote_is_not_counted() -> None:
    window = FlowWindow(2_000)
    quoted(window, 0, (100.0, 2.0), (101.0, 4.0))
    quoted(window, 10, (nan, 0.0), (101.0, 4.0))
    assert isnan(window.state().mid)
    quoted(window, 20, (90.0, 2.0), (91.0, 4.0))
    assert window.last_move == 0.0
    assert window.variance_5s.read(START_NS + 1_000 * MS) == 0.0
    quoted(window, 30, (90.0, 2.0), (92.0, 4.0))
    assert window.last_move == 1.0


def test_change_of_source_is_no_flow_and_no_move() -> None:
    window = FlowWindow(2_000)
    now_ns = START_NS
    window.on_quote((now_ns, now_ns), BOOK, (100.0, 1.0), (101.0, 1.0))
    window.on_quote((now_ns, now_ns), BBO, (105.0, 9.0), (106.0, 1.0))
    assert window.last_move == 0.0
    assert window.ofi_1s.read(now_ns) == 0.0
    assert window.quote.source == Source.BBO


def test_book_top_stands_back_while_the_bbo_is_alive() -> None:
    window = FlowWindow(2_000)
    quoted(window, 0, (100.0, 2.0), (101.0, 4.0))
    times = (START_NS + 5 * MS, START_NS + 5 * MS)
    window.on_book(times, (50.0, 1.0), (60.0, 1.0))
    assert window.quote.bid == 100.0
    assert window.bids == (50.0, 1.0)


def test_invalid_book_takes_the_levels_away_and_is_no_quote() -> None:
    window = FlowWindow(2_000)
    times = (START_NS, START_NS)
    window.on_book(times, (100.0, 2.0, 99.5, 3.0), (100.5, 2.0, 101.0, 3.0))
    assert window.quote.usable
    window.on_invalid_book()
    assert window.bids == window.asks == ()
    assert window.quote.bid == 100.0


def test_book_without_a_side_is_a_one_sided_quote() -> None:
    window = FlowWindow(2_000)
    window.on_book((START_NS, START_NS), (), (100.5, 2.0))
    assert not window.quote.usable
    window.on_book((START_NS, START_NS), (100.0, 2.0), ())
    assert not window.quote.usable
    assert not window.quote.crossed


def test_volatility_ratio_is_zero_without_moves_and_above_one_after_a_burst() -> None:
    window = FlowWindow(2_000)
    assert window.volatility_ratio(START_NS) == 0.0
    quoted(window, 0, (100.0, 2.0), (101.0, 4.0))
    quoted(window, 59_000, (101.0, 2.0), (102.0, 4.0))
    assert window.volatility_ratio(START_NS + 59_000 * MS) > 1.5
    assert window.volatility_ratio(START_NS + 200_000 * MS) < 0.7


def test_state_of_other_shape_is_refused() -> None:
    state = FlowWindow(2_000).state()
    state.sums.pop()
    with pytest.raises(ValueError, match="zip"):
        FlowWindow(2_000).load(state)


def test_state_continues_bit_for_bit() -> None:
    window, other = FlowWindow(2_000), FlowWindow(2_000)
    for i in range(30):
        quoted(window, 11 * i, (100.0 + i % 3, 2.0), (103.0, 4.1))
        window.on_trade(START_NS + 11 * i * MS, 0.1, 1 - 2 * (i % 2), 1)
    other.load(window.state())
    for each in (window, other):
        quoted(each, 400, (100.0, 2.3), (103.0, 4.1))
    assert repr(other.state()) == repr(window.state())
