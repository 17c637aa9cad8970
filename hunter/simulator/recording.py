"""Reads recordings: several files are one recording, merged by time, line by line.

Forms, told apart line by line:

    <receive time, ns since the epoch> <frame>      hunter's own
    <epoch s>: <frame>                              received, cryptofeed 2022
    <url> <- <epoch s>: <frame>                     sent by that client: skipped
    <url> <-> <epoch s>                             a connect: skipped

Plain, .gz, or .zst (the zstandard package). Only data frames come out; acks and errors are the
simulator's own to give. Lines that cannot be read are counted and skipped.
"""

from __future__ import annotations

import gzip
import heapq
import importlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

import msgspec

from hunter.errors import ConfigError
from hunter.market.instrument import is_instrument
from hunter.simulator.frames import BookChange, Level, PublishedTrade, Push

LISTED_LINES_MAX: Final = 20_000


class RecordedPush(NamedTuple):
    received_ns: int
    push: Push


class Counts:
    """What reading found; shown in /sim/counts."""

    def __init__(self) -> None:
        self.frames = 0
        self.skipped = 0
        self.malformed = 0


class _Arg(msgspec.Struct):
    channel: str
    instId: str = ""


class _Envelope(msgspec.Struct):
    arg: _Arg | None = None
    action: str = ""
    event: str = ""
    data: msgspec.Raw = msgspec.Raw()


class _Book(msgspec.Struct):
    asks: list[Level]
    bids: list[Level]
    ts: str
    seqId: int = -1
    prevSeqId: int = -1


class _Trade(msgspec.Struct):
    tradeId: str
    px: str
    sz: str
    side: str
    ts: str
    count: str = "1"
    seqId: int = -1


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_books = msgspec.json.Decoder(list[_Book]).decode
_decode_trades = msgspec.json.Decoder(list[_Trade]).decode


class Recording:
    """One recording; `pushes` may be run through more than once."""

    def __init__(self, paths: Sequence[Path]) -> None:
        assert paths, "a recording has at least one file"
        self.paths = tuple(paths)

    def instruments(self) -> list[str]:
        """Names in the first LISTED_LINES_MAX lines of each file, in order of appearance."""
        names: dict[str, None] = {}
        for path in self.paths:
            for index, (_, frame) in enumerate(_lines(path, Counts())):
                if index >= LISTED_LINES_MAX:
                    break
                push = parse_frame(frame, Counts())
                if push is not None:
                    names[push.inst_id] = None
        return list(names)

    def pushes(self, counts: Counts) -> Iterator[RecordedPush]:
        """Data frames in time order; a frame's bytes are those of the file."""
        files = [_lines(path, counts) for path in self.paths]
        for received_ns, frame in heapq.merge(*files, key=lambda line: line[0]):
            push = parse_frame(frame, counts)
            if push is not None:
                counts.frames += 1
                yield RecordedPush(received_ns, push)


def parse_frame(frame: bytes, counts: Counts) -> Push | None:
    """A data frame with what state and ledger need of it; None for anything else."""
    try:
        envelope = _decode_envelope(frame)
        if envelope.arg is None or envelope.event or not bytes(envelope.data):
            counts.skipped += 1
            return None
        channel, inst_id = envelope.arg.channel, envelope.arg.instId
        if not is_instrument(inst_id):
            counts.skipped += 1
            return None
        body: PublishedTrade | BookChange | None = None
        if channel == "books":
            book = _decode_books(envelope.data)[0]
            is_snapshot = envelope.action == "snapshot"
            body = BookChange(
                is_snapshot, book.bids, book.asks, int(book.ts), book.seqId, book.prevSeqId
            )
        elif channel == "trades":
            body = _trade_row(_decode_trades(envelope.data))
    except (msgspec.DecodeError, ValueError, IndexError):
        counts.malformed += 1
        return None
    return Push(channel, inst_id, frame, body)


def _trade_row(trades: list[_Trade]) -> PublishedTrade:
    # Every frame seen holds exactly one item; more would need one row each.
    (trade,) = trades
    return PublishedTrade(
        int(trade.tradeId),
        int(trade.count),
        trade.px,
        trade.sz,
        trade.side,
        int(trade.ts),
        trade.seqId,
    )


def _lines(path: Path, counts: Counts) -> Iterator[tuple[int, bytes]]:
    """(receive time in ns, frame) of each received line."""
    with _open(path) as file:
        for line in file:
            head, _, rest = line.rstrip(b"\r\n").partition(b" ")
            if head.isdigit():
                yield int(head), rest
            elif head.endswith(b":") and head[:-1].replace(b".", b"", 1).isdigit():
                yield _seconds_to_ns(head[:-1].decode()), rest
            elif b"<-" in rest[:4]:
                counts.skipped += 1
            else:
                counts.malformed += 1


def _seconds_to_ns(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * 1_000_000_000 + int(part[:9].ljust(9, "0"))


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if path.suffix == ".zst":
        try:
            zstandard = importlib.import_module("zstandard")
        except ImportError as error:
            message = f"{path} needs the zstandard package; install it or unpack the file"
            raise ConfigError(message) from error
        return io.BufferedReader(zstandard.open(path, "rb"))
    return path.open("rb")
