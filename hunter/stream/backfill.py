"""Fetches what a trade chain misses: which REST request is next, and when to stop asking. Pure.

A short hole mostly ends just now: the newest matches (`market/trades`, one request for up to 500)
have it. A longer or older one is read forwards through `history-trades`, page by page from its
beginning, so that what is found goes into the ring at once and nothing piles up. An answer may come
from a cache that is older than the feed, so a page that lacks the matches is asked for again before
they are given up. How often may be asked is not decided here: the request waits for the limit.
"""

from __future__ import annotations

from typing import Final

from hunter.exchange.okx.endpoints import HISTORY_TRADES_PAGE, TRADES_PAGE_MAX
from hunter.exchange.okx.rest import history_trades_path, trades_path
from hunter.exchange.okx.tradechain import TradeChain

# Rows that only changed places on their way settle by themselves within this.
SETTLE_NS: Final = 25_000_000
RETRY_AFTER_NS: Final = 700_000_000
# REST does not answer, or refuses. Time that a request waits for its limit does not count.
GIVE_UP_AFTER_NS: Final = 300_000_000_000
VAIN_ROUNDS_MAX: Final = 6
# About ten minutes of asking.
HOLE_MATCHES_MAX: Final = 500_000


class Backfill:
    """Of one instrument. `next_path` -> send -> `answered` or `failed`, until the chain has no
    hole.
    """

    def __init__(self, instrument: str, chain: TradeChain) -> None:
        self._instrument = instrument
        self._chain = chain
        self._asking = False
        self._due_ns = 0
        # The oldest hole when it was looked at last: (after_id, match count); None without any.
        self._hole: tuple[int, int] | None = None
        self._from_history = False
        self._vain_rounds = 0
        self._failing_since_ns: int | None = None

    def next_path(self, now_ns: int) -> str | None:
        """The request to send now, if any; call `answered` or `failed` with what became of it."""
        self._look(now_ns)
        if self._hole is None or self._asking or now_ns < self._due_ns:
            return None
        self._asking = True
        oldest = self._chain.holes[0]
        if self._from_history or oldest.match_count > TRADES_PAGE_MAX:
            end = min(oldest.before_id, oldest.after_id + HISTORY_TRADES_PAGE + 1)
            return history_trades_path(self._instrument, end)
        return trades_path(self._instrument)

    def hopeless(self, now_ns: int) -> bool:
        """Whether the oldest hole should be counted as lost."""
        self._look(now_ns)
        if self._hole is None:
            return False
        if sum(hole.match_count for hole in self._chain.holes) > HOLE_MATCHES_MAX:
            return True
        since_ns = self._failing_since_ns
        failing = since_ns is not None and now_ns - since_ns > GIVE_UP_AFTER_NS
        return failing or self._vain_rounds >= VAIN_ROUNDS_MAX

    def answered(self, now_ns: int) -> None:
        """The rows of the answer have been given to the chain; plan what is still missing."""
        self._asking = False
        self._failing_since_ns = None
        if not self._look(now_ns):
            # Not there, or not yet: the other request may know more.
            self._vain_rounds += 1
            self._due_ns = now_ns + RETRY_AFTER_NS
        self._from_history = not self._from_history

    def failed(self, now_ns: int) -> None:
        """No answer, or a refusal: the same again a little later."""
        self._asking = False
        if self._failing_since_ns is None:
            self._failing_since_ns = now_ns
        self._due_ns = now_ns + RETRY_AFTER_NS

    def next_deadline_ns(self, never_ns: int) -> int:
        if not self._chain.holes:
            return never_ns
        return never_ns if self._asking else self._due_ns

    def _look(self, now_ns: int) -> bool:
        """Compare the oldest hole with the last look; whether anything of it was found. Rounds
        count for the oldest hole alone, and only while nothing is found: a feed that loses
        something every minute must not have given up what it lost just now.
        """
        holes = self._chain.holes
        hole = (holes[0].after_id, holes[0].match_count) if holes else None
        if hole == self._hole:
            return False
        if self._hole is None:
            self._due_ns = max(self._due_ns, now_ns + SETTLE_NS)
        if hole is None or self._hole is None or hole[0] != self._hole[0]:
            self._from_history = False
            self._failing_since_ns = None
        self._hole = hole
        self._vain_rounds = 0
        return True
