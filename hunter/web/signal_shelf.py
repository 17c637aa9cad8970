"""The newest signals, by instrument, as a page shows them.

Filled from the journal's end when the first page is opened, and kept up from then on. What is read
at once is limited, so a journal of any size costs the same.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from hunter.signals.journal_reader import JournalFollower, last_signals
from hunter.signals.signal import Signal
from hunter.web.market_view import MarketView

KEPT_MAX: Final = 200
"""Of one instrument."""
READ_AT_FIRST: Final = 2_000
_POLLS_MAX: Final = 8
_MS_NS: Final = 1_000_000


class SignalView(msgspec.Struct):
    """A signal on the chart. `price`: of the newest trade that it knew; None when the ring has
    forgotten it. `at_ms`: by the exchange's clock, as the trades are, also in a replay.
    """

    at_ms: int
    direction: str
    probability_up: float
    confidence: float
    horizon_ms: int
    reason: str
    price: float | None = None


class _Shelved(msgspec.Struct):
    view: SignalView
    trade_sequence: int
    is_placed: bool = False


class SignalShelf:
    """`directory`: of the journal."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._follower: JournalFollower | None = None
        self._shelves: dict[str, deque[_Shelved]] = {}
        self._news: dict[str, deque[_Shelved]] = {}

    def poll(self) -> None:
        """Take in what has been decided since the last time."""
        self._news.clear()
        if self._follower is None:
            # Followed first: what comes while the end is read is read twice rather than never.
            self._follower = JournalFollower(self._directory)
            for signal in last_signals(self._directory, READ_AT_FIRST):
                _put(self._shelves, signal)
            return
        for _ in range(_POLLS_MAX):
            found = self._follower.poll()
            for signal in found:
                _put(self._news, signal)
            if not found:
                break
        for instrument, shelved in self._news.items():
            self._shelves.setdefault(instrument, deque(maxlen=KEPT_MAX)).extend(shelved)

    def newest(self, market: MarketView) -> list[SignalView]:
        """All that are kept of an instrument, oldest first."""
        if self._follower is None:
            self.poll()
        return _placed(self._shelves.get(market.instrument, ()), market)

    def news(self, market: MarketView) -> list[SignalView]:
        """Those that the last `poll` found."""
        return _placed(self._news.get(market.instrument, ()), market)


def _put(shelves: dict[str, deque[_Shelved]], signal: Signal) -> None:
    view = SignalView(
        signal.decided_ts_ns // _MS_NS,
        str(signal.direction),
        round(signal.probability_up, 4),
        round(signal.confidence, 4),
        signal.horizon_ms,
        signal.reason,
    )
    shelf = shelves.setdefault(signal.instrument, deque(maxlen=KEPT_MAX))
    shelf.append(_Shelved(view, signal.trade_sequence))


def _placed(shelved: deque[_Shelved] | tuple[()], market: MarketView) -> list[SignalView]:
    """Put each where its trade is, once: later the ring may have forgotten that trade. One that
    was received after the decision is of another ring, which began to count anew.
    """
    unplaced = [item for item in shelved if not item.is_placed and item.trade_sequence > 0]
    moments = market.moments([item.trade_sequence for item in unplaced])
    for item in unplaced:
        item.is_placed = True
        moment = moments.get(item.trade_sequence)
        if moment is not None and moment.received_ns // _MS_NS <= item.view.at_ms:
            item.view.price = moment.price
            item.view.at_ms -= moment.behind_ns // _MS_NS
    return [item.view for item in shelved]
