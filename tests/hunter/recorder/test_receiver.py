"""The receiver against a scripted peer and a real simulator: every frame kept as it came."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.actor_stage import SWAP, SkippingClock
from fakes.faulty_exchange import Exchange
from fakes.websocket_peer import Peer, agreement, close_frame, frame
from websockets.frames import Opcode

from hunter.clock import SystemClock
from hunter.config import load
from hunter.errors import HunterError
from hunter.recorder.backlog import Backlog
from hunter.recorder.receiver import Receiver
from hunter.simulator.options import SimOptions

TRADES = {"channel": "trades", "instId": SWAP}
BOOKS = {"channel": "books", "instId": SWAP}
DATA = json.dumps({"arg": TRADES, "data": []}).encode()


def ack(argument: dict[str, str], event: str = "subscribe") -> bytes:
    return json.dumps({"event": event, "arg": argument, "connId": "a4d3ae55"}).encode()


def refusal(channel: str) -> bytes:
    msg = f"wrong URL or channel:{channel},instId:{SWAP} doesn't exist"
    return json.dumps({"event": "error", "code": "60018", "msg": msg}).encode()


class Booth:
    """A receiver, what it said and what it kept."""

    def __init__(self, url: str, home: Path, channels: str) -> None:
        settings = [f'okx.public_url="{url}"', f"okx.channels={channels}"]
        config = load(None, [*settings, f'hunter.runtime_dir="{home / "run"}"'])
        self.clock = SkippingClock()
        self.backlog = Backlog()
        self.said: list[str] = []
        self.receiver = Receiver(config, self.backlog, self.clock, self.said.append)
        self._kept: list[bytes] = []

    @property
    def kept(self) -> list[bytes]:
        """Frames in the backlog."""
        while block := self.backlog.take(0):
            self._kept += block.splitlines()
        return [line.partition(b" ")[2] for line in self._kept]

    @property
    def stamps(self) -> list[int]:
        assert self.kept is not None
        return [int(line.partition(b" ")[0]) for line in self._kept]

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        end_ns = SystemClock().monotonic_ns() + 10_000_000_000
        while not (value := condition()):
            assert SystemClock().monotonic_ns() < end_ns, f"not in time: {what}; said {self.said}"
            self.receiver.step(self.clock.monotonic_ns())
            self.receiver.wait(5)
        return value

    def until_said(self, text: str) -> None:
        self.until(text, lambda: any(text in line for line in self.said))

    def open(self, peer: Peer) -> bytes:
        """Accept the connection; the frame it subscribes with."""
        self.until("the call", lambda: peer.is_called)
        peer.accept()
        peer.send(agreement(self.until("the request", peer.request)))
        request: bytes = self.until("the subscription", peer.request)
        return request


@pytest.fixture
def booth(tmp_path: Path) -> Iterator[Callable[..., Booth]]:
    made: list[Booth] = []

    def make(url: str, channels: str = '["trades", "books"]') -> Booth:
        made.append(Booth(url, tmp_path, channels))
        return made[-1]

    yield make
    for item in made:
        item.receiver.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


def test_every_frame_but_pongs_is_kept_as_it_came(booth: Callable[..., Booth], peer: Peer) -> None:
    there = booth(peer.url)
    there.open(peer)
    odd = b'{"arg" : {"channel":"other"} ,"data":[ 1 ]}'
    told = [ack(TRADES), b"pong", DATA, odd, b"no json", refusal("books")]
    before_ns = there.clock.wall_ns()
    peer.send(b"".join(map(frame, told)))
    there.until("all of it", lambda: len(there.kept) == 5)
    assert there.kept == [text for text in told if text != b"pong"]
    assert all(before_ns <= at_ns <= there.clock.wall_ns() for at_ns in there.stamps)
    assert there.receiver.data_counts == {"trades": 1}
    assert there.receiver.reconnects == 0
    assert any("books BTC-USDT-SWAP refused: 60018" in line for line in there.said)


def test_stamps_never_go_back_with_the_hosts_clock(
    booth: Callable[..., Booth], peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = booth(peer.url)
    there.open(peer)
    for number, wall_ns in enumerate((500, 300, 700)):
        monkeypatch.setattr(there.clock, "wall_ns", lambda at_ns=wall_ns: at_ns)
        peer.send(frame(DATA))
        there.until("the frame", lambda count=number: len(there.kept) > count)
    assert there.stamps == [500, 500, 700]


def test_lost_connection_is_told_and_made_again(booth: Callable[..., Booth], peer: Peer) -> None:
    there = booth(peer.url)
    there.open(peer)
    peer.send(frame(ack(TRADES)) + frame(DATA) + close_frame(1001))
    there.until_said("connection lost: closed 1001; next attempt in")
    assert there.receiver.last_close == "closed 1001"
    there.open(peer)
    assert there.receiver.reconnects == 1
    assert len([line for line in there.said if line.startswith("connected to")]) == 2


def test_exchange_that_refuses_everything_ends_the_recording(
    booth: Callable[..., Booth], peer: Peer
) -> None:
    there = booth(peer.url)
    there.open(peer)
    peer.send(frame(refusal("trades")))
    there.until_said("trades BTC-USDT-SWAP refused")
    peer.send(frame(refusal("books")))
    with pytest.raises(HunterError, match="refuses every subscription"):
        there.until("the end", lambda: False)


def test_other_answers_are_told(booth: Callable[..., Booth], peer: Peer) -> None:
    there = booth(peer.url)
    there.open(peer)
    notice = {"event": "notice", "code": "64008", "msg": "closed soon", "connId": "a"}
    error = {"event": "error", "code": "60014", "msg": "too often", "connId": "a"}
    peer.send(frame(json.dumps(notice).encode()) + frame(json.dumps(error).encode()))
    there.until_said("notice 64008: closed soon")
    there.until_said("the exchange says 60014: too often")
    assert len(there.kept) == 2


def keep_link_alive(there: Booth, peer: Peer, seconds: int) -> None:
    """So much time passes, or the connection is given up; the peer answers pings, nothing else."""
    for _ in range(seconds * 2):
        there.clock.skip(500)
        there.receiver.step(there.clock.monotonic_ns())
        there.receiver.step(there.clock.monotonic_ns())
        if there.receiver.last_close:
            return
        if peer.request():
            peer.send(frame(b"pong"))
            there.receiver.wait(50)


def test_silence_is_told_once_and_a_feed_that_stays_dead_is_left(
    booth: Callable[..., Booth], peer: Peer
) -> None:
    there = booth(peer.url, '["trades", "bbo-tbt"]')
    there.open(peer)
    quotes = {"channel": "bbo-tbt", "instId": SWAP}
    peer.send(frame(ack(TRADES)) + frame(ack(quotes)) + frame(DATA))
    there.until("data", lambda: there.receiver.data_counts["trades"])
    keep_link_alive(there, peer, 40)
    assert [line for line in there.said if line.startswith("no data for 8 s")]
    assert len([line for line in there.said if line.startswith("no data")]) == 1
    keep_link_alive(there, peer, 40)
    there.until_said("connection lost: no data, though the link answers")


def test_silence_that_no_channel_promises_to_keep_below_is_borne_longer(
    booth: Callable[..., Booth], peer: Peer
) -> None:
    there = booth(peer.url, '["trades"]')
    there.open(peer)
    peer.send(frame(ack(TRADES)) + frame(DATA))
    there.until("data", lambda: there.receiver.data_counts["trades"])
    keep_link_alive(there, peer, 120)
    assert not there.receiver.last_close


def test_channel_that_is_silent_alone_is_subscribed_anew(
    booth: Callable[..., Booth], peer: Peer
) -> None:
    there = booth(peer.url)
    there.open(peer)
    peer.send(frame(ack(TRADES)) + frame(ack(BOOKS)) + frame(DATA))
    there.until("data", lambda: there.receiver.data_counts["trades"])
    requests = b""
    for _ in range(20):
        there.clock.skip(5_000)
        peer.send(frame(DATA) + frame(b"pong"))
        count = there.receiver.data_counts["trades"]
        there.until("data", lambda before=count: there.receiver.data_counts["trades"] > before)
        requests += peer.request()
    assert not there.receiver.last_close
    # Client frames are masked: a request is told by its length, pings have four bytes.
    assert len(requests) > 60


def test_subscription_that_is_never_answered_is_said_once_and_costs_nothing(
    booth: Callable[..., Booth], peer: Peer
) -> None:
    there = booth(peer.url)
    for _ in range(2):
        there.open(peer)
        peer.send(frame(ack(TRADES)) + frame(DATA))
        for _ in range(20):
            there.clock.skip(2_000)
            peer.send(frame(DATA) + frame(b"pong"))
            count = there.receiver.data_counts["trades"]
            there.until("data", lambda before=count: there.receiver.data_counts["trades"] > before)
        assert there.said.count(f"books {SWAP}: no answer to 5 requests") == 1
        assert not any("are not answered" in line for line in there.said)
        peer.send(close_frame(1001))
        there.until("the end", lambda: there.receiver.last_close)


def test_binary_frames_are_not_kept(booth: Callable[..., Booth], peer: Peer) -> None:
    there = booth(peer.url)
    there.open(peer)
    peer.send(frame(DATA, Opcode.BINARY) + frame(b"\0\n", Opcode.BINARY) + frame(DATA))
    there.until("data", lambda: there.receiver.data_counts["trades"])
    assert there.kept == [DATA]
    assert (there.backlog.frames, there.backlog.dropped) == (1, 0)


def test_unanswered_subscriptions_cost_the_connection(
    booth: Callable[..., Booth], peer: Peer
) -> None:
    there = booth(peer.url)
    there.open(peer)
    keep_link_alive(there, peer, 40)
    there.until_said("connection lost: subscriptions are not answered")


def test_a_real_market_is_kept_whole(booth: Callable[..., Booth]) -> None:
    exchange = Exchange(SimOptions(rate=300.0, limits=False))
    try:
        there = booth(exchange.url, '["trades", "tickers", "books", "bbo-tbt"]')
        there.until("trades", lambda: there.receiver.data_counts["trades"] > 50)
        sent = exchange.get("/sim/counts")["connections"][0]["sent"]
        total = sum(count for by_name in sent.values() for count in by_name.values())
        # The market goes on while we ask: at least what was sent by then arrives.
        there.until("all of it", lambda: there.receiver.data_counts.total() >= total)
        frames = [json.loads(text) for text in there.kept]
        assert sum("data" in item for item in frames) == there.receiver.data_counts.total()
        assert [item for item in frames if item.get("event") == "subscribe"]
        trades = [item for item in frames if item.get("arg") == TRADES and "data" in item]
        ids = [int(item["data"][0]["tradeId"]) for item in trades]
        assert ids == sorted(ids)
    finally:
        exchange.stop()


def test_channels_of_the_other_path_are_recorded_too(booth: Callable[..., Booth]) -> None:
    market = Exchange(SimOptions(rate=50.0, limits=False))
    there = booth(f"ws://127.0.0.1:{market.port}/ws/v5/public", '["trades", "candle1s"]')
    try:
        counts = there.receiver.data_counts
        there.until("both", lambda: counts["trades"] and counts["candle1s"])
        assert there.receiver.reconnects == 0
    finally:
        market.stop()
