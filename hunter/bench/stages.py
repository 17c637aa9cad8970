"""Each stage of the data path by itself: CPU per message over the same bytes, in this process.

Every stage is hunter's own code, called as the actors call it, on what the stage before it made:
compiled where that is what runs (`by` says so), else the Python twins. The whole stream is measured
too, turn by turn of its actor; what the stages leave of it is the turn itself: the look at the
sockets, the link, stamps and counters, and in pure Python the checks of feed and chain. Best of a
few repeats: what disturbs a repeat only adds.
"""

from __future__ import annotations

import contextlib
import math
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from hunter import clock
from hunter.bench.compiled import CHANNELS, PASSES, CompiledPass
from hunter.bench.oneprocess import receive
from hunter.bench.traffic import Traffic, TrafficPlan
from hunter.brain.flow import FlowBrain
from hunter.brain.group import row_handlers
from hunter.brain.settings import BrainSettings
from hunter.bus.sockets import SignalPublisher, WakeReceiver, WakeSender
from hunter.clock import SystemClock
from hunter.errors import HunterError
from hunter.exchange.okx.events import Data
from hunter.exchange.okx.orderbook import OrderBook
from hunter.exchange.okx.parse import parse_books, parse_tickers, parse_trades
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.rows import BookUpdate, Ticker, Trade
from hunter.exchange.okx.session import OkxSession
from hunter.native import kernel
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
from hunter.stream.frames import READ_BYTES, split

MIX: Final = "mix"
MESSAGES: Final = 10_000
BATCH: Final = 64
"""Rows that are read together."""
MESSAGES_A_DECISION: Final = 1_000
"""Of one instrument, in a busy second."""
PIECE_BYTES: Final = 128 << 10
"""What a busy socket brings in one read."""
TOGETHER: Final = "socket to ring, all of these"
_FRAME_BYTES_MAX: Final = 4 << 20
_NAME: Final = "BTC-USDT-SWAP"
_WAKES: Final = 1_000
_CONNECT_TRIES: Final = 100


class Rows(NamedTuple):
    """What the messages say, in order: trades, tickers, book updates."""

    decoded: list[Trade | Ticker | BookUpdate]
    books: list[BookUpdate]
    tops: list[tuple[list[float], list[float]]]


class Bytes(NamedTuple):
    """All messages as they are sent, the payload of the book's snapshot, and how many they are."""

    data: bytes
    snapshot: bytes
    messages: int


def measure(repeats: int, messages: int = MESSAGES) -> list[dict[str, Any]]:
    """The stages in the order of the data path, over 60 % trades, 30 % books, 10 % tickers. One row
    a stage: `per` says what one of is meant by `cpu_us_each`, `by` what code it is.
    """
    plan = TrafficPlan(MIX, messages)
    traffic = Traffic(plan)
    stamp_ms = SystemClock().wall_ns() // 1_000_000
    sent = Bytes(
        bytes(traffic.stream_of([0], stamp_ms).data),
        _payloads(traffic.hello(_NAME, "books", stamp_ms))[0],
        messages,
    )
    rows, decoding_ns = _decoding(sent, repeats if kernel is None else 1)
    with (
        tempfile.TemporaryDirectory(prefix="hunter-bench-") as home,
        _ring(Path(home), len(rows.decoded)) as (writer, reader),
    ):
        socket_ns = min(_bare(sent.data) for _ in range(repeats))
        found = [_row("socket", socket_ns, messages, messages, by="kernel")]
        if kernel is None:
            found += _python_stages(sent, rows, decoding_ns, writer, repeats)
        else:
            found += _compiled_stages(sent, rows, writer, repeats)
        found += _whole(plan, found, repeats)
        found += _behind_ring(reader, rows, writer, Path(home), repeats)
    return found


def _row(
    stage: str, cpu_ns: int, messages: int, count: int, per: str = "message", by: str = "Python"
) -> dict[str, Any]:
    return {
        "stage": stage,
        "by": by,
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


def _bare(data: bytes) -> int:
    """The socket alone."""
    room = memoryview(bytearray(READ_BYTES))
    with _pair() as (server, client):
        taken = 0
        for start in range(0, len(data), PIECE_BYTES):
            server.sendall(data[start : start + PIECE_BYTES])
            left = min(PIECE_BYTES, len(data) - start)
            began_ns = clock.process_cpu_ns()
            while left:
                left -= client.recv_into(room)
            taken += clock.process_cpu_ns() - began_ns
        return taken


@contextlib.contextmanager
def _pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        server, _ = listener.accept()
        with server:
            yield server, client


def _compiled_stages(
    sent: Bytes, rows: Rows, writer: RingWriter, repeats: int
) -> list[dict[str, Any]]:
    """By difference: as far as each stage, less as far as the one before it."""
    found, before_ns = [], 0
    for stage in PASSES:
        taken = []
        for _ in range(repeats):
            one = CompiledPass(sent.data, rows.books[0], writer, _NAME)
            began_ns = clock.process_cpu_ns()
            done = one.go(stage, PIECE_BYTES)
            taken.append(clock.process_cpu_ns() - began_ns)
            if done != sent.messages:
                raise HunterError(f"{stage}: {sent.messages - done} prepared messages did not pass")
        after_ns = min(taken)
        is_book = stage == "book upkeep"
        found.append(
            _row(
                stage,
                max(0, after_ns - before_ns),
                sent.messages,
                len(rows.tops) if is_book else sent.messages,
                "book update" if is_book else "message",
                "C",
            )
        )
        before_ns = after_ns
    return found


def _python_stages(
    sent: Bytes, rows: Rows, decoding_ns: int, writer: RingWriter, repeats: int
) -> list[dict[str, Any]]:
    count, buffer = sent.messages, bytearray(sent.data)
    framing_ns = _best(repeats, lambda: split(buffer, 0, len(buffer), _FRAME_BYTES_MAX, []))
    keeping_ns = _best(repeats, lambda: _keep(rows))
    writing_ns = _best(repeats, lambda: _write(writer, rows))
    return [
        _row("frame", framing_ns, count, count),
        _row("decode", decoding_ns, count, count),
        _row("book upkeep", keeping_ns, count, len(rows.tops), "book update"),
        _row("ring write", writing_ns, count, count),
    ]


def _whole(plan: TrafficPlan, parts: list[dict[str, Any]], repeats: int) -> list[dict[str, Any]]:
    """The stream's own turns over the same messages: what the parts leave of them, and all."""
    turns = min((receive(plan, PIECE_BYTES) for _ in range(repeats)), key=lambda item: item.cpu_ns)
    known_ns = sum(item["cpu_us_per_message"] for item in parts) * 1e3 * plan.messages
    left_ns = max(0, int(turns.cpu_ns - known_ns))
    return [
        _row("turn", left_ns, plan.messages, turns.turn_count, "read"),
        _row(TOGETHER, turns.cpu_ns, plan.messages, plan.messages, by=""),
    ]


_PARSE: Final[dict[str, Callable[[Any, str], list[Any]]]] = {
    "trades": lambda payload, _: parse_trades(payload),
    "tickers": lambda payload, _: parse_tickers(payload),
    "books": parse_books,
}


def _decoding(sent: Bytes, repeats: int) -> tuple[Rows, int]:
    """The session's look at each frame, and the channel's own decoder."""
    subscriptions = tuple(Subscription(channel, _NAME) for channel in CHANNELS)
    payloads = _payloads(sent.data)

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
        for event in session.receive(sent.snapshot, 2)
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


def _behind_ring(
    reader: MergedReader, rows: Rows, writer: RingWriter, home: Path, repeats: int
) -> list[dict[str, Any]]:
    """What a brain does, and what wakes it."""
    count = len(rows.decoded)
    reading: list[int] = []
    read: list[tuple[Kind, Row]] = []
    _read(reader, read)  # what the stages before have left
    for _ in range(repeats):
        _write(writer, rows)
        read.clear()
        reading.append(_best(1, lambda: _read(reader, read)))
    waking_ns = _waking(home, repeats) * (count // BATCH)
    by = "C, then Python" if kernel is not None else "Python"
    quiet = min(_thinking(read, 3_600_000)[0] for _ in range(repeats))
    often, decisions = min((_thinking(read, 1) for _ in range(repeats)), key=lambda taken: taken[0])
    deciding = max(0, often - quiet)
    publishing = _publishing(decisions, home, repeats)
    each = len(decisions) or 1
    # They come once a second for each instrument; here much more often, to be measured at all.
    all_messages = each * MESSAGES_A_DECISION
    return [
        _row("wake-up", waking_ns, count, count // BATCH, "batch", "ZeroMQ"),
        _row("ring read", min(reading), count, count, by=by),
        _row("features", quiet, count, count),
        _row("decision", deciding, all_messages, each, "decision"),
        _row("publish", publishing, all_messages, each, "decision"),
    ]


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
    handlers = row_handlers(FlowBrain(_NAME, BrainSettings(interval_ms=interval_ms)))
    decisions = []
    began_ns = clock.process_cpu_ns()
    for kind, row in rows:
        decision = handlers[kind](row)
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
