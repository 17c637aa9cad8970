"""Fetches what a trade chain misses: which REST request is next, and when to stop asking. Pure.

The newest matches come first (`market/trades`, one request for up to 500), because a hole after a
reconnect ends just now; an older or longer hole is paged backwards through `history-trades`. An
answer may come from a cache that is older than the feed, so a page that lacks the matches is asked
for again before they are given up.
"""

from __future__ import annotations

from typing import Final

from hunter.exchange.okx.rest import history_trades_path, trades_path
from hunter.exchange.okx.rows import Trade
from hunter.exchange.okx.tradechain import TradeChain

REQUEST_EVERY_NS: Final = 100_000_000  # history-trades: 20 requests in 2 s
RETRY_AFTER_NS: Final = 700_000_000
GIVE_UP_AFTER_NS: Final = 30_000_000_000
VAIN_ROUNDS_MAX: Final = 6
HOLE_MATCHES_MAX: Final = 50_000


class Backfill:
    """Of one instrument. `next_path` -> send -> `answered` or `failed`, until the chain has no
    hole.
    """

    def __init__(self, instrument: str, chain: TradeChain) -> None:
        self._instrument = instrument
        self._chain = chain
        self._asking = False
        self._due_ns = 0
        # What was learnt about the hole that begins here; another one begins anew.
        self._after_id: int | None = None
        self._page_before: int | None = None
        self._vain_rounds = 0
        self._since_ns = 0

    def next_path(self, now_ns: int) -> str | None:
        """The request to send now, if any; call `answered` or `failed` with what became of it."""
        if not self._look(now_ns):
            return None
        if self._asking or now_ns < self._due_ns:
            return None
        self._asking = True
        if self._page_before is None:
            return trades_path(self._instrument)
        return history_trades_path(self._instrument, self._page_before)

    def hopeless(self, now_ns: int) -> bool:
        """Whether the oldest hole should be counted as lost."""
        if not self._look(now_ns):
            return False
        if sum(hole.match_count for hole in self._chain.holes) > HOLE_MATCHES_MAX:
            return True
        return self._vain_rounds >= VAIN_ROUNDS_MAX or now_ns - self._since_ns > GIVE_UP_AFTER_NS

    def answered(self, rows: list[Trade], now_ns: int) -> None:
        """The rows of the answer have been given to the chain; plan what is still missing."""
        self._asking = False
        self._due_ns = now_ns + REQUEST_EVERY_NS
        if not self._look(now_ns):
            return
        oldest = self._chain.holes[0]
        lowest = min((row.trade_id - row.count + 1 for row in rows), default=None)
        if lowest is None or lowest <= oldest.after_id + 1:
            # The answer covers the hole, or has nothing older: the matches are not there (yet).
            self._vain_rounds += 1
            self._page_before = oldest.before_id if self._vain_rounds % 2 else None
            self._due_ns = now_ns + RETRY_AFTER_NS
        else:
            self._page_before = min(lowest, oldest.before_id)

    def failed(self, now_ns: int) -> None:
        """No answer, or a refusal: the same again a little later."""
        self._asking = False
        self._due_ns = now_ns + RETRY_AFTER_NS

    def next_deadline_ns(self, never_ns: int) -> int:
        if not self._chain.holes:
            return never_ns
        return never_ns if self._asking else self._due_ns

    def _look(self, now_ns: int) -> bool:
        """Whether anything is missing. Time and rounds count for the oldest hole alone: a feed that
        loses something every minute must not have given up what it lost just now.
        """
        holes = self._chain.holes
        if holes and holes[0].after_id != self._after_id:
            self._after_id = holes[0].after_id
            self._page_before = None
            self._vain_rounds = 0
            self._since_ns = now_ns
        return bool(holes)
