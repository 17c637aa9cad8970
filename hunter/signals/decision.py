"""Decision: what a brain thinks of one instrument at one boundary of the decision interval.

It lives here, below the brain, because the signal rule reads it and the brain package imports the
rule. A user's brain fills `direction`, `probability_up`, `horizon_ms` and `reason`; the rest is
completed from the rows that were consumed (hunter.brain.plugins.plugin).
"""

from __future__ import annotations

from typing import Literal

import msgspec

Direction = Literal["up", "down", "flat"]
FeedState = Literal["connecting", "live", "stale", "resync"]


class Quality(msgspec.Struct, frozen=True):
    """How good the input was, by the rows alone: a replay says the same (but for the lag)."""

    feed: FeedState = "connecting"
    """connecting: no quote yet; stale: the newest quote is too old; resync: the book is invalid."""
    book_valid: bool = False
    lag_ms: float = 0.0
    """Reception minus exchange stamp of the row that triggered; negative when the clocks differ."""
    gaps_in_window: int = 0
    """Holes in the trade chain and losses of the book in the last minute of event time."""
    data_age_ms: float | None = None
    """Of the newest quote of any lane by event time and its exchange stamp; None before one."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`probability_up` is P(the mid is higher after the horizon | it moved at all)."""

    direction: Direction
    probability_up: float
    horizon_ms: int
    reason: str
    instrument: str = ""
    confidence: float = 0.0
    """|2 p - 1|: 0 without information, 1 when certain."""
    probability_move: float | None = None
    """P(the mid moves at all within the horizon); None from a brain that does not say."""
    edge_bp: float | None = None
    """(2 p - 1) * P(move) * E|move| in basis points: the expected move, before any cost."""
    edge_after_fee_bp: float | None = None
    """|edge_bp| less a round trip's fees."""
    outlook: dict[str, float] = {}
    """probability_up by horizon in ms, of all horizons the brain looks at."""
    regime: str = ""
    """What kind of market it is, in the brain's own words; "" when it does not say."""
    features: dict[str, float] = {}
    experts: dict[str, float] = {}
    """Weight in this decision, by expert."""
    context: dict[str, float] = {}
    """What else goes on, for people; the model does not look at it."""
    model: str = ""
    trade_sequence: int = 0
    """Ring sequence of the newest trade seen; 0 before the first."""
    book_seq_id: int = 0
    """The exchange's seqId of the newest book seen, else of the best bid/offer."""
    quality: Quality = Quality()
    decided_ts_ns: int = 0
    """Reception of the row that triggered the decision: a replay need not ask a clock."""
    boundary_ms: int = 0
    """The boundary of the decision interval, on event time, which this decision answers."""
