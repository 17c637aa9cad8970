"""What a recording holds: its data frames in time order, decoded as far as the exchange needs.

Several files are one recording; `lines` reads them and knows their forms. Only data frames come
out; acks and errors are the simulator's own to give. What cannot be read is counted and skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from hunter.market.instrument import is_instrument
from hunter.simulator.channels import CHANNELS, Key, Subject, is_by_instrument, key_of
from hunter.simulator.frames import BookChange, Level, PublishedTrade, Push
from hunter.simulator.lines import Counts, file_lines, merged_lines

LISTED_LINES_MAX: Final = 20_000


class RecordedPush(NamedTuple):
    received_ns: int
    push: Push


class _Envelope(msgspec.Struct):
    arg: dict[str, Any] | None = None
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
            for index, (_, frame) in enumerate(file_lines(path, Counts())):
                if index >= LISTED_LINES_MAX:
                    break
                push = parse_frame(frame, Counts())
                if push is not None and is_by_instrument(push.channel):
                    names[push.inst_id] = None
        return list(names)

    def pushes(self, counts: Counts) -> Iterator[RecordedPush]:
        """Data frames in time order; a frame's bytes are those of the file."""
        for received_ns, frame in merged_lines(self.paths, counts):
            push = parse_frame(frame, counts)
            if push is not None:
                counts.frames += 1
                yield RecordedPush(received_ns, push)


def parse_frame(frame: bytes, counts: Counts) -> Push | None:
    """A data frame with what state and ledger need of it; None for anything else."""
    try:
        envelope = _decode_envelope(frame)
        key = _key(envelope.arg) if envelope.arg and not envelope.event else None
        if key is None or not bytes(envelope.data):
            counts.skipped += 1
            return None
        channel, inst_id = key
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


def _key(arg: dict[str, Any]) -> Key | None:
    """Whose subscribers a frame is for; of channels that are not served, if by instrument."""
    channel = str(arg.get("channel"))
    served = CHANNELS.get(channel)
    if served is None:
        key: Key | None = (channel, str(arg.get("instId")))
    else:
        key = key_of(channel, arg)
    subject = served.subject if served else Subject.INSTRUMENT
    if key is None:
        return None
    if subject in (Subject.INSTRUMENT, Subject.INDEX) and not is_instrument(key[1]):
        return None
    return key


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
