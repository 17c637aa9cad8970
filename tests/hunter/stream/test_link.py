"""Link over real sockets: one WebSocket through several lives."""

from __future__ import annotations

import json

from fakes.link_line import ACK, DATA, TRADES, Line, unmasked
from fakes.websocket_peer import agreement, close_frame, frame

from hunter.exchange.okx.asks import NEVER_NS
from hunter.exchange.okx.events import Acked, Data
from hunter.exchange.okx.states import SubscriptionState
from hunter.stream.connection import (
    OPEN_TIMEOUT_NS,
)
from hunter.stream.link import (
    Closed,
    Opened,
)
from hunter.stream.resolver import PATIENCE_NS, look_up


def test_link_opens_subscribes_and_brings_data(line: Line) -> None:
    assert line.link.subscription_state(TRADES) is SubscriptionState.PENDING
    assert not line.link.is_open
    request = line.open()
    assert request[0] == 0x81
    line.peer.send(ACK + DATA)
    line.until_seen(Data)
    assert [type(event) for event in line.events] == [Opened, Acked, Data]
    assert line.link.is_open
    assert line.link.subscription_state(TRADES) is SubscriptionState.LIVE
    document = line.link.document()
    assert (document.state, document.connects, document.last_close) == ("open", 1, "")
    assert line.clock.monotonic_ns() < line.link.next_deadline_ns() < NEVER_NS


def test_link_lost_says_why_and_comes_back_with_a_new_session(line: Line) -> None:
    line.open()
    line.peer.send(ACK + DATA)
    line.until_seen(Data)
    session = line.link.session
    line.peer.send(close_frame(1001))
    closed = line.until_seen(Closed)
    assert closed.reason == "closed 1001"
    assert 0 <= closed.retry_in_ms <= 250
    assert line.link.poll_target() is None
    assert line.link.subscription_state(TRADES) is SubscriptionState.PENDING
    document = line.link.document()
    assert (document.state, document.connects, document.last_close) == ("backoff", 1, "closed 1001")
    line.open()
    assert line.link.session is not session
    assert line.link.document().connects == 2


def test_link_waits_for_its_time_before_the_next_attempt(line: Line) -> None:
    line.link.abort("nothing to abort yet")
    for _ in range(2):
        line.until("the call", lambda: line.peer.is_called)
        line.peer.accept()
        line.peer.hang_up()
        count = len(line.seen(Closed))
        line.until_seen(Closed, count + 1)
        line.clock.skip(250)
    # the second failure: half a second at least
    due_ns = line.link.next_deadline_ns()
    assert line.seen(Closed)[-1].retry_in_ms >= 500
    assert line.link.step(due_ns - 1) == []
    assert line.link.document().state == "backoff"
    line.link.step(due_ns)
    assert line.link.document().state != "backoff"
    assert line.link.connects == 3
    assert line.link.next_deadline_ns() == due_ns + PATIENCE_NS, "else the look-up wakes the loop"
    line.until("the socket", line.link.poll_target)
    assert line.link.next_deadline_ns() <= line.clock.monotonic_ns() + OPEN_TIMEOUT_NS


def test_link_without_pong_is_given_up(line: Line) -> None:
    line.open()
    line.clock.skip(5_001)
    ping = line.until("the ping", line.peer.request)
    assert ping[0] == 0x81
    line.clock.skip(5_001)
    assert line.until_seen(Closed).reason == "no pong in time"


def test_link_last_frames_before_a_close_are_events(line: Line) -> None:
    line.until("the call", lambda: line.peer.is_called)
    line.peer.accept()
    request = line.until("the request", line.peer.request)
    line.peer.send(agreement(request) + DATA + close_frame(1000))
    line.until_seen(Closed)
    assert [type(event) for event in line.events] == [Opened, Data, Closed]


def test_link_accepted_and_closed_at_once_was_never_open(line: Line) -> None:
    line.until("the call", lambda: line.peer.is_called)
    line.peer.accept()
    request = line.until("the request", line.peer.request)
    line.peer.send(agreement(request) + close_frame(1013))
    line.until_seen(Closed)
    assert [type(event) for event in line.events] == [Closed]
    assert line.link.last_close == "closed 1013"


def test_link_flush_sends_what_an_event_queued(line: Line) -> None:
    line.link.flush()
    line.open()
    line.peer.send(ACK + DATA)
    line.until_seen(Data)
    line.link.session.resubscribe(TRADES, line.clock.monotonic_ns())
    line.link.flush()
    unsubscribe = line.until("the frame", line.peer.request)
    assert unsubscribe[1] & 0x7F
    assert line.link.subscription_state(TRADES) is SubscriptionState.RESYNC


def test_link_subscribes_anew_only_while_there_is_a_connection(line: Line) -> None:
    line.link.resubscribe([TRADES], line.clock.monotonic_ns())
    line.open()
    line.peer.send(ACK + DATA)
    line.until_seen(Data)
    line.link.resubscribe([TRADES], line.clock.monotonic_ns())
    assert json.loads(unmasked(line.until("the frame", line.peer.request)))["op"] == "unsubscribe"


def test_link_counts_the_exchanges_errors_over_all_its_lives(line: Line) -> None:
    error = json.dumps({"event": "error", "code": "64007", "msg": "Internal error"}).encode()
    for life in range(2):
        assert line.link.exchange_errors == life
        line.open()
        line.peer.send(frame(error) + close_frame(1001))
        line.until_seen(Closed, life + 1)
    assert line.link.exchange_errors == 2


def test_link_late_look_up_of_a_gone_connection_means_nothing(line: Line) -> None:
    line.link.step(line.clock.monotonic_ns())
    gone = line.link._connection
    assert gone is not None
    line.link.abort("gone")
    line.link.step(line.clock.monotonic_ns())
    line.resolver.answered(gone, look_up("127.0.0.1", 1), None)
    assert line.link.poll_target() is None


def test_link_aborted_reports_it_with_the_next_step(line: Line) -> None:
    line.open()
    line.link.abort("no data while the market trades")
    assert not line.link.is_open
    assert line.until_seen(Closed).reason == "no data while the market trades"


def test_tap_sees_every_payload_as_it_came(line: Line) -> None:
    tapped: list[bytes] = []
    line.link.tap = tapped.extend
    line.open()
    odd = b'{"arg" : {"channel":"other"},\t"data":[1]}'
    line.peer.send(ACK + frame(b"pong") + frame(odd) + DATA)
    line.until_seen(Data)
    assert [frame(payload) for payload in tapped] == [ACK, frame(b"pong"), frame(odd), DATA]


def test_token_in_the_query_reaches_the_server_and_no_page(line: Line) -> None:
    line.to(line.peer.url + "?token=secret")
    line.until("the call", lambda: line.peer.is_called)
    line.peer.accept()
    request = line.until("the request", line.peer.request)
    assert b"?token=secret HTTP/1.1" in request
    line.peer.send(agreement(request))
    opened = line.until_seen(Opened)
    assert "secret" not in repr((opened, line.link.document()))
    assert line.link.document().url.endswith("?***")
