"""The two shapes of a brain.

`Brain` is what the brain actor drives: rows of one instrument in arrival order, each perhaps
answered by a decision. The built-in FlowBrain is one; PluginBrain makes one of a user's class.
`UserBrain` is what a user writes; all but `decide` only take in. `now_ns` is event time; a user's
brain that asks a clock or rolls dice gives up exact replays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hunter.brain.inputs import BboRow, BookRow, TickerRow, TradeRow
from hunter.errors import HunterError
from hunter.signals.decision import Decision, Direction


class Outlook(NamedTuple):
    """What a brain thinks at one moment of one horizon; asking for it changes nothing.

    `probability_up` is P(the mid is higher after the horizon | it moved); exactly 1/2 when the
    input allows no opinion. It is the model's own also where `direction` is flat because the brain
    would not act on it; `reason` says why then.
    """

    horizon_ms: int
    probability_up: float
    probability_move: float | None
    """P(the mid moves at all within the horizon); None from a brain that does not say."""
    edge_bp: float | None
    """(2 p - 1) * P(move) * E|move|, in basis points of the mid, before any cost."""
    direction: Direction
    reason: str


class StateError(HunterError):
    """The bytes are not a state this brain can continue: damaged, of another version or settings.

    The brain is as it was before; start it cold and say so.
    """


class Brain(Protocol):
    """One instrument's brain, driven row by row."""

    @property
    def name(self) -> str:
        """`flow@1`, or `module:Class`: goes into every decision as its model."""

    @property
    def warm(self) -> bool:
        """Whether enough event time was seen to decide."""

    @property
    def inputs(self) -> dict[str, int]:
        """Rows consumed: trades, tickers, books, bbo."""

    @property
    def decisions(self) -> int:
        """Decisions made, the flat ones included."""

    @property
    def errors(self) -> int:
        """Calls of plug-ins that failed: of a user's brain, or of experts beside the built-in."""

    @property
    def failure(self) -> str:
        """The newest failure of a plug-in that is not forgiven yet, in words; "" without one."""

    @property
    def overruns(self) -> int:
        """Calls of plug-ins that took longer than brain.budget_us; not the same at a replay."""

    @property
    def trouble(self) -> str:
        """What is wrong with a plug-in now, in words; "" when nothing is."""

    @property
    def drift(self) -> str:
        """What is done because the market left what was learnt, in words; "" while it keeps to
        it."""

    def on_trade(self, row: TradeRow) -> Decision | None:
        """Consume a trade row; the decision, if a boundary was passed."""

    def on_gap(self) -> None:
        """Rows went by unread before the next one."""

    def on_bbo(self, row: BboRow) -> Decision | None:
        """Consume a best bid/offer."""

    def on_ticker(self, row: TickerRow) -> Decision | None:
        """Consume a ticker."""

    def on_book(self, row: BookRow) -> Decision | None:
        """Consume a top of the book."""

    def outlook(self, now_ns: int) -> tuple[Outlook, ...]:
        """What it thinks at event time `now_ns`, by horizon, shortest first; changes nothing."""

    def snapshot(self) -> bytes:
        """All state; a brain that restores it goes on bit for bit."""

    def restore(self, state: bytes) -> None:
        """Continue from a snapshot, or StateError."""


class UserBrain(Protocol):
    """What a user's class has to have; `on_bbo(bbo)` besides is optional.

    The class is made without arguments, or with the instrument's name if its constructor takes one.
    """

    def on_trades(self, batch: Sequence[TradeRow]) -> None:
        """Trades in order, as many as came before something else happened."""

    def on_book(self, book: BookRow) -> None:
        """A top of the book, perhaps an invalid one."""

    def on_ticker(self, ticker: TickerRow) -> None:
        """A ticker."""

    def decide(self, now_ns: int) -> Decision | None:
        """Called once per decision interval; None means nothing to say."""

    def snapshot(self) -> bytes:
        """All state."""

    def restore(self, state: bytes) -> None:
        """Continue from a snapshot."""
