from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from hunter.signals.signal import Signal
from hunter.signals.verification import compare, decided_by_input, moment_of

Make = Callable[..., Signal]


@dataclass(frozen=True)
class Change:
    name: str
    value: object


def changed(signal: Signal, change: Change) -> Signal:
    head, _, rest = change.name.partition(".")
    value = change.value
    if rest:
        value = msgspec.structs.replace(getattr(signal, head), **{rest: value})
    return msgspec.structs.replace(signal, **{head: value})


def test_runs_that_differ_in_what_is_measured_are_the_same(make_signal: Make) -> None:
    told = [make_signal(boundary) for boundary in (1_000, 2_000, 3_000)]
    again = [
        changed(
            msgspec.structs.replace(
                signal,
                id="ffff" + signal.id[signal.id.index("-") :],
                decided_ts_ns=signal.decided_ts_ns + 5,
                latency_us=signal.latency_us + 1.0,
            ),
            Change("quality.lag_ms", 99.0),
        )
        for signal in told
    ]
    assert compare(told, reversed(again)) == (3, None)


@pytest.mark.parametrize(
    "change",
    [
        Change("direction", "flat"),
        Change("probability_up", 0.123),
        Change("reason", "another"),
        Change("features", {}),
        Change("trade_sequence", 77),
        Change("quality.gaps_in_window", 3),
        Change("horizon_ms", 5_000.0),
    ],
    ids=lambda change: change.name,
)
def test_every_other_field_counts(make_signal: Make, change: Change) -> None:
    told = [make_signal(boundary) for boundary in (1_000, 2_000)]
    verdict = compare(told, [told[0], changed(told[1], change)])
    assert verdict.compared == 1
    assert verdict.difference is not None
    assert verdict.difference.moment == moment_of(told[1])
    assert verdict.difference.field.startswith(change.name)
    assert change.name in str(verdict.difference)


def test_first_difference_is_the_earliest(make_signal: Make) -> None:
    told = [make_signal(boundary) for boundary in (1_000, 2_000, 3_000)]
    others = [changed(signal, Change("confidence", 0.25)) for signal in told]
    verdict = compare(told, [others[2], others[1], told[0]])
    assert verdict.difference is not None
    assert verdict.difference.moment.boundary_ms == 2_000


def test_signal_on_one_side_only_is_a_difference(make_signal: Make) -> None:
    told = [make_signal(boundary) for boundary in (1_000, 2_000)]
    missing, surplus = compare(told, told[:1]), compare(told[:1], told)
    assert "told, but not recomputed" in str(missing.difference)
    assert "was never told" in str(surplus.difference)
    assert (missing.compared, surplus.compared) == (1, 1)


def test_what_the_input_decides_is_everything_but_four_measured_fields(make_signal: Make) -> None:
    signal = make_signal(1_000)
    names = {name.partition(".")[0] for name in decided_by_input(signal)}
    filled = {name for name in signal.__struct_fields__ if getattr(signal, name) != {}}
    assert filled - names == {"id", "decided_ts_ns", "latency_us"}
    kept = {n.partition(".")[2] for n in decided_by_input(signal) if n.startswith("quality.")}
    assert set(signal.quality.__struct_fields__) - kept == {"lag_ms"}
