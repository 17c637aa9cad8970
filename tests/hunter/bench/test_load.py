from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator

import pytest
from fakes.instance import wait_until

from hunter.bench import load
from hunter.bench.load import FrameReader, LoadServer, accept_key
from hunter.bench.traffic import TrafficPlan

NAME = "BTC-USDT-SWAP"
MASK = b"\1\2\3\4"


def masked(payload: bytes, opcode: int = 1) -> bytes:
    length = len(payload)
    head = bytes((0x80 | opcode, 0x80 | length)) if length < 126 else (
        bytes((0x80 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
    )  # fmt: skip
    return head + MASK + bytes(byte ^ MASK[i & 3] for i, byte in enumerate(payload))


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []
    monkeypatch.setattr(load, "say", lambda **fields: lines.append(fields))
    return lines


class Client:
    def __init__(self, port: int) -> None:
        self.link = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.frames = FrameReader()
        self.waiting: list[tuple[int, bytes]] = []

    def open(self) -> None:
        self.link.sendall(
            b"GET /ws/v5/public HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.link.recv(1)
        assert head.startswith(b"HTTP/1.1 101")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head

    def say(self, payload: bytes, opcode: int = 1) -> None:
        self.link.sendall(masked(payload, opcode))

    def subscribe(self, *channels: str) -> None:
        args = [{"channel": channel, "instId": NAME} for channel in channels]
        self.say(json.dumps({"op": "subscribe", "args": args}).encode())

    def hear(self) -> tuple[int, bytes]:
        while not self.waiting:
            self.waiting += self.frames.feed(self.link.recv(1 << 16))
        return self.waiting.pop(0)

    def messages(self, count: int) -> list[dict[str, object]]:
        return [json.loads(self.hear()[1]) for _ in range(count)]


@pytest.fixture
def clients() -> Iterator[list[Client]]:
    made: list[Client] = []
    yield made
    for client in made:
        client.link.close()


def serve(plan: TrafficPlan, clients: list[Client]) -> tuple[LoadServer, Client]:
    server = LoadServer(plan)
    clients.append(Client(server.port))
    return server, clients[-1]


def test_accept_key_is_that_of_the_rfc() -> None:
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_reader_takes_frames_in_pieces_and_of_any_length() -> None:
    bodies = [b"", b"ping", b"x" * 200]
    raw, reader = b"".join(map(masked, bodies)), FrameReader()
    found = [frame for place in range(len(raw)) for frame in reader.feed(raw[place : place + 1])]
    assert found == [(1, body) for body in bodies]


def test_subscriptions_are_answered_and_greeted(
    clients: list[Client], said: list[dict[str, object]]
) -> None:
    _, client = serve(TrafficPlan("mix", 10), clients)
    client.open()
    client.subscribe("trades", "books")
    ack, trade, second_ack, book = client.messages(4)
    assert (ack["event"], second_ack["event"]) == ("subscribe", "subscribe")
    assert trade["arg"] == {"channel": "trades", "instId": NAME}
    assert book["action"] == "snapshot"
    # it is said once the answer has left
    wait_until("both subscriptions", lambda: {"event": "subscribed", "count": 2} in said)


def test_client_that_is_not_greeted_gets_the_books_snapshot_all_the_same(
    clients: list[Client],
) -> None:
    _, client = serve(TrafficPlan("mix", 10, greets=False), clients)
    client.open()
    client.subscribe("trades", "books")
    messages = client.messages(3)
    assert [message.get("action") for message in messages] == [None, None, "snapshot"]


def test_pings_of_both_kinds_are_answered(clients: list[Client]) -> None:
    _, client = serve(TrafficPlan("trades", 1), clients)
    client.open()
    client.say(b"ping")
    assert client.hear() == (1, b"pong")
    client.say(b"abc", opcode=9)
    assert client.hear() == (10, b"abc")
    client.say(b"\x03\xe8", opcode=8)
    assert client.hear() == (8, b"\x03\xe8")


def test_rest_lists_our_instruments(clients: list[Client]) -> None:
    _, client = serve(TrafficPlan("trades", 1), clients)
    client.link.sendall(b"GET /api/v5/public/instruments?instType=SWAP HTTP/1.1\r\n\r\n")
    raw = b""
    while piece := client.link.recv(1 << 16):
        raw += piece
    body = json.loads(raw.partition(b"\r\n\r\n")[2])
    assert [row["instId"] for row in body["data"]] == [NAME]


@pytest.mark.parametrize("rate", [0.0, 20_000.0])
def test_run_sends_every_message_in_order(clients: list[Client], rate: float) -> None:
    server, client = serve(TrafficPlan("trades", 300, rate_per_s=rate), clients)
    client.open()
    client.subscribe("trades")
    client.messages(2)
    told = server.run()
    ids = [int(message["data"][0]["tradeId"]) for message in client.messages(300)]  # type: ignore[index]
    assert ids == sorted(ids)
    assert told["sent"] == 300
    assert (told["lag_us"] is None) == (not rate)


def test_messages_leave_over_the_connection_that_has_the_trades(clients: list[Client]) -> None:
    server, sentinel = serve(TrafficPlan("trades", 50), clients)
    sentinel.open()
    sentinel.subscribe("tickers")
    sentinel.messages(2)
    clients.append(client := Client(server.port))
    client.open()
    client.subscribe("trades")
    client.messages(2)
    server.run()
    assert len(client.messages(50)) == 50


def test_run_without_its_client_says_that_nothing_arrived(clients: list[Client]) -> None:
    server, client = serve(TrafficPlan("trades", 200_000), clients)
    client.open()
    client.subscribe("trades")
    client.messages(2)
    client.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    os.close(client.link.detach())
    clients.clear()
    assert server.run()["sent"] == 0


def test_closed_server_answers_nobody_any_more(clients: list[Client]) -> None:
    told: list[dict[str, object]] = []
    server = LoadServer(TrafficPlan("trades", 10), lambda **fields: told.append(fields))
    clients.append(Client(server.port))
    clients[-1].open()
    clients[-1].subscribe("trades")
    clients[-1].messages(2)
    wait_until("the subscription", lambda: told == [{"event": "subscribed", "count": 1}])
    server.close()
    assert clients[-1].link.recv(100) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=10)
