from __future__ import annotations

from math import inf, nan

import pytest
from fakes.brain_rows import MS, START_NS

from hunter.brain.window.quote import Source
from hunter.brain.window.recent import RecentFlow

BBO, BOOK = int(Source.BBO), int(Source.BOOK)


def quoted(window: RecentFlow, ms: int, bid: tuple[float, float], ask: tuple[float, float]) -> None:
    ts_ns = START_NS + ms * MS
    window.on_quote(ts_ns, ts_ns, BBO, *bid, *ask)


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
    window = RecentFlow(2_000)
    quoted(window, 0, (100.0, 2.0), (101.0, 4.0))
    quoted(window, 10, bid, ask)
    assert window.ofi_1s.read(START_NS + 10 * MS) == flow


def test_move_across_a_one_sided_quote_is_not_counted() -> None:
    window = RecentFlow(2_000)
    quoted(window, 0, (100.0, 2.0), (101.0, 4.0))
    quoted(window, 10, (nan, 0.0), (101.0, 4.0))
    assert not window.moves.running
    quoted(window, 20, (90.0, 2.0), (91.0, 4.0))
    assert window.moves.last_move == 0.0
    assert window.moves.variance_5s.read(START_NS + 1_000 * MS) == 0.0
    quoted(window, 30, (90.0, 2.0), (92.0, 4.0))
    assert window.moves.last_move == 1.0


def test_change_of_source_is_no_flow_and_no_move() -> None:
    window = RecentFlow(2_000)
    now_ns = START_NS
    window.on_quote(now_ns, now_ns, BOOK, 100.0, 1.0, 101.0, 1.0)
    window.on_quote(now_ns, now_ns, BBO, 105.0, 9.0, 106.0, 1.0)
    assert window.moves.last_move == 0.0
    assert window.ofi_1s.read(now_ns) == 0.0
    assert window.quote.source == Source.BBO


def test_book_top_stands_back_while_the_bbo_is_alive() -> None:
    window = RecentFlow(2_000)
    quoted(window, 0, (100.0, 2.0), (101.0, 4.0))
    times = (START_NS + 5 * MS, START_NS + 5 * MS)
    window.on_book(*times, (50.0, 1.0), (60.0, 1.0))
    assert window.quote.bid == 100.0
    assert window.bids == (50.0, 1.0)


def test_invalid_book_takes_the_levels_away_and_is_no_quote() -> None:
    window = RecentFlow(2_000)
    times = (START_NS, START_NS)
    window.on_book(*times, (100.0, 2.0, 99.5, 3.0), (100.5, 2.0, 101.0, 3.0))
    assert window.quote.usable
    window.on_invalid_book()
    assert window.bids == window.asks == ()
    assert window.quote.bid == 100.0


def test_book_without_a_side_is_a_one_sided_quote() -> None:
    window = RecentFlow(2_000)
    window.on_book(START_NS, START_NS, (), (100.5, 2.0))
    assert not window.quote.usable
    window.on_book(START_NS, START_NS, (100.0, 2.0), ())
    assert not window.quote.usable
    assert not window.quote.crossed


def test_volatility_ratio_is_zero_without_moves_and_above_one_after_a_burst() -> None:
    window = RecentFlow(2_000)
    assert window.volatility_ratio(START_NS) == 0.0
    quoted(window, 0, (100.0, 2.0), (101.0, 4.0))
    quoted(window, 59_000, (101.0, 2.0), (102.0, 4.0))
    assert window.volatility_ratio(START_NS + 59_000 * MS) > 1.5
    assert window.volatility_ratio(START_NS + 200_000 * MS) < 0.7


@pytest.mark.parametrize("size", [0.0, -1.0, nan, inf])
def test_match_without_a_size_is_none(size: float) -> None:
    window = RecentFlow(2_000)
    window.on_trade(START_NS, 100.0, size, 1, 1)
    window.on_trade(START_NS, nan, 1.0, 1, 1)
    assert window.state() == RecentFlow(2_000).state()


def test_depth_flow_is_the_mean_of_the_levels_flows() -> None:
    window = RecentFlow(2_000)
    window.on_book(START_NS, START_NS, (100.0, 2.0, 99.0, 3.0), (101.0, 2.0, 102.0, 3.0))
    window.on_book(
        START_NS, START_NS, (100.0, 5.0, 99.5, 4.0), (101.0, 1.0, 102.0, 3.0, 103.0, 1.0)
    )
    # first level +3 at the bid and +1 at the ask; second: a better bid of 4
    assert window.depth_flow_1s.read(START_NS) == (4.0 + 4.0) / 2
    assert window.book_depth.read(START_NS + MS) > 2.5


@pytest.mark.parametrize("spoil", ["invalid", "gap"])
def test_depth_flow_across_a_lost_book_is_not_counted(spoil: str) -> None:
    window = RecentFlow(2_000)
    window.on_book(START_NS, START_NS, (100.0, 2.0), (101.0, 2.0))
    window.on_invalid_book() if spoil == "invalid" else window.on_gap()
    window.on_book(START_NS, START_NS, (100.0, 5.0), (101.0, 2.0))
    assert window.depth_flow_1s.read(START_NS) == 0.0
    window.on_book(START_NS, START_NS, (100.0, 6.0), (101.0, 2.0))
    assert window.depth_flow_1s.read(START_NS) == 1.0


def test_book_deeper_than_used_is_cut() -> None:
    window = RecentFlow(2_000)
    bids = tuple(x for i in range(7) for x in (100.0 - i, 1.0))
    asks = tuple(x for i in range(7) for x in (101.0 + i, 1.0))
    window.on_book(START_NS, START_NS, bids, asks)
    assert (window.bids, window.asks) == (bids[:10], asks[:10])


def test_gap_begins_the_flows_again_and_is_no_jump() -> None:
    window = RecentFlow(2_000)
    quoted(window, 0, (100.0, 2.0), (101.0, 4.0))
    quoted(window, 10, (100.5, 2.0), (101.0, 4.0))
    window.on_trade(START_NS + 10 * MS, 100.0, 3.0, 1, 1)
    variance = window.moves.variance_60s.state()
    window.on_gap()
    now_ns = START_NS + 10 * MS
    assert window.ofi_16s.read(now_ns) == window.takers.signed_volume_16s.read(now_ns) == 0.0
    assert window.moves.last_move == 0.0
    quoted(window, 20, (90.0, 9.0), (91.0, 4.0))
    assert window.moves.variance_60s.state() == variance
    assert window.ofi_1s.read(now_ns) == 0.0
    assert window.quote.usable
    quoted(window, 30, (90.0, 10.0), (91.0, 4.0))
    assert window.ofi_1s.read(START_NS + 30 * MS) == 1.0


def test_quotes_count_at_event_time_and_age_by_their_own_stamp() -> None:
    window = RecentFlow(2_000)
    for i, size in enumerate((2.0, 5.0)):
        now_ns = START_NS + i * MS
        window.on_quote(now_ns - 1_500 * MS, now_ns, BBO, 100.0, size, 101.0, 2.0)
    assert window.ofi_250ms.read(START_NS + MS) == 3.0
    assert window.quote.is_stale(START_NS + 502 * MS)


def test_basis_is_noted_while_both_quotes_are_fresh() -> None:
    window, mate = RecentFlow(2_000), RecentFlow(2_000)
    quoted(window, 0, (100.0, 2.0), (101.0, 4.0))
    window.on_mate(START_NS, mate)
    assert window.basis.read(START_NS + 100 * MS) == (0.0, 0.0)
    quoted(mate, 0, (103.0, 2.0), (104.0, 4.0))
    window.on_mate(START_NS + 100 * MS, mate)
    assert window.basis.read(START_NS + 200 * MS) == (3.0, 0.0)


def test_state_of_other_shape_is_refused() -> None:
    state = RecentFlow(2_000).state()
    with pytest.raises(ValueError, match="bytes"):
        RecentFlow(2_000).load(state[:-8])
    with pytest.raises(ValueError, match="6 bids and 0 asks"):
        RecentFlow(2_000).load(state[:16] + b"\6" + state[17:])


def test_state_continues_bit_for_bit() -> None:
    window, other = RecentFlow(2_000), RecentFlow(2_000)
    for i in range(30):
        quoted(window, 11 * i, (100.0 + i % 3, 2.0), (103.0, 4.1))
        window.on_trade(START_NS + 11 * i * MS, 100.0, 0.1, 1 - 2 * (i % 2), 1)
    other.load(window.state())
    for each in (window, other):
        quoted(each, 400, (100.0, 2.3), (103.0, 4.1))
    assert other.state() == window.state()
