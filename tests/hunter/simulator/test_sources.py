"""What drives the exchange, tried without sockets where possible."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hunter.simulator.exchange import Exchange
from hunter.simulator.frames import PublishedTrade
from hunter.simulator.options import SimOptions
from hunter.simulator.recording import Recording
from hunter.simulator.sources import open_markets, run_markets, run_replay

NAME = "BTC-USDT-SWAP"


class Reader:
    """A subscriber that is behind after `room_for` frames and catches up a little later."""

    conn_id = "feedface"

    def __init__(self, exchange: Exchange, room_for: int) -> None:
        self.heard: list[bytes] = []
        self.most_unread = 0
        self._unread = 0
        self._room_for = room_for
        self._exchange = exchange

    @property
    def is_behind(self) -> bool:
        return self._unread > self._room_for

    def push(self, push: Any, wire: bytes) -> None:
        self.heard.append(push.text)
        self._unread += 1
        self.most_unread = max(self.most_unread, self._unread)

    def catch_up(self) -> None:
        self._unread = 0
        self._exchange.reader_moved()

    def flush(self, now_ns: int) -> None:
        if self.is_behind:
            asyncio.get_running_loop().call_later(0.001, self.catch_up)

    def describe(self) -> dict[str, Any]:
        return {}

    def perform(self, fault: Any) -> None:
        raise NotImplementedError

    def heal(self) -> None:
        raise NotImplementedError


def recording(tmp_path: Path, count: int, gap_ns: int) -> tuple[Path, list[bytes]]:
    frames = [
        b'{"arg":{"channel":"tickers","instId":"%s"},"data":[{"last":"%d"}]}' % (NAME.encode(), i)
        for i in range(count)
    ]
    path = tmp_path / "recording.jsonl"
    lines = [b"%d %s\n" % (10**18 + i * gap_ns, frame) for i, frame in enumerate(frames)]
    path.write_bytes(b"".join(lines))
    return path, frames


def play(path: Path, speed: float | None, clock: Any) -> tuple[Reader, Exchange]:
    async def scenario() -> tuple[Reader, Exchange]:
        exchange = Exchange(SimOptions(replay=(path,), speed=speed), clock)
        exchange.list_instrument(NAME)
        task = asyncio.create_task(run_replay(exchange, Recording([path])))
        await asyncio.sleep(0)
        assert exchange.source["state"] == "waiting for a subscriber"
        reader = Reader(exchange, room_for=100)
        exchange.subscribe(reader, ("tickers", NAME))
        await asyncio.wait_for(task, 20)
        return reader, exchange

    return asyncio.run(scenario())


def test_free_replay_waits_for_its_reader_and_loses_nothing(tmp_path: Path, clock: Any) -> None:
    path, frames = recording(tmp_path, 1_000, 10**9)
    reader, exchange = play(path, None, clock)
    assert reader.heard == frames
    assert reader.most_unread <= 2 * 100
    assert exchange.source["state"] == "over"
    assert exchange.source["frames"] == 1_000
    assert not exchange.is_playing


def test_paced_replay_sends_each_frame_when_it_is_due(tmp_path: Path, clock: Any) -> None:
    class JumpingClock:
        """Each look at the clock is 5 ms later."""

        def __init__(self) -> None:
            self.now_ns = 0

        def monotonic_ns(self) -> int:
            self.now_ns += 5_000_000
            return self.now_ns

        wall_ns = monotonic_ns

    path, frames = recording(tmp_path, 200, 10_000_000)
    jumping = JumpingClock()
    reader, _ = play(path, 2.0, jumping)
    assert reader.heard == frames
    # 200 frames 10 ms apart at twice the speed take one second.
    assert jumping.now_ns >= 995_000_000


def test_markets_go_on_from_the_ledger_with_the_last_trade_cached(
    tmp_path: Path, clock: Any
) -> None:
    options = SimOptions(ledger=tmp_path / "ledger.txt", rate=200.0)

    def run(seconds: int) -> tuple[Exchange, list[PublishedTrade]]:
        exchange = Exchange(options, clock)
        (market,) = open_markets(exchange)
        known = exchange.ledger.last(NAME)
        if known is not None:
            assert (
                b'"tradeId":"%d"' % known.trade_id in exchange.initial([("trades", NAME)])[0].text
            )
        clock.now_ns += seconds * 1_000_000_000
        exchange.dispatch(market.advance(clock.now_ns))
        rows = exchange.ledger.rows_after(NAME, 0, 10**6)
        exchange.ledger.close()
        return exchange, rows

    _, before = run(3)
    clock.now_ns += 60_000_000_000
    exchange, after = run(3)
    assert after[: len(before)] == before
    ids = [match.trade_id for match in exchange.ledger.matches_before(NAME, None)]
    assert ids == list(range(ids[0], ids[0] - len(ids), -1))
    assert after[len(before)].seq_id > before[-1].seq_id


def test_markets_advance_with_the_clock() -> None:
    class RunningClock:
        def __init__(self) -> None:
            self.now_ns = 1_790_000_000_000_000_000

        def monotonic_ns(self) -> int:
            self.now_ns += 50_000_000
            return self.now_ns

        wall_ns = monotonic_ns

    async def scenario() -> Exchange:
        exchange = Exchange(SimOptions(rate=50.0), RunningClock())
        task = asyncio.create_task(run_markets(exchange, open_markets(exchange)))
        while exchange.ledger.match_total(NAME) < 50:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return exchange

    exchange = asyncio.run(asyncio.wait_for(scenario(), 20))
    assert exchange.source == {"kind": "market", "seed": 1}
