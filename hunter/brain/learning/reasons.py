"""What a decision says for itself: numbers in words, on one line. Pure; FlowBrain calls it.

The terms are the mixture's own: what each input adds to the log-odds of up, signed, summing to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from hunter.brain.learning.drift import DriftMonitor, Rung

DRIFTS_TOLD_MAX: Final = 8
TERMS_MAX: Final = 3
TERM_MIN: Final = 0.0005
"""A smaller one would be shown as 0.000."""

_RUNGS: Final = {
    Rung.FINE: "",
    Rung.WIDE: "drift: more confidence is asked for",
    Rung.PRIOR: "drift: queue imbalance decides alone",
    Rung.RESET: "drift: relearning",
}


def terms_text(
    contributions: Sequence[float], names: Sequence[str], values: Sequence[float], source: str
) -> str:
    """The largest contributions, equal ones in the model's order. `values` may be shorter: an
    outside expert has none. `source` is where the quote is from."""
    ranked = sorted(range(len(contributions)), key=lambda i: -abs(contributions[i]))
    said = []
    for i in ranked[:TERMS_MAX]:
        term = contributions[i]
        if abs(term) < TERM_MIN:
            break
        value = f" {values[i]:+.2f}" if i < len(values) else ""
        said.append(f"{names[i].replace('_', ' ')}{value} adds {term:+.3f}")
    if not said:
        return f"nothing pulls either way ({source})"
    return f"{', '.join(said)} to the log-odds ({source})"


def notes(drift: DriftMonitor, shifted: Sequence[str], shadowed: Sequence[str]) -> list[str]:
    """What else one should know of how it was decided."""
    said = [f"{_RUNGS[drift.rung]} (alarm {drift.alarms})"] if drift.rung else []
    if shifted:
        said.append(f"unusual lately: {', '.join(name.replace('_', ' ') for name in shifted)}")
    said += [f"{name} in shadow" for name in shadowed]
    return said


def drift_text(drift: DriftMonitor) -> str:
    """For the status; "" unless a person should know. The first rung alone is none: a false alarm
    now and then is its price, and it only asks for more confidence.
    """
    if drift.mute:
        return drift.fault()
    return _RUNGS[drift.rung] if drift.rung >= Rung.PRIOR else ""


def drift_lines(drifts: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Of all instruments, by name and what is said of it: a line for each of the first few."""
    found = [f"{name}: {text}" for name, text in drifts if text]
    if len(found) > DRIFTS_TOLD_MAX:
        more = len(found) - DRIFTS_TOLD_MAX
        found[DRIFTS_TOLD_MAX:] = [f"others: {more} more markets have left what was learnt"]
    return tuple(found)
