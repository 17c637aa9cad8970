"""The exchange of a run: a process of its own that sends prepared messages over loopback.

    python -m hunter.bench.load PLAN      PLAN: a traffic.TrafficPlan as JSON

It says on standard output, one JSON object a line: {"event": "listening", "port"}; {"event":
"subscribed", "count"} at every subscription; {"event": "done", ...} after the run. It starts to
send when it reads a line, and ends with its standard input.

It answers what a client may say (subscriptions, pings of both kinds, REST's list of instruments)
and sends what `traffic` made: as fast as it is read, or each batch at its time. It never waits for
a late batch to be on time again, so what was held up leaves at once. Whether it was itself the
narrow place is in its last line: how long it was idle, and how late it sent (`lag_us`). A send that
blocked (`blocked_share`) is the receiver's doing.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import hashlib
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from hunter import clock
from hunter.bench.figures import quantiles
from hunter.bench.traffic import Traffic, TrafficPlan
from hunter.clock import SystemClock
from hunter.simulator.frames import wire_text
from hunter.simulator.instruments import listing, listing_row

CHUNK_BYTES: Final = 256 << 10
REQUEST_BYTES_MAX: Final = 64 << 10
START_DELAY_NS: Final = 50_000_000
# The last part of a wait is spent spinning: a sleep ends late by about so much.
SPIN_NS: Final = 60_000
BLOCKED_NS: Final = 200_000
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PONG: Final = wire_text(b"pong")


def accept_key(key: bytes) -> bytes:
    """RFC 6455, 4.2.2."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


class FrameReader:
    """Cuts a client's bytes into (opcode, payload). Clients mask and send little."""

    def __init__(self, rest: bytes = b"") -> None:
        self._buffer = bytearray(rest)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that are complete now."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 2:
            length, at = buffer[1] & 127, 2
            if length == 126:
                length, at = int.from_bytes(buffer[2:4], "big"), 4
            elif length == 127:
                length, at = int.from_bytes(buffer[2:10], "big"), 10
            masked = bool(buffer[1] & 128)
            end = at + 4 * masked + length
            if len(buffer) < end:
                return
            mask = bytes(buffer[at : at + 4]) if masked else b"\0\0\0\0"
            body = buffer[end - length : end]
            yield buffer[0] & 15, bytes(byte ^ mask[i & 3] for i, byte in enumerate(body))
            del buffer[:end]


class Peer:
    """One WebSocket. Its reader is a thread; the sender takes the lock for each piece."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.lock = threading.Lock()
        self.instruments: set[str] = set()
        self.gone = False

    def send(self, data: bytes | memoryview) -> None:
        if self.gone:
            return
        try:
            with self.lock:
                self.link.sendall(data)
        except OSError:
            self.gone = True


class LoadServer:
    """Serves the client of one run. `tell` hears of each subscription, and how many there are."""

    def __init__(self, plan: TrafficPlan, tell: Callable[..., None] | None = None) -> None:
        self.plan = plan
        self._tell = tell or say
        self.traffic = Traffic(plan)
        self.peers: list[Peer] = []
        self._subscribed = 0
        self._told = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return  # closed
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError), link:
            head, rest = _read_head(link)
            lines = head.split(b"\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in lines[1:] if b": " in line)
            if b"sec-websocket-key" not in fields:
                link.sendall(self._rest_answer(lines[0]))
                return
            key = next(line for line in lines if line.lower().startswith(b"sec-websocket-key"))
            link.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept_key(key.split(b":", 1)[1].strip()) + b"\r\n\r\n"
            )
            peer = Peer(link)
            self.peers.append(peer)
            frames = FrameReader(rest)
            data = b""
            while not peer.gone:
                for opcode, payload in frames.feed(data):
                    self._on_frame(peer, opcode, payload)
                data = link.recv(1 << 16)
                peer.gone |= not data
            self.peers.remove(peer)

    def _rest_answer(self, request: bytes) -> bytes:
        """The list of instruments, which has ours in it; else an empty list."""
        rows: list[dict[str, Any]] = []
        if b"/public/instruments" in request:
            rows = [listing_row(listing(name)) for name in self.plan.instruments]
        body = json.dumps({"code": "0", "msg": "", "data": rows}).encode()
        return (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
            b"Connection: close\r\n\r\n" % len(body)
        ) + body

    def _on_frame(self, peer: Peer, opcode: int, payload: bytes) -> None:
        if opcode == 8:
            peer.send(bytes((0x88, len(payload[:2]))) + payload[:2])
            peer.gone = True
        elif opcode == 9:
            peer.send(bytes((0x8A, len(payload))) + payload)
        elif payload == b"ping":
            peer.send(_PONG)
        elif opcode == 1:
            self._on_request(peer, json.loads(payload))

    def _on_request(self, peer: Peer, request: dict[str, Any]) -> None:
        now_ms = SystemClock().wall_ns() // 1_000_000
        for arg in request.get("args", ()):
            event = {"event": request.get("op"), "arg": arg, "connId": "a4d3ae55"}
            answer = wire_text(json.dumps(event, separators=(",", ":")).encode())
            name, channel = arg.get("instId", ""), arg.get("channel", "")
            if request.get("op") == "subscribe":
                if channel == "trades":
                    # whose tickers alone are subscribed is somebody's sign of life, and no more
                    peer.instruments.add(name)
                # a book cannot be kept without its snapshot, whoever keeps it
                if self.plan.greets or channel == "books":
                    answer += self.traffic.hello(name, channel, now_ms)
            peer.send(answer)
            with self._told:
                self._subscribed += 1
                self._tell(event="subscribed", count=self._subscribed)

    def close(self) -> None:
        """For whoever is not done for with its process: the threads end."""
        for link in (self._listener, *(peer.link for peer in self.peers)):
            with contextlib.suppress(OSError):  # it is gone already
                link.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def run(self) -> dict[str, Any]:
        """Send everything; what to say about it."""
        places = {name: place for place, name in enumerate(self.plan.instruments)}
        peers = [peer for peer in self.peers if not peer.gone]
        # the first connection with an instrument gets its messages
        free = set(self.plan.instruments)
        carried = []
        for peer in peers:
            carried.append([places[name] for name in peer.instruments & free])
            free -= peer.instruments
        wall_ns, now_ns = SystemClock().wall_ns(), SystemClock().monotonic_ns()
        prepared_ns = now_ns + START_DELAY_NS + 1_000 * self.plan.messages
        start_wall_ns = wall_ns + prepared_ns - now_ns
        streams = [self.traffic.stream_of(mine, start_wall_ns // 1_000_000) for mine in carried]
        gc.collect()
        gc.freeze()
        if self.plan.rate_per_s:
            jobs = sorted(
                (number, place, data)
                for place, stream in enumerate(streams)
                for number, data in stream.slices(self.plan.batch)
            )
        late_ns = SystemClock().monotonic_ns() - prepared_ns
        if late_ns < 0:
            clock.sleep_s(-late_ns / 1e9)
        start_ns = prepared_ns + max(0, late_ns)
        sent = sum(len(stream.numbers) for stream in streams)
        if self.plan.rate_per_s:
            told = _paced(self.plan, peers, jobs, start_ns)
        else:
            told = _burst(peers, [stream.data for stream in streams])
        return {
            "sent": sent if not any(peer.gone for peer in peers) else 0,
            "start_monotonic_ns": start_ns,
            "start_wall_ns": start_wall_ns + max(0, late_ns),
            **told,
        }


def _read_head(link: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = link.recv(1 << 16)
        if not piece or len(data) > REQUEST_BYTES_MAX:
            raise ConnectionError("no request")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _burst(peers: list[Peer], streams: list[memoryview]) -> dict[str, Any]:
    """As fast as it is read, over all connections at once."""
    began_ns, cpu_ns = SystemClock().monotonic_ns(), clock.process_cpu_ns()

    def send(peer: Peer, data: memoryview) -> None:
        for start in range(0, len(data), CHUNK_BYTES):
            peer.send(data[start : start + CHUNK_BYTES])

    threads = [
        threading.Thread(target=send, args=pair) for pair in zip(peers, streams, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken_ns = max(1, SystemClock().monotonic_ns() - began_ns)
    idle = 1 - (clock.process_cpu_ns() - cpu_ns) / taken_ns
    return {"seconds": taken_ns / 1e9, "idle_share": round(max(0.0, idle), 3), "lag_us": None}


def _paced(
    plan: TrafficPlan, peers: list[Peer], jobs: list[tuple[int, int, memoryview]], start_ns: int
) -> dict[str, Any]:
    """Each batch at its time, or as soon after it as can be."""
    monotonic_ns, sleep_s = SystemClock().monotonic_ns, clock.sleep_s
    due_step_ns, first_ns = plan.step_ns * plan.batch, plan.due_ns(0)
    lags: list[int] = []
    waited_ns = blocked_ns = 0
    now_ns = monotonic_ns()
    for number, place, data in jobs:
        due_ns = start_ns + int(first_ns + number * due_step_ns)
        if now_ns < due_ns:
            waited_ns += due_ns - now_ns
            if due_ns - now_ns > 2 * SPIN_NS:
                sleep_s((due_ns - now_ns - SPIN_NS) / 1e9)
            while now_ns < due_ns:
                now_ns = monotonic_ns()
        lags.append(now_ns - due_ns)
        peers[place].send(data)
        before_ns, now_ns = now_ns, monotonic_ns()
        if now_ns - before_ns > BLOCKED_NS:
            blocked_ns += now_ns - before_ns
    taken_ns = max(1, now_ns - start_ns)
    return {
        "seconds": taken_ns / 1e9,
        "idle_share": round(waited_ns / taken_ns, 3),
        "blocked_share": round(blocked_ns / taken_ns, 3),
        "lag_us": msgspec.to_builtins(quantiles(lags, 1e3)),
    }


def say(**fields: Any) -> None:
    """One line for the process that started this one."""
    os.write(1, json.dumps(fields).encode() + b"\n")


def sleep_exactly() -> None:
    """Sleeps of this process end when they should, and not up to 50 us later."""
    with contextlib.suppress(OSError), open("/proc/self/timerslack_ns", "w") as slack:
        slack.write("1")


def main() -> None:
    """Until standard input ends."""
    sleep_exactly()
    server = LoadServer(msgspec.json.decode(sys.argv[1], type=TrafficPlan))
    say(event="listening", port=server.port)
    if sys.stdin.readline():
        say(event="done", **server.run())
        sys.stdin.read()


if __name__ == "__main__":
    main()
