"""The synthetic market: chains without holes, a book that is a book, and a truth to find."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hunter.simulator.frames import PublishedTrade, Push
from hunter.simulator.instruments import listing
from hunter.simulator.market import CATCH_UP_NS_MAX, Market, Resume

START_NS = 1_790_000_000_000_000_000
SECOND_NS = 1_000_000_000


def run(market: Market, seconds: float, step_ns: int = 50_000_000) -> list[Push]:
    pushes, now_ns = [], START_NS
    end_ns = START_NS + int(seconds * SECOND_NS)
    while now_ns < end_ns:
        now_ns = min(end_ns, now_ns + step_ns)
        pushes += market.advance(now_ns)
    return pushes


def market(name: str = "BTC-USDT-SWAP", rate: float = 20.0, seed: int = 1) -> Market:
    return Market(listing(name), rate, seed, START_NS)


def rows_of(pushes: list[Push]) -> list[PublishedTrade]:
    return [push.body for push in pushes if isinstance(push.body, PublishedTrade)]


def data(push: Push) -> Any:
    return json.loads(push.text)["data"][0]


@settings(max_examples=12)
@given(
    st.integers(0, 1000),
    st.sampled_from([1.0, 20.0, 300.0]),
    st.sampled_from(["BTC-USDT-SWAP", "ETH-USDT", "FOO-USDT", "X-USD-251226"]),
)
def test_ids_and_sequences_chain_and_the_book_is_never_crossed(
    seed: int, rate: float, name: str
) -> None:
    last_id = last_seq = book_seq = -1
    bids: dict[Decimal, Decimal] = {}
    asks: dict[Decimal, Decimal] = {}
    for push in run(market(name, rate, seed), 3.0):
        row = data(push)
        if push.channel == "trades":
            if last_id >= 0:
                assert int(row["tradeId"]) - int(row["count"]) == last_id
            last_id = int(row["tradeId"])
            assert Decimal(row["sz"]) > 0
        if "seqId" in row:
            assert row["seqId"] >= last_seq
            last_seq = row["seqId"]
        if push.channel != "books":
            continue
        assert row["prevSeqId"] == book_seq < row["seqId"]
        assert row["checksum"] == 0
        book_seq = row["seqId"]
        for side, levels in ((bids, row["bids"]), (asks, row["asks"])):
            for price, size, _, orders in levels:
                assert (size == "0") == (orders == "0")
                if size == "0":
                    del side[Decimal(price)]
                else:
                    side[Decimal(price)] = Decimal(size)
        assert len(bids) == len(asks) == 400
        assert max(bids) < min(asks)


@settings(max_examples=10)
@given(st.lists(st.integers(0, 400_000_000), max_size=20), st.integers(0, 99))
def test_pushes_do_not_depend_on_how_often_time_is_told(gaps_ns: list[int], seed: int) -> None:
    end_ns = START_NS + SECOND_NS
    often, once = market(seed=seed), market(seed=seed)
    pushes, now_ns = [], START_NS
    for gap_ns in gaps_ns:
        now_ns = min(end_ns, now_ns + gap_ns)
        pushes += often.advance(now_ns)
    pushes += often.advance(end_ns)
    assert pushes == once.advance(end_ns)


def test_mean_rate_is_the_one_asked_for() -> None:
    rows = rows_of(run(market(rate=50.0), 150.0, step_ns=SECOND_NS))
    assert abs(len(rows) / 150.0 - 50.0) < 8.0


def test_matches_on_the_business_channel_add_up_to_the_rows() -> None:
    pushes = run(market(rate=200.0), 5.0)
    rows = rows_of(pushes)
    singles = [data(push) for push in pushes if push.channel == "trades-all"]
    assert len(singles) == sum(row.match_count for row in rows)
    ids = [int(single["tradeId"]) for single in singles]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert sum(Decimal(single["sz"]) for single in singles) == sum(Decimal(r.size) for r in rows)


def test_sweep_rows_share_millisecond_and_sequence() -> None:
    rows = rows_of(run(market(rate=300.0), 20.0, step_ns=SECOND_NS))
    sizes = Counter(row.seq_id for row in rows)
    seq_id, count = sizes.most_common(1)[0]
    sweep = [row for row in rows if row.seq_id == seq_id]
    assert count >= 5
    assert len({row.ts_ms for row in sweep}) == len({row.side for row in sweep}) == 1
    prices = [Decimal(row.price) for row in sweep]
    assert prices == sorted(prices, reverse=sweep[0].side == "sell")
    assert max(row.match_count for row in rows) > 1


def test_pushes_keep_their_slots() -> None:
    times: dict[str, list[int]] = {"books": [], "bbo-tbt": [], "tickers": [], "books5": []}
    for push in run(market(rate=300.0), 5.0):
        if push.channel in times:
            times[push.channel].append(int(data(push)["ts"]))
    least_ms = {"books": 100, "bbo-tbt": 10, "tickers": 100, "books5": 100}
    for channel, stamps in times.items():
        gaps = [later - earlier for earlier, later in pairwise(stamps)]
        assert gaps
        assert min(gaps) >= least_ms[channel], channel


def test_best_prices_and_ticker_show_changes_only() -> None:
    last: dict[str, Any] = {}
    for push in run(market(), 10.0):
        if push.channel == "bbo-tbt":
            row = data(push)
            shown = (row["bids"], row["asks"])
            assert shown != last.get("bbo")
            last["bbo"] = shown
        elif push.channel == "tickers":
            row = data(push)
            assert (row["bidPx"], row["askPx"]) == (last["bbo"][0][0][0], last["bbo"][1][0][0])
            assert Decimal(row["low24h"]) <= Decimal(row["last"]) <= Decimal(row["high24h"])


def test_frozen_market_opens_and_then_says_nothing() -> None:
    quiet = market(rate=0.0)
    assert [push.channel for push in quiet.advance(START_NS)] == ["bbo-tbt", "books", "books5"]
    assert quiet.advance(START_NS + 9 * SECOND_NS) == []
    assert quiet.advance(START_NS + 3600 * SECOND_NS) == []


def test_long_sleep_is_skipped_and_the_chain_holds() -> None:
    sleeper = market()
    before = rows_of(run(sleeper, 5.0))
    after_ns = START_NS + 7200 * SECOND_NS
    after = rows_of(sleeper.advance(after_ns))
    assert after[0].trade_id - after[0].match_count == before[-1].trade_id
    assert after[0].ts_ms >= (after_ns - CATCH_UP_NS_MAX) // 1_000_000 - 10
    assert sleeper.next_due_ns() > after_ns


def test_time_that_stands_still_or_goes_back_pushes_nothing() -> None:
    one = market()
    run(one, 1.0)
    assert one.advance(START_NS + SECOND_NS) == []
    assert one.advance(START_NS) == []


def test_resumed_market_goes_on_where_the_last_run_ended() -> None:
    resume = Resume(trade_id=5000, seq_id=90_000, price="70000.5")
    resumed = Market(listing("BTC-USDT-SWAP"), 20.0, 1, START_NS, resume)
    rows = rows_of(run(resumed, 3.0))
    assert rows[0].trade_id - rows[0].match_count == 5000
    assert rows[0].seq_id > 90_000
    assert abs(Decimal(rows[0].price) - Decimal("70000.5")) < 50


def test_later_start_never_gives_old_numbers_again() -> None:
    first = rows_of(run(market(rate=2000.0), 2.0, SECOND_NS))
    later = Market(listing("BTC-USDT-SWAP"), 20.0, 1, START_NS + 3 * SECOND_NS)
    second = rows_of(later.advance(START_NS + 6 * SECOND_NS))
    assert second[0].trade_id - second[0].match_count >= first[-1].trade_id


def test_sequence_reset_falls_back_once_and_still_chains() -> None:
    one = market()
    books = [push for push in one.advance(START_NS + SECOND_NS) if push.channel == "books"]
    last = data(books[-1])["seqId"]
    one.reset_sequence()
    after = [p for p in one.advance(START_NS + 2 * SECOND_NS) if p.channel == "books"]
    assert data(after[0])["prevSeqId"] == last > data(after[0])["seqId"]
    assert data(after[1])["prevSeqId"] == data(after[0])["seqId"] < data(after[1])["seqId"]


@pytest.mark.parametrize("seed", [1, 2])
def test_queue_imbalance_weakly_predicts_the_next_second(seed: int) -> None:
    one = market(seed=seed)
    tops = []
    for step in range(1, 3_000):
        one.advance(START_NS + step * 100_000_000)
        bid, ask = one.bids.best_lots(), one.asks.best_lots()
        tops.append(((bid - ask) / (bid + ask), one.bids.best_tick() + one.asks.best_tick()))
    pairs = [(tops[i][0], tops[i + 10][1] - tops[i][1]) for i in range(0, len(tops) - 10, 3)]
    ups = [imbalance for imbalance, move in pairs if move > 0]
    downs = sorted(imbalance for imbalance, move in pairs if move < 0)
    auc = sum(bisect_left(downs, value) for value in ups) / (len(ups) * len(downs))
    assert len(ups) + len(downs) > 350
    assert 0.58 < auc < 0.85, auc
