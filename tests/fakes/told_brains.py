"""Brains whose score on a told market is known: they read the announcement, guess, or cheat."""

from __future__ import annotations

import random
from collections.abc import Callable

from hunter.brain.inputs import BboRow, BookRow, TickerRow, TradeRow
from hunter.brain.protocol import Brain, Outlook

MS = 1_000_000
Opinion = Callable[[BboRow | None, int], float]


class ToldBrain:
    """P(up) is `opinion` of the newest best bid and offer and of event time."""

    warm = True
    decisions = 0
    errors = 0

    def __init__(self, name: str, opinion: Opinion, horizons_ms: tuple[int, ...] = (1_000,)):
        self.name = name
        self.asked: list[int] = []
        self._opinion = opinion
        self._horizons_ms = horizons_ms
        self._quote: BboRow | None = None

    @property
    def inputs(self) -> dict[str, int]:
        return {}

    def on_trade(self, row: TradeRow) -> None:
        del row

    def on_gap(self) -> None:
        pass

    def on_bbo(self, row: BboRow) -> None:
        self._quote = row

    def on_ticker(self, row: TickerRow) -> None:
        del row

    def on_book(self, row: BookRow) -> None:
        del row

    def outlook(self, now_ns: int) -> tuple[Outlook, ...]:
        self.asked.append(now_ns)
        p = self._opinion(self._quote, now_ns)
        direction = "up" if p > 0.5 else "down" if p < 0.5 else "flat"
        return tuple(Outlook(ms, p, None, None, direction, "") for ms in self._horizons_ms)

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        del state


def reader(right: float = 0.8) -> Opinion:
    """Knows what the announcement is worth."""

    def opinion(quote: BboRow | None, now_ns: int) -> float:
        del now_ns
        if quote is None:
            return 0.5
        return right if quote.bid_size > quote.ask_size else 1.0 - right

    return opinion


def guesser(seed: int = 1) -> Opinion:
    dice = random.Random(seed)
    return lambda quote, now_ns: dice.random()


def cheat(moves: list[tuple[int, int, int]], start_ns: int, ahead_ms: int) -> Opinion:
    """The sign of the mid's last move as of `ahead_ms` from now; `moves` as of ToldMarket."""
    times = [(start_ns + at_ms * MS, outcome) for at_ms, _, outcome in moves]

    def opinion(quote: BboRow | None, now_ns: int) -> float:
        del quote
        seen = [outcome for at_ns, outcome in times if at_ns <= now_ns + ahead_ms * MS]
        return 0.5 + 0.4 * seen[-1] if seen else 0.5

    return opinion


def maker(opinion: Opinion, name: str = "told", *horizons_ms: int) -> Callable[..., Brain]:
    """As Entrant takes it."""

    def make(instrument: str, horizon_ms: int | None) -> Brain:
        del instrument, horizon_ms
        return ToldBrain(name, opinion, horizons_ms or (1_000,))

    return make
