"""The further channels: only what is wanted, at its pace, in step with the market."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hunter.simulator.channels import CHANNELS, Key, Subject
from hunter.simulator.instruments import listing
from hunter.simulator.market import Market
from hunter.simulator.publicdata import PublicData

START_NS = 1_790_000_000_000_000_000
S, MS = 1_000_000_000, 1_000_000
SWAP, SPOT, INVERSE = "BTC-USDT-SWAP", "BTC-USDT", "BTC-USD-SWAP"


class Stage:
    """Three markets of BTC and what is said about them."""

    def __init__(self, rate: float = 10.0) -> None:
        names = (SWAP, SPOT, INVERSE)
        self.markets = {name: Market(listing(name), rate, 1, START_NS) for name in names}
        self.data = PublicData(self.markets, seed=1)
        self.now_ns = START_NS

    def run(self, seconds: float, *wanted: Key) -> list[tuple[int, Key, Any]]:
        """(time in ms since the start, key, row) of everything said."""
        found = []
        end_ns = self.now_ns + int(seconds * S)
        while self.now_ns < end_ns:
            self.now_ns += 50 * MS
            for market in self.markets.values():
                market.advance(self.now_ns)
            for push in self.data.advance(self.now_ns, wanted):
                frame = json.loads(push.text)
                found.append(
                    (
                        (self.now_ns - START_NS) // MS,
                        (push.channel, push.inst_id),
                        frame["data"][0],
                    )
                )
                name = CHANNELS[push.channel].subject.argument_key
                assert frame["arg"] == {"channel": push.channel, name: push.inst_id}
        return found

    def middle(self, name: str) -> float:
        market = self.markets[name]
        tick = float(market.listing.tick_size)
        return (market.bids.best_tick() + market.asks.best_tick()) / 2 * tick


def gaps(found: list[tuple[int, Key, Any]]) -> list[int]:
    times = [time for time, _, _ in found]
    return [after - before for before, after in pairwise(times)]


def test_nothing_is_said_to_nobody() -> None:
    assert Stage().run(3) == []


def test_mark_price_follows_the_middle_at_its_pace() -> None:
    stage = Stage()
    found = stage.run(10, ("mark-price", SWAP))
    assert len(found) > 20
    assert min(gaps(found)) >= 200
    assert abs(float(found[-1][2]["markPx"]) - stage.middle(SWAP)) < 5
    assert found[-1][2]["ts"] == str((START_NS // MS) + found[-1][0])
    assert set(found[-1][2]) == {"instId", "instType", "markPx", "ts"}


def test_index_follows_the_spot_market_and_knows_its_range() -> None:
    stage = Stage()
    found = stage.run(10, ("index-tickers", "BTC-USDT"))
    assert min(gaps(found)) >= 100
    rows = [row for _, _, row in found]
    prices = [float(row["idxPx"]) for row in rows]
    assert abs(prices[-1] / stage.middle(SPOT) - 1) < 1e-3
    assert float(rows[-1]["high24h"]) == max(prices)
    assert float(rows[-1]["low24h"]) == min(prices)
    assert rows[-1]["open24h"] == rows[0]["idxPx"]
    assert stage.data.current(("index-tickers", "LTC-USDT"), stage.now_ns) is None


def test_quiet_market_repeats_itself_at_the_longest_interval() -> None:
    stage = Stage(rate=0.0)
    keys = [("mark-price", SWAP), ("open-interest", SWAP), (("index-tickers"), "BTC-USDT")]
    for key, interval in zip(keys, (10_000, 60_000, 60_000), strict=True):
        found = stage.run(125, key)
        assert set(gaps(found)) == {interval}


def test_funding_is_on_the_grid_of_eight_hours_and_the_next_rate_is_empty() -> None:
    found = Stage().run(100, ("funding-rate", SWAP))
    assert gaps(found) == [45_000, 45_000]
    row = found[0][2]
    assert row["nextFundingRate"] == ""
    times = [int(row[name]) for name in ("prevFundingTime", "fundingTime", "nextFundingTime")]
    assert all(time % (8 * 3600 * 1000) == 0 for time in times)
    assert times[0] <= START_NS // MS < times[1] < times[2]
    low, rate, high = (
        float(row[name]) for name in ("minFundingRate", "fundingRate", "maxFundingRate")
    )
    assert low < rate < high


def test_open_interest_drifts_and_its_values_agree() -> None:
    stage = Stage()
    swap = stage.run(30, ("open-interest", SWAP))
    assert set(gaps(swap)) == {3_000}
    sizes = {row["oi"] for _, _, row in swap}
    assert len(sizes) == len(swap)
    row = swap[-1][2]
    assert Decimal(row["oiCcy"]) * 100 == Decimal(row["oi"])
    assert abs(float(row["oiUsd"]) / (float(row["oiCcy"]) * stage.middle(SWAP)) - 1) < 1e-3
    row = stage.run(4, ("open-interest", INVERSE))[-1][2]
    assert float(row["oiUsd"]) == float(row["oi"]) * 100
    assert abs(float(row["oiCcy"]) * stage.middle(INVERSE) / float(row["oiUsd"]) - 1) < 1e-3


def test_liquidations_come_now_and_then_and_only_of_their_type() -> None:
    stage = Stage()
    found = stage.run(120, ("liquidation-orders", "SWAP"))
    assert 10 < len(found) < 100
    names = {row["instId"] for _, _, row in found}
    assert names == {SWAP, INVERSE}
    for name in names:
        assert min(gaps([item for item in found if item[2]["instId"] == name])) >= 1_000
    for _, _, row in found:
        (detail,) = row["details"]
        assert (detail["side"], detail["posSide"]) in {("sell", "long"), ("buy", "short")}
        assert float(detail["sz"]) > 0
        assert abs(float(detail["bkPx"]) / stage.middle(SWAP) - 1) < 0.01
    assert Stage().run(30, ("liquidation-orders", "FUTURES")) == []
    assert Stage(rate=0.0).run(60, ("liquidation-orders", "SWAP")) == []


def test_candles_are_confirmed_once_at_their_end_and_pushed_once_a_second() -> None:
    stage = Stage()
    found = stage.run(130, ("candle1m", SWAP))
    assert min(gaps(found)) >= 900
    closed = [row for _, _, row in found if row[8] == "1"]
    opens = [int(row[0]) for row in closed]
    assert opens == sorted(set(opens))
    assert {after - before for before, after in pairwise(opens)} == {60_000}
    for row in closed:
        later = [r for _, _, r in found if r[0] == row[0] and r[8] == "0"]
        assert all(float(r[5]) <= float(row[5]) for r in later)


def test_bar_that_does_not_move_is_said_once_and_then_closed() -> None:
    stage = Stage()
    stage.run(5)
    for market in stage.markets.values():
        market.rest()
    found = stage.run(130, ("candle1m", SWAP))
    said = [(row[0], row[8]) for _, _, row in found]
    assert len(said) == len(set(said)) <= 6
    assert [confirm for _, confirm in said].count("1") == 2
    assert found[-1][2][5] == "0"


def test_second_candles_leave_no_second_out_even_when_the_loop_was_late() -> None:
    stage = Stage()
    stage.run(5, ("candle1s", SWAP))
    stage.now_ns += 5 * S
    rows = [row for _, _, row in stage.run(5, ("candle1s", SWAP)) if row[8] == "1"]
    opens = [int(row[0]) for row in rows]
    assert opens == list(range(opens[0], opens[0] + 1000 * len(opens), 1000))


def test_who_comes_back_is_not_told_of_old_bars() -> None:
    stage = Stage()
    stage.run(5, ("candle1s", SWAP))
    stage.run(20, ("mark-price", SWAP))
    rows = [row for _, _, row in stage.run(0.5, ("candle1s", SWAP))]
    assert len(rows) <= 1


def test_new_subscriber_is_told_what_is_now() -> None:
    stage = Stage()
    stage.run(2)
    for key in (("mark-price", SWAP), ("candle1H", SWAP), ("funding-rate", SWAP)):
        text = stage.data.current(key, stage.now_ns)
        assert text is not None
        assert json.loads(text)["arg"] == {"channel": key[0], "instId": SWAP}
    assert Stage(rate=0.0).data.current(("candle1H", SWAP), START_NS) is None


def test_every_channel_beyond_trades_and_books_is_made_here_or_by_a_fault() -> None:
    stage = Stage()
    others = {"trades", "trades-all", "tickers", "books", "books5", "bbo-tbt"}
    others |= {"instruments", "status", "liquidation-orders"}
    made = {name for name in CHANNELS if stage.data.makes(name)}
    assert made | others == set(CHANNELS)
    assert all(CHANNELS[name].subject in (Subject.INSTRUMENT, Subject.INDEX) for name in made)
