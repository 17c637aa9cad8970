"""What a brain may be told: the numbers that shape its decisions, checked once.

The digest goes into snapshots and checkpoints: state made with other numbers is not continued.
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass

from hunter.errors import ConfigError

PENDING_LABELS_MAX = 10_000
"""Decisions that wait for their label; horizon / interval may not exceed it."""


@dataclass(frozen=True, slots=True)
class BrainSettings:
    """Times in milliseconds of event time.

    threshold: |2 p - 1| below it is no edge. warm_ms: silent until so much event time was seen.
    stale_ms: a quote older than that, by its own exchange stamp, is no input.
    """

    interval_ms: int = 1_000
    horizon_ms: int = 5_000
    threshold: float = 0.10
    warm_ms: int = 30_000
    stale_ms: int = 2_000

    def __post_init__(self) -> None:
        for name in ("interval_ms", "horizon_ms", "stale_ms"):
            if getattr(self, name) < 1:
                raise ConfigError(f"brain.{name}: must be at least 1, is {getattr(self, name)}")
        if self.warm_ms < 0:
            raise ConfigError(f"brain.warm_ms: must not be negative, is {self.warm_ms}")
        if not 0.0 <= self.threshold < 1.0:
            raise ConfigError(f"brain.threshold: must be in [0, 1), is {self.threshold}")
        if self.horizon_ms > self.interval_ms * PENDING_LABELS_MAX:
            least = -(-self.horizon_ms // PENDING_LABELS_MAX)
            raise ConfigError(
                f"brain.interval_ms: {self.interval_ms} is too short for horizon_ms"
                f" {self.horizon_ms}; make it at least {least}"
            )

    def digest(self) -> bytes:
        """Eight bytes that differ when any number differs."""
        text = repr(astuple(self)).encode()
        return hashlib.blake2s(text, digest_size=8).digest()
