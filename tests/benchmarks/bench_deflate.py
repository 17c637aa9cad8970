"""What permessage-deflate would cost a message and save on the wire: the reason why it is not
offered.

    python tests/benchmarks/bench_deflate.py

Frames of OKX's form with a walking market: the same messages as plain frames and as compressed
ones (context kept from message to message, window of 32 KiB, as servers agree by default), decoded
by the protocol that `hunter/stream/connection.py` uses, in reads of up to 16 messages. One process
on a quiet machine.
"""

from __future__ import annotations

import json
import random
import statistics
import time
import zlib
from collections.abc import Callable

from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from hunter.bench.machine import describe, line
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.session import OkxSession

RUNS = 5
MESSAGES_PER_RUN = 20_000
MESSAGES_PER_READ = 16
SEED = 1
NAME = "BTC-USDT-SWAP"
START_MS = 1_790_000_000_000
# The frame with which a zip bomb is measured: a message that is one letter over and over.
BOMB_BYTES = 4 << 20


class Walk:
    """A market in which price, time and ids move as they do: what compression has to cope with."""

    def __init__(self) -> None:
        self._random = random.Random(SEED)
        self._price = 639_210
        self._id = 2_832_749_645
        self._ms = START_MS

    def _tick(self) -> str:
        self._price += self._random.choice((-1, 0, 0, 1))
        self._id += self._random.randint(1, 9)
        self._ms += self._random.randint(0, 20)
        return f"{self._price / 10:.1f}"

    def _size(self) -> str:
        return f"{self._random.expovariate(1 / 40):.2f}"

    def _levels(self, price: float, step: float, count: int) -> list[list[str]]:
        return [
            [f"{price + step * number:.1f}", self._size(), "0", str(self._random.randint(1, 30))]
            for number in range(count)
        ]

    def trades(self) -> dict[str, object]:
        return {
            "instId": NAME,
            "tradeId": str(self._id),
            "px": self._tick(),
            "sz": self._size(),
            "side": self._random.choice(("buy", "sell")),
            "ts": str(self._ms),
            "count": str(self._random.randint(1, 9)),
            "source": "0",
            "seqId": 333_793_118_093 + self._id,
        }

    def bbo(self) -> dict[str, object]:
        price = float(self._tick())
        return {
            "asks": self._levels(price + 0.1, 0.1, 1),
            "bids": self._levels(price, -0.1, 1),
            "ts": str(self._ms),
            "seqId": 333_793_118_093 + self._id,
        }

    def books(self) -> dict[str, object]:
        price, count = float(self._tick()), self._random.randint(2, 25)
        return {
            "asks": self._levels(price + 0.1, 0.3, count),
            "bids": self._levels(price, -0.3, count),
            "ts": str(self._ms),
            "checksum": 0,
            "seqId": 333_793_118_093 + self._id,
            "prevSeqId": 333_793_118_000 + self._id,
        }


def messages(channel: str, item: Callable[[], dict[str, object]]) -> list[bytes]:
    head: dict[str, object] = {"arg": {"channel": channel, "instId": NAME}}
    if channel == "books":
        head["action"] = "update"
    return [
        json.dumps(head | {"data": [item()]}, separators=(",", ":")).encode()
        for _ in range(MESSAGES_PER_RUN)
    ]


def extension() -> PerMessageDeflate:
    return PerMessageDeflate(False, False, 15, 15)


def wire(payloads: list[bytes], compressed: bool) -> list[bytes]:
    """As a server sends them, several to a read."""
    encoders = [extension()] if compressed else []
    frames = [
        Frame(Opcode.TEXT, payload).serialize(mask=False, extensions=encoders)
        for payload in payloads
    ]
    return [
        b"".join(frames[start : start + MESSAGES_PER_READ])
        for start in range(0, len(frames), MESSAGES_PER_READ)
    ]


def decode_us(reads: list[bytes], count: int, compressed: bool) -> float:
    """CPU time for one message, from the socket's bytes to its payload."""
    protocol = ClientProtocol(parse_uri("wss://exchange.invalid/"), max_size=4 << 20)
    protocol.state = State.OPEN
    # past the handshake: the parser of frames, which the answer 101 would start
    protocol.parser = super(ClientProtocol, protocol).parse()
    next(protocol.parser)
    if compressed:
        protocol.extensions = [extension()]
    found = 0
    began_ns = time.process_time_ns()
    for read in reads:
        protocol.receive_data(read)
        found += sum(len(bytes(event.data)) > 0 for event in protocol.events_received())
    cost_us = (time.process_time_ns() - began_ns) / count / 1_000
    assert found == count, (found, count)
    return cost_us


def session_us(payloads: list[bytes], channel: str) -> float:
    """The next step of a message's way, for comparison."""
    session = OkxSession((Subscription(channel, NAME),))
    session.opened(0)
    receive = session.receive
    began_ns = time.process_time_ns()
    for payload in payloads:
        receive(payload, 1)
    return (time.process_time_ns() - began_ns) / len(payloads) / 1_000


def bomb_line() -> str:
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(b"x" * BOMB_BYTES) + packer.flush(zlib.Z_SYNC_FLUSH)
    began_ns = time.process_time_ns()
    zlib.decompressobj(wbits=-15).decompress(packed)
    cost_ms = (time.process_time_ns() - began_ns) / 1e6
    factor = BOMB_BYTES / len(packed)
    return (
        f"a frame of {len(packed)} bytes becomes {BOMB_BYTES} (x {factor:.0f}) in {cost_ms:.1f} ms"
    )


def main() -> None:
    print(line(describe()))
    print(
        f"seed {SEED}, {MESSAGES_PER_RUN} messages, median of {RUNS} (least-most), CPU us/message"
    )
    walk = Walk()
    made = {
        "trades": messages("trades", walk.trades),
        "bbo-tbt": messages("bbo-tbt", walk.bbo),
        "books": messages("books", walk.books),
    }
    for channel, payloads in made.items():
        size = sum(map(len, payloads)) / len(payloads)
        for compressed in (False, True):
            reads = wire(payloads, compressed)
            on_wire = sum(map(len, reads)) / len(payloads)
            costs = [decode_us(reads, len(payloads), compressed) for _ in range(RUNS)]
            name = "deflate" if compressed else "plain"
            print(
                f"{channel:8} {size:6.0f} B  {name:8} {statistics.median(costs):6.2f}"
                f" ({min(costs):.2f}-{max(costs):.2f}) us  {on_wire:6.0f} B on the wire"
            )
        costs = [session_us(payloads, channel) for _ in range(RUNS)]
        print(f"{channel:8} session.receive   {statistics.median(costs):6.2f} us")
    print(bomb_line())


if __name__ == "__main__":
    main()
