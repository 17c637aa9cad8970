"""Link over real sockets: its sentinel, and frames that are no data."""

from __future__ import annotations

import json

from fakes.link_line import ACK, ARG, DATA, TRADES, Line, unmasked
from fakes.websocket_peer import frame
from websockets.frames import Opcode

from hunter.exchange.okx.events import Acked, Data, DataSilent, Malformed, Refused
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.states import SubscriptionState
from hunter.stream.link import (
    Closed,
    Opened,
)

# Frames that are no data


def test_link_takes_a_binary_frame_for_malformed_whatever_it_holds(line: Line) -> None:
    line.open()
    payload = json.dumps({"arg": ARG, "data": []}).encode()
    line.peer.send(frame(payload, Opcode.BINARY) + frame(b"") + frame(b"\0") + DATA)
    line.until_seen(Data)
    kinds = [type(event) for event in line.events]
    assert kinds == [Opened, Malformed, Malformed, Malformed, Data]
    assert line.events[1].reason == f"binary frame of {len(payload)} bytes"


def test_link_leaves_a_server_of_binary_frames(line: Line) -> None:
    line.open()
    line.peer.send(frame(b"x", Opcode.BINARY) * 11)
    assert line.until_seen(Closed).reason == "11 malformed frames within a minute"


# The sentinel

BTC = Subscription("tickers", "BTC-USDT-SWAP")
BTC_ARG = {"channel": "tickers", "instId": "BTC-USDT-SWAP"}
BTC_DATA = frame(json.dumps({"arg": BTC_ARG, "data": []}).encode())
BTC_ACK = frame(json.dumps({"event": "subscribe", "arg": BTC_ARG}).encode())


def refusal(channel: str) -> bytes:
    msg = f"Wrong URL or channel:{channel}, instId:BTC-USDT-SWAP doesn't exist."
    return frame(json.dumps({"event": "error", "code": "60018", "msg": msg}).encode())


def test_link_asks_for_the_sentinel_and_shows_nobody_its_data(line: Line) -> None:
    line.to(line.peer.url, BTC)
    asked = json.loads(unmasked(line.open()))
    assert asked["args"] == [ARG, BTC_ARG]
    line.peer.send(ACK + BTC_ACK + BTC_DATA + BTC_DATA + DATA)
    line.until_seen(Data)
    assert [type(event) for event in line.events] == [Opened, Acked, Data]
    assert line.events[-1].subscription == TRADES


def test_links_sentinel_counts_for_liveness(line: Line) -> None:
    line.to(line.peer.url, BTC)
    line.open()
    line.peer.send(ACK + DATA + BTC_ACK)
    line.until_seen(Data)
    for _ in range(5):
        line.clock.skip(4_000)
        before = line.link.session.last_data_ns
        line.peer.send(BTC_DATA + frame(b"pong"))
        line.until("its data", lambda before=before: line.link.session.last_data_ns > before)
    assert line.seen(DataSilent) == []
    line.clock.skip(8_001)
    line.peer.send(frame(b"pong"))
    silent = line.until_seen(DataSilent)
    assert silent.subscriptions == (TRADES,), "the sentinel is nobody's feed"
    assert (silent.sentinel, silent.whole_connection) == (BTC, True)


def test_links_refused_sentinel_is_no_error_of_the_feed(line: Line) -> None:
    line.to(line.peer.url, BTC)
    line.open()
    line.peer.send(refusal("tickers") + ACK + DATA)
    line.until_seen(Data)
    assert [type(event) for event in line.events] == [Opened, Acked, Data]
    assert line.link.session.subscription_state(BTC) is SubscriptionState.PARKED


def test_links_sentinel_that_is_wanted_anyway_is_data(line: Line) -> None:
    line.to(line.peer.url, TRADES)
    asked = json.loads(unmasked(line.open()))
    assert asked["args"] == [ARG]
    line.peer.send(ACK + DATA)
    line.until_seen(Data)


def test_links_parked_sentinel_proves_nothing(line: Line) -> None:
    line.to(line.peer.url, BTC)
    line.open()
    line.peer.send(refusal("tickers") + ACK + DATA)
    line.until_seen(Data)
    line.clock.skip(8_001)
    line.peer.send(frame(b"pong"))
    silent = line.until_seen(DataSilent)
    assert (silent.subscriptions, silent.sentinel) == ((TRADES,), None)


def test_links_sentinel_that_is_wanted_anyway_is_silent_as_a_feed(line: Line) -> None:
    line.to(line.peer.url, TRADES)
    line.open()
    line.peer.send(ACK + DATA)
    line.until_seen(Data)
    line.clock.skip(8_001)
    line.peer.send(frame(b"pong"))
    silent = line.until_seen(DataSilent)
    assert (silent.subscriptions, silent.sentinel) == ((TRADES,), None)


def test_links_sentinel_tells_of_silence_with_everything_else_parked(line: Line) -> None:
    line.to(line.peer.url, BTC)
    line.open()
    line.peer.send(refusal("trades") + BTC_ACK + BTC_DATA)
    line.until_seen(Refused)
    line.clock.skip(8_001)
    line.peer.send(frame(b"pong"))
    silent = line.until_seen(DataSilent)
    assert (silent.subscriptions, silent.sentinel) == ((), BTC)
    assert line.link.is_open


def test_links_sentinel_that_breaks_its_promise_is_asked_for_anew(line: Line) -> None:
    """A channel that promises something, such as a book, may be the sentinel too."""
    book = Subscription("bbo-tbt", "BTC-USDT-SWAP")
    argument = {"channel": "bbo-tbt", "instId": "BTC-USDT-SWAP"}
    line.to(line.peer.url, book)
    line.open()
    line.peer.send(frame(json.dumps({"arg": argument, "data": []}).encode()) + ACK + DATA)
    line.until_seen(Data)
    for _ in range(24):
        line.clock.skip(4_000)
        line.peer.send(DATA + frame(b"pong"))
        count = len(line.seen(Data))
        line.until_seen(Data, count + 1)
        if line.link.session.subscription_state(book) is SubscriptionState.RESYNC:
            break
    assert line.link.session.subscription_state(book) is SubscriptionState.RESYNC
    assert line.seen(DataSilent) == []
