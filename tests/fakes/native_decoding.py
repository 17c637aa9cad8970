"""What the compiled decoder takes of a frame, held against Python's decoders."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import msgspec

from hunter.exchange.okx.messages import Envelope
from hunter.exchange.okx.parse import parse_books, parse_tickers, parse_trades
from hunter.exchange.okx.rows import BookLevel

ENVELOPES = msgspec.json.Decoder(Envelope)


def bits(values: Iterable[Any]) -> list[Any]:
    """Floats by their bits, so that NaN equals itself and -0.0 is not 0.0."""
    return [struct.pack("<d", item) if isinstance(item, float) else item for item in values]


def flat(levels: list[BookLevel]) -> list[Any]:
    return bits(number for level in levels for number in (level.price, level.size))


class Decoding:
    """`taken` counts by kind what was compared. Raises AssertionError where the two differ, and
    what Python raises where only C takes a frame.
    """

    def __init__(self, kernel: ModuleType) -> None:
        self._kernel = kernel
        self.taken: dict[str, int] = {"trades": 0, "ticker": 0, "book": 0}

    def frame(self, frame: bytes) -> str | None:
        """The kind that was taken; None: declined."""
        found = self._kernel.json_envelope(frame)
        if found is None:
            return None
        channel, inst_id, action, data = found
        kind = self.payload(data or b"")
        if kind is None:
            return None  # the envelope does not look into `data`, so it proves nothing alone
        expected = ENVELOPES.decode(frame)
        assert expected.arg is not None, frame
        told = [(text or b"").decode() for text in (channel, inst_id, action)]
        assert told == [expected.arg.channel, expected.arg.inst_id, expected.action], frame
        assert data == bytes(expected.data), frame
        others = (expected.event, expected.code, expected.msg, expected.conn_id, expected.id)
        assert others == (None,) * 5, frame
        return kind

    def payload(self, data: bytes) -> str | None:
        """The same of `data`, which is offered to all decoders."""
        kind = None
        if self._trades(data):
            kind = "trades"
        if self._ticker(data):
            kind = "ticker"
        if self._book(data):
            kind = "book"
        if kind is not None:
            self.taken[kind] += 1
        return kind

    def _trades(self, data: bytes) -> bool:
        rows = self._kernel.json_trades(data)
        if rows is None:
            return False
        expected = [
            bits(
                (
                    row.trade_id, row.count, row.price, row.size, int(row.side),
                    row.exchange_ts_ns, row.seq_id, row.order_source,
                )
            )
            for row in parse_trades(data)
        ]  # fmt: skip
        assert [bits(row) for row in rows] == expected, data
        return True

    def _ticker(self, data: bytes) -> bool:
        row = self._kernel.json_ticker(data)
        if row is None:
            return False
        (expected,) = parse_tickers(data)
        assert bits(row) == bits(msgspec.structs.astuple(expected)), data
        return True

    def _book(self, data: bytes) -> bool:
        book = self._kernel.json_book(data)
        if book is None:
            return False
        bids, asks, seq_id, prev_seq_id, exchange_ts_ns = book
        (expected,) = parse_books(data, "update")
        told = [bits(number for level in side for number in level) for side in (bids, asks)]
        assert told == [flat(expected.bids), flat(expected.asks)], data
        assert (seq_id, prev_seq_id) == (expected.seq_id, expected.prev_seq_id), data
        assert (expected.checksum, exchange_ts_ns) == (0, expected.exchange_ts_ns), data
        return True
