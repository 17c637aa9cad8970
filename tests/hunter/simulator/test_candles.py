"""Bars made of trades, against the plain sums over the trades."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hunter.simulator.candles import Ohlcv, Tape, grid_start_s
from hunter.simulator.channels import BARS, BarSpan
from hunter.simulator.instruments import listing

START_S = 1_790_000_000 - 1_790_000_000 % 86_400
TRADES = st.lists(
    st.tuples(st.integers(0, 200_000), st.integers(1, 50), st.integers(1, 9)), max_size=60
)


@given(TRADES, st.sampled_from(["candle1m", "candle3m", "candle5m", "candle1H"]))
def test_bar_is_what_its_trades_add_up_to(steps: list[tuple[int, int, int]], channel: str) -> None:
    tape, now_ms, trades = Tape(), START_S * 1000, []
    for gap_ms, tick, lots in steps:
        now_ms += gap_ms
        tape.add(now_ms, tick, lots)
        trades.append((now_ms, tick, lots))
    span = BARS[channel]
    for start_s in range(START_S, now_ms // 1000 + 1, span.seconds):
        inside = [(t, n) for ms, t, n in trades if start_s <= ms // 1000 < start_s + span.seconds]
        before = [tick for ms, tick, _ in trades if ms // 1000 < start_s]
        bar = tape.bar(span, start_s)
        if not inside and not before:
            assert bar is None
        elif not inside:
            flat = before[-1]
            assert bar == Ohlcv(start_s, flat, flat, flat, flat)
        else:
            ticks = [tick for tick, _ in inside]
            assert bar == Ohlcv(
                start_s, ticks[0], max(ticks), min(ticks), ticks[-1],
                sum(lots for _, lots in inside), sum(tick * lots for tick, lots in inside),
            )  # fmt: skip


def test_second_bars_and_memory_have_an_end() -> None:
    tape = Tape()
    for second in range(100_000, 200_000, 30):
        tape.add(second * 1000, second, 1)
    last = range(100_000, 200_000, 30)[-1]
    assert tape.bar(BARS["candle1s"], last) == Ohlcv(last, last, last, last, last, 1, last)
    assert tape.bar(BarSpan(86_400), 100_000) is not None
    assert tape.bar(BARS["candle1s"], 100_000) is None


def test_grid_of_long_bars_is_shifted_to_utc8_unless_named_utc() -> None:
    day_s = 86_400
    assert grid_start_s(BARS["candle1Dutc"], 10 * day_s + 5) == 10 * day_s
    assert grid_start_s(BARS["candle1D"], 10 * day_s + 5) == 10 * day_s - 8 * 3600
    assert grid_start_s(BARS["candle12H"], 10 * day_s + 5) == 10 * day_s - 8 * 3600
    assert grid_start_s(BARS["candle4H"], 10 * day_s + 5) == 10 * day_s


def test_row_has_each_kind_of_instruments_volumes() -> None:
    swap, spot, inverse = (listing(n) for n in ("BTC-USDT-SWAP", "BTC-USDT", "BTC-USD-SWAP"))
    bar = Ohlcv(60, 640_000, 640_010, 639_990, 640_000, 200, 200 * 640_000)
    assert bar.row(swap, False) == [
        "60000", "64000", "64001", "63999", "64000", "2", "0.02", "1280", "0",
    ]  # fmt: skip
    assert bar.row(spot, True)[5:] == ["0.000002", "0.128", "0.128", "1"]
    assert bar.row(inverse, True)[5:] == ["200", "0.31250000", "20000", "1"]
    flat = Ohlcv(60, 1, 1, 1, 1)
    assert flat.row(inverse, True)[5:] == ["0", "0", "0", "1"]
