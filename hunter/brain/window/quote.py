"""BestQuote: the best bid and offer, from the best source that is alive.

Sources in order of trust: the bbo lane, the top of the book, the ticker. A row of a lesser source
becomes the quote only when the better one has been silent for `stale_ms` of event time; the better
one takes over again with its next row. A quote is usable when both sides are there, with sizes that
are numbers, and the bid is below the ask.
"""

from __future__ import annotations

import enum
from math import inf, nan


class Source(enum.IntEnum):
    """Where the quote is from; the smaller the better."""

    BBO = 0
    BOOK = 1
    TICKER = 2
    NOWHERE = 3


class BestQuote:
    """Written only by FlowWindow; anybody may read the fields."""

    FORMAT = "qqdddd"

    __slots__ = (
        "ask",
        "ask_size",
        "bid",
        "bid_size",
        "crossed",
        "mid",
        "source",
        "stale_ns",
        "stamp_ns",
        "usable",
    )

    def __init__(self, stale_ms: int) -> None:
        self.stale_ns = stale_ms * 1_000_000
        self.source: int = Source.NOWHERE
        self.stamp_ns = 0
        self.bid = self.ask = nan
        self.bid_size = self.ask_size = 0.0
        self.usable = False
        self.crossed = False
        self.mid = nan
        """Half way between bid and ask; meaningless unless `usable`."""

    def outranks(self, source: int, now_ns: int) -> bool:
        """Whether a row of `source` has to stand back at `now_ns`."""
        return self.source < source and now_ns - self.stamp_ns <= self.stale_ns

    def is_stale(self, now_ns: int) -> bool:
        """By the quote's own exchange stamp: a feed that delivers old quotes is stale too."""
        return now_ns - self.stamp_ns > self.stale_ns

    def update(
        self, stamp_ns: int, source: int, *touch: *tuple[float, float, float, float]
    ) -> None:
        """Take over bid, bid size, ask and ask size."""
        self.source = source
        self.stamp_ns = stamp_ns
        self.bid, self.bid_size, self.ask, self.ask_size = touch
        # NaN compares false: an absent side is neither usable nor crossed.
        both = 0.0 < self.bid_size < inf and 0.0 < self.ask_size < inf
        self.mid = (self.bid + self.ask) / 2.0
        self.usable = both and self.bid < self.ask and -inf < self.mid < inf
        self.crossed = both and self.bid >= self.ask

    def state(self) -> tuple[int, int, float, float, float, float]:
        """For the snapshot."""
        sides = (self.bid, self.bid_size, self.ask, self.ask_size)
        return (int(self.source), self.stamp_ns, *sides)

    def load(self, state: tuple[int, int, float, float, float, float]) -> None:
        """Continue from `state()`."""
        source, stamp_ns, *touch = state
        self.update(stamp_ns, source, *touch)
