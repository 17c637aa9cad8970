"""A line for each instrument, for `hunter status`: last price, pace, age, book, last signal.

Reads the rings and the end of the journal; a few rows of each, so that the screen comes at once
with many instruments too. Needs no numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from hunter.access import Instance
from hunter.clock import Clock
from hunter.config import Config
from hunter.errors import HunterError
from hunter.ring.rows import Kind, place_of

INSTRUMENTS_SHOWN_MAX: Final = 12
PACE_NS: Final = 10_000_000_000
PACE_ROWS: Final = 512
SIGNALS_READ_MAX: Final = 200
_RECEIVED: Final = place_of(Kind.TRADE, "received_ts_ns")
_PRICE: Final = place_of(Kind.TRADE, "price")


class MarketLine(NamedTuple):
    """One instrument now; None: nothing yet. `trades_per_s` over the last ten seconds."""

    instrument: str
    price: float | None = None
    trades_per_s: float = 0.0
    age_ms: float | None = None
    is_book_valid: bool | None = None
    direction: str = ""
    probability_up: float = 0.0
    signal_age_s: float = 0.0


def market_lines(instance: Instance, config: Config, clock: Clock) -> list[MarketLine]:
    """The first instruments of the instance."""
    now_ns = clock.wall_ns()
    signals = _last_signals(config)
    return [
        _line(instance, name, signals.get(name), now_ns)
        for name in instance.instruments[:INSTRUMENTS_SHOWN_MAX]
    ]


def _line(
    instance: Instance, name: str, signal: tuple[str, float, int] | None, now_ns: int
) -> MarketLine:
    try:
        trades = instance.lane(name, Kind.TRADE).last_rows(PACE_ROWS)
        book = instance.lane(name, Kind.BOOK).now(now_ns, 1)
    except HunterError:  # a ring that somebody has cut short: the reasons say so
        return MarketLine(name)
    line = MarketLine(name, is_book_valid=book.valid if book else None)
    if trades:
        received = [int(row[_RECEIVED]) for row in trades]
        line = line._replace(
            price=trades[-1][_PRICE],
            trades_per_s=pace(received, now_ns),
            age_ms=max(0.0, (now_ns - received[-1]) / 1e6),
        )
    if signal is not None:
        direction, probability_up, decided_ns = signal
        age_s = max(0.0, (now_ns - decided_ns) / 1e9)
        line = line._replace(direction=direction, probability_up=probability_up, signal_age_s=age_s)
    return line


def pace(received_ns: Sequence[int], now_ns: int) -> float:
    """Rows a second over the last ten; over less, when all rows read are younger than that."""
    young = [at_ns for at_ns in received_ns if now_ns - at_ns <= PACE_NS]
    if len(young) < 2:
        return len(young) * 1e9 / PACE_NS
    if len(young) == PACE_ROWS:
        return len(young) * 1e9 / max(1, now_ns - young[0])
    return len(young) * 1e9 / PACE_NS


def _last_signals(config: Config) -> dict[str, tuple[str, float, int]]:
    """Instrument -> direction, probability and time of the newest signal."""
    from hunter.signals.journal_reader import last_signals  # late: not all who read status need it

    found: dict[str, tuple[str, float, int]] = {}
    try:
        for signal in last_signals(config.data_dir / "signals", SIGNALS_READ_MAX):
            found[signal.instrument] = (
                signal.direction,
                signal.probability_up,
                signal.decided_ts_ns,
            )
    except OSError:  # another user's, or gone meanwhile: the rest of the screen matters more
        return {}
    return found
