"""Fires the faults of a script and of a storm when they are due, and keeps the log of it.

Owned by the server, whose loop calls `step`; REST may start and stop a storm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from copy import copy
from typing import Any, Final

from hunter.errors import ConfigError
from hunter.simulator.exchange import Exchange
from hunter.simulator.faults import Fault
from hunter.simulator.script import Step
from hunter.simulator.storm import Storm, shown

_LOG_MAX: Final = 10_000
_IDLE_NS: Final = 250_000_000


class Driver:
    def __init__(self, exchange: Exchange, steps: Sequence[Step] = ()) -> None:
        self._exchange = exchange
        self._start_ns = exchange.clock.monotonic_ns()
        self._steps = deque(steps)
        self._storm: Storm | None = None
        self._storm_start_ns = 0
        self._log: dict[str, deque[dict[str, Any]]] = {
            name: deque(maxlen=_LOG_MAX) for name in ("script", "storm")
        }
        exchange.reports["script"] = lambda: list(self._log["script"])
        exchange.reports["storm"] = lambda: list(self._log["storm"])
        exchange.reports["storm_seed"] = lambda: self._storm and self._storm.seed

    def start_storm(self, seed: int, gap_s: float) -> None:
        """A new storm in place of any that is on."""
        self._storm_start_ns = self._exchange.clock.monotonic_ns()
        names = list(self._exchange.listings)
        self._storm = Storm(seed, gap_s, names, self._storm_start_ns)
        self._log["storm"].clear()

    def stop_storm(self) -> None:
        """No more faults, and everything healed; the log stays."""
        self._storm = None
        self._exchange.heal()

    def step(self) -> int:
        """Fire what is due; returns how many ns until there may be more."""
        now_ns = self._exchange.clock.monotonic_ns()
        while self._steps and self._start_ns + self._steps[0].at_ns <= now_ns:
            self._fire("script", self._steps.popleft().fault, now_ns - self._start_ns)
        if self._storm is not None:
            for fault in self._storm.due(now_ns):
                self._fire("storm", fault, now_ns - self._storm_start_ns)
        due_ns = now_ns + _IDLE_NS
        if self._steps:
            due_ns = min(due_ns, self._start_ns + self._steps[0].at_ns)
        if self._storm is not None:
            due_ns = min(due_ns, self._storm.next_due_ns())
        return due_ns - now_ns

    def _fire(self, log: str, fault: Fault, after_ns: int) -> None:
        line = shown(fault, after_ns)
        try:
            line["done_to"] = self._exchange.arm(copy(fault))
        except ConfigError as error:
            line["refused"] = str(error)  # such as a market's fault while a recording plays
        self._log[log].append(line)
