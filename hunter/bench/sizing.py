"""What an instance takes of a machine, by how many instruments it follows: CPU, memory, /dev/shm.

Default channels and capacity, each instrument at its share of a recorded mix, all at the pace of a
busy moment (`sustain.INSTRUMENT_PER_S`). Asked for by name; it is what a table of sizes is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hunter.bench.runs import Cores, lost, run
from hunter.bench.sustain import INSTRUMENT_PER_S, why_not
from hunter.bench.traffic import TrafficPlan, instrument_names

COUNTS: Final = (1, 10, 50, 100, 300)
MIX: Final = "capture"
"""bbo-tbt, trades, tickers and books, as recorded: the channels that are the default."""


def measure(
    seconds: float,
    cores: Cores,
    tell: Callable[[str, float], None],
    counts: tuple[int, ...] = COUNTS,
) -> list[dict[str, Any]]:
    """One entry for each number of instruments."""
    return [_measure_one(count, seconds, cores, tell) for count in counts]


def _measure_one(
    count: int, seconds: float, cores: Cores, tell: Callable[[str, float], None]
) -> dict[str, Any]:
    rate = INSTRUMENT_PER_S * count
    what = f"{count} instruments, {rate:,.0f} messages/s"
    tell(what, 0.0)
    plan = TrafficPlan(MIX, int(rate * seconds), instrument_names(count), rate)
    outcome = run(plan, cores, (), lambda share: tell(what, share))
    why = why_not(outcome)
    return {
        "instruments": count,
        "rate_per_s": int(rate),
        "seconds": outcome.seconds,
        "lost": lost(outcome),
        "brain_lapped": outcome.lapped,
        "cpu_percent": outcome.cpu_percent,
        "core_percent": outcome.core_percent,
        "rss_bytes": outcome.rss_bytes,
        "shared_bytes": outcome.shared_bytes,
        "held": not why,
        "why": why,
        "note": outcome.note,
        "cut_short": outcome.cut_short,
    }
