"""The rows a recording's frames would have put into the ring, in the order they were received.

Frames go through the same feeds as in a stream process: decoding, trade chain, order book and its
cross-check, all of them; only the ring is missing. What differs from a live run is what a recording
cannot have: nobody answers a request. A hole in the trades that the recording itself does not fill
is given up at once, and the row after it says AFTER_LOSS; a book that breaks stays invalid until
the recording has a snapshot.

Invariants: `received_ts_ns` is the recorded time, held where that goes back; `sequence` counts from
1 in each lane of an instrument, `arrival` over all lanes of the instrument and its mate; `check` is
0. Memory is that of the books, not of the recording. Called by the evaluation and by training.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from hunter.brain.inputs import BboRow, BookRow, TickerRow, TradeRow
from hunter.brain.protocol import Brain
from hunter.exchange.okx.events import Data
from hunter.exchange.okx.messages import NO_DATA, Envelope
from hunter.exchange.okx.parse import DECODE_ERRORS
from hunter.exchange.okx.requests import Subscription
from hunter.market.instrument import is_instrument, mate_of
from hunter.ring.rows import BOOK_LEVELS, Kind
from hunter.ring.writer import LastBook, LastTrade, RingWriter
from hunter.signals.decision import Decision
from hunter.simulator.lines import Counts, Line, file_lines, merged_lines
from hunter.stream.feed import InstrumentFeed

CHANNELS: Final = ("trades", "trades-all", "tickers", "books", "books5", "bbo-tbt")
"""What makes rows for a brain, or shows whether they are right."""
_USUAL: Final = frozenset(["trades", "tickers", "books", "bbo-tbt"])
# So many lines of each file tell which channels there are: a feed takes its books from `books` if
# that was subscribed, else from `books5`, and has to know from its first frame on.
LOOKED_AT_LINES: Final = 5_000
ALWAYS_NS: Final = 1 << 63
_NO_LEVELS: Final = (0.0,) * (2 * BOOK_LEVELS)

AnyRow = TradeRow | BboRow | TickerRow | BookRow

_decode = msgspec.json.Decoder(Envelope).decode


class RecordedRow(NamedTuple):
    instrument: str
    kind: Kind
    """TRADE, BBO, TICKER or BOOK."""
    row: AnyRow


class RowCounts(Counts):
    """What reading found. `frames` made rows or tested them; `skipped` are acks and other channels;
    `malformed` lines, frames and payloads that cannot be read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0
        self.gaps = 0  # holes in the trades, breaks of a book
        self.lost = 0  # matches that are not in the recording
        self.duplicates = 0
        self.mismatches = 0  # quotes that contradict the book


def recorded_rows(
    paths: Sequence[Path],
    counts: RowCounts,
    only: Collection[str] = (),
    before_ns: int = ALWAYS_NS,
) -> Iterator[RecordedRow]:
    """All rows of one recording, whose files are merged by receive time; `only` of the instruments
    named, if any are. What `counts` says is complete when the rows have come to their end. From
    the first line received at `before_ns` or later on nothing is decoded, nor looked at.
    """
    feeds = _Feeds(_channels(paths, before_ns), counts)
    wanted = frozenset(only)
    received_ns = 0
    for line in merged_lines(paths, counts):
        received_ns = max(received_ns, line[0])
        if received_ns >= before_ns:
            break
        found = _market_data(line, counts)
        if found is not None and (not wanted or found.inst_id in wanted):
            yield from feeds.rows_of(found, received_ns)
    feeds.count()


def recorded_instruments(paths: Sequence[Path]) -> tuple[str, ...]:
    """Which instruments the beginnings of the files tell of, in order of appearance."""
    return tuple(_channels(paths))


def give(brain: Brain, row: AnyRow) -> Decision | None:
    """One row to a brain, as the brain's process would hand it over."""
    match row:
        case TradeRow():
            return brain.on_trade(row)
        case BboRow():
            return brain.on_bbo(row)
        case TickerRow():
            return brain.on_ticker(row)
        case BookRow():
            return brain.on_book(row)


def mates_name(instrument: str) -> str:
    """What an instrument shares with its mate: spot and swap of one base and quote currency."""
    return min(instrument, mate_of(instrument) or instrument)


def _channels(paths: Sequence[Path], before_ns: int = ALWAYS_NS) -> dict[str, set[str]]:
    """By instrument, the channels in the first lines of each file."""
    found: dict[str, set[str]] = {}
    for path in paths:
        for number, line in enumerate(file_lines(path, Counts())):
            if number >= LOOKED_AT_LINES or line[0] >= before_ns:
                break
            data = _market_data(line, Counts())
            if data is not None:
                found.setdefault(data.inst_id, set()).add(data.channel)
    return found


def _market_data(line: Line, counts: Counts) -> Data | None:
    """A push of one of CHANNELS; anything else is counted."""
    try:
        envelope = _decode(line[1])
    except DECODE_ERRORS:
        counts.malformed += 1
        return None
    arg = envelope.arg
    is_push = arg is not None and envelope.data is not NO_DATA and envelope.event is None
    if arg is None or not is_push or arg.channel not in CHANNELS or not is_instrument(arg.inst_id):
        counts.skipped += 1
        return None
    return Data(Subscription(arg.channel, arg.inst_id), envelope.action, envelope.data)


class _Feeds:
    """One feed an instrument, made when its first frame comes."""

    def __init__(self, channels: dict[str, set[str]], counts: RowCounts) -> None:
        self._channels = channels
        self._counts = counts
        self._sink = RowSink()
        self._feeds: dict[str, InstrumentFeed] = {}

    def rows_of(self, data: Data, received_ns: int) -> list[RecordedRow]:
        feed = self._feeds.get(data.inst_id) or self._new_feed(data)
        if data.channel not in feed.counters:
            self._counts.skipped += 1
            return []
        self._counts.frames += 1
        feed.on_data(data, received_ns, received_ns)
        if feed.wants_attention:
            feed.news.clear()
            feed.take_resubscribe()
            while feed.chain.holes:
                feed.give_up(received_ns, received_ns)
                feed.news.clear()
        rows = self._sink.take()
        self._counts.rows += len(rows)
        return rows

    def count(self) -> None:
        for feed in self._feeds.values():
            for counters in feed.counters.values():
                self._counts.malformed += counters.malformed
                self._counts.gaps += counters.gaps
                self._counts.lost += counters.lost
                self._counts.duplicates += counters.duplicates
                self._counts.mismatches += counters.mismatches

    def _new_feed(self, data: Data) -> InstrumentFeed:
        known = self._channels.get(data.inst_id, set(_USUAL)) | {data.channel}
        channels = tuple(name for name in CHANNELS if name in known)
        index = self._sink.add(data.inst_id)
        feed = InstrumentFeed(data.inst_id, index, self._sink, channels, {})
        self._feeds[data.inst_id] = feed
        return feed


class RowSink(RingWriter):
    """Stands where the feeds expect the ring's writer: keeps their rows until they are taken, as
    the reader of a ring would see them. There is no segment behind it.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._sequences: list[list[int]] = []
        self._arrivals: dict[str, int] = {}
        self._groups: list[str] = []
        self._rows: list[RecordedRow] = []

    def add(self, instrument: str) -> int:
        """Its index from now on."""
        self._names.append(instrument)
        self._sequences.append([0] * (Kind.BOOK + 1))
        self._groups.append(mates_name(instrument))
        return len(self._names) - 1

    def take(self) -> list[RecordedRow]:
        rows, self._rows = self._rows, []
        return rows

    def _place(self, index: int, kind: Kind) -> tuple[int, int]:
        """Sequence and arrival of the next row."""
        sequences, group = self._sequences[index], self._groups[index]
        sequences[kind] += 1
        arrival = self._arrivals.get(group, 0) + 1
        self._arrivals[group] = arrival
        return sequences[kind], arrival

    def last_trade(self, instrument_index: int) -> LastTrade | None:
        del instrument_index
        return None

    def last_book(self, instrument_index: int) -> LastBook | None:
        del instrument_index
        return None

    def put_trade(
        self,
        index: int,
        received_ts_ns: int,
        trade: tuple[int, int, float, float, int, int],
        flags: int = 0,
    ) -> None:
        trade_id, exchange_ts_ns, price, size, count, side = trade
        place = self._place(index, Kind.TRADE)
        times = (trade_id, exchange_ts_ns, received_ts_ns)
        row = TradeRow(*place, *times, price, size, count, int(side), int(flags), 0)
        self._rows.append(RecordedRow(self._names[index], Kind.TRADE, row))

    def put_bbo(
        self,
        index: int,
        received_ts_ns: int,
        quote: tuple[int, int, float, float, float, float],
    ) -> None:
        place = self._place(index, Kind.BBO)
        row = BboRow._make((*place, *quote[:2], received_ts_ns, *quote[2:], 0, 0))
        self._rows.append(RecordedRow(self._names[index], Kind.BBO, row))

    def put_ticker(
        self, index: int, received_ts_ns: int, exchange_ts_ns: int, numbers: Sequence[float]
    ) -> None:
        place = self._place(index, Kind.TICKER)
        row = TickerRow._make((*place, exchange_ts_ns, received_ts_ns, *numbers[:6], 0, 0))
        self._rows.append(RecordedRow(self._names[index], Kind.TICKER, row))

    def put_book(
        self,
        index: int,
        received_ts_ns: int,
        seq_id: int,
        exchange_ts_ns: int,
        top: tuple[Sequence[float], Sequence[float]] | None,
    ) -> None:
        bids, asks = top if top is not None else ((), ())
        row = BookRow(
            *self._place(index, Kind.BOOK), seq_id, exchange_ts_ns, received_ts_ns,
            int(top is not None), len(bids) // 2, len(asks) // 2,
            (*bids, *_NO_LEVELS[len(bids) :]), (*asks, *_NO_LEVELS[len(asks) :]), 0,
        )  # fmt: skip
        self._rows.append(RecordedRow(self._names[index], Kind.BOOK, row))
