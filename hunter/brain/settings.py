"""What a brain may be told: the numbers that shape its decisions, checked once.

The digest goes into snapshots and checkpoints: state made with other numbers is not continued.
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from math import isfinite

from hunter.config import BrainSection
from hunter.errors import ConfigError

HORIZONS_MS = (1_000, 5_000, 10_000)
"""The brain always looks so far ahead, besides its own horizon."""


@dataclass(frozen=True, slots=True)
class BrainSettings:
    """Times in milliseconds of event time, prices' differences in basis points (bp) of the mid.

    threshold: |2 p - 1| below it is no edge. warm_ms: silent until so much event time was seen.
    stale_ms: a quote older than that, by its own exchange stamp, is no input. coverage: only the
    most confident share of decisions is told. min_edge_bp: expected move below it is no edge.
    fee_bp: what a round trip costs, to be told beside the edge.
    """

    interval_ms: int = 1_000
    horizon_ms: int = 5_000
    threshold: float = 0.10
    warm_ms: int = 30_000
    stale_ms: int = 5_000
    coverage: float = 0.2
    min_edge_bp: float = 0.0
    fee_bp: float = 10.0

    def __post_init__(self) -> None:
        for name in ("interval_ms", "horizon_ms", "stale_ms"):
            if getattr(self, name) < 1:
                raise ConfigError(f"brain.{name}: must be at least 1, is {getattr(self, name)}")
        if self.warm_ms < 0:
            raise ConfigError(f"brain.warm_ms: must not be negative, is {self.warm_ms}")
        if not 0.0 <= self.threshold < 1.0:
            raise ConfigError(f"brain.threshold: must be in [0, 1), is {self.threshold}")
        if not 0.0 < self.coverage <= 1.0:
            raise ConfigError(f"brain.coverage: must be in (0, 1], is {self.coverage}")
        for name in ("min_edge_bp", "fee_bp"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0.0):
                raise ConfigError(f"brain.{name}: must not be negative, is {value}")

    @property
    def horizons_ms(self) -> tuple[int, ...]:
        """All it looks at, ascending; its own among them."""
        return tuple(sorted({*HORIZONS_MS, self.horizon_ms}))

    def digest(self) -> bytes:
        """Eight bytes that differ when any number differs."""
        text = repr(astuple(self)).encode()
        return hashlib.blake2s(text, digest_size=8).digest()


def settings_of(section: BrainSection) -> BrainSettings:
    """What `[brain]` of a configuration asks for."""
    return BrainSettings(
        interval_ms=section.interval_ms,
        horizon_ms=section.horizon_ms,
        threshold=section.threshold,
        warm_ms=section.warm_ms,
        stale_ms=section.stale_ms,
        coverage=section.coverage,
        min_edge_bp=section.min_edge_bp,
        fee_bp=section.fee_bp,
    )
