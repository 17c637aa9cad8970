"""Three hundred instruments at once: the busiest ten at the peak second of a recorded BTC swap, the
others at a tenth of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from hunter.bench.runs import Cores, lost, run
from hunter.bench.sustain import limiting, why_not
from hunter.bench.traffic import QUIET_SHARE, TrafficPlan, instrument_names, weights

INSTRUMENTS: Final = 300
PEAK_PER_S: Final = 895.0
RING_CAPACITY: Final = 4_096
"""Of trades: so that the lag of the whole run can be read from the ring afterwards."""
MIXES: Final = ("top5", "capture")
"""trades, books5 and tickers; and what such a recording is made of, with books kept up."""


def total_per_s(instrument_count: int) -> float:
    """Messages of all instruments together."""
    return sum(weights(instrument_count)) * PEAK_PER_S / QUIET_SHARE


def measure(
    mix: str,
    seconds: float,
    cores: Cores,
    tell: Callable[[str, float], None],
    instrument_count: int = INSTRUMENTS,
) -> dict[str, Any]:
    """`mix`: of `traffic.MIXES`."""
    rate = total_per_s(instrument_count)
    what = f"{instrument_count} instruments, {rate:,.0f} messages/s, {mix}"
    tell(what, 0.0)
    plan = TrafficPlan(mix, int(rate * seconds), instrument_names(instrument_count), rate)
    outcome = run(plan, cores, (f"ring.capacity={RING_CAPACITY}",), lambda share: tell(what, share))
    why = why_not(outcome)
    return {
        "instruments": instrument_count,
        "mix": mix,
        "rate_per_s": int(rate),
        "messages_per_s": int(outcome.messages_per_s),
        "seconds": outcome.seconds,
        "lost": lost(outcome),
        "gaps": outcome.gaps,
        "reconnects": outcome.reconnects,
        "brain_lapped": outcome.lapped,
        "schedule_to_receive_us": msgspec.to_builtins(outcome.latency_us["schedule_to_receive"]),
        "lag_us_by_quarter": outcome.lag_us_by_quarter,
        "cpu_us_per_message": outcome.stream_us_per_message,
        "brain_cpu_us_per_message": outcome.brain_us_per_message,
        "cpu_percent": outcome.cpu_percent,
        "core_percent": outcome.core_percent,
        "rss_bytes": outcome.rss_bytes,
        "shared_bytes": outcome.shared_bytes,
        "held": not why,
        "why": why,
        "limiting": limiting(outcome, why, cores) if why else "",
        "note": outcome.note,
        "cut_short": outcome.cut_short,
    }
