"""One instrument as somebody looks at it: lines of its trades, its quote, its book.

Begun when the first page shows the instrument, forgotten when none does. Reads the ring through
`hunter.access` and never waits; a ring that is cut short or damaged meanwhile gives no news, and
the status report says what is the matter. `advance` says what is new since the last time, `history`
all that the ring has up to there, so a page that got one and then the other misses nothing and has
nothing twice.

CVD is bought minus sold volume since the view was begun: who opens the page first sees it begin at
0, and another page beside it sees the same line.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from hunter.access import Instance
from hunter.access.lane import BookNow
from hunter.errors import NotFound, NotRunning, SegmentError
from hunter.market.contract import SizeUnit
from hunter.ring.reader import Row
from hunter.ring.rows import Kind, TradeFlag
from hunter.web.thinning import thinned

HISTORY_POINTS_MAX: Final = 600
NEWS_POINTS_MAX: Final = 100
_MS_NS: Final = 1_000_000
Rows = npt.NDArray[np.void]


class PriceLine(msgspec.Struct, frozen=True):
    t_ms: list[int]
    price: list[float]


class CvdLine(msgspec.Struct, frozen=True):
    t_ms: list[int]
    cvd: list[float]


class Lines(msgspec.Struct, frozen=True):
    """Of the same trades, each with its own points: a peak of one is none of the other."""

    price: PriceLine = PriceLine([], [])
    cvd: CvdLine = CvdLine([], [])


class QuoteView(msgspec.Struct, frozen=True):
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    age_ms: float

    @property
    def imbalance(self) -> float | None:
        """(bid - ask) / (bid + ask) of the sizes, -1 to 1."""
        both = self.bid_size + self.ask_size
        return round((self.bid_size - self.ask_size) / both, 4) if both > 0 else None


class TradeMoment(msgspec.Struct, frozen=True):
    """Of one trade: its price, when it was received, and how far that lay behind the exchange's
    stamp.
    """

    price: float
    received_ns: int
    behind_ns: int


class MarketView:
    """A window on one instrument's lanes."""

    def __init__(self, instance: Instance, instrument: str) -> None:
        self.instrument = instrument
        self._instance = instance
        self._rows_seen = 0
        self._cvd = 0.0
        rows = self._trades()
        if len(rows):
            self._take(rows)

    @property
    def cvd_unit(self) -> str:
        try:
            unit = self._instance.contract(self.instrument).unit
        except (NotFound, NotRunning, SegmentError):
            return "contracts"
        return self.instrument.partition("-")[0] if unit is SizeUnit.BASE else "contracts"

    def advance(self) -> Lines:
        """The trades since the last time, at most NEWS_POINTS_MAX points a line."""
        rows = self._trades(newer_than=self._rows_seen)
        return _lines(rows, self._take(rows), NEWS_POINTS_MAX) if len(rows) else Lines()

    def history(self) -> Lines:
        """All trades that the ring still has, up to those that `advance` went by."""
        rows = self._trades()
        rows = rows[rows["sequence"] <= self._rows_seen]
        if not len(rows):
            return Lines()
        running = np.cumsum(_signed(rows))
        return _lines(rows, running + (self._cvd - running[-1]), HISTORY_POINTS_MAX)

    def moments(self, sequences: list[int]) -> dict[int, TradeMoment]:
        """Of those of these trades that the ring still has."""
        rows = self._trades(newer_than=min(sequences) - 1) if sequences else self._none()
        places = np.searchsorted(rows["sequence"], sequences)
        found = {}
        for sequence, place in zip(sequences, places.tolist(), strict=True):
            if place < len(rows) and int(rows["sequence"][place]) == sequence:
                row = rows[place]
                was_live = not int(row["flags"]) & TradeFlag.BACKFILL
                received_ns = int(row["received_ts_ns"])
                behind_ns = received_ns - int(row["exchange_ts_ns"]) if was_live else 0
                found[sequence] = TradeMoment(float(row["price"]), received_ns, behind_ns)
        return found

    def quote(self, now_wall_ns: int) -> QuoteView | None:
        """The best bid and offer: of bbo-tbt, else of the book's top."""
        row = self._newest(Kind.BBO)
        if row is not None:
            _, _, _, _, received_ts_ns, bid, bid_size, ask, ask_size, *_ = row
            return QuoteView(bid, bid_size, ask, ask_size, _age_ms(received_ts_ns, now_wall_ns))
        book = self.book(now_wall_ns)
        if book is None or not book.bids or not book.asks:
            return None
        (bid, bid_size), (ask, ask_size) = book.bids[0], book.asks[0]
        return QuoteView(bid, bid_size, ask, ask_size, book.age_ms)

    def book(self, now_wall_ns: int) -> BookNow | None:
        """The newest book; not valid when nobody writes it any more."""
        try:
            return self._instance.lane(self.instrument, Kind.BOOK).now(now_wall_ns)
        except (NotFound, NotRunning, SegmentError):
            return None

    def _take(self, rows: Rows) -> npt.NDArray[np.float64]:
        """Count new rows in; the CVD after each of them."""
        running = self._cvd + np.cumsum(_signed(rows))
        self._cvd = float(running[-1])
        self._rows_seen = int(rows["sequence"][-1])
        return running

    def _trades(self, newer_than: int = 0) -> Rows:
        try:
            lane = self._instance.lane(self.instrument, Kind.TRADE)
            wanted = lane.sequence - newer_than
            if wanted <= 0:
                return self._none()
            # `last` gives what there is: the ring keeps so many, however many are asked for.
            rows: Rows = lane.last(wanted)
        except (NotFound, NotRunning, SegmentError):
            return self._none()
        return rows[rows["sequence"] > newer_than]

    def _none(self) -> Rows:
        from hunter.ring.rows import numpy_dtype

        return np.empty(0, dtype=numpy_dtype(Kind.TRADE))

    def _newest(self, kind: Kind) -> Row | None:
        try:
            rows = self._instance.lane(self.instrument, kind).last_rows(1)
        except (NotFound, NotRunning, SegmentError):
            return None
        return rows[-1] if rows else None


def _signed(rows: Rows) -> npt.NDArray[np.float64]:
    sizes: npt.NDArray[np.float64] = np.nan_to_num(rows["size"]) * rows["side"]
    return sizes


def _lines(rows: Rows, cvd: npt.NDArray[np.float64], points_max: int) -> Lines:
    # Backfilled trades come late but in match order; a chart's axis must never go back.
    t_ms = np.maximum.accumulate(rows["exchange_ts_ns"]) // _MS_NS
    price = rows["price"]
    at_price, at_cvd = thinned(price, points_max), thinned(cvd, points_max)
    return Lines(
        PriceLine(t_ms[at_price].tolist(), price[at_price].tolist()),
        CvdLine(t_ms[at_cvd].tolist(), np.round(cvd[at_cvd], 8).tolist()),
    )


def _age_ms(then_ns: float, now_ns: int) -> float:
    return round((now_ns - int(then_ns)) / 1e6, 1)
