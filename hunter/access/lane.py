"""Rows of one kind of one instrument, as a user's Python has them.

`last` copies and validates. `view` does neither: it shows the ring's own memory, read-only, and can
tell afterwards whether the writer has been there. A lane outlives a restart of the instance: each
call looks whether the ring it knows still is the one under its name, and takes the new one if not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import msgspec

from hunter.errors import HunterError, SegmentError
from hunter.ring.adopt import unusable_text
from hunter.ring.layout import WRITER_PID_WORD, RingLayout
from hunter.ring.reader import LaneReader, Row
from hunter.ring.rows import BOOK_LEVELS, ROW_BYTES, Kind, numpy_dtype, place_of
from hunter.ring.segment import Segment
from hunter.status.page import process_start_ticks

if TYPE_CHECKING:
    import numpy as np

    from hunter.exchange.okx.endpoints import Bar

    Rows = np.ndarray[tuple[int], np.dtype[np.void]]

_BAR_S: Final = place_of(Kind.CANDLE, "bar_s")
_UTC: Final = place_of(Kind.CANDLE, "utc")


@dataclass(frozen=True)
class Found:
    """A lane where it lies: the ring that is mapped, and which instrument's rows of it."""

    shared: Segment
    layout: RingLayout
    index: int
    kind: Kind
    reader: LaneReader


def is_written(shared: Segment) -> bool:
    """Whether the process that last wrote the ring is still there."""
    return process_start_ticks(shared.words[WRITER_PID_WORD]) > 0


class Lane:
    """Rows of one kind of one instrument, newest last.

    Every call raises NotRunning while the instance is stopped, and goes on after its next start;
    NotFound when it does not stream the instrument any more; SegmentError when the ring is damaged.
    """

    def __init__(self, find: Callable[[], Found]) -> None:
        self._find = find
        self._held = find()

    def _found(self) -> Found:
        shared = self._held.shared
        if shared.is_cut_short():
            raise SegmentError(unusable_text(shared.path, "somebody has cut it short"))
        if not shared.is_current():
            self._held = self._find()
        return self._held

    def last(self, row_count: int) -> Rows:
        """The newest rows: a structured array of shape (<= row_count,), fields as in
        hunter.ring.rows, times in ns since the epoch; a private, validated copy.
        """
        import numpy

        reader = self._found().reader
        return numpy.frombuffer(reader.last_bytes(row_count), dtype=numpy_dtype(reader.kind))

    def last_rows(self, row_count: int) -> list[Row]:
        """The same as plain tuples, in the order of hunter.ring.rows; needs no numpy."""
        return self._found().reader.last(row_count)

    def view(self, row_count: int) -> LaneView:
        """The newest rows without a copy, for `with`; see LaneView before you use it."""
        return LaneView(self._found(), row_count)

    @property
    def sequence(self) -> int:
        """Rows published so far."""
        return self._found().reader.head

    @property
    def capacity(self) -> int:
        """Rows that the ring keeps."""
        return self._found().reader.capacity

    # As tables; hunter.access.frames says which columns there are and of what types. MissingExtra
    # when the library is not installed.

    def to_pandas(self, row_count: int) -> Any:
        """The newest rows as a pandas.DataFrame."""
        from hunter.access import frames

        return frames.to_pandas(self.last(row_count))

    def to_polars(self, row_count: int) -> Any:
        """The newest rows as a polars.DataFrame."""
        from hunter.access import frames

        return frames.to_polars(self.last(row_count))

    def to_arrow(self, row_count: int) -> Any:
        """The newest rows as a pyarrow.Table."""
        from hunter.access import frames

        return frames.to_arrow(self.last(row_count))


class LaneView:
    """The newest rows where they lie: no copy, no check, for as long as the `with` lasts.

        with h.trades("BTC-USDT-SWAP").view(4096) as view:
            bought = sum(part["size"][part["side"] > 0].sum() for part in view.parts)
            if not view.is_intact():
                ...                                  # overwritten meanwhile: look again

    `parts` are one or two structured arrays, oldest row first: where the ring ends, its rows go on
    at its beginning. They cannot be written to.

    What to know. The writer goes on: once it has published `capacity` minus `row_count` further
    rows, it overwrites the oldest of these, and what is computed meanwhile may mix rows of two
    laps. So ask `is_intact` after the computation and before its result is used; ask for few rows
    of a large ring and it is nearly always true. The rows' checks are not looked at: `last` leaves
    out a row that memory has damaged, this does not. A part, or a slice of it, that is kept after
    the `with` keeps the ring mapped and says nothing about itself: copy what is to stay.
    """

    def __init__(self, found: Found, row_count: int) -> None:
        import numpy

        reader, size = found.reader, ROW_BYTES[found.kind]
        self._reader = reader
        tail = reader.tail  # first: the head never lies behind a tail that was loaded before it
        self._end = reader.head if reader.is_believed else tail
        self._start = max(tail, self._end - row_count)
        count = self._end - self._start
        lane = found.layout.lane_offset(found.index, found.kind)
        first = self._start & (reader.capacity - 1) if count else 0
        run = min(count, reader.capacity - first)
        self.parts: tuple[Rows, ...] = tuple(
            numpy.frombuffer(
                found.shared.view[lane + start * size : lane + (start + length) * size],
                dtype=numpy_dtype(found.kind),
            )
            for start, length in ((first, run), (0, count - run))
            if length
        )

    def __len__(self) -> int:
        return self._end - self._start

    def is_intact(self) -> bool:
        """Whether no row of these has been overwritten since, nor is about to be."""
        return not len(self) or self._reader.tail <= self._start

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.parts = ()


class BookTop(NamedTuple):
    """The top of a book. `bids` and `asks`: float64 arrays of shape (20, 2), price and size (as of
    trades), best level first; a level that is not there is NaN, all of them while the book is not
    `valid`: an update is missing, or nobody writes it any more. Times in ns since the epoch.
    """

    valid: bool
    seq_id: int
    exchange_ts_ns: int
    received_ts_ns: int
    bids: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    asks: np.ndarray[tuple[int, int], np.dtype[np.float64]]


class BookNow(msgspec.Struct, frozen=True):
    """The public JSON of a book, `hunter book --json`: levels are [price, size], best first."""

    instrument: str
    valid: bool
    seq_id: int
    exchange_ts_ns: int
    age_ms: float
    bids: list[list[float]]
    asks: list[list[float]]


class BookLane(Lane):
    """Book tops."""

    def now(self, now_wall_ns: int, depth: int = BOOK_LEVELS) -> BookNow | None:
        """The book as it is now, its best `depth` levels a side, plain; None before the first. Not
        valid: an update is missing, or nobody writes it any more. Needs no numpy.
        """
        rows = self.last_rows(1)
        if not rows:
            return None
        found = self._held
        _, _, seq_id, exchange_ts_ns, received_ts_ns, valid, bid_count, ask_count, _, *levels = (
            rows[0]
        )
        bids, asks = levels[: 2 * BOOK_LEVELS], levels[2 * BOOK_LEVELS : 4 * BOOK_LEVELS]
        return BookNow(
            found.layout.instruments[found.index],
            # the last book of a dead process looks as good as it did
            bool(valid) and is_written(found.shared),
            int(seq_id),
            int(exchange_ts_ns),
            round((now_wall_ns - int(received_ts_ns)) / 1e6, 1),
            _levels(bids, min(int(bid_count), depth)),
            _levels(asks, min(int(ask_count), depth)),
        )

    def latest(self) -> BookTop | None:
        """The same as arrays."""
        rows = self.last(1)
        if not len(rows):
            return None
        row = rows[0]
        valid = bool(row["valid"]) and is_written(self._held.shared)
        sides = []
        for name in ("bid", "ask"):
            levels = row[f"{name}s"].copy()
            levels[int(row[f"{name}_count"]) if valid else 0 :] = float("nan")
            sides.append(levels)
        times = int(row["exchange_ts_ns"]), int(row["received_ts_ns"])
        return BookTop(valid, int(row["seq_id"]), *times, sides[0], sides[1])


def _levels(flat: Sequence[float], count: int) -> list[list[float]]:
    return [[flat[2 * i], flat[2 * i + 1]] for i in range(count)]


class BarLane(Lane):
    """Candles of one bar, out of a lane that holds them all. `sequence` counts all bars' rows."""

    def __init__(self, find: Callable[[], Found], bar: Bar) -> None:
        super().__init__(find)
        self._bar = bar

    def last(self, row_count: int) -> Rows:
        rows = super().last(self.capacity)
        wanted = (rows["bar_s"] == self._bar.seconds) & (rows["utc"] == self._bar.utc)
        found: Rows = rows[wanted]
        return found[max(0, len(found) - row_count) :]

    def last_rows(self, row_count: int) -> list[Row]:
        rows = super().last_rows(self.capacity)
        found = [row for row in rows if (row[_BAR_S], row[_UTC]) == self._bar]
        return found[max(0, len(found) - row_count) :]

    def view(self, row_count: int) -> LaneView:
        """Not to be had: its rows lie among those of other bars."""
        del row_count
        raise HunterError("candles of one bar do not lie side by side: use last()")
