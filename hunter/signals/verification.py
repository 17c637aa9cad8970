"""Are two runs' signals the same? Pure: used by `hunter replay --verify`.

A signal is a function of the rows its brain consumed, but for what is measured: which ring it was
(the first part of its id), when the row was received (`decided_ts_ns`, `quality.lag_ms`) and how
long the decision took (`latency_us`). `decided_by_input` leaves exactly those out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from hunter.signals.signal import Signal, parse_signal_id

MEASURED = ("decided_ts_ns", "latency_us")
"""Fields that differ between two runs over the same rows, besides the lag and the ring's id."""

_MISSING = "nothing"


class Moment(NamedTuple):
    """What identifies a signal within any run over the same market."""

    boundary_ms: int
    instrument: str


class Difference(NamedTuple):
    """The first signal that is not as it was. `field` is dotted; "" when a whole signal is on one
    side only.
    """

    moment: Moment
    field: str
    told: Any
    recomputed: Any

    def __str__(self) -> str:
        boundary_ms, instrument = self.moment
        if not self.field:
            where = "told, but not recomputed" if self.recomputed is None else "was never told"
            signal = self.told if self.recomputed is None else self.recomputed
            return f"{instrument} at {boundary_ms}: {signal.direction} {where}"
        return (
            f"{instrument} at {boundary_ms}: {self.field} was {self.told!r},"
            f" recomputed {self.recomputed!r}"
        )


class Verification(NamedTuple):
    """`compared` signals are the same up to the first difference, if there is one."""

    compared: int
    difference: Difference | None


def moment_of(signal: Signal) -> Moment:
    """Raises MalformedMessage when the id is none."""
    found = parse_signal_id(signal.id)
    return Moment(found.boundary_ms, found.instrument)


def decided_by_input(signal: Signal) -> dict[str, Any]:
    """Everything that the rows alone decide, by dotted name, in the order of the fields."""
    plain = msgspec.to_builtins(signal)
    for name in ("id", *MEASURED):
        del plain[name]
    del plain["quality"]["lag_ms"]
    return _flat(plain)


def _flat(plain: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = value
    return found


def compare(told: Iterable[Signal], recomputed: Iterable[Signal]) -> Verification:
    """Both in any order; a moment told twice counts as it was told first."""
    before, now = _by_moment(told), _by_moment(recomputed)
    compared = 0
    for moment in sorted(before.keys() | now.keys()):
        one, other = before.get(moment), now.get(moment)
        if one is None or other is None:
            return Verification(compared, Difference(moment, "", one, other))
        fields, others = decided_by_input(one), decided_by_input(other)
        for name in [*fields, *(name for name in others if name not in fields)]:
            value, again = fields.get(name, _MISSING), others.get(name, _MISSING)
            # By type too: 1 and 1.0 are different bytes of a journal.
            if value != again or type(value) is not type(again):
                return Verification(compared, Difference(moment, name, value, again))
        compared += 1
    return Verification(compared, None)


def _by_moment(signals: Iterable[Signal]) -> dict[Moment, Signal]:
    found: dict[Moment, Signal] = {}
    for signal in signals:
        found.setdefault(moment_of(signal), signal)
    return found
