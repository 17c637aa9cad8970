"""When to connect again: pure, jittered, and reset only by data that kept coming.

A server that accepts and closes must not be hammered, so a successful handshake proves nothing: the
count of failures goes back to zero only after the connection has brought data for
`stable_after_ms`. The first attempt after a stable connection is made at once (with a little
jitter, for the sake of everybody else who was cut off at the same moment); then the delay doubles
from `backoff_min_ms` to `backoff_max_ms`, each drawn from the upper half of its range: OKX allows 3
connections a second per address, and even two quick ones keep below.
"""

from __future__ import annotations

import random
from typing import Final

from hunter.config import StreamSection

FIRST_RETRY_MS_MAX: Final = 250
_MS: Final = 1_000_000


class ReconnectBackoff:
    """Of one connection. All times are monotonic nanoseconds."""

    def __init__(self, settings: StreamSection, generator: random.Random) -> None:
        self._settings = settings
        self._random = generator
        self._data_since_ns: int | None = None
        self.failures = 0

    def data_received(self, now_ns: int) -> None:
        """A data frame came; ping and acknowledgements do not count."""
        if self._data_since_ns is None:
            self._data_since_ns = now_ns
        elif self.failures and now_ns - self._data_since_ns >= self._settings.stable_after_ms * _MS:
            self.failures = 0

    def next_delay_ms(self, now_ns: int) -> float:
        """The connection failed or ended: how long to wait before the next attempt."""
        stable = (
            self._data_since_ns is not None
            and now_ns - self._data_since_ns >= self._settings.stable_after_ms * _MS
        )
        if stable:
            self.failures = 0
        self._data_since_ns = None
        self.failures += 1
        if self.failures == 1:
            return self._random.uniform(0, FIRST_RETRY_MS_MAX)
        ceiling: int = self._settings.backoff_min_ms * 2 ** min(self.failures - 2, 30)
        return self._random.uniform(0.5, 1.0) * min(ceiling, self._settings.backoff_max_ms)
