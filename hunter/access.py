"""Read-only access to a running instance: for the command line and for users' own Python.

    import hunter
    h = hunter.attach("hunter.toml")
    h.trades("BTC-USDT-SWAP").last(1000)      # numpy structured array
    for signal in h.signals(follow=True): ...

Everything is mapped read-only and copied out, so nothing here can disturb the system or change
under the caller's hands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from hunter import clock
from hunter.clock import SystemClock
from hunter.config import Config, find_file, load
from hunter.errors import NotFound, NotRunning, SegmentError
from hunter.ring import segment
from hunter.ring.layout import WRITER_PID_WORD, RingLayout
from hunter.ring.reader import LaneReader, Row
from hunter.ring.rows import Kind, numpy_dtype
from hunter.signals.journal_reader import JournalFollower, last_signals
from hunter.signals.signal import Signal
from hunter.status import block, report
from hunter.status.page import process_start_ticks

if TYPE_CHECKING:
    import numpy as np

FOLLOW_EVERY_S = 0.1


class Lane:
    """Rows of one kind of one instrument, newest last."""

    def __init__(self, reader: LaneReader) -> None:
        self._reader = reader

    def last(self, row_count: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """The newest rows: a structured array of shape (<= row_count,), fields as in
        hunter.ring.rows, times in ns since the epoch; a private, validated copy.
        """
        import numpy

        raw = self._reader.last_bytes(row_count)
        return numpy.frombuffer(raw, dtype=numpy_dtype(self._reader.kind))

    def last_rows(self, row_count: int) -> list[Row]:
        """The same as plain tuples, in the order of hunter.ring.rows; needs no numpy."""
        return self._reader.last(row_count)

    @property
    def sequence(self) -> int:
        """Rows published so far."""
        return self._reader.head


class Instance:
    """One instance of hunter, seen from outside."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._directory = segment.shared_dir(config.hunter.name, config.runtime_dir)
        try:
            self._status = block.attach(self._directory)
            self._rings: list[tuple[segment.Segment, RingLayout]] = []
            for path in sorted(self._directory.glob("ring-*[0-9]"), key=lambda p: int(p.name[5:])):
                shared = segment.attach(path)
                self._rings.append((shared, RingLayout.read_header(shared.view)))
        except SegmentError as error:
            raise NotRunning(
                f'hunter "{config.hunter.name}" is not running; start it: hunter start'
            ) from error

    def status(self) -> report.StatusReport:
        """What `hunter status --json` prints, as an object."""
        now = SystemClock()
        return report.make_report(self._status, self._rings, now.wall_ns(), now.monotonic_ns())

    @property
    def instruments(self) -> list[str]:
        return [name for _, layout in self._rings for name in layout.instruments]

    def trades(self, instrument: str) -> Lane:
        return self.lane(instrument, Kind.TRADE)

    def quotes(self, instrument: str) -> Lane:
        """Best bid and offer."""
        return self.lane(instrument, Kind.BBO)

    def tickers(self, instrument: str) -> Lane:
        return self.lane(instrument, Kind.TICKER)

    def books(self, instrument: str) -> Lane:
        """Book tops, 20 levels a side."""
        return self.lane(instrument, Kind.BOOK)

    def lane(self, instrument: str, kind: Kind) -> Lane:
        """Raises NotFound for an instrument that this instance does not stream."""
        for shared, layout in self._rings:
            if instrument in layout.instruments:
                return Lane(LaneReader(shared, layout, layout.instruments.index(instrument), kind))
        known = ", ".join(self.instruments)
        raise NotFound(f'no instrument "{instrument}" here; this instance streams {known}')

    def is_written(self, instrument: str) -> bool:
        """Whether the process that last wrote this instrument's lanes is still there."""
        for shared, layout in self._rings:
            if instrument in layout.instruments:
                return process_start_ticks(shared.words[WRITER_PID_WORD]) > 0
        return False

    def signals(
        self, instrument: str | None = None, row_count: int = 20, *, follow: bool = False
    ) -> Iterator[Signal]:
        """The newest signals, oldest first; with `follow`, then each new one as it is decided."""
        return journal_signals(self.config, instrument, row_count, follow=follow)

    def close(self) -> None:
        self._status.close()
        for shared, _ in self._rings:
            shared.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def journal_signals(
    config: Config, instrument: str | None, row_count: int, *, follow: bool
) -> Iterator[Signal]:
    """Signals out of the journal files: there also when nothing runs."""
    directory = config.data_dir / "signals"
    follower = JournalFollower(directory, instrument) if follow else None
    shown = last_signals(directory, row_count, instrument)
    yield from shown
    known = {signal.id for signal in shown}  # what came between the two looks is in both
    while follower is not None:
        fresh = follower.poll()
        yield from (signal for signal in fresh if signal.id not in known)
        if not fresh:
            clock.sleep_s(FOLLOW_EVERY_S)


def attach(config_file: str | Path | None = None) -> Instance:
    """Open a running instance by its configuration file (default: as the command line finds it).

    Raises NotRunning, or ConfigError for a bad file.
    """
    given = None if config_file is None else str(config_file)
    return Instance(load(find_file(given)))
