"""Brains as users write them: a good one, and ones that fail each in its way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hunter.brain.inputs import BookRow, TickerRow, TradeRow
from hunter.signals.decision import Decision


class FlowSign:
    """Says the sign of the volume since the start; remembers what it was given."""

    def __init__(self) -> None:
        self.volume = 0.0
        self.calls: list[Any] = []
        self.answer: Any = None
        self.fail_in = ""

    def _enter(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if name == self.fail_in:
            raise RuntimeError(f"no {name} today")

    def on_trades(self, batch: Sequence[TradeRow]) -> None:
        self._enter("on_trades", [row.trade_id for row in batch])
        self.volume += sum(row.side * row.size for row in batch)

    def on_book(self, book: BookRow) -> None:
        self._enter("on_book")

    def on_ticker(self, ticker: TickerRow) -> None:
        self._enter("on_ticker")

    def decide(self, now_ns: int) -> Decision | None:
        self._enter("decide", now_ns)
        if self.answer is not None:
            return None if self.answer == "nothing" else self.answer  # type: ignore[no-any-return]
        up = self.volume > 0
        return Decision(
            direction="up" if up else "down",
            probability_up=0.75 if up else 0.25,
            horizon_ms=700,
            reason=f"volume {self.volume:+.2f}",
            features={"volume": self.volume},
        )

    def snapshot(self) -> bytes:
        self._enter("snapshot")
        return json.dumps([self.volume]).encode()

    def restore(self, state: bytes) -> None:
        self._enter("restore")
        (self.volume,) = json.loads(state)


class WithBbo(FlowSign):
    def on_bbo(self, bbo: Any) -> None:
        self._enter("on_bbo")


class Named(FlowSign):
    def __init__(self, instrument: str) -> None:
        super().__init__()
        self.instrument = instrument


class Optional(FlowSign):
    def __init__(self, depth: int = 5, *, extra: str = "") -> None:
        super().__init__()
        self.depth, self.extra = depth, extra


class Refusing(FlowSign):
    def __init__(self) -> None:
        raise OSError("weights.bin is missing")


class Deaf:
    def decide(self, now_ns: int) -> None:
        return None


not_a_class = 5
