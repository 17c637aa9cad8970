"""Bars against a slow definition, with holes and odd stamps, and against OKX's own sums."""

from __future__ import annotations

import gzip
import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.market.bars import BARS, BarBuilder, BarFlag, BarTrade, TradeBar, bars_array, bars_of
from hunter.market.contract import contract_of
from hunter.simulator.candles import Tape
from hunter.simulator.channels import BARS as CANDLES
from hunter.simulator.frames import PublishedTrade
from hunter.simulator.instruments import listing
from hunter.simulator.market import Market

S = 1_000_000_000
START_NS = 1_790_000_000 * S - 1_790_000_000 * S % (3_600 * S)
CAPTURE = Path(__file__).parents[4] / "shared/captures/okx-2022-cryptofeed/OKX.ws.1.0.gz"
SWAP = contract_of("BTC-USDT-SWAP", 1, 0.01, 1.0)
INVERSE = contract_of("BTC-USD-SWAP", 2, 100.0, 1.0)
UNKNOWN = contract_of("ETH-USDT-SWAP")


def row(trade_id: int, at_s: float, **other: Any) -> BarTrade:
    stamp_ns = START_NS + int(at_s * S)
    values: dict[str, Any] = {"matches": 1, "price": 100.0, "size": 1.0, "side": 1}
    values |= {"received_ts_ns": stamp_ns + 3_000_000, **other}
    return BarTrade(trade_id=trade_id, exchange_ts_ns=stamp_ns, **values)


def bars(rows: list[BarTrade], bar_s: int = 60, contract: Any = SWAP) -> list[TradeBar]:
    return list(bars_of(rows, bar_s, contract))


ROWS = st.lists(
    st.tuples(
        st.integers(0, 400_000),  # ms since the row before
        st.integers(1, 400),  # quarter ticks
        st.integers(1, 99),  # hundredths of a size
        st.sampled_from((1, -1)),
        st.integers(1, 5),  # matches
        st.sampled_from((0, 0, 0, 0, 1, 3)),  # matches missing before it
    ),
    min_size=1,
    max_size=40,
)


def chain(steps: list[tuple[int, ...]]) -> list[BarTrade]:
    rows, at_ms, trade_id = [], 0, 1_000
    for gap_ms, quarters, hundredths, side, matches, missing in steps:
        at_ms += gap_ms
        trade_id += matches + missing
        price, size = quarters / 4, hundredths / 100
        rows.append(row(trade_id, at_ms / 1000, matches=matches, price=price, size=size, side=side))
    return rows


@given(ROWS, st.sampled_from(sorted(BARS)))
def test_bars_are_what_their_trades_add_up_to(steps: list[tuple[int, ...]], name: str) -> None:
    rows, bar_ns = chain(steps), BARS[name] * S
    expected = sorted({one.exchange_ts_ns // bar_ns * bar_ns for one in rows})
    found = bars(rows, BARS[name])
    assert [bar.open_ts_ns for bar in found] == expected
    running = Fraction()
    for bar in found:
        inside = [one for one in rows if one.exchange_ts_ns // bar_ns * bar_ns == bar.open_ts_ns]
        prices = [one.price for one in inside]
        assert bar[1:5] == (prices[0], max(prices), min(prices), prices[-1])
        sizes = [Fraction(one.size) for one in inside]
        bought = sum(size for size, one in zip(sizes, inside, strict=True) if one.side > 0)
        paid = sum(size * Fraction(one.price) for size, one in zip(sizes, inside, strict=True))
        running += 2 * bought - sum(sizes)
        assert bar.volume == pytest.approx(float(sum(sizes)), rel=1e-15)
        assert bar.buy_volume == pytest.approx(float(bought), rel=1e-15)
        assert bar.sell_volume == pytest.approx(float(sum(sizes) - bought), rel=1e-15)
        assert bar.cvd == pytest.approx(float(2 * bought - sum(sizes)), abs=1e-13)
        assert bar.cvd_running == pytest.approx(float(running), abs=1e-13)
        assert bar.volume_base == pytest.approx(float(sum(sizes)) / 100, rel=1e-12)
        assert bar.volume_quote == pytest.approx(float(paid) / 100, rel=1e-12)
        assert bar.vwap == pytest.approx(float(paid / sum(sizes)), rel=1e-12)
        assert bar.matches == sum(one.matches for one in inside)
        assert bar.last_trade_id == inside[-1].trade_id
        assert bar.first_trade_id == inside[0].trade_id - inside[0].matches + 1
        assert not bar.misplaced


@given(ROWS)
def test_only_whole_bars_are_complete(steps: list[tuple[int, ...]]) -> None:
    rows = chain(steps)
    found = bars(rows)
    edges = [
        {before.exchange_ts_ns // (60 * S), after.exchange_ts_ns // (60 * S)}
        for before, after in itertools.pairwise(rows)
        if after.trade_id - after.matches != before.trade_id
    ]
    for place, bar in enumerate(found):
        holed = any(bar.open_ts_ns // (60 * S) in edge for edge in edges)
        flags = BarFlag.HOLE if holed else BarFlag(0)
        flags |= BarFlag.CUT if place == 0 else BarFlag(0)
        flags |= BarFlag.UNDER_WAY if place == len(found) - 1 else BarFlag(0)
        assert bar.flags == flags
        assert bar.complete is (not flags)


@given(ROWS)
def test_side_swap_turns_what_is_odd_and_nothing_else(steps: list[tuple[int, ...]]) -> None:
    rows = chain(steps)
    mirrored = [one._replace(price=200.0 - one.price, side=-one.side) for one in rows]
    for bar, other in zip(bars(rows), bars(mirrored), strict=True):
        assert (other.cvd, other.cvd_running) == (-bar.cvd, -bar.cvd_running)
        assert (other.buy_volume, other.sell_volume) == (bar.sell_volume, bar.buy_volume)
        assert (other.volume, other.matches, other.flags) == (bar.volume, bar.matches, bar.flags)
        assert (other.high, other.low) == (200.0 - bar.low, 200.0 - bar.high)


def test_trade_at_the_very_end_of_a_bar_opens_the_next_one() -> None:
    found = bars([row(1, 5), row(2, 60), row(3, 119.999), row(4, 120)])
    assert [(bar.open_ts_ns - START_NS) // S for bar in found] == [0, 60, 120]
    assert [bar.matches for bar in found] == [1, 2, 1]


def test_bar_without_trades_is_not_made() -> None:
    found = bars([row(1, 5), row(2, 65), row(3, 245), row(4, 301)])
    assert [(bar.open_ts_ns - START_NS) // S for bar in found] == [0, 60, 240, 300]
    assert [bar.complete for bar in found] == [False, True, True, False]
    assert [bar.why_not for bar in found] == ["begins before what was seen", "", "", "under way"]


def test_row_after_a_loss_marks_both_bars_it_lies_between() -> None:
    found = bars([row(1, 5), row(2, 65), row(3, 130, after_loss=True), row(4, 190), row(5, 250)])
    assert [bool(bar.flags & BarFlag.HOLE) for bar in found] == [False, True, True, False, False]
    assert found[1].why_not == "matches are missing"


def test_late_row_counts_in_the_bar_under_way_and_is_told() -> None:
    found = bars([row(1, 5), row(2, 65), row(3, 58, size=7.0), row(4, 70), row(5, 125)])
    assert [bar.volume for bar in found] == [1.0, 9.0, 1.0]
    assert [bar.misplaced for bar in found] == [0, 1, 0]
    assert found[1].complete


def test_absurd_stamp_makes_no_bar_of_its_own_until_three_say_so() -> None:
    received_ns = START_NS + 70 * S
    absurd = row(3, 86_400, received_ts_ns=received_ns)
    found = bars([row(1, 5), row(2, 65), absurd, row(4, 71), row(5, 125)])
    assert [(bar.open_ts_ns - START_NS) // S for bar in found] == [0, 60, 120]
    assert [bar.misplaced for bar in found] == [0, 1, 0]
    three = [row(n, 86_400 + n, received_ts_ns=received_ns + n) for n in (3, 4, 5)]
    found = bars([row(1, 5), row(2, 65), *three, row(6, 86_461)])
    assert [(bar.open_ts_ns - START_NS) // S for bar in found] == [0, 60, 86_400, 86_460]
    assert [bar.misplaced for bar in found] == [0, 2, 0, 0]
    # Two of its rows are in the bar before.
    assert found[2].flags == BarFlag.CUT
    assert found[3].flags == BarFlag.UNDER_WAY


def test_each_leap_of_the_stamps_has_to_be_said_three_times() -> None:
    received_ns = START_NS + 70 * S
    days = [row(n, 86_400 + n, received_ts_ns=received_ns + n) for n in (2, 3, 4)]
    lone = row(5, 3 * 86_400, received_ts_ns=received_ns + 5)
    found = bars([row(1, 65), *days, lone, row(6, 86_420)])
    assert [(bar.open_ts_ns - START_NS) // S for bar in found] == [60, 86_400]
    assert [bar.misplaced for bar in found] == [2, 1]


def test_market_that_slept_is_believed_at_once() -> None:
    found = bars([row(1, 5), row(2, 7_205), row(3, 7_300)])
    assert [(bar.open_ts_ns - START_NS) // S for bar in found] == [0, 7_200, 7_260]


def test_absurd_first_stamp_is_put_where_it_was_received() -> None:
    found = bars([row(1, 864_000, received_ts_ns=START_NS), row(2, 1), row(3, 61)])
    assert [(bar.open_ts_ns - START_NS) // S for bar in found] == [0, 60]


def test_row_that_comes_twice_counts_once_and_a_new_series_is_a_hole() -> None:
    builder = BarBuilder(60, SWAP)
    assert builder.under_way() is None
    for one in (row(10, 1), row(11, 2), row(11, 2), row(10, 3)):
        assert builder.add(one) is None
    under_way = builder.under_way()
    assert under_way is not None
    assert (under_way.matches, builder.duplicates) == (2, 2)
    builder.add(row(12, -8))  # late: the newest stamp stays what it was
    assert builder.add(row(9, 4)) is None
    assert builder.duplicates == 3
    assert builder.add(row(1, 20)) is None  # ids begin again, and much later
    under_way = builder.under_way()
    assert under_way is not None
    assert under_way.matches == 4
    assert under_way.flags == BarFlag.CUT | BarFlag.HOLE | BarFlag.UNDER_WAY


def test_units_of_an_inverse_contract_and_of_one_not_known() -> None:
    rows = [row(1, 1, price=20_000.0, size=4.0), row(2, 2, price=40_000.0, size=4.0, side=-1)]
    (bar,) = bars(rows, contract=INVERSE)
    assert bar.volume_quote == 800.0
    assert bar.volume_base == pytest.approx(0.02 + 0.01)
    assert bar.vwap == pytest.approx(800 / 0.03)
    assert (bar.volume, bar.cvd) == (8.0, 0.0)
    (bar,) = bars(rows, contract=UNKNOWN)
    assert (bar.volume_base, bar.volume_quote) == (None, None)
    assert bar.vwap == 30_000.0
    array = bars_array([bar])
    assert array["volume_base"].tolist() != [0.0]
    assert str(array["volume_base"][0]) == str(array["volume_quote"][0]) == "nan"


def test_array_has_the_fields_of_a_bar() -> None:
    found = bars([row(1, 5), row(2, 65), row(3, 125)])
    array = bars_array(found)
    assert array.shape == (3,)
    assert array.dtype.names == (*TradeBar._fields, "complete")
    assert array["complete"].tolist() == [False, True, False]
    assert array["open_ts_ns"].tolist() == [bar.open_ts_ns for bar in found]
    assert array["vwap"].tolist() == [100.0] * 3
    assert bars_array([]).shape == (0,)


@pytest.mark.parametrize("name", ["BTC-USDT-SWAP", "BTC-USD-SWAP", "BTC-USDT"])
def test_bars_of_the_simulators_trades_are_its_candles(name: str) -> None:
    item = listing(name)
    market = Market(item, 40.0, 5, START_NS)
    contract = contract_of(name, None, float(item.contract_value or "nan"))
    tape, rows = Tape(), []
    for push in market.advance(START_NS + 9 * S) + market.advance(START_NS + 18 * S):
        body = push.body
        if isinstance(body, PublishedTrade):
            units = round(float(body.size) / float(item.lot_size))
            tape.add(body.ts_ms, item.ticks(body.price), units)
            side = 1 if body.side == "buy" else -1
            at = (body.ts_ms * 1_000_000,) * 2
            numbers = (float(body.price), float(body.size))
            rows.append(BarTrade(body.trade_id, body.match_count, *at, *numbers, side))
    assert len(rows) > 300
    for bar in bars(rows, 1, contract):
        candle = tape.bar(CANDLES["candle1s"], bar.open_ts_ns // S)
        assert candle is not None
        opened, *numbers, _ = candle.row(item, True)
        assert int(opened) * 1_000_000 == bar.open_ts_ns
        currency = bar.volume_quote if name == "BTC-USDT" else bar.volume_base
        prices = (bar.open, bar.high, bar.low, bar.close)
        assert [float(text) for text in numbers] == pytest.approx(
            [*prices, bar.volume, currency, bar.volume_quote], rel=1e-6
        )


def recorded(name: str) -> tuple[list[BarTrade], list[dict[str, str]]]:
    """Trades and tickers of 2022, when a row was one match and nobody said so."""
    if not CAPTURE.is_file():
        pytest.skip("the capture of 2022 is not here")
    trades, tickers = [], []
    for line in gzip.decompress(CAPTURE.read_bytes()).decode().splitlines():
        text = line.partition(": ")[2]
        frame = json.loads(text) if text.startswith('{"arg"') else {}
        if frame.get("arg", {}).get("instId") != name:
            continue
        (data, *_) = frame["data"]
        if frame["arg"]["channel"] == "tickers":
            tickers.append(data)
        elif frame["arg"]["channel"] == "trades":
            stamp_ns = int(data["ts"]) * 1_000_000
            side = 1 if data["side"] == "buy" else -1
            numbers = (float(data["px"]), float(data["sz"]))
            trades.append(BarTrade(int(data["tradeId"]), 1, stamp_ns, stamp_ns, *numbers, side))
    return trades, tickers


@pytest.mark.parametrize(
    ("name", "value", "places"), [("BTC-USDT", None, 8), ("BTC-USD-220527", 100.0, 4)]
)
def test_volume_is_what_the_exchange_added_to_its_own(
    name: str, value: float | None, places: int
) -> None:
    """Real frames: what vol24h and volCcy24h grew by within ten seconds is what we count."""
    trades, tickers = recorded(name)
    first, last = int(tickers[0]["ts"]), int(tickers[-1]["ts"])
    inside = [one for one in trades if first < one.exchange_ts_ns // 1_000_000 <= last]
    assert inside
    (bar,) = bars(inside, 3_600, contract_of(name, None, value))
    grown = float(tickers[-1]["vol24h"]) - float(tickers[0]["vol24h"])
    assert bar.volume == pytest.approx(grown, abs=1e-8)
    currency = bar.volume_quote if name == "BTC-USDT" else bar.volume_base
    grown = float(tickers[-1]["volCcy24h"]) - float(tickers[0]["volCcy24h"])
    assert currency == pytest.approx(grown, abs=10**-places * 1.1)
