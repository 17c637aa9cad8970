"""The lanes of one ring as the store reads them: rows that wait for their files, and bars.

A reader of its own for each lane; the writer never notices. The ring is the queue: what it
overwrites before it is read is counted, as `lapped`, or as `dropped` when it was because the disk
did not take what waits already.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from hunter.config import Config
from hunter.market.bars import BarTrade
from hunter.ring.adopt import open_ring
from hunter.ring.reader import ROWS_PER_POLL_MAX, LaneReader
from hunter.ring.rows import STRUCTS, Kind, TradeFlag
from hunter.store.candles import CandleMaker
from hunter.store.files import StoreFiles
from hunter.store.parts import StoredLane
from hunter.store.resume import (
    CandleStart,
    Continued,
    LaneStart,
    TradeTail,
    start_candles,
    start_lane,
)
from hunter.store.waiting import Waiting, WaitingBars, WaitingRows

_TRADE: Final[struct.Struct] = STRUCTS[Kind.TRADE]
_AFTER_LOSS: Final = int(TradeFlag.AFTER_LOSS)


class InstrumentStart(NamedTuple):
    """Where the lanes of an instrument go on; None: that table is not stored."""

    trades: LaneStart | None
    books: LaneStart | None
    candles: CandleStart | None
    tail: TradeTail | None
    """The newest match that needs no reading, for bars without stored trades."""


class _Reading:
    """One lane of the ring."""

    def __init__(self, reader: LaneReader, waiting: WaitingRows | None, tail: TradeTail | None):
        self.reader = reader
        self.waiting = waiting
        self.continued = Continued(tail)
        self.lapped_seen = 0


class StoredInstrument:
    """The lanes of one instrument. `poll` takes what the ring has."""

    def __init__(self, ring: StoredRing, index: int, start: InstrumentStart) -> None:
        name = ring.layout.instruments[index]
        self._books: _Reading | None = None
        self._trades: _Reading | None = None
        self._maker: CandleMaker | None = None
        self._bars: WaitingBars | None = None
        if start.books is not None:
            self._books = ring.reading(index, Kind.BOOK, StoredLane("books", name), start.books)
        if start.trades is not None:
            self._trades = ring.reading(index, Kind.TRADE, StoredLane("trades", name), start.trades)
        if start.candles is not None:
            facts = LaneReader(ring.shared, ring.layout, index, Kind.INSTRUMENT)
            self._maker = CandleMaker(name, facts, start.candles)
            lane = StoredLane("candles", name)
            self._bars = WaitingBars(lane, start.candles.place, ring.layout.source)
            for bar in self._maker.take(start.candles.trades):
                self._bars.add(bar, 1)
            if self._trades is None:
                anew = LaneStart(start.candles.place, -1, start.tail)
                self._trades = ring.reading(index, Kind.TRADE, None, anew)
        self.readings = [each for each in (self._trades, self._books) if each is not None]

    @property
    def waiting(self) -> Iterator[Waiting]:
        for reading in self.readings:
            if reading.waiting is not None:
                yield reading.waiting
        if self._bars is not None:
            yield self._bars

    def poll(self, now_ns: int) -> int:
        """Take in the next rows of each lane; how many bytes they are."""
        size_bytes = 0
        for reading in self.readings:
            rows: bytes | bytearray = reading.reader.poll_bytes(ROWS_PER_POLL_MAX)
            size_bytes += len(rows)
            if reading is self._trades and rows:
                rows = reading.continued.new_rows(bytearray(rows))
                if self._maker is not None and self._bars is not None:
                    for bar in self._maker.take(_bar_trades(rows)):
                        self._bars.add(bar, now_ns)
            if reading.waiting is not None:
                reading.waiting.add(rows, now_ns)
        return size_bytes

    def lapped(self) -> dict[str, int]:
        """Rows missed since the last call, by table."""
        found = {}
        for reading, table in ((self._trades, "trades"), (self._books, "books")):
            if reading is not None:
                missed = reading.reader.lapped + reading.reader.damaged
                if missed != reading.lapped_seen:
                    found[table] = missed - reading.lapped_seen
                    reading.lapped_seen = missed
        return found

    @property
    def overlapping(self) -> int:
        return self._trades.continued.overlapping if self._trades is not None else 0


class StoredRing:
    """One ring. `find_starts` by the writing thread, then `begin`, then `poll`."""

    def __init__(self, path: Path, config: Config) -> None:
        self._config = config
        self.shared, self.layout = open_ring(path)
        self._tables = set(config.store.tables)
        self._starts: list[InstrumentStart] = []
        self.instruments: list[StoredInstrument] = []
        self._arrivals: list[int] = []
        self._behind: set[int] = set()
        start = self.layout.arrival_offset // 8
        self._arrival_words = slice(start, start + len(self.layout.instruments))

    def find_starts(self, files: StoreFiles) -> None:
        """Where each lane goes on. Reads files."""
        self._starts = [self._start(files, index) for index in range(len(self.layout.instruments))]

    def _start(self, files: StoreFiles, index: int) -> InstrumentStart:
        layout, name = self.layout, self.layout.instruments[index]
        ring_id, source = layout.ring_id, layout.source
        starts: dict[str, LaneStart | None] = {"trades": None, "books": None}
        for table, kind in (("trades", Kind.TRADE), ("books", Kind.BOOK)):
            reader = LaneReader(self.shared, layout, index, kind)
            if table in self._tables and reader.capacity:
                lane = StoredLane(table, name)
                starts[table] = start_lane(files, lane, ring_id, source, reader.head)
        candles, tail = None, None
        if "candles" in self._tables:
            candles, tail = start_candles(files, name, ring_id, source)
        return InstrumentStart(starts["trades"], starts["books"], candles, tail)

    def begin(self) -> None:
        """Once the starts are known."""
        self.instruments = [
            StoredInstrument(self, index, start) for index, start in enumerate(self._starts)
        ]
        self._starts = []
        self._arrivals = [-1] * len(self.instruments)

    def reading(
        self, index: int, kind: Kind, lane: StoredLane | None, start: LaneStart
    ) -> _Reading:
        """A reader of a lane, placed where it goes on."""
        reader = LaneReader(self.shared, self.layout, index, kind, max(0, start.cursor))
        if start.cursor < 0 and reader.tail:
            # What is gone was never ours to miss; a margin, because the writer goes on.
            reader.cursor = min(reader.tail + (reader.capacity >> 3), reader.head)
        waiting = None
        if lane is not None:
            levels = self._config.store.book_levels
            waiting = WaitingRows(lane, start.place, self.layout.source, levels)
        return _Reading(reader, waiting, start.tail)

    def changed(self) -> list[StoredInstrument]:
        """Instruments whose lanes have news."""
        arrivals = self.shared.words[self._arrival_words].tolist()
        if arrivals != self._arrivals:
            before, self._arrivals = self._arrivals, arrivals
            self._behind.update(place for place, now in enumerate(arrivals) if now != before[place])
        return [self.instruments[place] for place in self._behind]

    def look_at_all(self) -> None:
        """With the next `poll`: a writer that was killed may have left rows it did not tell of."""
        self._behind.update(range(len(self.instruments)))

    def poll(self, now_ns: int) -> int:
        """Take in what there is; how many bytes."""
        self.changed()
        size_bytes = 0
        for place in list(self._behind):
            found = self.instruments[place].poll(now_ns)
            size_bytes += found
            if not found:
                self._behind.discard(place)
        return size_bytes

    def close(self) -> None:
        self.shared.close()


def _bar_trades(rows: bytes | bytearray) -> Iterator[BarTrade]:
    for row in _TRADE.iter_unpack(rows):
        _, _, trade_id, exchange_ts_ns, received_ts_ns, price, size, count, side, flags, _ = row
        after_loss = bool(flags & _AFTER_LOSS)
        yield BarTrade(
            trade_id, count, exchange_ts_ns, received_ts_ns, price, size, side, after_loss
        )
