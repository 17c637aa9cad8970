"""A user's brain that has something to say at each boundary, at once; it may be told to leak.

A test copies this file beside a configuration (`put_beside`). A file `leak` beside it makes the
next process that finds it take memory with every batch of trades, for as long as it lives.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hunter.brain.intake import Intake
from hunter.signals.decision import Decision

KIND = 'brain.kind="eager_brain:Eager"'
LEAK = "leak"
LEAK_BYTES = 4 << 20

if __name__ != "fakes.eager_brain":  # in a brain's process, not in the tests'
    # A brain is silent for its first half minute of market, which no test can wait for.
    Intake.warm = property(lambda self: True)  # type: ignore[method-assign,assignment]


def put_beside(home: Path) -> None:
    shutil.copy(__file__, home / "eager_brain.py")


class Eager:
    """Always up; its only state is how many trades it has seen."""

    def __init__(self) -> None:
        self.trades = 0
        self.leaks = False
        self.kept: list[bytes] = []

    def on_trades(self, batch: Sequence[Any]) -> None:
        self.trades += len(batch)
        flag = Path(__file__).with_name(LEAK)
        if not self.leaks and flag.exists():
            flag.unlink()
            self.leaks = True
        if self.leaks:
            self.kept.append(b"x" * LEAK_BYTES)

    def on_book(self, book: object) -> None:
        pass

    def on_ticker(self, ticker: object) -> None:
        pass

    def decide(self, now_ns: int) -> Decision:
        return Decision(
            direction="up",
            probability_up=0.75,
            horizon_ms=1_000,
            reason=f"{self.trades} trades",
            features={"trades": float(self.trades)},
        )

    def snapshot(self) -> bytes:
        return b"%d" % self.trades

    def restore(self, state: bytes) -> None:
        self.trades = int(state)
