"""One instrument's matches: each once, in order, or counted as lost. Pure.

A row covers the matches (trade_id - count, trade_id], so the next one must start where the last
ended (OKX, trades channel, "Aggregation"; held for 39 of 39 rows in a burst and in every
recording). The chain keeps

    released                 end
    ---------|---- hole ----|#### held ####|-- hole --|#### held ####|
      emitted     missing                                            newest known match

and returns rows only up to the first hole. The caller asks REST for what a `Hole` names and brings
the answer to `fill`, or ends the wait by `give_up`. Matches therefore leave exactly once: in a row,
or in a `Lost`. Nothing is ever trimmed, because a row's size cannot be divided between its matches.

The rule is not promised where one taker's fills come from two kinds of orders (`order_source`), so
a row that contradicts it is reason to ask REST, never proof of loss.

Called by the stream actor, one chain an instrument and connection set.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from hunter.exchange.okx.chaintail import CLOSED, new_chain_tail
from hunter.exchange.okx.rows import Trade, TradeSource

HELD_ROWS_MAX: Final = 50_000
# A restart of the ids is believed after this many rows in a row that say so, each stamped this much
# later than any match known. A duplicate is never newer than what it duplicates.
RESTART_ROWS: Final = 3
RESTART_AFTER_NS: Final = 5_000_000_000
_LOST_RANGES_KEPT: Final = 64
# A jump that nobody could fill is believed after RESTART_ROWS rows that join on, not before: one
# row with a wrong id must not make all right ones look late.
JUMP_MATCHES_MAX: Final = 500_000


class Duplicate(NamedTuple):
    """All matches of the row are known. `conflicting`: same id as the newest row, other content."""

    trade: Trade
    conflicting: bool


class Late(NamedTuple):
    """The row brings matches that were counted as lost; its place in the order is gone."""

    trade: Trade


class Overlap(NamedTuple):
    """The row covers known and missing matches at once and is not used; the missing stay a hole."""

    trade: Trade


class Hole(NamedTuple):
    """Missing: after_id < match id < before_id. REST: page `after=before_id` down to after_id."""

    after_id: int
    before_id: int

    @property
    def match_count(self) -> int:
        return self.before_id - self.after_id - 1


class Lost(NamedTuple):
    """A hole that was given up, in its place among the rows."""

    after_id: int
    before_id: int

    @property
    def match_count(self) -> int:
        return self.before_id - self.after_id - 1


class Restarted(NamedTuple):
    """The exchange counts anew (a relisting): rows go on after `first_after_id`."""

    last_id: int
    first_after_id: int


Outcome = Trade | Duplicate | Late | Overlap | Hole | Lost | Restarted
"""A Trade is a row that is ready: commit it. The others are news about rows."""


class ChainStatistics(msgspec.Struct, frozen=True):
    """Counts since the chain was made. `*_match_count` are matches, the others rows or events."""

    row_count: int
    match_count: int
    backfilled_match_count: int
    lost_match_count: int
    duplicate_count: int
    conflict_count: int
    late_count: int
    overlap_count: int
    hole_count: int
    surplus_count: int
    restart_count: int
    held_count: int
    missing_match_count: int


class TradeChain:
    """Start with nothing (the first row is taken as it is) or `resume` where the ring ends.

    `tail` is open while a row that follows is released without a look at anything else; such rows
    may be taken by compiled code too. All else happens while it is closed.
    """

    def __init__(self, held_rows_max: int = HELD_ROWS_MAX) -> None:
        assert held_rows_max > 0, held_rows_max
        self._held_rows_max = held_rows_max
        self.tail = new_chain_tail()
        # The newest match known, released or held; None before the first row. While the tail is
        # open these three are what they were when it was opened: `_close` brings them up to date.
        self._end: int | None = None
        self._released: int | None = None
        self._last_id: int | None = None
        # Both sorted and without overlap. Everything in (released, end] is in exactly one of them.
        self._holes: list[Hole] = []
        self._held: list[Trade] = []
        self._lost_ranges: deque[Lost] = deque(maxlen=_LOST_RANGES_KEPT)
        self._restart_rows: list[Trade] = []
        self._jump_rows: list[Trade] = []
        self._blocked_since_ns: int | None = None
        self._backfilled_match_count = 0
        self._lost_match_count = 0
        self._duplicate_count = 0
        self._conflict_count = 0
        self._late_count = 0
        self._overlap_count = 0
        self._hole_count = 0
        self._surplus_count = 0
        self._restart_count = 0

    def resume(self, last_trade_id: int, exchange_ts_ns: int = 0) -> None:
        """Go on after the last match somebody else committed; before the first row only."""
        assert self._end is None, "resume comes before the first row"
        self._end = self._released = last_trade_id
        self.tail.newest_ts_ns = exchange_ts_ns
        self._open()

    @property
    def last_trade_id(self) -> int | None:
        """The newest match released; None before the first row."""
        end = self.tail.end
        return end if end >= 0 else self._released

    @property
    def newest_known_id(self) -> int | None:
        """The newest match known, released or waiting; None before the first row."""
        end = self.tail.end
        return end if end >= 0 else self._end

    @property
    def holes(self) -> tuple[Hole, ...]:
        """What is missing now, oldest first."""
        return tuple(self._holes)

    @property
    def blocked_since_ns(self) -> int | None:
        """When rows began to wait for the oldest hole now open; None if none does."""
        return self._blocked_since_ns

    def accept(self, trade: Trade, now_ns: int) -> list[Outcome]:
        """A row of the feed."""
        tail = self.tail
        end = tail.end
        if end >= 0 and trade.trade_id - trade.count == end:
            self._append(trade)
            tail.end = trade.trade_id
            return [trade]
        self._close()
        outcomes = self._accept(trade, now_ns)
        self._open()
        return outcomes

    def _close(self) -> None:
        """Take over from the tail."""
        end = self.tail.end
        if end >= 0 and end != self._end:
            # Rows followed since; they were released at once.
            self._end = self._released = self._last_id = end
        self.tail.end = CLOSED

    def _open(self) -> None:
        """Leave it to the tail, if nothing but a row that follows is to be expected."""
        end = self._end
        unsettled = self._holes or self._restart_rows or self._jump_rows
        self.tail.end = CLOSED if end is None or end < 0 or unsettled else end

    def _append(self, trade: Trade) -> None:
        """Count a row that is released; compiled code does the same."""
        tail = self.tail
        tail.row_count += 1
        tail.match_count += trade.count
        tail.last_count = trade.count
        tail.last_price = trade.price
        tail.last_size = trade.size
        if trade.exchange_ts_ns > tail.newest_ts_ns:
            tail.newest_ts_ns = trade.exchange_ts_ns

    def _accept(self, trade: Trade, now_ns: int) -> list[Outcome]:
        end = self._end
        trade_id = trade.trade_id
        after = trade_id - trade.count
        if end is None:
            end = self._end = self._released = after
        if after == end and not self._holes:
            self._end = self._released = self._last_id = trade_id
            self._append(trade)
            self._restart_rows, self._jump_rows = [], []
            return [trade]
        if trade_id <= end:
            return self._accept_known(trade, after, now_ns)
        if after - end > JUMP_MATCHES_MAX:
            return self._accept_jump(trade, after, now_ns)
        self._restart_rows, self._jump_rows = [], []
        return self._extend(trade, end, now_ns)

    def _extend(self, trade: Trade, end: int, now_ns: int) -> list[Outcome]:
        """A row that goes beyond the newest match known."""
        trade_id = trade.trade_id
        after = trade_id - trade.count
        outcomes: list[Outcome] = []
        if after < end:
            # Starts inside what is known: not to be used, and its new part is missing.
            self._overlap_count += 1
            outcomes += [Overlap(trade), self._open_hole(end, trade_id + 1, now_ns)]
            self._end = trade_id
        else:
            if after > end:
                outcomes.append(self._open_hole(end, after + 1, now_ns))
            self._end = trade_id
            self._held.append(trade)
        return outcomes + self._release_bounded(now_ns)

    def fill(self, rest_rows: Iterable[Trade], now_ns: int) -> list[Outcome]:
        """Rows of REST, in any order and of any range: only what a hole misses is taken.

        What is newer than the chain's end is left to the feed, which may send the same matches as
        one row. `holes` says what is still missing. Rows of a hole that cannot be held until it is
        closed are released by giving up what is oldest, as in `accept`.
        """
        self._close()
        for row in rest_rows:
            index = self._hole_of(row.trade_id - row.count, row.trade_id)
            if index is None:
                self._surplus_count += 1
                continue
            if row.source is not TradeSource.BACKFILL:
                self._put(msgspec.structs.replace(row, source=TradeSource.BACKFILL), index)
            else:
                self._put(row, index)
        outcomes = self._release_bounded(now_ns)
        self._open()
        return outcomes

    def give_up(self, now_ns: int) -> list[Outcome]:
        """Count everything missing as lost and release what was held."""
        self._close()
        outcomes = self._give_up(now_ns)
        self._open()
        return outcomes

    def give_up_oldest(self, now_ns: int) -> list[Outcome]:
        """The same of the oldest hole alone; later ones may still be filled."""
        self._close()
        outcomes = self._give_up_oldest(now_ns) if self._holes else []
        self._open()
        return outcomes

    def statistics(self) -> ChainStatistics:
        """A record of the counts now."""
        return ChainStatistics(
            row_count=self.tail.row_count,
            match_count=self.tail.match_count,
            backfilled_match_count=self._backfilled_match_count,
            lost_match_count=self._lost_match_count,
            duplicate_count=self._duplicate_count,
            conflict_count=self._conflict_count,
            late_count=self._late_count,
            overlap_count=self._overlap_count,
            hole_count=self._hole_count,
            surplus_count=self._surplus_count,
            restart_count=self._restart_count,
            held_count=len(self._held),
            missing_match_count=sum(hole.match_count for hole in self._holes),
        )

    def _accept_known(self, trade: Trade, after: int, now_ns: int) -> list[Outcome]:
        """A row whose newest match lies at or below the chain's end."""
        index = self._hole_of(after, trade.trade_id)
        if index is not None:
            self._put(trade, index)
            return self._release_bounded(now_ns)
        if any(_touches(trade, hole) for hole in self._holes):
            self._overlap_count += 1
            return [Overlap(trade)]
        restarted = self._accept_restart(trade, after, now_ns)
        if restarted:
            return restarted
        if any(_touches(trade, lost) for lost in self._lost_ranges):
            self._late_count += 1
            return [Late(trade)]
        tail = self.tail
        conflicting = self._last_id == trade.trade_id and (
            (tail.last_price, tail.last_size, tail.last_count)
            != (trade.price, trade.size, trade.count)
        )
        self._duplicate_count += 1
        self._conflict_count += conflicting
        return [Duplicate(trade, conflicting)]

    def _accept_jump(self, trade: Trade, after: int, now_ns: int) -> list[Outcome]:
        """Ids far ahead: the first rows of such a run are kept aside; the row that confirms it
        makes a hole of what lies between.
        """
        rows = self._jump_rows
        if rows and rows[-1].trade_id == trade.trade_id:
            return []
        if rows and rows[-1].trade_id != after:
            rows = []
        self._jump_rows = rows = [*rows, trade]
        if len(rows) < RESTART_ROWS:
            return []
        self._jump_rows = []
        outcomes: list[Outcome] = []
        for row in rows:
            assert self._end is not None
            outcomes += self._extend(row, self._end, now_ns)
        return outcomes

    def _accept_restart(self, trade: Trade, after: int, now_ns: int) -> list[Outcome]:
        """Old ids with new times, chained to each other: the exchange counts anew.

        The first rows of such a run are answered (and counted) as duplicates and kept; the row that
        confirms it releases them all. Without a time to compare with (resumed without one) nothing
        is believed.
        """
        # The newest row of all, also one that waits behind a hole: while a hole is open for long,
        # rows that come twice would else have "new times".
        known_ts_ns = self.tail.newest_ts_ns
        if known_ts_ns and self._held:
            known_ts_ns = max(known_ts_ns, self._held[-1].exchange_ts_ns)
        if not known_ts_ns or trade.exchange_ts_ns <= known_ts_ns + RESTART_AFTER_NS:
            return []
        if self._restart_rows and self._restart_rows[-1].trade_id == trade.trade_id:
            return []
        if self._restart_rows and self._restart_rows[-1].trade_id != after:
            self._restart_rows = []
        self._restart_rows.append(trade)
        if len(self._restart_rows) < RESTART_ROWS:
            return []
        rows, self._restart_rows = self._restart_rows, []
        outcomes = self._give_up(now_ns)
        assert self._end is not None
        first_after = rows[0].trade_id - rows[0].count
        outcomes.append(Restarted(self._end, first_after))
        self._end = self._released = first_after
        self._lost_ranges.clear()
        self._restart_count += 1
        for row in rows:
            outcomes += self._accept(row, now_ns)
        return outcomes

    def _open_hole(self, after_id: int, before_id: int, now_ns: int) -> Hole:
        hole = Hole(after_id, before_id)
        if self._blocked_since_ns is None:
            self._blocked_since_ns = now_ns
        self._holes.append(hole)
        self._hole_count += 1
        return hole

    def _hole_of(self, after: int, trade_id: int) -> int | None:
        """Index of the hole that misses every match of (after, trade_id]."""
        index = bisect_left(self._holes, trade_id, key=_newest_missing)
        if index < len(self._holes) and self._holes[index].after_id <= after:
            return index
        return None

    def _put(self, row: Trade, index: int) -> None:
        """Hold a row that lies wholly inside hole `index`, and shrink or divide the hole."""
        hole = self._holes[index]
        after = row.trade_id - row.count
        parts = (Hole(hole.after_id, after + 1), Hole(row.trade_id, hole.before_id))
        self._holes[index : index + 1] = [part for part in parts if part.match_count]
        self._held.insert(bisect_left(self._held, row.trade_id, key=_trade_id), row)

    def _release_bounded(self, now_ns: int) -> list[Outcome]:
        """What is ready; and more, by giving up the oldest holes, if too much is held."""
        outcomes = self._release(now_ns)
        while len(self._held) > self._held_rows_max:
            outcomes += self._give_up_oldest(now_ns)
        return outcomes

    def _release(self, now_ns: int) -> list[Outcome]:
        """Rows before the first hole."""
        stop = len(self._held)
        if self._holes:
            stop = bisect_left(self._held, self._holes[0].after_id + 1, key=_trade_id)
        rows = self._held[:stop]
        del self._held[:stop]
        for row in rows:
            self._append(row)
            if row.source is TradeSource.BACKFILL:
                self._backfilled_match_count += row.count
        if rows:
            self._released = self._last_id = rows[-1].trade_id
        if not self._holes:
            self._released = self._end
            self._blocked_since_ns = None
        elif rows:
            self._blocked_since_ns = now_ns
        return list(rows)

    def _give_up(self, now_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while self._holes:
            outcomes += self._give_up_oldest(now_ns)
        return outcomes

    def _give_up_oldest(self, now_ns: int) -> list[Outcome]:
        """Count the first hole as lost and release what it held back."""
        outcomes = self._release(now_ns)
        hole = self._holes.pop(0)
        lost = Lost(hole.after_id, hole.before_id)
        self._lost_ranges.append(lost)
        self._lost_match_count += lost.match_count
        outcomes.append(lost)
        outcomes += self._release(now_ns)
        return outcomes


def _touches(trade: Trade, missing: Hole | Lost) -> bool:
    """Whether the row covers any match of a hole."""
    first = trade.trade_id - trade.count + 1
    return first < missing.before_id and missing.after_id < trade.trade_id


def _newest_missing(hole: Hole) -> int:
    return hole.before_id - 1


def _trade_id(trade: Trade) -> int:
    return trade.trade_id
