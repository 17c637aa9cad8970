"""Runs of a whole instance under load: burst, paced, scale. Each starts a load process and an
instance, sends, waits until every message is a row or nothing comes any more, and says what it
cost. Load and the measured processes have cores of their own where there are two.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Final

import msgspec

from hunter import clock
from hunter.bench.figures import quantiles
from hunter.bench.frames import trade_number
from hunter.bench.instance import BenchInstance, Mark, cost_ns
from hunter.bench.loadclient import Load, LoadReport
from hunter.bench.machine import core_percent
from hunter.bench.traffic import MESSAGES_MAX, TrafficPlan, channel_order, instrument_order
from hunter.clock import SystemClock
from hunter.exchange.okx.plan import make_plan
from hunter.status.documents import Percentiles

LOOK_EVERY_S: Final = 0.002
QUIET_NS: Final = 2_000_000_000
"""Without a new row for so long, what is missing is missing."""
WARM_SHARE: Final = 10
LATENCY_STAGES: Final = ("receive_to_ring", "receive_to_brain", "receive_to_signal")
DECISION_INTERVAL_MS: Final = 10
"""Of the brain in paced runs: so many decisions that the 99.9th percentile means something."""


class Cores(msgspec.Struct, frozen=True):
    """Where the load runs, and where what is measured runs."""

    load: frozenset[int]
    measured: frozenset[int]

    def __str__(self) -> str:
        if not self.load:
            return "one core for all: load and engine disturb each other"
        return f"load on core {_numbers(self.load)}, engine on {_numbers(self.measured)}"


class RunOutcome(msgspec.Struct, frozen=True):
    """One run. `missing`: messages sent that became no row. `cpu_percent` is of the actors,
    `core_percent` of the cores, whoever used them; memory as status has it at the end.
    """

    messages: int
    missing: int
    lost: int
    gaps: int
    malformed: int
    lapped: int
    reconnects: int
    seconds: float
    messages_per_s: float
    stream_us_per_message: float
    brain_us_per_message: float
    cpu_percent: dict[str, float]
    core_percent: dict[str, float]
    latency_us: dict[str, Percentiles | None]
    lag_us_by_quarter: list[float]
    decisions: int
    load: LoadReport | None
    note: str = ""
    cut_short: bool = False
    rss_bytes: dict[str, int] = {}
    shared_bytes: int = 0


def choose_cores() -> Cores:
    """The first core for the load, the others for the rest."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        return Cores(frozenset(), frozenset())
    return Cores(frozenset(cpus[:1]), frozenset(cpus[1:]))


def run(
    plan: TrafficPlan,
    cores: Cores,
    settings: tuple[str, ...] = (),
    tell: Callable[[float], None] = lambda _: None,
    meanwhile: Callable[[BenchInstance], None] = lambda _: None,
) -> RunOutcome:
    """`tell` hears what share of the messages has arrived. `meanwhile` is called before the load
    begins, with the running instance. A plan of more than MESSAGES_MAX is cut short.
    """
    wanted = plan.messages
    plan = msgspec.structs.replace(plan, messages=min(wanted, MESSAGES_MAX))
    with (
        contextlib.closing(Load(plan, cores.load)) as load,
        contextlib.closing(BenchInstance(plan, load.port, settings, cores.measured)) as instance,
    ):
        load.await_subscriptions(subscription_count(plan), 30.0)
        meanwhile(instance)
        outcome = _watch(plan, load, instance, tell)
        return msgspec.structs.replace(outcome, cut_short=wanted > plan.messages)


def subscription_count(plan: TrafficPlan) -> int:
    """How many the stream asks for: sentinels come on top."""
    sockets = make_plan(plan.instruments, plan.channels).sockets
    return sum(len(socket.subscriptions) + (socket.sentinel is not None) for socket in sockets)


def _watch(
    plan: TrafficPlan, load: Load, instance: BenchInstance, tell: Callable[[float], None]
) -> RunOutcome:
    first = instance.mark()
    before = instance.status_fields()
    load.go()
    begun = warm = first
    target = first.rows + plan.messages
    warm_target = first.rows + max(1, plan.messages // WARM_SHARE)
    last_rows, last_change_ns = first.rows, SystemClock().monotonic_ns() + 30_000_000_000
    while True:
        rows = instance.rows()
        now_ns = SystemClock().monotonic_ns()
        if begun is first and rows > first.rows:
            begun = warm = instance.mark()
        if warm is begun and rows >= warm_target:
            warm = instance.mark()
        if rows != last_rows:
            last_rows, last_change_ns = rows, now_ns
        if rows >= target or now_ns - last_change_ns > QUIET_NS:
            break
        tell((rows - first.rows) / plan.messages)
        clock.sleep_s(LOOK_EVERY_S)
    last = instance.mark()
    # the pages are written ten times a second: what stands there must be of the last message
    clock.sleep_s(0.25)
    return _outcome(plan, load.report(1.0), instance, before, (begun, warm, last, target))


def _outcome(
    plan: TrafficPlan,
    report: LoadReport | None,
    instance: BenchInstance,
    before: dict[str, object],
    marks: tuple[Mark, Mark, Mark, int],
) -> RunOutcome:
    begun, warm, last, target = marks
    after = instance.status_fields()
    rows = max(1, last.rows - warm.rows)
    taken_ns = max(1, last.at_ns - warm.at_ns)
    feeds = {key: _grown(before, after, key) for key in ("lost", "gaps", "malformed")}
    percent = {
        name: round(100 * (used - warm.cpu_ns[name]) / taken_ns, 1)
        for name, used in last.cpu_ns.items()
    }
    latency, quarters = _latencies(plan, report, instance, after)
    return RunOutcome(
        messages=plan.messages,
        missing=target - instance.rows(),
        lost=feeds["lost"],
        gaps=feeds["gaps"],
        malformed=feeds["malformed"],
        lapped=after["brain"]["lapped"],
        reconnects=sum(item["connects"] - 1 for item in after["connections"]),
        seconds=round((last.at_ns - begun.at_ns) / 1e9, 3),
        messages_per_s=round(rows / taken_ns * 1e9),
        stream_us_per_message=round(cost_ns(warm, last, "stream") / rows / 1e3, 3),
        brain_us_per_message=round(cost_ns(warm, last, "brain") / rows / 1e3, 3),
        cpu_percent=percent,
        core_percent=core_percent(warm.core_ticks, last.core_ticks),
        latency_us=latency,
        lag_us_by_quarter=quarters,
        decisions=after["brain"]["decisions"] - before["brain"]["decisions"],  # type: ignore[index]
        load=report,
        note="" if report is None else report.narrow,
        rss_bytes={actor["name"]: actor["rss_bytes"] for actor in after["actors"]},
        shared_bytes=after["memory"]["shared_bytes"],
    )


def _grown(before: dict[str, object], after: dict[str, object], key: str) -> int:
    def total(fields: dict[str, object]) -> int:
        return sum(feed[key] for feed in fields["feeds"])  # type: ignore[attr-defined]

    return total(after) - total(before)


def _latencies(
    plan: TrafficPlan,
    report: LoadReport | None,
    instance: BenchInstance,
    after: dict[str, object],
) -> tuple[dict[str, Percentiles | None], list[float]]:
    """What the engine says of itself, and from the schedule to reception: also by quarter of the
    run, p99, of the first instrument.
    """
    told = after.get("latency_us") or {}
    assert isinstance(told, dict)
    found: dict[str, Percentiles | None] = {
        stage: _told(told.get(stage)) for stage in LATENCY_STAGES
    }
    if found["receive_to_signal"] is None:
        brain = after["brain"]
        assert isinstance(brain, dict)
        found["receive_to_signal"] = _told(brain["latency_us"])
    found["schedule_to_receive"] = None
    if not plan.rate_per_s or report is None:
        return found, []
    lags = schedule_lags(plan, report.start_wall_ns, instance)
    found["schedule_to_receive"] = quantiles(lags, 1e3)
    size = max(1, len(lags) // 4)
    parts = [quantiles(lags[i * size : (i + 1) * size], 1e3) for i in range(4)]
    return found, [part.p99 for part in parts if part is not None]


def _told(fields: object) -> Percentiles | None:
    if not isinstance(fields, dict) or not fields.get("p50"):
        return None
    return Percentiles(fields["p50"], fields["p99"], fields["p999"])


def schedule_lags(plan: TrafficPlan, start_wall_ns: int, instance: BenchInstance) -> list[int]:
    """From when a trade of the first instrument was due to when it was received, in order."""
    numbers = trade_numbers(plan)
    lags = []
    for match_id, received_ns in instance.trade_times(plan.instruments[0], len(numbers)):
        trade = trade_number(match_id)
        if 0 <= trade < len(numbers):
            lags.append(received_ns - start_wall_ns - int(plan.due_ns(numbers[trade])))
    return lags


def trade_numbers(plan: TrafficPlan) -> list[int]:
    """Of each trade of the first instrument, which message of the run it is."""
    order, channels = instrument_order(len(plan.instruments)), channel_order(plan.mix)
    own = [number for number in range(plan.messages) if order[number % len(order)] == 0]
    return [number for turn, number in enumerate(own) if channels[turn % len(channels)] == "trades"]


def _numbers(cpus: frozenset[int]) -> str:
    return ",".join(map(str, sorted(cpus)))


def lost(outcome: RunOutcome) -> int:
    """Messages that were sent and are in no row, by whichever count finds more."""
    return max(outcome.missing, outcome.lost, 0)


def ring_capacity(plan: TrafficPlan) -> int:
    """Slots for all of a run's trades of the busiest instrument, within reason."""
    wanted = 1 << max(13, plan.messages.bit_length())
    return min(wanted, 1 << 18) if len(plan.instruments) == 1 else 1 << 14


def burst(mix: str, messages: int, cores: Cores, tell: Callable[[float], None]) -> RunOutcome:
    """One instrument, as fast as it is read. The ring has its default size: what is lapped is the
    brain's, and said.
    """
    return run(TrafficPlan(mix, messages), cores, tell=tell)


def paced(plan: TrafficPlan, cores: Cores, tell: Callable[[float], None]) -> RunOutcome:
    """At a rate; the brain decides often, so that there is something to count."""
    settings = (
        f"ring.capacity={ring_capacity(plan)}",
        f"brain.interval_ms={DECISION_INTERVAL_MS}",
    )
    return run(plan, cores, settings, tell)
