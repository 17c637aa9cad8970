"""Faults against a real client: what it hears, and in which order."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from fakes.running_simulator import SWAP, Running, ask, receive, receive_until
from websockets.exceptions import ConnectionClosed, InvalidStatus, PayloadTooBig

Start = Callable[..., Running]


def fault(running: Running, query: str) -> Any:
    return running.get(f"/sim/fault?{query}")


def is_silent(client: Any, seconds: float = 0.3) -> bool:
    try:
        client.recv(timeout=seconds)
    except TimeoutError:
        return True
    return False


def test_hung_handshake_is_never_answered_and_the_next_one_is(start: Start) -> None:
    running = start(rate=0.0)
    fault(running, "name=hang&count=1")
    with pytest.raises(TimeoutError):
        running.connect(open_timeout=0.3)
    client = running.connect()
    client.send("ping")
    assert client.recv(timeout=5) == "pong"


@pytest.mark.parametrize("status", [429, 403, 503])
def test_handshake_gets_the_status_asked_for(start: Start, status: int) -> None:
    running = start(rate=0.0)
    fault(running, f"name=http&code={status}&count=1")
    with pytest.raises(InvalidStatus) as caught:
        running.connect()
    assert caught.value.response.status_code == status
    running.connect()
    assert running.get("/sim/counts")["handshakes"]["total"] == 2


def test_fault_meant_for_the_second_connection_spares_the_first(start: Start) -> None:
    running = start(rate=0.0)
    fault(running, "name=accept_then_close&conn=%232&count=1&code=1012")
    first, second, third = (running.connect() for _ in range(3))
    with pytest.raises(ConnectionClosed):
        second.recv(timeout=5)
    assert second.close_code == 1012
    for client in (first, third):
        client.send("ping")
        assert client.recv(timeout=5) == "pong"
    assert fault(running, "name=close&conn=last&code=4006")["done_to"] == 1
    with pytest.raises(ConnectionClosed):
        third.recv(timeout=5)
    assert fault(running, "name=notice&conn=%231")["done_to"] == 1
    assert receive(first, 1)[0]["code"] == "64008"


def test_request_is_answered_with_an_error_once(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    fault(running, "name=error&count=1&code=64007")
    client.send("ping")
    assert client.recv(timeout=5) == "pong"
    request = {"id": "7", "op": "subscribe", "args": [{"channel": "books", "instId": SWAP}]}
    client.send(json.dumps(request))
    (answer,) = receive(client, 1)
    assert (answer["event"], answer["code"], answer["id"]) == ("error", "64007", "7")
    assert is_silent(client)
    client.send(json.dumps(request))
    assert [frame.get("event") for frame in receive(client, 2)] == ["subscribe", None]
    (counts,) = running.get("/sim/counts")["connections"]
    assert (counts["requests"], counts["requests_per_hour_max"]) == (2, 2)


def test_partial_ack_takes_up_the_first_argument_only(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    fault(running, "name=partial_ack&count=1")
    ask(client, "books", "bbo-tbt")
    frames = receive(client, 2)
    assert [frame["arg"]["channel"] for frame in frames] == ["books", "books"]
    assert is_silent(client)
    ask(client, "bbo-tbt")
    assert [frame["arg"]["channel"] for frame in receive(client, 2)] == ["bbo-tbt"] * 2


def test_no_ack_subscribes_and_says_nothing_but_data(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    fault(running, "name=no_ack&count=1")
    ask(client, "bbo-tbt")
    assert "data" in receive(client, 1)[0]
    ask(client, "bbo-tbt")
    assert receive(client, 1)[0]["event"] == "subscribe"


def test_frozen_connection_says_nothing_and_is_reset_by_the_heal(start: Start) -> None:
    running = start(rate=200.0)
    client = running.connect()
    ask(client, "trades")
    receive(client, 3)
    assert fault(running, "name=freeze&conn=first")["done_to"] == 1
    while not is_silent(client, 0.2):
        pass
    client.send("ping")
    assert is_silent(client, 0.2)
    (counts,) = running.get("/sim/counts")["connections"]
    assert counts["is_frozen"]
    fault(running, "clear=all")
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=5)
    assert caught.value.rcvd is None


def test_end_without_close_frame(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    fault(running, "name=fin")
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=5)
    assert caught.value.rcvd is None
    assert isinstance(caught.value.__cause__, EOFError | None)


def test_abort_is_a_reset_for_the_peer(start: Start) -> None:
    running = start(rate=0.0)
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as client:
        client.sendall(
            b"GET /ws/v5/public HTTP/1.1\r\nHost: x\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert client.recv(200).startswith(b"HTTP/1.1 101")
        fault(running, "name=abort")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_late_trade_comes_after_those_behind_it(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    ask(client, "trades")
    receive(client, 1)
    fault(running, "name=late&count=1&code=300")
    fault(running, "name=burst&code=5")
    ids = [int(frame["data"][0]["tradeId"]) for frame in receive(client, 5)]
    assert ids == [*range(ids[0], ids[0] + 4), ids[0] - 1]


def test_delay_keeps_the_order_and_holds_everything(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    ask(client, "trades")
    receive(client, 1)
    fault(running, "name=delay&code=400&count=1")
    fault(running, "name=burst&code=3")
    assert is_silent(client, 0.15)
    client.send("ping")
    texts = [client.recv(timeout=5) for _ in range(4)]
    assert texts[-1] == "pong"
    ids = [int(json.loads(text)["data"][0]["tradeId"]) for text in texts[:3]]
    assert ids == list(range(ids[0], ids[0] + 3))


def test_trickle_holds_up_what_is_behind_it(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    ask(client, "trades")
    receive(client, 1)
    fault(running, "name=trickle&count=1&code=3")
    fault(running, "name=burst&code=2")
    assert is_silent(client, 0.2)
    client.send("ping")
    first, second = receive(client, 2)
    assert int(second["data"][0]["tradeId"]) == int(first["data"][0]["tradeId"]) + 1
    assert client.recv(timeout=5) == "pong"


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_odd_frames_leave_the_stream_readable(start: Start, compression: str | None) -> None:
    running = start(rate=0.0)
    client = running.connect(compression=compression, max_size=None)
    ask(client, "trades")
    receive(client, 1)
    for name in ("binary", "empty", "garbage", "chatter", "giant"):
        fault(running, f"name={name}&count=1")
    fault(running, "name=burst&code=1")
    texts = [client.recv(timeout=5) for _ in range(6)]
    assert [type(text) for text in texts[:3]] == [str, bytes, str]
    assert texts[2] == ""
    assert len(texts[3]) > 6 << 20
    assert json.loads(texts[5])["arg"]["channel"] == "trades"
    assert running.get("/sim/counts")["connections"][0]["is_open"]


def test_giant_over_the_clients_limit_is_closed_with_1009(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    ask(client, "trades")
    receive(client, 1)
    fault(running, "name=giant&count=1&code=3072")
    fault(running, "name=burst&code=1")
    with pytest.raises((ConnectionClosed, PayloadTooBig)):
        client.recv(timeout=5)
    assert client.protocol.close_sent is not None
    assert client.protocol.close_sent.code == 1009


def test_bad_utf8_breaks_a_strict_client_only(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    ask(client, "trades")
    receive(client, 1)
    fault(running, "name=bad_utf8&count=1")
    fault(running, "name=burst&code=1")
    assert b"\xff\xfe" in client.recv(timeout=5, decode=False)
    assert b"tradeId" in client.recv(timeout=5, decode=False)


def test_suspended_instrument_is_silent_until_it_is_back(start: Start) -> None:
    running = start(rate=300.0)
    client = running.connect()
    client.send(
        json.dumps({"op": "subscribe", "args": [{"channel": "instruments", "instType": "SWAP"}]})
    )
    ask(client, "trades")
    receive(client, 5)
    fault(running, f"name=suspend&instId={SWAP}")

    def is_change(frame: Any) -> bool:
        return bool(frame["arg"]["channel"] == "instruments" and "data" in frame)

    change = receive_until(client, is_change)[-1]
    assert change["arg"] == {"channel": "instruments", "instType": "SWAP"}
    assert (change["data"][0]["instId"], change["data"][0]["state"]) == (SWAP, "suspend")
    assert is_silent(client)
    (row, *_) = running.get(f"/api/v5/public/instruments?instType=SWAP&instId={SWAP}")["data"]
    assert row["state"] == "suspend"
    before = running.get(f"/sim/ledger?instId={SWAP}&limit=10000")["rows"][-1]["trade_id"]
    fault(running, f"name=resume&instId={SWAP}")
    frames = receive_until(client, lambda frame: not is_change(frame))
    assert frames[0]["data"][0]["state"] == "live"
    trade = frames[-1]["data"][0]
    assert int(trade["tradeId"]) - int(trade["count"]) == before


def test_delisted_instrument_is_refused_and_gone_from_rest(start: Start) -> None:
    running = start(rate=0.0)
    fault(running, f"name=delist&instId={SWAP}")
    client = running.connect()
    ask(client, "trades")
    assert receive(client, 1)[0]["code"] == "60018"
    rows = running.get("/api/v5/public/instruments?instType=SWAP")["data"]
    assert SWAP not in {row["instId"] for row in rows}
    assert running.get(f"/api/v5/market/trades?instId={SWAP}")["code"] == "51001"
    fault(running, f"name=resume&instId={SWAP}")
    ask(client, "books")
    assert [frame.get("action") for frame in receive(client, 2)] == [None, "snapshot"]


def test_status_says_the_last_change_at_once_and_maintenance_when_it_comes(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    client.send(json.dumps({"op": "subscribe", "args": [{"channel": "status"}]}))
    ack, first = receive(client, 2)
    assert ack["arg"] == first["arg"] == {"channel": "status"}
    assert first["data"][0]["state"] == "completed"
    fault(running, "name=maintenance&code=120")
    (row,) = receive(client, 1)[0]["data"]
    assert row["state"] == "scheduled"
    assert int(row["begin"]) - int(row["ts"]) == 120_000


def test_large_burst_loses_nothing(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    ask(client, "trades")
    receive(client, 1)
    fault(running, "name=burst&code=5000")
    ids = [int(frame["data"][0]["tradeId"]) for frame in receive(client, 5000)]
    assert ids == list(range(ids[0], ids[0] + 5000))
