"""Recorded markets through the whole system: every match, the last book, every input."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import HunterInstance, Simulator, running, wait_until

pytestmark = pytest.mark.system

SWAP = "BTC-USDT-SWAP"


class Recorded:
    """What a recording says happened, read without any of hunter's code."""

    def __init__(self, path: Path) -> None:
        self.counts: Counter[str] = Counter()
        self.trades: list[tuple[Any, ...]] = []
        self.sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
        with gzip.open(path, "rt") as lines:
            for line in lines:
                self._take(json.loads(line.partition(" ")[2]))

    def _take(self, frame: dict[str, Any]) -> None:
        channel = frame["arg"]["channel"]
        self.counts[channel] += 1
        for item in frame["data"]:
            if channel == "trades":
                identity = (int(item["tradeId"]), int(item["count"]), item["side"])
                self.trades.append((*identity, float(item["px"]), float(item["sz"])))
            elif channel == "books":
                for side, levels in self.sides.items():
                    if frame["action"] == "snapshot":
                        levels.clear()
                    for price, size, *_ in item[side]:
                        levels[float(price)] = float(size)
                    for price in [p for p, s in levels.items() if not s]:
                        del levels[price]

    def top(self, side: str) -> list[list[float]]:
        levels = self.sides[side]
        return [[p, levels[p]] for p in sorted(levels, reverse=side == "bids")[:20]]


@pytest.mark.parametrize("speed", ["max", pytest.param("10", marks=pytest.mark.slow)])
def test_replayed_market_is_in_the_ring_and_reaches_the_brain(
    home: Path, captures: Path, speed: str
) -> None:
    path = captures / "okx-framed-binance" / f"{SWAP}.jsonl.gz"
    recorded = Recorded(path)
    sim = ("--replay", str(path), "--speed", speed)
    with running(home, "ring.capacity=16384", sim=sim) as (instance, _):
        wanted = {"trades": 0, "tickers": 0, "books": 0, "bbo": recorded.counts["bbo-tbt"]}
        wanted |= {name: recorded.counts[name] for name in ("trades", "tickers", "books")}
        wait_until("every input", lambda: instance.status()["brain"]["inputs"] == wanted, 90, 0.25)
        rows = instance.trades(SWAP, 20_000)
        got = [(r["trade_id"], r["count"], r["side"], r["price"], r["size"]) for r in rows]
        assert got == recorded.trades
        assert [r["sequence"] for r in rows] == list(range(1, len(rows) + 1))
        book = instance.book(SWAP)
        assert book["valid"]
        assert book["bids"] == recorded.top("bids")
        assert book["asks"] == recorded.top("asks")
        report = instance.status()
        for feed in report["feeds"]:
            assert (feed["lost"], feed["gaps"], feed["malformed"]) == (0, 0, 0), feed
        assert report["brain"]["lapped"] == 0
        signals = instance.signals()
        assert {item["direction"] for item in signals} == {"up", "down", "flat"}
        assert len({item["id"] for item in signals}) == len(signals)


def test_two_replays_of_one_market_tell_the_same_signals(home: Path, captures: Path) -> None:
    """Event time: what is decided does not depend on how fast the market came."""
    path = captures / "okx-framed-binance" / "BTC-USDT.jsonl.gz"
    total = sum(Recorded(path).counts.values())
    told = []
    for number in (1, 2):
        directory = home / str(number)
        directory.mkdir()
        sim = ("--replay", str(path), "--speed", "max")
        settings = ('okx.instruments=["BTC-USDT"]', "ring.capacity=16384")
        with running(directory, *settings, sim=sim) as (instance, _):
            wait_until("every row", lambda i=instance: _inputs(i) == total, 60, 0.25)
            told.append([_timeless(item) for item in instance.signals()])
    assert told[0] == told[1]
    assert told[0]


def _inputs(instance: HunterInstance) -> int:
    return sum(instance.status()["brain"]["inputs"].values())


def _timeless(item: dict[str, Any]) -> dict[str, Any]:
    """A signal without what depends on when it was received, and on the ring's name."""
    kept = {k: v for k, v in item.items() if k not in ("decided_ts_ns", "latency_us")}
    kept["id"] = item["id"].partition("-")[2]
    kept["quality"] = {k: v for k, v in item["quality"].items() if k != "lag_ms"}
    return kept


def test_verbatim_recording_of_2022_replays_without_an_error(home: Path, captures: Path) -> None:
    """Frames as OKX sent them: no count, no seqId, checksums that must match."""
    path = captures / "okx-2022-cryptofeed" / "OKX.ws.1.0.gz"
    instruments = '["BTC-USDT", "UNI-USD-SWAP", "BTC-USD-220527"]'
    settings = (f"okx.instruments={instruments}", 'okx.channels=["trades", "tickers", "books"]')
    simulator = Simulator("--replay", str(path), "--speed", "max")
    instance = HunterInstance(home, settings, simulator.port)
    try:
        instance.start()
        wait_until("every book", lambda: instance.status()["brain"]["inputs"]["books"] == 290, 30)
        report = instance.status()
        assert report["brain"]["inputs"]["trades"] == 74
        assert report["brain"]["inputs"]["tickers"] == 28
        for feed in report["feeds"]:
            assert (feed["lost"], feed["gaps"], feed["malformed"]) == (0, 0, 0), feed
        for name in ("BTC-USDT", "UNI-USD-SWAP", "BTC-USD-220527"):
            assert instance.book(name)["valid"]
        assert " ERROR " not in instance.log("stream-0")
    finally:
        instance.stop()
        simulator.stop()
