"""What the exchange knows now of one instrument: last pushes per channel and the published book.

Fed with every push in order, from either source; serves the initial pushes and REST. The book is
the one subscribers of `books` have seen, so a snapshot made here chains with the next update.
"""

from __future__ import annotations

import heapq
import zlib
from typing import Any, Final

import msgspec

from hunter.simulator.channels import CHANNELS
from hunter.simulator.frames import BookChange, Level, Push, book_text
from hunter.simulator.options import Checksum

TOP_LEVELS: Final = 20
TOPS_MAX: Final = 3_000  # five minutes of one instrument's book
_Top = tuple[list[Level], list[Level]]


class SimulatedBook:
    """Levels by price text; `is_known` once a snapshot came."""

    def __init__(self) -> None:
        self.bids: dict[str, Level] = {}
        self.asks: dict[str, Level] = {}
        self.seq_id = -1
        self.ts_ms = 0
        self.is_known = False

    def apply(self, change: BookChange) -> None:
        if change.is_snapshot:
            self.bids.clear()
            self.asks.clear()
            self.is_known = True
        for side, levels in ((self.bids, change.bids), (self.asks, change.asks)):
            for level in levels:
                if level[1] == "0":
                    # Deletes of prices never shown do happen (captures of 2022).
                    side.pop(level[0], None)
                else:
                    side[level[0]] = level
        self.seq_id, self.ts_ms = change.seq_id, change.ts_ms

    def sides(self, depth: int) -> tuple[list[Level], list[Level]]:
        """(bids, asks), best first."""
        bids = sorted(self.bids.values(), key=lambda level: -float(level[0]))
        asks = sorted(self.asks.values(), key=lambda level: float(level[0]))
        return bids[:depth], asks[:depth]


def legacy_checksum(bids: list[Level], asks: list[Level]) -> int:
    """CRC32 over 25 levels a side, alternating, as a signed number (books before June 2026)."""
    parts: list[str] = []
    for index in range(25):
        for side in (bids, asks):
            if index < len(side):
                parts += side[index][:2]
    crc = zlib.crc32(":".join(parts).encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc


def checksum_field(mode: Checksum, bids: list[Level], asks: list[Level]) -> int | None:
    if mode is Checksum.ABSENT:
        return None
    return legacy_checksum(bids, asks) if mode is Checksum.CRC else 0


class InstrumentState:
    """With `remembers`, the top of the newest books is kept by seqId."""

    def __init__(
        self, inst_id: str, checksum: Checksum = Checksum.ZERO, remembers: bool = True
    ) -> None:
        self.inst_id = inst_id
        self._checksum = checksum
        self.book = SimulatedBook()
        self.latest: dict[str, bytes] = {}
        self._pushed_ns: dict[str, int] = {}
        self._snapshot: bytes | None = None
        self._tops: dict[int, bytes] | None = {} if remembers else None

    def apply(self, push: Push, now_ns: int) -> None:
        """`now_ns` is monotonic: it only feeds the keep-alive."""
        self._pushed_ns[push.channel] = now_ns
        if push.channel == "books":
            assert isinstance(push.body, BookChange), push
            self.book.apply(push.body)
            self._snapshot = None
            if self._tops is not None:
                self._remember(self._tops)
            return
        self.latest[push.channel] = push.text

    def _remember(self, tops: dict[int, bytes]) -> None:
        book = self.book
        bids = heapq.nlargest(TOP_LEVELS, book.bids, key=float)
        asks = heapq.nsmallest(TOP_LEVELS, book.asks, key=float)
        top = ([book.bids[price] for price in bids], [book.asks[price] for price in asks])
        tops[book.seq_id] = msgspec.json.encode(top)
        if len(tops) > TOPS_MAX:
            del tops[next(iter(tops))]

    def book_at(self, seq_id: int) -> tuple[list[Level], list[Level]] | None:
        """(bids, asks), TOP_LEVELS of each, as published with `seq_id`."""
        top = (self._tops or {}).get(seq_id)
        return None if top is None else msgspec.json.decode(top, type=_Top)

    def initial(self, channel: str) -> bytes | None:
        """What a new subscriber of `channel` gets at once, if anything is known."""
        if channel != "books":
            return self.latest.get(channel)
        if not self.book.is_known:
            return None
        if self._snapshot is None:
            self._snapshot = self._snapshot_text()
        return self._snapshot

    def _snapshot_text(self) -> bytes:
        book = self.book
        bids, asks = book.sides(400)
        change = BookChange(True, bids, asks, book.ts_ms, book.seq_id, -1)
        # Frames without seqId have no chain: there the checksum is what a client verifies.
        mode = Checksum.CRC if book.seq_id < 0 else self._checksum
        return book_text(self.inst_id, change, checksum_field(mode, bids, asks))

    def keep_alives(self, now_ns: int, after_ns: int) -> list[Push]:
        """Repeats for channels that had nothing to say for `after_ns` (ws-order-book-channel)."""
        pushes = []
        for channel, pushed_ns in self._pushed_ns.items():
            if now_ns - pushed_ns < after_ns:
                continue
            if channel == "books" and self.book.is_known and self.book.seq_id >= 0:
                seq_id = self.book.seq_id
                change = BookChange(False, [], [], self.book.ts_ms, seq_id, seq_id)
                bids, asks = self.book.sides(25)
                text = book_text(self.inst_id, change, checksum_field(self._checksum, bids, asks))
                pushes.append(Push("books", self.inst_id, text, change))
            elif channel in CHANNELS and CHANNELS[channel].is_resent:
                pushes.append(Push(channel, self.inst_id, self.latest[channel], None))
        return pushes

    def ticker(self) -> dict[str, Any] | None:
        text = self.latest.get("tickers")
        if text is None:
            return None
        row: dict[str, Any] = msgspec.json.decode(text)["data"][0]
        return row
