"""The matches of one instrument: through the chain, which releases each once and in order, into the
ring.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from hunter.exchange.okx.chaintail import ChainTail
from hunter.exchange.okx.parse import Payload, parse_trades
from hunter.exchange.okx.rows import Trade, TradeSource
from hunter.exchange.okx.tradechain import (
    Duplicate,
    Hole,
    Late,
    Lost,
    Outcome,
    Overlap,
    Restarted,
    TradeChain,
)
from hunter.ring.rows import TradeFlag
from hunter.ring.writer import LastTrade, RingWriter
from hunter.stream.counters import Counters
from hunter.stream.positions import former_position

# Matches that wait behind a hole are kept with the time they came; no more than this many.
HELD_ROWS_MAX: Final = 200_000
SINGLES_KEPT: Final = 1_000


class TradeFeed:
    """Owned by an InstrumentFeed, which shares its `news`. The chain is kept over reconnects."""

    def __init__(self, index: int, writer: RingWriter, counters: Counters, news: list[str]) -> None:
        self.chain = TradeChain(HELD_ROWS_MAX)
        # Where a run before this one ended, if its ring is gone; the first trade decides about it.
        self.former: LastTrade | None = None
        # Two connections bring the same matches: the second copy is meant, and not counted.
        self.overlapping = False
        self._index = index
        self._writer = writer
        self._counters = counters
        self._news = news
        self._received_ns: dict[int, int] = {}
        self._after_loss = False
        # The newest matches of the second source, which may be before or behind the first.
        self._singles: deque[Trade] = deque(maxlen=SINGLES_KEPT)
        last = writer.last_trade(index)
        if last is not None:
            self.chain.resume(last.trade_id, last.exchange_ts_ns)

    def ordinary_tail(self) -> ChainTail | None:
        """Where the next match must start, while a row that starts there changes nothing else."""
        if self.overlapping or self.former is not None or self._after_loss or self._received_ns:
            return None
        tail = self.chain.tail
        return tail if tail.end >= 0 else None

    def on_push(self, payload: Payload, received_ts_ns: int, now_ns: int) -> int:
        """Rows of the feed; returns the newest exchange time in them. Raises MalformedMessage."""
        exchange_ts_ns = 0
        for trade in parse_trades(payload):
            exchange_ts_ns = trade.exchange_ts_ns
            if self.former is not None:
                self._resume(self.former, trade)
            self._accept(trade, received_ts_ns, now_ns)
        return exchange_ts_ns

    def on_second_source(self, payload: Payload, received_ts_ns: int, now_ns: int) -> int:
        """The same matches singly, from another channel: kept to fill holes at once."""
        rows = parse_trades(payload)
        self._singles.extend(rows)
        if self.chain.holes:
            self._commit(self.chain.fill(rows, now_ns), received_ts_ns)
        return rows[-1].exchange_ts_ns if rows else 0

    def on_kept(self, trade: Trade, received_ts_ns: int, now_ns: int) -> None:
        """A trade that a standby kept: it is in the ring already, or it is due now."""
        if self.chain.last_trade_id is None or trade.trade_id > self.chain.last_trade_id:
            self._accept(trade, received_ts_ns, now_ns)

    def fill(self, rows: Iterable[Trade], received_ts_ns: int, now_ns: int) -> None:
        """Rows of REST, whatever they cover."""
        self._commit(self.chain.fill(rows, now_ns), received_ts_ns)

    def give_up(self, received_ts_ns: int, now_ns: int) -> None:
        """Nobody has the matches of the oldest hole: count them lost and go on."""
        self._commit(self.chain.give_up_oldest(now_ns), received_ts_ns)

    def _accept(self, trade: Trade, received_ts_ns: int, now_ns: int) -> None:
        outcomes = self.chain.accept(trade, now_ns)
        if self.chain.holes:
            self._received_ns[trade.trade_id] = received_ts_ns
            if self._singles and any(isinstance(item, Hole) for item in outcomes):
                outcomes += self.chain.fill(self._singles, now_ns)
        self._commit(outcomes, received_ts_ns)

    def _resume(self, former: LastTrade, first: Trade) -> None:
        """The ring is empty: go on where the run before was stopped, if `first` follows on it."""
        self.former = None
        position = former_position(former, first)
        if position is not None and self.chain.last_trade_id is None:
            self.chain.resume(position.trade_id, position.exchange_ts_ns)

    def _commit(self, outcomes: list[Outcome], received_ts_ns: int) -> None:
        counters = self._counters
        for outcome in outcomes:
            if isinstance(outcome, Trade):
                self._put(outcome, received_ts_ns, counters)
            elif isinstance(outcome, Hole):
                counters.gaps += 1
                self._news.append(
                    f"trades: {outcome.match_count} matches missing after {outcome.after_id}"
                )
            elif isinstance(outcome, Lost):
                counters.lost += outcome.match_count
                self._after_loss = True
                self._news.append(
                    f"trades: {outcome.match_count} matches after {outcome.after_id} are lost"
                )
            elif isinstance(outcome, (Duplicate, Late, Overlap)):
                # The cached last trade that follows every subscription is known, and no fault;
                # nor is the second copy while two connections overlap.
                expected = counters.first_push or self.overlapping
                if not (expected and isinstance(outcome, Duplicate) and not outcome.conflicting):
                    counters.duplicates += 1
            elif isinstance(outcome, Restarted):
                self._news.append(f"trades: ids restart after {outcome.first_after_id}")
        if not self.chain.holes and self._received_ns:
            self._received_ns.clear()

    def _put(self, trade: Trade, received_ts_ns: int, counters: Counters) -> None:
        flags = 0
        if trade.source is TradeSource.BACKFILL:
            flags = TradeFlag.BACKFILL
            counters.backfilled += trade.count
        if trade.order_source:
            flags |= TradeFlag.ENHANCED_LIQUIDITY
        if self._after_loss:
            flags |= TradeFlag.AFTER_LOSS
            self._after_loss = False
        if self._received_ns:
            received_ts_ns = self._received_ns.pop(trade.trade_id, received_ts_ns)
        self._writer.put_trade(
            self._index,
            received_ts_ns,
            (
                trade.trade_id,
                trade.exchange_ts_ns,
                trade.price,
                trade.size,
                trade.count,
                trade.side,
            ),
            flags,
        )
