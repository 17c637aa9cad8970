"""Rows that wait for their file, by lane, and the batches they become. Pure.

A batch is the longest run of the oldest rows that are of one day; it stays as it is until its part
is there, whatever the disk says meanwhile, so that the same part is made again and not a longer
one beside it. Rows that come meanwhile wait behind it.

The day is that of the exchange's stamp; of the reception, where there is none, or one that lies
more than a day ahead of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from hunter.market.bars import TradeBar
from hunter.ring.rows import ROW_BYTES, Kind
from hunter.signals.signal import Signal, parse_signal_id
from hunter.store.parts import DAY_MAX, Folder, PartFile, Place, StoredLane, day_of
from hunter.store.tables import (
    books_table,
    candles_table,
    rows_array,
    signals_table,
    trades_table,
)
from hunter.store.writing import Batch

if TYPE_CHECKING:
    import numpy as np

_NS_PER_DAY: Final = 86_400_000_000_000
_BAR_BYTES: Final = 600
_SIGNAL_BYTES: Final = 4_000
"""What one takes of memory while it waits, roughly."""


class Waiting:
    """What all lanes have; `place` is what the newest row that was taken in will bring."""

    def __init__(self, lane: StoredLane, place: Place, source: int = 0) -> None:
        self.lane = lane
        self.place = place
        self.source = source
        self.row_count = 0
        self.size_bytes = 0
        self.since_ns = 0
        """When the oldest row came, monotonic; 0: there is none."""
        self.batch: Batch | None = None
        """What is being written."""
        self.patience = 1.0
        """How much of the time that rows may wait these may: less at first, so that not all lanes
        come at once for ever.
        """

    def make_batch(self) -> Batch | None:
        """The batch to give to the disk: the one that could not be written, or the next; None when
        nothing waits.
        """
        if self.batch is None and self.row_count:
            self.batch = self._next_batch()
        return self.batch

    def written(self, now_ns: int) -> None:
        """The batch has its part."""
        assert self.batch is not None
        self.row_count -= self.batch.row_count
        self.size_bytes -= self._batch_bytes()
        self.batch = None
        self.patience = 1.0
        # What is left came after the batch was made.
        self.since_ns = now_ns if self.row_count else 0

    def _came(self, row_count: int, size_bytes: int, now_ns: int) -> None:
        self.row_count += row_count
        self.size_bytes += size_bytes
        self.since_ns = self.since_ns or now_ns

    def _next_batch(self) -> Batch:
        raise NotImplementedError

    def _batch_bytes(self) -> int:
        raise NotImplementedError


class WaitingRows(Waiting):
    """Rows of a trade or book lane, as the ring has them."""

    def __init__(self, lane: StoredLane, place: Place, source: int, book_levels: int) -> None:
        super().__init__(lane, place, source)
        self._kind = Kind.BOOK if lane.table == "books" else Kind.TRADE
        self._table: Callable[[bytes], Any] = trades_table
        if self._kind is Kind.BOOK:
            self._table = partial(books_table, level_count=book_levels)
        self._chunks: list[bytes | bytearray] = []
        self._row_bytes = ROW_BYTES[self._kind]

    def add(self, rows: bytes | bytearray, now_ns: int) -> None:
        """Rows of the ring that `place` names, in order."""
        if not rows:
            return
        self._chunks.append(rows)
        last = int.from_bytes(rows[-self._row_bytes :][:8], "little")
        self.place = self.place._replace(last=last)
        self._came(len(rows) // self._row_bytes, len(rows), now_ns)

    def _next_batch(self) -> Batch:
        raw = b"".join(self._chunks)
        rows = rows_array(self._kind, raw)
        days = _days(rows)
        others = (days != days[0]).nonzero()[0]
        count = int(others[0]) if len(others) else len(rows)
        cut = count * self._row_bytes
        self._chunks = [raw[cut:]] if cut < len(raw) else []
        raw = raw[:cut]
        first, last = int(rows["sequence"][0]), int(rows["sequence"][count - 1])
        place = self.place._replace(last=last)
        part = PartFile(Folder(self.lane, int(days[0])), place, first)
        return Batch(part, count, self.source, partial(self._table, raw))

    def _batch_bytes(self) -> int:
        assert self.batch is not None
        return self.batch.row_count * self._row_bytes


def _days(rows: np.ndarray[tuple[int], np.dtype[np.void]]) -> np.ndarray[Any, Any]:
    import numpy

    stamps, received = rows["exchange_ts_ns"], rows["received_ts_ns"]
    doubted = (stamps <= 0) | (stamps - received > _NS_PER_DAY)
    days: np.ndarray[Any, Any] = numpy.where(doubted, received, stamps) // _NS_PER_DAY
    return days.clip(0, DAY_MAX)


class WaitingBars(Waiting):
    """Bars that are over. Their place is the second in which they open."""

    def __init__(self, lane: StoredLane, place: Place, source: int) -> None:
        super().__init__(lane, place, source)
        self._bars: list[TradeBar] = []

    def add(self, bar: TradeBar, now_ns: int) -> None:
        """The next one, of a later time than all before."""
        self._bars.append(bar)
        self.place = self.place._replace(last=_second_of(bar))
        self._came(1, _BAR_BYTES, now_ns)

    def _next_batch(self) -> Batch:
        day = day_of(self._bars[0].open_ts_ns)
        taken = list(takewhile(lambda bar: day_of(bar.open_ts_ns) == day, self._bars))
        self._bars = self._bars[len(taken) :]
        place = self.place._replace(last=_second_of(taken[-1]))
        part = PartFile(Folder(self.lane, day), place, _second_of(taken[0]))
        return Batch(part, len(taken), self.source, partial(candles_table, taken))

    def _batch_bytes(self) -> int:
        assert self.batch is not None
        return self.batch.row_count * _BAR_BYTES


def _second_of(bar: TradeBar) -> int:
    return bar.open_ts_ns // 1_000_000_000


class WaitingSignals(Waiting):
    """Signals of one instrument. Their place is where their line ends in the journal; their day is
    that of the boundary they answer.
    """

    def __init__(self, lane: StoredLane, place: Place) -> None:
        super().__init__(lane, place)
        self._signals: list[tuple[Signal, Place, int]] = []

    def add(self, signal: Signal, place: Place, now_ns: int) -> None:
        boundary_ms = parse_signal_id(signal.id).boundary_ms
        self._signals.append((signal, place, day_of(boundary_ms * 1_000_000)))
        self.place = place
        self._came(1, _SIGNAL_BYTES, now_ns)

    def _next_batch(self) -> Batch:
        _, first, day = self._signals[0]
        taken = list(
            takewhile(lambda each: each[1].series == first.series and each[2] == day, self._signals)
        )
        self._signals = self._signals[len(taken) :]
        part = PartFile(Folder(self.lane, day), taken[-1][1], first.last)
        return Batch(
            part, len(taken), self.source, partial(signals_table, [each[0] for each in taken])
        )

    def _batch_bytes(self) -> int:
        assert self.batch is not None
        return self.batch.row_count * _SIGNAL_BYTES
