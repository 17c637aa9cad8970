"""The fault proxy of tests/fakes does what its words say: system tests build on it."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterator

import pytest
from fakes.fault_proxy import FaultProxy

PATIENCE_S = 10


class Line:
    """A listening server, the proxy before it, and the pairs of ends that met through it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE_S)
        self.proxy = FaultProxy(self.listener.getsockname()[1], seed=7)
        self._ends: list[socket.socket] = []

    def pair(self) -> tuple[socket.socket, socket.socket]:
        client = socket.create_connection(("127.0.0.1", self.proxy.port), timeout=PATIENCE_S)
        server, _ = self.listener.accept()
        server.settimeout(PATIENCE_S)
        self._ends += [client, server]
        return client, server

    def close(self) -> None:
        for end in self._ends:
            end.close()
        self.proxy.close()
        self.listener.close()


@pytest.fixture
def line() -> Iterator[Line]:
    with contextlib.closing(Line()) as found:
        yield found


def read(end: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = end.recv(count - len(data))
        assert piece, f"ended after {len(data)} of {count} bytes"
        data += piece
    return data


def is_silent(end: socket.socket, for_s: float = 0.15) -> bool:
    return not select.select([end], [], [], for_s)[0]


def seconds(begin: float) -> float:
    return time.monotonic() - begin


def test_good_weather_passes_everything_on_both_ways(line: Line) -> None:
    client, server = line.pair()
    blob = bytes(range(256)) * 2_000
    client.sendall(b"up")
    assert read(server, 2) == b"up"
    server.sendall(blob)
    assert read(client, len(blob)) == blob
    assert line.proxy.byte_count("down") == len(blob)
    server.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    client.sendall(b"still open")
    assert read(server, 10) == b"still open"


def test_latency_delays_and_keeps_the_order(line: Line) -> None:
    client, server = line.pair()
    line.proxy.set("down", latency_ms=80, jitter_ms=40)
    begin = time.monotonic()
    for number in range(20):
        server.sendall(bytes([number]))
    assert read(client, 20) == bytes(range(20))
    assert 0.08 <= seconds(begin) < 1
    begin = time.monotonic()
    client.sendall(b"x")
    assert read(server, 1) == b"x"
    assert seconds(begin) < 0.06, "the other direction has no latency"


def test_slices_are_small_writes(line: Line) -> None:
    client, server = line.pair()
    line.proxy.set("down", slice_bytes=1, slice_pause_ms=10)
    begin = time.monotonic()
    server.sendall(b"slowly")
    pieces = [client.recv(100) for _ in range(6)]
    assert pieces == [b"s", b"l", b"o", b"w", b"l", b"y"]
    assert seconds(begin) >= 0.05


def test_bandwidth_is_a_limit(line: Line) -> None:
    client, server = line.pair()
    line.proxy.set("down", bytes_per_s=100_000)
    begin = time.monotonic()
    server.sendall(bytes(30_000))
    read(client, 30_000)
    assert 0.2 <= seconds(begin) < 2


def test_black_hole_swallows_and_the_connection_stays(line: Line) -> None:
    client, server = line.pair()
    line.proxy.set("down", black_hole=True)
    server.sendall(b"lost")
    assert is_silent(client)
    client.sendall(b"heard")
    assert read(server, 5) == b"heard"
    line.proxy.set(black_hole=True)
    client.sendall(b"lost too")
    assert is_silent(server)
    server.shutdown(socket.SHUT_WR)
    assert is_silent(client), "not even the end is told"
    line.proxy.heal()
    client.sendall(b"back")
    assert read(server, 4) == b"back"


def test_black_hole_hides_the_death_of_the_other_end(line: Line) -> None:
    client, server = line.pair()
    line.proxy.set(black_hole=True)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.close()
    assert is_silent(client)


def test_reset_is_a_reset_of_both_ends(line: Line) -> None:
    client, server = line.pair()
    _, other = line.pair()
    assert line.proxy.reset(0) == 1
    for end in (client, server):
        with pytest.raises(ConnectionResetError):
            end.recv(1)
    assert is_silent(other)
    assert line.proxy.open_connections == [1]
    assert line.proxy.accepted == 2


def test_reset_of_one_end_reaches_the_other(line: Line) -> None:
    client, server = line.pair()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_half_close_ends_one_direction_alone(line: Line) -> None:
    client, server = line.pair()
    assert line.proxy.half_close("down") == 1
    assert client.recv(1) == b""
    client.sendall(b"heard")
    assert read(server, 5) == b"heard"


def test_corruption_flips_one_bit_of_every_nth_byte_alike_each_time() -> None:
    seen = []
    for chunk_bytes in (100, 7):
        with contextlib.closing(Line()) as line:
            line.proxy.set("down", flip_every_bytes=10)
            client, server = line.pair()
            for start in range(0, 100, chunk_bytes):
                server.sendall(bytes(min(chunk_bytes, 100 - start)))
                if chunk_bytes < 100:
                    line.proxy.byte_count("down")  # a moment, so that the chunks stay apart
            seen.append(read(client, 100))
    changed = [index for index, byte in enumerate(seen[0]) if byte]
    assert changed == list(range(9, 100, 10))
    assert all(seen[0][index].bit_count() == 1 for index in changed)
    assert seen[0] == seen[1]


def test_weather_of_one_connection_is_its_own(line: Line) -> None:
    client, server = line.pair()
    other, other_server = line.pair()
    line.proxy.set("down", connection=0, black_hole=True)
    server.sendall(b"a")
    other_server.sendall(b"b")
    assert read(other, 1) == b"b"
    assert is_silent(client)
    third, third_server = line.pair()
    third_server.sendall(b"c")
    assert read(third, 1) == b"c"


def is_reset(line: Line) -> bool:
    """Whether a new connection is reset, at once or as soon as it is used."""
    try:
        with socket.create_connection(("127.0.0.1", line.proxy.port), timeout=PATIENCE_S) as client:
            return client.recv(1) is None
    except ConnectionResetError:
        return True


def test_refusing_resets_every_client_and_a_missing_server_does_too(line: Line) -> None:
    line.proxy.refusing = True
    assert is_reset(line)
    line.proxy.refusing = False
    line.listener.close()
    assert is_reset(line)
    assert line.proxy.accepted == 2
    assert line.proxy.open_connections == []
