"""TakerFlow: what the takers of one instrument did: signed and total volume, counts, clustering.

Rows count at their own stamp: matches that come late, as those filled in after a hole, weigh by
their age. Written by the window alone.
"""

from __future__ import annotations

from hunter.brain.window.buckets import VolumeBuckets
from hunter.brain.window.decay import DecayedRate, DecayedSum, Part

HAWKES_HALF_LIFE_MS = 500
"""Of the intensities: exp(-b t) with 1/b = 0.72 s."""


class TakerFlow:
    """Read by the features."""

    __slots__ = (
        "buckets",
        "buys",
        "sells",
        "signed_volume_1s",
        "signed_volume_4s",
        "signed_volume_16s",
        "trades_5s",
        "trades_60s",
        "volume_1s",
        "volume_4s",
        "volume_16s",
    )

    def __init__(self) -> None:
        half_lives_ms = (1_000, 4_000, 16_000)
        self.signed_volume_1s, self.signed_volume_4s, self.signed_volume_16s = map(
            DecayedSum, half_lives_ms
        )
        self.volume_1s, self.volume_4s, self.volume_16s = map(DecayedSum, half_lives_ms)
        self.trades_5s, self.trades_60s = map(DecayedRate, (5_000, 60_000))
        self.buys, self.sells = map(DecayedSum, (HAWKES_HALF_LIFE_MS, HAWKES_HALF_LIFE_MS))
        self.buckets = VolumeBuckets()

    def add(self, ts_ns: int, size: float, side: int, count: int) -> None:
        """A row of `count` matches; `side` is the taker's, above 0 when it bought."""
        signed = size if side > 0 else -size
        self.signed_volume_1s.add(ts_ns, signed)
        self.signed_volume_4s.add(ts_ns, signed)
        self.signed_volume_16s.add(ts_ns, signed)
        self.volume_1s.add(ts_ns, size)
        self.volume_4s.add(ts_ns, size)
        self.volume_16s.add(ts_ns, size)
        self.trades_5s.start(ts_ns)
        self.trades_60s.start(ts_ns)
        self.trades_5s.add(ts_ns, count)
        self.trades_60s.add(ts_ns, count)
        (self.buys if side > 0 else self.sells).add(ts_ns, 1.0)
        self.buckets.add(ts_ns, size, side)

    def forget(self) -> None:
        """Matches went by unseen: signed flow begins again; rates and buckets, which are slow and
        have no side, go on."""
        for total in self._sums():
            total.clear()

    def _sums(self) -> tuple[DecayedSum, ...]:
        signed = (self.signed_volume_1s, self.signed_volume_4s, self.signed_volume_16s)
        volume = (self.volume_1s, self.volume_4s, self.volume_16s)
        return (*signed, *volume, self.buys, self.sells)

    def parts(self) -> tuple[Part, ...]:
        """What keeps the state, in its order."""
        return (*self._sums(), self.trades_5s, self.trades_60s, *self.buckets.parts())
