"""The highest rate without loss and without growing lag: doubled until it fails, then halved
between the last good rate and the first bad one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hunter.bench.runs import Cores, RunOutcome, run
from hunter.bench.traffic import TrafficPlan, instrument_names

START_PER_S: Final = 20_000.0
CEILING_PER_S: Final = 1_280_000.0
HALVINGS: Final = 2
SENDS_PER_S: Final = 10_000
"""The load sends no more often; above that rate several messages leave at once."""
LAG_MS_MAX: Final = 50.0
INSTRUMENT_PER_S: Final = 90.0
"""One instrument of ordinary liveliness at a busy moment: a tenth of a BTC swap's peak second."""
_MIX: Final = "mix"
_OTHERS_PERCENT: Final = 20.0
"""Of a core, used by others: then it is not only ours that was too little."""


def search(
    holds: Callable[[float], bool], start: float, ceiling: float, halvings: int
) -> tuple[float, float | None]:
    """(highest rate that held, lowest that did not); 0 when not even the least did."""
    good, bad, rate = 0.0, None, start
    while bad is None and rate <= ceiling:
        if holds(rate):
            good, rate = rate, rate * 2
        else:
            bad = rate
    if bad is None:
        return good, None
    for _ in range(halvings):
        middle = (good + bad) / 2
        if holds(middle):
            good = middle
        else:
            bad = middle
    return good, bad


def why_not(outcome: RunOutcome) -> str:
    """What did not hold at this rate; "" when everything did."""
    if outcome.missing > 0 or outcome.lost or outcome.gaps or outcome.reconnects:
        return "messages were lost"
    if outcome.lapped:
        return "the brain was lapped"
    if outcome.load is None:
        return "the load was held up"
    lags_ms = [lag / 1000 for lag in outcome.lag_us_by_quarter]
    if lags_ms and lags_ms[-1] > max(LAG_MS_MAX, 2 * lags_ms[0]):
        return f"the lag grew to {lags_ms[-1]:.0f} ms"
    return ""


def limiting(outcome: RunOutcome, why: str, cores: Cores) -> str:
    """Which process was the narrow place when a rate did not hold: the brain if it could not keep
    up, else the busiest one, and who has a core in common with it.
    """
    if outcome.note:
        return f"load generator: {outcome.note}"
    actors = {name: used for name, used in outcome.cpu_percent.items() if name != "watchdog"}
    limit, *others = sorted(actors, key=lambda name: -actors[name])
    if why == "the brain was lapped":
        limit, others = "brain", [name for name in actors if not name.startswith("brain")]
    cores_used = sum(outcome.core_percent.get(str(core), 0.0) for core in cores.measured)
    if cores_used - sum(outcome.cpu_percent.values()) > _OTHERS_PERCENT:
        return f"{limit}, on a machine that does other work too"
    if len(cores.measured) <= 1 and others:
        return f"{limit}, on one core with {' and '.join(others)}"
    return limit


def measure(
    instrument_count: int,
    seconds: float,
    cores: Cores,
    tell: Callable[[str, float], None],
) -> dict[str, Any]:
    """With this many instruments; the mix is 60 % trades, 30 % books, 10 % tickers."""
    tried: list[dict[str, Any]] = []
    failed: list[tuple[RunOutcome, str]] = []
    names = instrument_names(instrument_count)

    def holds(rate: float) -> bool:
        what = f"{rate:,.0f} messages/s"
        tell(what, 0.0)
        plan = TrafficPlan(
            _MIX,
            int(rate * seconds),
            names,
            rate_per_s=rate,
            batch=max(1, int(rate / SENDS_PER_S)),
        )
        outcome = run(plan, cores, (), lambda share: tell(what, share))
        why = why_not(outcome)
        tried.append(
            {
                "rate_per_s": int(rate),
                "held": not why,
                "why": why,
                "lag_us_by_quarter": outcome.lag_us_by_quarter,
                "cpu_percent": outcome.cpu_percent,
                "core_percent": outcome.core_percent,
            }
        )
        if why:
            failed.append((outcome, why))
        return not why

    good, bad = search(holds, START_PER_S, CEILING_PER_S, HALVINGS)
    return {
        "mix": _MIX,
        "instruments": instrument_count,
        "sustained_per_s": int(good),
        "failed_per_s": None if bad is None else int(bad),
        "limiting": limiting(*failed[-1], cores) if failed else "",
        "about_instruments": int(good / INSTRUMENT_PER_S),
        "instrument_per_s": INSTRUMENT_PER_S,
        "tried": tried,
    }
