"""A real server on loopback, and clients of every manner."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fakes.running_simulator import SWAP, Running, ask, receive, receive_until
from websockets.exceptions import ConnectionClosed, InvalidStatus

from hunter.simulator.frames import Push
from hunter.simulator.options import Bounds

Start = Callable[..., Running]


def closed_with(client: Any) -> tuple[int, str]:
    """Read to the end; how it ended."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            client.recv(timeout=10)
    return client.close_code, client.close_reason


def connect_plainly(running: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), timeout=5)


def is_ended(client: socket.socket) -> bool:
    """Wait for the other end to close or reset."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def is_data(frame: Any) -> bool:
    return "data" in frame


def test_acks_come_first_and_then_one_initial_push_a_stream(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    ask(client, "trades", "books", "bbo-tbt", "books", "books5", "tickers")
    frames = receive(client, 9)
    assert [frame.get("event") for frame in frames] == ["subscribe"] * 6 + [None] * 3
    assert [frame["arg"]["channel"] for frame in frames[6:]] == ["books", "bbo-tbt", "books5"]
    assert len({frame["connId"] for frame in frames[:6]}) == 1
    book = frames[6]["data"][0]
    assert (frames[6]["action"], book["prevSeqId"]) == ("snapshot", -1)
    assert len(book["bids"]) == len(book["asks"]) == 400
    client.send("ping")
    assert client.recv(timeout=5) == "pong"
    (counts,) = running.get("/sim/counts")["connections"]
    assert counts["sent"]["books"] == {SWAP: 1}


def test_late_client_gets_the_cached_trade_and_a_snapshot_that_chains(start: Start) -> None:
    running = start(rate=400.0)
    early = running.connect()
    ask(early, "trades")
    receive(early, 30)
    late = running.connect()
    ask(late, "trades", "books")
    frames = receive_until(
        late, lambda frame: frame.get("action") == "update" and frame["arg"]["channel"] == "books"
    )
    data = [frame for frame in frames if is_data(frame)]
    assert {frame["arg"]["channel"] for frame in data[:2]} == {"trades", "books"}
    ids = [frame["data"][0] for frame in data if frame["arg"]["channel"] == "trades"]
    for before, after in pairwise(ids):
        assert int(after["tradeId"]) - int(after["count"]) == int(before["tradeId"])
    books = [frame["data"][0] for frame in data if frame["arg"]["channel"] == "books"]
    assert books[1]["prevSeqId"] == books[0]["seqId"]


def test_unsubscribe_stops_the_stream(start: Start) -> None:
    running = start(rate=300.0)
    client = running.connect()
    ask(client, "trades", "tickers")
    receive(client, 20)
    ask(client, "trades", op="unsubscribe")
    receive_until(client, lambda frame: frame.get("event") == "unsubscribe")
    assert {frame["arg"]["channel"] for frame in receive(client, 10)} == {"tickers"}


def test_business_path_has_every_match(start: Start) -> None:
    running = start(rate=300.0)
    client = running.connect("business")
    ask(client, "trades-all")
    ids = [int(frame["data"][0]["tradeId"]) for frame in receive(client, 60) if is_data(frame)]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_compressed_client_hears_the_same(start: Start) -> None:
    running = start(rate=0.0)
    packed, plain = running.connect(compression="deflate"), running.connect()
    assert packed.protocol.extensions
    for client in (packed, plain):
        ask(client, "books")
    assert receive(packed, 2)[1] == receive(plain, 2)[1]
    packed.send("ping")
    assert packed.recv(timeout=5) == "pong"


def test_client_that_wants_compression_is_not_given_it_when_off(start: Start) -> None:
    client = start(rate=0.0, compression=False).connect(compression="deflate")
    assert not client.protocol.extensions


def test_fragmented_request_and_control_ping(start: Start) -> None:
    client = start(rate=0.0).connect()
    client.send(['{"op":"subscribe","args":[{"channel":"bbo-tbt",', f'"instId":"{SWAP}"}}]}}'])
    assert client.ping().wait(5)
    assert receive(client, 1)[0]["event"] == "subscribe"


def test_over_long_request_is_closed_with_1009(start: Start) -> None:
    client = start(rate=0.0).connect()
    client.send("x" * 70_000)
    assert closed_with(client)[0] == 1009


def test_silence_is_closed_with_4004_and_ping_keeps_the_line(start: Start) -> None:
    running = start(rate=0.0, bounds=Bounds(idle_timeout_s=0.6))
    silent, talking = running.connect(), running.connect()
    ask(silent, "tickers")
    while running.get("/sim/counts")["past_connections"] == []:
        talking.send("ping")
        assert talking.recv(timeout=5) == "pong"
    assert closed_with(silent) == (4004, "No data received in 30s")
    talking.send("ping")
    assert talking.recv(timeout=5) == "pong"


def test_plain_connection_that_says_nothing_is_dropped(start: Start) -> None:
    running = start(rate=0.0, bounds=Bounds(idle_timeout_s=0.3))
    with connect_plainly(running) as client:
        assert is_ended(client)


def test_slow_reader_is_closed_with_4005_and_others_are_not(start: Start) -> None:
    running = start(rate=0.0, bounds=Bounds(queue_bytes_max=1 << 20, close_timeout_s=0.2))
    slow, good = running.connect(max_queue=1), running.connect()
    for client in (slow, good):
        ask(client, "tickers")
        receive(client, 1)
    big = Push("tickers", SWAP, b'{"data":["%s"]}' % (b"x" * 50_000), None)
    for round_count in range(2_000):
        running.call(lambda exchange: exchange.dispatch([big]))
        good.recv(timeout=5)
        if round_count % 20 == 0 and running.get("/sim/counts")["past_connections"]:
            break
    (past,) = running.get("/sim/counts")["past_connections"]
    assert past["closed_with"] == [4005, "Buffer is full, cannot write data"]
    running.call(lambda exchange: exchange.dispatch([big]))
    assert good.recv(timeout=5) == big.text.decode()


def test_fourth_connection_in_a_second_is_refused_with_429(start: Start) -> None:
    running = start(rate=0.0, limits=True)
    statuses = []
    for _ in range(8):
        try:
            running.connect()
            statuses.append(101)
        except InvalidStatus as error:
            statuses.append(error.response.status_code)
    assert statuses[:3] == [101, 101, 101]
    assert 429 in statuses


@pytest.mark.parametrize("path", ["/ws/v5/private", "/ws/v5/", "/elsewhere"])
def test_unknown_path_is_404(start: Start, path: str) -> None:
    running = start(rate=0.0)
    with pytest.raises(InvalidStatus) as caught:
        running.connect_to(path)
    assert caught.value.response.status_code == 404


def test_upgrade_that_is_no_handshake_is_400(start: Start) -> None:
    running = start(rate=0.0)
    client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
    client.request("GET", "/ws/v5/public", headers={"Upgrade": "websocket"})
    assert client.getresponse().status in (400, 426)
    client.close()


def test_rest_keeps_its_connection_and_takes_a_body_in_parts(start: Start) -> None:
    running = start(rate=0.0)
    client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
    for target in ("/api/v5/public/time", f"/api/v5/market/books?instId={SWAP}&sz=400"):
        client.request("GET", target)
        response = client.getresponse()
        assert response.status == 200
        assert json.loads(response.read())["code"] == "0"
        assert not response.will_close
    client.putrequest("POST", "/sim/fault?name=mute")
    client.putheader("Content-Length", "4")
    client.endheaders()
    client.send(b"ab")
    client.send(b"cd")
    assert json.loads(client.getresponse().read())["armed"][0]["name"] == "mute"
    client.request("GET", "/sim/counts", headers={"Connection": "close"})
    response = client.getresponse()
    assert response.will_close
    response.read()
    client.close()


def test_nonsense_instead_of_http_is_answered_and_closed(start: Start) -> None:
    running = start(rate=0.0)
    with connect_plainly(running) as client:
        client.sendall(b"hello\r\n\r\n")
        answer = b""
        while part := client.recv(4096):
            answer += part
        assert answer.startswith(b"HTTP/1.1 400 ")
    with connect_plainly(running) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(b"x" * 200_000)
        assert is_ended(client)
    assert running.get("/sim/counts")["connections"] == []


def test_connection_over_the_maximum_is_reset(start: Start) -> None:
    running = start(rate=0.0, bounds=Bounds(connections_max=1))
    client = running.connect()
    with connect_plainly(running) as second:
        assert is_ended(second)
    client.send("ping")
    assert client.recv(timeout=5) == "pong"


def test_client_that_is_reset_or_leaves_is_forgotten(start: Start) -> None:
    running = start(rate=100.0)
    polite, rude = running.connect(), running.connect()
    for client in (polite, rude):
        ask(client, "trades")
        receive(client, 2)
    rude.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    rude.socket.close()
    polite.close()
    while running.get("/sim/counts")["connections"]:
        pass
    assert len(running.get("/sim/counts")["past_connections"]) == 2


# faults, as a client sees them


def fault(running: Running, query: str) -> Any:
    return running.get(f"/sim/fault?{query}")


def test_mute_leaves_acks_and_pongs(start: Start) -> None:
    running = start(rate=300.0)
    fault(running, "name=mute")
    client = running.connect()
    ask(client, "trades", "books")
    client.send("ping")
    assert [frame["event"] for frame in receive(client, 2)] == ["subscribe"] * 2
    assert client.recv(timeout=5) == "pong"
    with pytest.raises(TimeoutError):
        client.recv(timeout=0.2)
    fault(running, "clear=all")
    assert is_data(receive(client, 1)[0])


def test_dropped_trades_break_the_chain_and_rest_has_them(start: Start) -> None:
    running = start(rate=200.0)
    client = running.connect()
    ask(client, "trades")
    low = high = int(receive(client, 5)[-1]["data"][0]["tradeId"])
    fault(running, "name=drop_trades&count=3")
    while low == high:
        row = receive(client, 1)[0]["data"][0]
        high = int(row["tradeId"]) - int(row["count"])
        if low == high:
            low = high = int(row["tradeId"])
    path = f"/api/v5/market/history-trades?instId={SWAP}&after={high + 1}"
    rows = running.get(f"{path}&limit={min(100, high - low)}")["data"]
    found = [int(row["tradeId"]) for row in rows]
    assert found == list(range(high, low, -1))[:100]


def test_dropped_book_breaks_the_sequence(start: Start) -> None:
    running = start(rate=200.0)
    client = running.connect()
    ask(client, "books")
    last = receive(client, 4)[-1]["data"][0]
    fault(running, "name=drop_book&count=1")
    receive_until(client, lambda frame: not _follows(frame["data"][0], last))
    assert running.get("/sim/counts")["faults_fired"] == {"drop_book": 1}


def _follows(row: dict[str, Any], last: dict[str, Any]) -> bool:
    """Whether `row` chains to `last`, which becomes `row`."""
    is_next = row["prevSeqId"] == last["seqId"]
    last.update(row)
    return bool(is_next)


def test_data_before_ack_and_no_snapshot(start: Start) -> None:
    running = start(rate=0.0)
    fault(running, "name=data_before_ack&count=1")
    first = running.connect()
    ask(first, "bbo-tbt")
    frames = receive(first, 2)
    assert is_data(frames[0])
    assert frames[1]["event"] == "subscribe"
    fault(running, "name=no_snapshot&count=1")
    second = running.connect()
    ask(second, "books", "bbo-tbt")
    assert [frame["arg"]["channel"] for frame in receive(second, 3)][2] == "bbo-tbt"


def test_deaf_answers_nothing(start: Start) -> None:
    running = start(rate=0.0)
    client = running.connect()
    fault(running, "name=deaf&count=1")
    client.send("ping")
    with pytest.raises(TimeoutError):
        client.recv(timeout=0.2)
    client.send("ping")
    assert client.recv(timeout=5) == "pong"


def test_close_notice_and_abort_of_one_connection(start: Start) -> None:
    running = start(rate=0.0)
    one, two = running.connect(), running.connect()
    ask(one, "bbo-tbt")
    conn_id = receive(one, 2)[0]["connId"]
    assert fault(running, f"name=notice&conn={conn_id}")["done_to"] == 1
    assert receive(one, 1)[0]["code"] == "64008"
    fault(running, f"name=close&code=4006&conn={conn_id}")
    assert closed_with(one)[0] == 4006
    assert fault(running, "name=abort")["done_to"] == 1
    with pytest.raises(ConnectionClosed) as caught:
        two.recv(timeout=5)
    assert caught.value.rcvd is None


def test_refused_and_accepted_then_closed(start: Start) -> None:
    running = start(rate=0.0)
    fault(running, "name=refuse&count=1")
    with pytest.raises((ConnectionError, EOFError, Exception)) as caught:
        running.connect()
    assert not isinstance(caught.value, InvalidStatus)
    fault(running, "name=accept_then_close&code=1013&count=1")
    assert closed_with(running.connect())[0] == 1013
    running.connect().send("ping")


def test_sequence_reset_reaches_the_client(start: Start) -> None:
    running = start(rate=200.0)
    client = running.connect()
    ask(client, "books")
    receive(client, 3)
    fault(running, "name=seq_reset")
    (frame,) = receive_until(client, lambda f: f["data"][0]["seqId"] < f["data"][0]["prevSeqId"])[
        -1:
    ]
    assert receive(client, 1)[0]["data"][0]["prevSeqId"] == frame["data"][0]["seqId"]


def test_ledger_of_the_server_is_what_the_client_saw(start: Start, tmp_path: Path) -> None:
    running = start(rate=300.0, ledger=tmp_path / "ledger.txt")
    client = running.connect()
    ask(client, "trades")
    rows = [frame["data"][0] for frame in receive(client, 80) if is_data(frame)]
    first, last = int(rows[0]["tradeId"]), int(rows[-1]["tradeId"])
    truth = running.get(f"/sim/ledger?instId={SWAP}&after={first - 1}")["rows"]
    seen = [(int(row["tradeId"]), row["px"], row["sz"], row["side"]) for row in rows]
    told = [(row["trade_id"], row["price"], row["size"], row["side"]) for row in truth]
    assert [row for row in told if row[0] <= last] == seen
