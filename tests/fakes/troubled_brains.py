"""A user's brain whose trouble depends on the instrument: it crashes, says NaN, takes its time, or
has none. A test copies this file beside a configuration (`put_beside`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any

from hunter.signals.decision import Decision

KIND = 'brain.kind="troubled_brains:Troubled"'
CRASHES, SAYS_NAN, IS_SLOW, IS_FINE = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "BTC-USDT"
SLOW_NS = 3_000_000


def put_beside(home: Path) -> None:
    shutil.copy(__file__, home / "troubled_brains.py")


class Troubled:
    """Up and down in turn, where it gets so far."""

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self.count = 0

    def on_trades(self, batch: Sequence[Any]) -> None:
        pass

    def on_book(self, book: object) -> None:
        pass

    def on_ticker(self, ticker: object) -> None:
        pass

    def decide(self, now_ns: int) -> Decision:
        self.count += 1
        if self.instrument == CRASHES:
            raise RuntimeError("the weights are gone")
        if self.instrument == IS_SLOW:
            end_ns = time.monotonic_ns() + SLOW_NS
            while time.monotonic_ns() < end_ns:
                pass
        p = nan if self.instrument == SAYS_NAN else 0.75 if self.count % 2 else 0.25
        return Decision(
            direction="up" if p > 0.5 else "down",
            probability_up=p,
            horizon_ms=100,
            reason=f"call {self.count}",
        )

    def snapshot(self) -> bytes:
        return str(self.count).encode()

    def restore(self, state: bytes) -> None:
        self.count = int(state)
