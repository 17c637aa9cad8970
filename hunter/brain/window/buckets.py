"""VolumeBuckets: how one-sided the takers' volume was, bucket by bucket (VPIN).

Easley, Lopez de Prado and O'Hara 2012, with the true taker's side instead of a classification. A
bucket holds BUCKET_S seconds of the volume per second (half-life 60 s) at its opening: its size
follows the market, in any unit. None opens before the rate has seen WARM_NS. A match that fills a
bucket goes on in the next ones. Toxicity, never direction: Andersen and Bondarenko 2014 find
nothing in it beyond volume and volatility.
"""

from __future__ import annotations

from math import nan
from typing import Any

from hunter.brain.window.decay import DecayedRate, Part

BUCKETS = 50
BUCKETS_LEAST = 10
"""Full buckets that it takes to say anything."""
BUCKET_S = 5.0
WARM_NS = 10_000_000_000
_FULL_MAX = 1 << 60


class VolumeBuckets:
    """A ring of the newest BUCKETS full buckets and the one that is being filled."""

    FORMAT = "dddqq" + "d" * (2 * BUCKETS)

    __slots__ = (
        "_bucket",
        "_filled",
        "_full",
        "_imbalance",
        "_imbalances",
        "_next",
        "_rate",
        "_signed",
        "_volume",
        "_volumes",
    )

    def __init__(self) -> None:
        self._rate = DecayedRate(60_000)
        self._bucket = 0.0  # size of the one being filled; 0: none is open
        self._filled = 0.0
        self._signed = 0.0
        self._next = 0
        self._full = 0
        self._imbalances = [0.0] * BUCKETS
        self._volumes = [0.0] * BUCKETS
        self._imbalance = self._volume = 0.0  # sums of the two

    def add(self, ts_ns: int, size: float, side: int) -> None:
        """A row of matches. Of one that would fill more than the whole ring, the rest is left."""
        rate = self._rate
        rate.start(ts_ns)
        rate.add(ts_ns, size)
        closed = self._full
        for _ in range(BUCKETS + 1):
            if not self._bucket > 0.0:
                seen = ts_ns - rate.start_ns >= WARM_NS
                self._bucket = rate.read(ts_ns) * BUCKET_S if seen else 0.0
                if not self._bucket > 0.0:
                    break
            room = self._bucket - self._filled
            if size < room:
                self._filled += size
                self._signed += size if side > 0 else -size
                break
            self._close(self._signed + (room if side > 0 else -room))
            size -= room
        if self._full != closed:
            self._sum()

    def _close(self, signed: float) -> None:
        self._imbalances[self._next] = abs(signed)
        self._volumes[self._next] = self._bucket
        self._next = (self._next + 1) % BUCKETS
        self._full += 1
        self._bucket = self._filled = self._signed = 0.0

    def _sum(self) -> None:
        """Anew each time, so that no rounding piles up."""
        imbalance = volume = 0.0
        for i in range(BUCKETS):
            imbalance += self._imbalances[i]
            volume += self._volumes[i]
        self._imbalance, self._volume = imbalance, volume

    def read(self) -> float:
        """Sum of |bought - sold| over sum of volume, in [0, 1]; NaN before BUCKETS_LEAST."""
        return self._imbalance / self._volume if self._full >= BUCKETS_LEAST else nan

    def parts(self) -> tuple[Part, ...]:
        """What keeps the state, in its order."""
        return (self._rate, self)

    def state(self) -> tuple[float, ...]:
        """What is not in the other parts."""
        one = (self._bucket, self._filled, self._signed, self._next, self._full)
        return (*one, *self._imbalances, *self._volumes)

    def load(self, state: tuple[Any, ...]) -> None:
        """Continue from `state()`; ValueError when the ring has no such place."""
        place, full = state[3:5]
        if not (0 <= place < BUCKETS and 0 <= full <= _FULL_MAX):
            raise ValueError(f"place {place} of {full} buckets in a ring of {BUCKETS}")
        self._bucket, self._filled, self._signed, self._next, self._full = state[:5]
        self._imbalances = list(state[5 : 5 + BUCKETS])
        self._volumes = list(state[5 + BUCKETS :])
        self._sum()
