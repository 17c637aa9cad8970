"""MarketContext: parity, availability, memory, state, and what is said in words."""

from __future__ import annotations

import random
import struct
from math import isfinite

import pytest
from fakes.context_rows import (
    MS,
    START_NS,
    ContextRow,
    Depth,
    Fill,
    Gap,
    S,
    feed,
    mirrored,
    random_context_rows,
    side_of,
)

from hunter.brain.context.context import STATE_BYTES_MAX, VALUES, MarketContext
from hunter.market.contract import contract_of

PARITY = {value.name: value.parity for value in VALUES}
CENTER = 1_000.0


def stamps(rows: list[ContextRow]) -> list[int]:
    """Event time after each row."""
    found, now_ns = [], 0
    for row in rows:
        now_ns = max(now_ns, row.stamp_ns)
        found.append(now_ns)
    return found


def fed(rows: list[ContextRow]) -> MarketContext:
    context = MarketContext()
    for row in rows:
        feed(context, row)
    return context


@pytest.mark.parametrize("seed", range(4))
def test_side_swap_turns_the_odd_values_and_leaves_the_even_ones(seed: int) -> None:
    rows = random_context_rows(seed, 8_000, spoil=seed > 0)
    context, other = MarketContext(), MarketContext()
    turned: dict[str, int] = dict.fromkeys(PARITY, 0)
    for number, (row, now_ns) in enumerate(zip(rows, stamps(rows), strict=True)):
        feed(context, row)
        feed(other, mirrored(row, CENTER))
        at_center = isinstance(row, Fill) and row.price == CENTER
        if number % 40 and not at_center:
            continue
        values, swapped = context.values(now_ns), other.values(now_ns)
        assert list(values) == list(swapped)
        for name, value in values.items():
            if PARITY[name] == "level":
                assert swapped[name] == pytest.approx(2 * CENTER - value, rel=1e-12)
            elif PARITY[name] == "even":
                assert swapped[name] == value
            elif at_center or not name.endswith("_bp"):
                assert swapped[name] == -value
            turned[name] += value != 0.0
    seldom = {"cvd_1h_size", "vwap_1h_price", "vwap_1h_deviation_bp", "large_print_quote"}
    seldom |= {"cvd_5m_size"} if seed else set()
    assert {name for name, count in turned.items() if not count} <= seldom


def test_an_hour_without_a_hole_gives_every_value_in_its_order() -> None:
    rows = random_context_rows(9, 40_000, spoil=False)
    for place, row in enumerate(rows):
        # Half a second apart: 40,000 rows are an hour and more.
        rows[place] = row._replace(stamp_ns=START_NS + place * 100 * MS)
    context = fed(rows)
    now_ns = rows[-1].stamp_ns
    contract = contract_of("BTC-USDT-SWAP", 1, 0.01, 1.0)
    values = context.values(now_ns, contract)
    assert list(values) == [value.name for value in VALUES]
    assert all(isfinite(value) for value in values.values())
    last = next(row.price for row in reversed(rows) if isinstance(row, Fill))
    assert values["large_print_quote"] == pytest.approx(values["large_print_size"] * last / 100)
    deviation_bp = (last - values["vwap_1h_price"]) / last * 1e4
    assert values["vwap_1h_deviation_bp"] == pytest.approx(deviation_bp)
    assert "large_print_quote" not in context.values(now_ns, contract_of("BTC-USDT-SWAP"))
    assert len(context.state()) <= STATE_BYTES_MAX


def test_nothing_is_available_of_nothing() -> None:
    assert MarketContext().values(START_NS) == {}
    assert MarketContext().words(START_NS) == ()


def test_without_trades_there_are_walls_but_no_verdict_on_them() -> None:
    context = MarketContext()
    book = (side_of(100.0, -0.5, {4: 60.0}), side_of(100.5, 0.5))
    context.on_book(START_NS, *book)
    assert list(context.values(START_NS)) == ["wall_imbalance"]
    context.on_trade(START_NS, 100.0, 1.0, 1, 1)
    assert list(context.values(START_NS)) == ["wall_imbalance", "pulled_walls_60s"]


def test_old_invalid_or_short_book_has_no_walls() -> None:
    context = MarketContext(stale_ms=1_000)
    bids, asks = side_of(100.0, -0.5, {4: 60.0}), side_of(100.5, 0.5)
    context.on_book(START_NS, bids, asks)
    assert context.values(START_NS + S)
    assert context.values(START_NS + S + 1) == {}
    context.on_book(START_NS + S, bids, asks)
    context.on_invalid_book()
    assert context.values(START_NS + S) == {}
    context.on_book(START_NS + S, bids[:10], asks[:10])
    assert context.values(START_NS + S) == {}


def test_cvd_of_a_window_is_there_once_all_of_it_was_seen() -> None:
    context = MarketContext()
    for second in range(3_700):
        context.on_trade(START_NS + second * S, 100.0, 2.0, 1, 1)
        now_ns = START_NS + second * S
        names = [name for name in context.values(now_ns) if name.startswith("cvd")]
        expected = [(60, "cvd_1m_size"), (300, "cvd_5m_size"), (3_600, "cvd_1h_size")]
        assert names == [name for window_s, name in expected if second >= window_s]
    values = context.values(now_ns)
    assert values["cvd_1m_size"] == 120.0
    assert 580.0 <= values["cvd_5m_size"] <= 600.0  # up to a cell of 10 s short
    assert 7_080.0 <= values["cvd_1h_size"] <= 7_200.0
    context.on_gap()
    context.on_trade(now_ns + S, 100.0, 2.0, 1, 1)
    assert not any(name.startswith(("cvd", "vwap", "abs")) for name in context.values(now_ns + S))


def test_window_in_which_nothing_was_traded_has_a_cvd_and_no_vwap() -> None:
    context = MarketContext()
    context.on_trade(START_NS, 100.0, 2.0, 1, 1)
    values = context.values(START_NS + 61 * S)
    assert values["cvd_1m_size"] == 0.0
    assert "vwap_1m_price" not in values


def test_order_does_not_go_on_over_a_gap() -> None:
    contexts = MarketContext(), MarketContext()
    for number, context in enumerate(contexts):
        for place in range(400):
            context.on_trade(START_NS + place * MS, 100.0, 1.0, 1, 1)
        context.on_trade(START_NS + S, 100.0, 6.0, 1, 1)
        if number:
            context.on_gap()
        context.on_trade(START_NS + S, 100.0, 6.0, 1, 1)
    assert contexts[0].words(START_NS + S)
    assert not contexts[1].words(START_NS + S)


def test_row_without_size_is_none() -> None:
    context = MarketContext()
    before = context.state()
    context.on_trade(START_NS, 100.0, 0.0, 1, 1)
    assert context.state() == before


@pytest.mark.parametrize("seed", range(3))
def test_reading_changes_nothing_and_state_goes_on_bit_for_bit(seed: int) -> None:
    rows = random_context_rows(seed, 4_000)
    dice = random.Random(seed)
    whole, part = MarketContext(), MarketContext()
    for row, now_ns in zip(rows, stamps(rows), strict=True):
        feed(whole, row)
        feed(part, row)
        if dice.random() < 0.02:
            state = part.state()
            part.values(now_ns + 5 * S)
            part.words(now_ns + 5 * S)
            assert part.state() == state
            part = MarketContext()
            part.load(state)
            assert part.values(now_ns) == whole.values(now_ns)
            assert part.words(now_ns) == whole.words(now_ns)
            assert len(state) <= STATE_BYTES_MAX
    assert part.state() == whole.state()


def test_state_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    context = fed(random_context_rows(1, 2_000))
    state = context.state()
    for bad in (b"", state[:4], state[:-1], state + b"\0", b"\x02" + state[1:], bytes(len(state))):
        with pytest.raises(ValueError, match="context"):
            context.load(bad)
    traded, prints, _ = struct.unpack_from("<HHH", state, 1)
    end = 7 + traded + prints
    with pytest.raises(ValueError, match="large prints contradict"):
        context.load(state[: end - 2_000] + b"\1" * 2_000 + state[end:])
    assert context.state() == state


def test_truncating_the_future_changes_nothing() -> None:
    rows = random_context_rows(5, 3_000)
    times = stamps(rows)
    context, told = MarketContext(), []
    for row, now_ns in zip(rows, times, strict=True):
        feed(context, row)
        told.append(context.values(now_ns))
    for count in (500, 1_700):
        assert fed(rows[:count]).values(times[count - 1]) == told[count - 1]


def test_what_is_out_of_the_ordinary_is_said_in_words() -> None:
    context = MarketContext()
    for second in range(400):
        at_ns = START_NS + second * S
        context.on_trade(at_ns, 100.5 + second % 2 / 2, 1.0, 1, 1)
        context.on_trade(at_ns + MS, 100.0 + second % 2 / 2, 1.0, -1, 1)
    at_ns = START_NS + 400 * S
    assert context.words(at_ns) == ()
    context.on_trade(at_ns, 100.5, 1_250.0, 1, 40)
    bids, asks = side_of(100.0, -0.5, {4: 60.0}), side_of(100.5, 0.5, {7: 90.0})
    context.on_book(at_ns, bids, asks)
    context.on_book(at_ns + 100 * MS, bids, side_of(100.5, 0.5))
    context.on_trade(at_ns + S, 100.5, 1.0, 1, 1)
    said = "; ".join(context.words(at_ns + S))
    assert "1,250 bought at 100.5 1.0 s ago" in said
    assert "large prints: " in said
    assert "of a minute's volume bought" in said
    assert "buyers absorbed: flow " in said
    assert "ask walls were pulled" in said
    assert "bid walls hold 61% of the book" in said
    mirror = MarketContext()
    for second in range(400):
        mirror.on_trade(START_NS + second * S, 100.0, 1.0, 1, 1)
    for second in range(400, 4_100):
        mirror.on_trade(START_NS + second * S, 100.0, 1.0, 1, 1)
    mirror.on_trade(START_NS + 4_100 * S, 99.0, 1.0, -1, 1)
    assert any("below 1 h VWAP" in text for text in mirror.words(START_NS + 4_100 * S))


def test_gap_row_and_invalid_book_are_taken() -> None:
    context = fed([Gap(START_NS), Depth(START_NS, None, None), Fill(START_NS, 1.0, 1.0, 1)])
    assert context.values(START_NS) == {}
