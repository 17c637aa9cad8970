"""Cost curves: CPU per message over message rate, instruments, ring capacity and readers; a table
and a picture of each.

Each point is a run of its own, in a fresh instance; a curve says what changes along it and what
stays. Readers are other programs that follow the ring, as a user's would: each a process.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from hunter import clock
from hunter.bench import picture
from hunter.bench.instance import BenchInstance
from hunter.bench.loadclient import pinned
from hunter.bench.report import number
from hunter.bench.runs import Cores, lost, run
from hunter.bench.traffic import TrafficPlan, instrument_names

RATES: Final = (500, 1_000, 2_000, 5_000, 10_000, 20_000)
INSTRUMENTS: Final = (1, 3, 10, 30, 100, 300)
CAPACITIES: Final = tuple(1 << exponent for exponent in range(10, 19, 2))
READERS: Final = (0, 1, 2, 4)
FIXED_PER_S: Final = 5_000.0
"""The rate of the curves that go along something else."""
_MIX: Final = "top5"
_BURST: Final = 30_000
_READER_START_S: Final = 1.0

Tell = Callable[[str, float], None]


class Point(msgspec.Struct, frozen=True):
    at: int
    stream_us: float
    brain_us: float
    lost: int


class Curve(msgspec.Struct, frozen=True):
    """`along`: what changes; `fixed`: what stays."""

    name: str
    along: str
    fixed: str
    points: list[Point]


def measure(seconds: float, cores: Cores, tell: Tell) -> list[Curve]:
    """All four, `seconds` for each point."""
    return [
        _over_rate(seconds, cores, tell),
        _over_instruments(seconds, cores, tell),
        _over_capacity(cores, tell),
        _over_readers(seconds, cores, tell),
    ]


def _point(
    at: int,
    plan: TrafficPlan,
    cores: Cores,
    settings: tuple[str, ...] = (),
    meanwhile: Callable[[BenchInstance], None] = lambda _: None,
) -> Point:
    outcome = run(plan, cores, settings, meanwhile=meanwhile)
    return Point(at, outcome.stream_us_per_message, outcome.brain_us_per_message, lost(outcome))


def _over_rate(seconds: float, cores: Cores, tell: Tell) -> Curve:
    points = []
    for rate in RATES:
        tell(f"curve: {rate:,} messages/s", 0.0)
        points.append(_point(rate, TrafficPlan(_MIX, int(rate * seconds), rate_per_s=rate), cores))
    return Curve("rate", "messages/s", "one instrument; trades, books5, tickers", points)


def _over_instruments(seconds: float, cores: Cores, tell: Tell) -> Curve:
    points = []
    for count in INSTRUMENTS:
        tell(f"curve: {count} instruments", 0.0)
        messages = int(FIXED_PER_S * seconds)
        plan = TrafficPlan(_MIX, messages, instrument_names(count), FIXED_PER_S)
        points.append(_point(count, plan, cores, ("ring.capacity=4096",)))
    return Curve("instruments", "instruments", f"{FIXED_PER_S:,.0f} messages/s of all", points)


def _over_capacity(cores: Cores, tell: Tell) -> Curve:
    points = []
    for capacity in CAPACITIES:
        tell(f"curve: rings of {capacity:,} rows", 0.0)
        plan = TrafficPlan("mix", _BURST)
        points.append(_point(capacity, plan, cores, (f"ring.capacity={capacity}",)))
    return Curve("capacity", "trade rows in the ring", "burst of the mix", points)


def _over_readers(seconds: float, cores: Cores, tell: Tell) -> Curve:
    points = []
    for count in READERS:
        tell(f"curve: {count} readers", 0.0)
        readers: list[subprocess.Popen[bytes]] = []

        def follow(
            instance: BenchInstance,
            count: int = count,
            readers: list[subprocess.Popen[bytes]] = readers,
        ) -> None:
            words = [sys.executable, "-m", "hunter.bench.follower", str(instance.file)]
            with pinned(cores.load):
                readers += [subprocess.Popen(words) for _ in range(count)]
            clock.sleep_s(_READER_START_S if count else 0)

        plan = TrafficPlan("trades", int(FIXED_PER_S * seconds), rate_per_s=FIXED_PER_S)
        try:
            points.append(_point(count, plan, cores, (), follow))
        finally:
            for reader in readers:
                reader.kill()
                reader.wait()
    fixed = f"{FIXED_PER_S:,.0f} trades/s; each reader a process that polls"
    return Curve("readers", "readers beside the brain", fixed, points)


def write(curves: Sequence[Curve], directory: Path, machine_line: str) -> list[Path]:
    """curves.json, curves.md and a picture of each curve; the paths."""
    directory.mkdir(parents=True, exist_ok=True)
    made = [directory / "curves.json", directory / "curves.md"]
    made[0].write_bytes(msgspec.json.format(msgspec.json.encode(curves)) + b"\n")
    text = [f"Measured on {machine_line}.", ""]
    for curve in curves:
        path = directory / f"curve-{curve.name}.svg"
        path.write_text(draw(curve), encoding="utf-8")
        made.append(path)
        text += [f"![CPU over {curve.along}](curve-{curve.name}.svg)", "", *markdown(curve), ""]
    made[1].write_text("\n".join(text), encoding="utf-8")
    return made


def markdown(curve: Curve) -> list[str]:
    """A table; its first line says what stays."""
    rows = [
        f"CPU us per message over {curve.along} ({curve.fixed}):",
        "",
        f"| {curve.along} | stream | brain | lost |",
        "|---:|---:|---:|---:|",
    ]
    rows += [
        f"| {point.at:,} | {number(point.stream_us)} | {number(point.brain_us)} | {point.lost} |"
        for point in curve.points
    ]
    return rows


def draw(curve: Curve) -> str:
    """The same as a picture."""
    at = [float(point.at) for point in curve.points]
    series = {
        "stream": [point.stream_us for point in curve.points],
        "brain": [point.brain_us for point in curve.points],
    }
    words = picture.Words(
        f"CPU per message over {curve.along}", curve.fixed, curve.along, "CPU, us per message"
    )
    return picture.lines(words, at, series)


def as_json(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.to_builtins(curves)
    return found
