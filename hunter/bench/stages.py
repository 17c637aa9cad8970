"""Each stage of the data path by itself: CPU per message over the same bytes, in this process.

Every stage is hunter's own code, called as the actors call it, on what the stage before it made.
Best of a few repeats: what disturbs a repeat only adds. These are the steps one by one, as Python
calls them. With the compiled part an ordinary frame goes from the socket into the ring in one call,
and none of the steps from frame to ring write is made for it: a burst says what that costs.
"""

from __future__ import annotations

import contextlib
import math
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from hunter import clock
from hunter.bench.load import accept_key
from hunter.bench.traffic import Traffic, TrafficPlan
from hunter.brain.flow import FlowBrain
from hunter.brain.inputs import BboRow, TradeRow, book_row, ticker_row
from hunter.brain.settings import BrainSettings
from hunter.bus.sockets import SignalPublisher, WakeReceiver, WakeSender
from hunter.clock import SystemClock
from hunter.exchange.okx.events import Data
from hunter.exchange.okx.orderbook import OrderBook
from hunter.exchange.okx.parse import parse_books, parse_tickers, parse_trades
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.rows import BookUpdate, Ticker, Trade
from hunter.exchange.okx.session import OkxSession
from hunter.ring import segment
from hunter.ring.adopt import adopt_or_create
from hunter.ring.layout import RingLayout, capacities_of
from hunter.ring.merge import MergedReader
from hunter.ring.reader import Row
from hunter.ring.rows import BOOK_LEVELS, Kind
from hunter.ring.writer import RingWriter
from hunter.signals.decision import Decision
from hunter.signals.journal import Journal
from hunter.signals.rules import SignalRule
from hunter.signals.signal import encode_signal
from hunter.stream.connection import Connection

MIX: Final = "mix"
MESSAGES: Final = 10_000
BATCH: Final = 64
"""Rows that are published together: what a busy socket brings in one read."""
_PIECE: Final = 64 << 10
_NAME: Final = "BTC-USDT-SWAP"
_WAKES: Final = 1_000
_CONNECT_TRIES: Final = 100


class Rows(NamedTuple):
    """What the messages say, in order: trades, tickers, book updates."""

    decoded: list[Trade | Ticker | BookUpdate]
    books: list[BookUpdate]
    tops: list[tuple[list[float], list[float]]]


def measure(repeats: int, messages: int = MESSAGES) -> list[dict[str, Any]]:
    """The stages in the order of the data path, over 60 % trades, 30 % books, 10 % tickers. One row
    a stage: `per` says what one of is meant by `cpu_us_each`.
    """
    traffic = Traffic(TrafficPlan(MIX, messages))
    stamp_ms = SystemClock().wall_ns() // 1_000_000
    data = bytes(traffic.stream_of([0], stamp_ms).data)
    snapshot = _payloads(traffic.hello(_NAME, "books", stamp_ms))[0]
    payloads = _payloads(data)
    found = _receiving(data, len(payloads), repeats)
    rows, decoding = _decoding(snapshot, payloads, repeats)
    found.append(_row("decode", decoding, len(payloads), len(payloads)))
    upkeep = _best(repeats, lambda: _keep(rows))
    found.append(_row("book upkeep", upkeep, len(payloads), len(rows.books), "book update"))
    with (
        tempfile.TemporaryDirectory(prefix="hunter-bench-") as home,
        _ring(Path(home), len(rows.decoded)) as (writer, reader),
    ):
        found += _through_ring(writer, reader, rows, Path(home), repeats)
    return found


def _row(
    stage: str, cpu_ns: int, messages: int, count: int, per: str = "message"
) -> dict[str, Any]:
    return {
        "stage": stage,
        "cpu_us_per_message": round(cpu_ns / messages / 1e3, 3),
        "cpu_us_each": round(cpu_ns / max(1, count) / 1e3, 3),
        "per": per,
    }


def _best(repeats: int, run: Callable[[], object]) -> int:
    """Least CPU of a few runs, ns."""
    taken = []
    for _ in range(repeats):
        began_ns = clock.process_cpu_ns()
        run()
        taken.append(clock.process_cpu_ns() - began_ns)
    return min(taken)


def _payloads(data: bytes) -> list[bytes]:
    """By hand: this is the measure, not what is measured."""
    found, at = [], 0
    while at < len(data):
        length, start = data[at + 1], at + 2
        if length == 126:
            length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif length == 127:
            length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        found.append(data[start : start + length])
        at = start + length
    return found


def _receiving(data: bytes, count: int, repeats: int) -> list[dict[str, Any]]:
    """The socket alone, and the connection's share beyond it."""
    bare = min(_bare(data) for _ in range(repeats))
    framed = min(_framed(data, count) for _ in range(repeats))
    return [
        _row("socket", bare, count, count),
        _row("frame", max(0, framed - bare), count, count),
    ]


def _bare(data: bytes) -> int:
    with _pair() as (server, client):
        taken = 0
        for start in range(0, len(data), _PIECE):
            server.sendall(data[start : start + _PIECE])
            left = min(_PIECE, len(data) - start)
            began_ns = clock.process_cpu_ns()
            while left:
                left -= len(client.recv(_PIECE))
            taken += clock.process_cpu_ns() - began_ns
        return taken


def _framed(data: bytes, count: int) -> int:
    """A connection of the stream, with everything that it does for a frame."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        connection = Connection(f"ws://{host}:{port}/ws/v5/public")
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        connection.resolved(found)
        now_ns = SystemClock().monotonic_ns
        connection.connect_next(now_ns())
        server, _ = listener.accept()
        with server:
            helper = threading.Thread(target=_shake_hands, args=(server,))
            helper.start()
            while helper.is_alive():
                connection.step(now_ns())
            taken = got = 0
            for start in range(0, len(data), _PIECE):
                server.sendall(data[start : start + _PIECE])
                began_ns = clock.process_cpu_ns()
                frames = connection.step(now_ns())
                taken += clock.process_cpu_ns() - began_ns
                got += len(frames)
            while got < count:
                began_ns = clock.process_cpu_ns()
                got += len(connection.step(now_ns()))
                taken += clock.process_cpu_ns() - began_ns
            connection.abort("measured")
        return taken


def _shake_hands(server: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += server.recv(1 << 16)
    lines = head.split(b"\r\n")
    key = next(line for line in lines if line.lower().startswith(b"sec-websocket-key"))
    server.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key.split(b":", 1)[1].strip()) + b"\r\n\r\n"
    )


@contextlib.contextmanager
def _pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        server, _ = listener.accept()
        with server:
            yield server, client


_PARSE: Final[dict[str, Callable[[Any, str], list[Any]]]] = {
    "trades": lambda payload, _: parse_trades(payload),
    "tickers": lambda payload, _: parse_tickers(payload),
    "books": parse_books,
}


def _decoding(snapshot: bytes, payloads: list[bytes], repeats: int) -> tuple[Rows, int]:
    """The session's look at each frame, and the channel's own decoder."""
    subscriptions = tuple(Subscription(channel, _NAME) for channel in _PARSE)

    def decode() -> list[Any]:
        session = OkxSession(subscriptions)
        session.opened(1)
        found: list[Any] = []
        for payload in payloads:
            for event in session.receive(payload, 2):
                if isinstance(event, Data):
                    found += _PARSE[event.channel](event.payload, event.action)
        return found

    taken = _best(repeats, decode)
    session = OkxSession(subscriptions)
    session.opened(1)
    first = [
        update
        for event in session.receive(snapshot, 2)
        if isinstance(event, Data)
        for update in parse_books(event.payload, event.action)
    ]
    decoded = decode()
    books = first + [row for row in decoded if isinstance(row, BookUpdate)]
    rows = Rows(decoded, books, [])
    rows.tops.extend(_keep(rows))
    return rows, taken


def _keep(rows: Rows) -> list[tuple[list[float], list[float]]]:
    """The book after each update, as the ring shows it."""
    book, tops = OrderBook(), []
    for update in rows.books:
        book.apply(update)
        tops.append(book.top(BOOK_LEVELS))
    return tops[1:]


@contextlib.contextmanager
def _ring(home: Path, row_count: int) -> Iterator[tuple[RingWriter, MergedReader]]:
    """A ring that holds all rows of one pass."""
    capacity = 1 << max(6, row_count.bit_length())
    kinds = (Kind.TRADE, Kind.TICKER, Kind.BOOK)
    layout = RingLayout((_NAME,), capacities_of(dict.fromkeys(kinds, capacity)))
    directory = segment.shared_dir("bench-stages", home)
    segment.make_private_dir(directory)
    path = directory / "ring-0"
    try:
        adopt_or_create(path, layout, SystemClock().wall_ns())
        writer = RingWriter(path, SystemClock().wall_ns())
        with segment.attach(path) as shared:
            yield writer, MergedReader(shared, writer.layout, 0)
        writer.close()
    finally:
        segment.unlink(path)
        directory.rmdir()


def _write(writer: RingWriter, rows: Rows) -> None:
    received_ts_ns, books = SystemClock().wall_ns(), iter(rows.tops)
    unpublished = 0
    for row in rows.decoded:
        if isinstance(row, Trade):
            facts = (row.trade_id, row.exchange_ts_ns, row.price, row.size, row.count, row.side)
            writer.put_trade(0, received_ts_ns, facts)
        elif isinstance(row, Ticker):
            numbers = (row.last, row.last_size, row.bid, row.bid_size, row.ask, row.ask_size)
            day = (row.open_24h, row.high_24h, row.low_24h, row.volume_24h)
            writer.put_ticker(0, received_ts_ns, row.exchange_ts_ns, (*numbers, *day, math.nan))
        else:
            writer.put_book(0, received_ts_ns, row.seq_id, row.exchange_ts_ns, next(books))
        unpublished += 1
        if unpublished == BATCH:
            unpublished = 0
            writer.publish()
    writer.publish()


def _through_ring(
    writer: RingWriter, reader: MergedReader, rows: Rows, home: Path, repeats: int
) -> list[dict[str, Any]]:
    count = len(rows.decoded)
    writing, reading = [], []
    read: list[tuple[Kind, Row]] = []
    for _ in range(repeats):
        writing.append(_best(1, lambda: _write(writer, rows)))
        read.clear()
        reading.append(_best(1, lambda: _read(reader, read)))
    found = [
        _row("ring write", min(writing), count, count),
        _row("wake-up", _waking(home, repeats) * (count // BATCH), count, count // BATCH, "batch"),
        _row("ring read", min(reading), count, count),
    ]
    quiet = min(_thinking(read, 3_600_000)[0] for _ in range(repeats))
    often, decisions = min(
        (_thinking(read, 10) for _ in range(repeats)), key=lambda taken: taken[0]
    )
    deciding = max(0, often - quiet)
    publishing = _publishing(decisions, home, repeats)
    each = len(decisions) or 1
    # One decision a second for each instrument: of its messages, so few make one.
    found += [
        _row("features", quiet, count, count),
        _row("decision", deciding, count, each, "decision"),
        _row("publish", publishing, count, each, "decision"),
    ]
    return found


def _read(reader: MergedReader, into: list[tuple[Kind, Row]]) -> None:
    while rows := reader.poll(BATCH):
        into += rows


def _waking(home: Path, repeats: int) -> int:
    """Both ends in one thread: no core has to be woken, which costs more than all of this."""
    receiver, sender = WakeReceiver(home, "bench"), WakeSender(home, "bench")
    try:
        for _ in range(_CONNECT_TRIES):  # a connection takes a moment, and loses what is before it
            sender.wake()
            if receiver.wait(10):
                break

        def wake() -> None:
            for _ in range(_WAKES):
                sender.wake()
                receiver.wait(1)

        return _best(repeats, wake) // _WAKES
    finally:
        sender.close()
        receiver.close()


def _thinking(rows: list[tuple[Kind, Row]], interval_ms: int) -> tuple[int, list[Decision]]:
    """The built-in brain over all rows, as its actor drives it."""
    brain = FlowBrain(_NAME, BrainSettings(interval_ms=interval_ms))
    decisions = []
    began_ns = clock.process_cpu_ns()
    for kind, row in rows:
        if kind is Kind.TRADE:
            decision = brain.on_trade(TradeRow._make(row))
        elif kind is Kind.TICKER:
            decision = brain.on_ticker(ticker_row(row))
        elif kind is Kind.BBO:
            decision = brain.on_bbo(BboRow._make(row))
        else:
            decision = brain.on_book(book_row(row))
        if decision is not None:
            decisions.append(decision)
    return clock.process_cpu_ns() - began_ns, decisions


def _publishing(decisions: list[Decision], home: Path, repeats: int) -> int:
    """From decisions to signals in the journal and on the bus."""
    publisher = SignalPublisher(home)
    number = 0

    def publish() -> None:
        nonlocal number
        number += 1
        journal, rule = Journal(home / f"journal-{number}"), SignalRule(f"{number:016x}")
        for decision in decisions:
            signal = rule.apply(decision, 1.0)
            if signal is not None and journal.append(signal):
                publisher.publish(signal.instrument, encode_signal(signal))
        journal.close()

    try:
        return _best(repeats, publish)
    finally:
        publisher.close()
