"""Why the brain says nothing: every reason to abstain, in one fixed order.

The first that holds is told:
    1 no usable quote    book invalid, none yet, older than `stale_ms`, crossed, one-sided
    2 warm-up
    3 gap                in the last GAP_REST_NS: flows began anew
    4 drift              the ladder of hunter.brain.learning.drift says nothing is to be told
    5 regime             one in which the brain's losses are no better than saying 1/2
    6 no edge            p is exactly 1/2, or |edge| below `min_edge_bp`
    7 coverage           less confident than its most confident share `coverage` of late
    8 threshold          |2 p - 1| below `threshold`
In cases 1 and 2 nothing is known: p is 1/2. In the others p stays the model's own. Drift's first
rung doubles `threshold` and halves `coverage`. Pure; the running quantiles are `Coverage`'s.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from hunter.brain.settings import BrainSettings
from hunter.brain.window.quantile import RunningQuantile

GAP_REST_NS: Final = 5_000_000_000
COVERAGE_MEMORY: Final = 150
"""Decisions, so minutes at one a second: a brain that learns gets more confident in them."""
COVERAGE_SEEN_MIN: Final = 30.0
_CODEC: Final = struct.Struct("<6d")


class Quoted(NamedTuple):
    """The state of the quote that a decision would stand on."""

    book_lost: bool
    seen: bool
    age_ns: int
    crossed: bool
    usable: bool
    bid: float
    ask: float


class Claim(NamedTuple):
    """What could be said and what speaks against it."""

    confidence: float
    edge_bp: float
    gap_age_ns: int | None
    drift: str
    regime: str
    wide: bool


class Coverage:
    """Which confidence the most confident share of late reaches; and half that share."""

    __slots__ = ("_narrow", "_usual", "share")

    def __init__(self, share: float) -> None:
        self.share = share
        self._usual, self._narrow = (
            RunningQuantile(1.0 - one, COVERAGE_MEMORY) if one < 1.0 else None
            for one in (share, share / 2.0)
        )

    def add(self, confidence: float) -> None:
        """Count a decision, told or not."""
        for one in (self._usual, self._narrow):
            if one is not None:
                one.add(confidence)

    def limit(self, wide: bool) -> float:
        """Least confidence that counts; 0 while there are too few decisions to tell."""
        one = self._narrow if wide else self._usual
        return one.value if one is not None and one.count >= COVERAGE_SEEN_MIN else 0.0

    def state(self) -> bytes:
        """For the snapshot."""
        none = (0.0, 0.0, 0.0)
        both = (one.state() if one is not None else none for one in (self._usual, self._narrow))
        return _CODEC.pack(*(x for one in both for x in one))

    def load(self, state: bytes) -> None:
        """Continue from `state()`; ValueError when it does not fit."""
        if len(state) != _CODEC.size:
            raise ValueError("a state of coverage of another size")
        numbers = _CODEC.unpack(state)
        for one, some in ((self._usual, numbers[:3]), (self._narrow, numbers[3:])):
            if one is not None:
                one.load(some)


def obstacle(quoted: Quoted, stale_ms: int) -> str:
    """Why the input allows no opinion, or nothing."""
    if quoted.book_lost:
        return "book invalid: waiting for a new snapshot"
    if not quoted.seen:
        return "no quote yet"
    if quoted.age_ns > stale_ms * 1_000_000:
        age_ms = quoted.age_ns / 1e6
        return f"stale input: newest quote {age_ms:.0f} ms old, limit {stale_ms} ms"
    if quoted.crossed:
        return f"crossed book: bid {quoted.bid:g} not below ask {quoted.ask:g}"
    return "" if quoted.usable else "one-sided book: no bid or no ask"


def warming(seen_ns: int, warm_ms: int) -> str:
    """While not enough was seen; nothing once it was."""
    if seen_ns >= warm_ms * 1_000_000:
        return ""
    return f"warming up: {seen_ns / 1e9:.1f} s of {warm_ms / 1e3:.1f} s"


def objection(claim: Claim, settings: BrainSettings, coverage: Coverage) -> str:
    """Why a direction that the model has is not told, or nothing."""
    gap_age_ns, confidence = claim.gap_age_ns, claim.confidence
    if gap_age_ns is not None and gap_age_ns < GAP_REST_NS:
        rest_s = GAP_REST_NS / 1e9
        return f"gap {gap_age_ns / 1e9:.1f} s ago: flows are of {rest_s:.0f} s or less"
    if claim.drift:
        return claim.drift
    if claim.regime:
        return claim.regime
    # No edge at exactly 1/2 whatever the limits: there is no side to take.
    if confidence == 0.0:
        return "no edge: p is 1/2"
    if abs(claim.edge_bp) < settings.min_edge_bp:
        return f"edge {abs(claim.edge_bp):.2f} bp below {settings.min_edge_bp:g} bp"
    limit, how = coverage.limit(claim.wide), "coverage"
    if confidence < limit:
        share = coverage.share / 2.0 if claim.wide else coverage.share
        widened = ", halved by drift" if claim.wide else ""
        return (
            f"{how}: |2p-1| {confidence:.3f} not among the most confident {share:.0%}"
            f" (from {limit:.3f}{widened})"
        )
    limit = settings.threshold * (2.0 if claim.wide else 1.0)
    if confidence < limit:
        widened = ", doubled by drift" if claim.wide else ""
        return f"no edge: |2p-1| {confidence:.3f} below {limit:.2f}{widened}"
    return ""
