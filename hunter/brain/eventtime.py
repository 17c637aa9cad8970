"""Event time: the exchange's stamps of one instrument's rows as a clock that never goes back.

Only exchange stamps move it. Reception is left out on purpose: a replay at another speed has the
same exchange stamps and other receptions, and must decide alike.

A stamp more than GLITCH_NS ahead is not believed when it comes alone: the row is applied at the
time before it. RUN_LENGTH such rows in a row are the truth (an outage, a market that slept), and
time then moves to the smallest of their stamps. The very first stamp has no predecessor; it is held
against its reception, so that one absurd stamp cannot stop the clock for years.
"""

from __future__ import annotations

GLITCH_NS = 60_000_000_000
RUN_LENGTH = 3


class EventClock:
    """`now_ns` is the event time; 0 before the first row. One per instrument."""

    __slots__ = ("_run", "_run_ns", "glitches", "now_ns", "start_ns")

    def __init__(self) -> None:
        self.now_ns = 0
        self.start_ns = 0
        self.glitches = 0
        """Rows whose stamp was not believed when they came."""
        self._run = 0
        self._run_ns = 0

    def advance(self, exchange_ts_ns: int, received_ts_ns: int) -> int:
        """Event time after a row with these stamps."""
        now_ns = self.now_ns
        ahead_ns = exchange_ts_ns - now_ns
        if ahead_ns <= 0:
            self._run = 0
            return now_ns
        if ahead_ns <= GLITCH_NS:
            self._run = 0
            self.now_ns = exchange_ts_ns
            return exchange_ts_ns
        return self._leap(exchange_ts_ns, received_ts_ns)

    def _leap(self, exchange_ts_ns: int, received_ts_ns: int) -> int:
        if not self.now_ns:
            absurd = exchange_ts_ns - received_ts_ns > GLITCH_NS
            self.now_ns = self.start_ns = received_ts_ns if absurd else exchange_ts_ns
            self.glitches += absurd
            return self.now_ns
        self._run_ns = min(self._run_ns, exchange_ts_ns) if self._run else exchange_ts_ns
        self._run += 1
        if self._run < RUN_LENGTH:
            self.glitches += 1
            return self.now_ns
        self._run = 0
        self.now_ns = self._run_ns
        return self.now_ns

    @property
    def doubts(self) -> bool:
        """Whether the newest row's stamp is not believed so far."""
        return self._run > 0

    def state(self) -> tuple[int, int, int, int, int]:
        """For the snapshot."""
        return self.now_ns, self.start_ns, self.glitches, self._run, self._run_ns

    def load(self, state: tuple[int, int, int, int, int]) -> None:
        """Continue from `state()`."""
        self.now_ns, self.start_ns, self.glitches, self._run, self._run_ns = state
