"""What the brain costs: CPU us per row by kind, per decision, and from the ring to the decision.

    python tests/benchmarks/bench_brain.py [--json] [--only window|rows|think|load|paced]

window the window alone, both halves: each event and each vector timed by itself, with the clock's
       own 0.05 us or so in it
rows   the built-in brain alone, row by row, no ring: the least and the median of the runs
think  the brain as it is configured, one instrument at 100 rows/s: each call timed by itself by the
       wall clock, so a busy machine shows in p99; "core" is the vector and three opinions of it
load   a brain process's loop over a ring of 300 instruments, fed from the same thread a batch at a
       time, so that its CPU time is the brain's alone: 43 % quotes, 35 % trades, 11 % tickers,
       11 % books; with 1 row to an instrument and turn, and with many
paced  a writer process and a brain process's loop beside it at 1,000, 5,000 and 20,000 rows/s: from
       the row's publication to the end of its decision, and the CPU time of the brain's process
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import os
import platform
import pstats
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # before tests/hunter

from fakes.actor_stage import Stage
from fakes.brain_rows import START_NS, Row, bbo, book, feed, fresh_flow, ticker, trade
from fakes.brain_stage import put

from hunter.brain.actor import BrainActor
from hunter.brain.flow import FlowBrain
from hunter.brain.inputs import BboRow, BookRow, TradeRow
from hunter.brain.settings import BrainSettings
from hunter.brain.window.window import FlowWindow
from hunter.bus.sleep import SleepWord
from hunter.bus.sockets import WakeSender
from hunter.native import kernel
from hunter.ring.writer import RingWriter
from hunter.status import block
from hunter.status.latency import Stage as Stretch

MS = 1_000_000
RUNS = 5
KINDS = ("trade", "bbo", "ticker", "book")
WEIGHTS = (35, 43, 11, 11)
CHANNELS = 'okx.channels=["trades","bbo-tbt","tickers","books5"]'


class Market:
    """Rows of many instruments in the wanted mix; event time runs at `rate` rows a second."""

    def __init__(self, instrument_count: int, rate: int, start_ns: int = START_NS) -> None:
        self._dice = random.Random(7)
        self._count = instrument_count
        self._step_ns = 1_000_000_000 // rate
        self.now_ns = start_ns
        self._trade_ids = [1_000] * instrument_count
        self._mids = [200.0] * instrument_count

    def row(self, kind: int | None = None) -> tuple[int, Row]:
        dice = self._dice
        self.now_ns += self._step_ns
        index = dice.randrange(self._count)
        if kind is None:
            kind = dice.choices((0, 1, 2, 3), WEIGHTS)[0]
        if dice.random() < 0.2:
            self._mids[index] += dice.choice((-0.5, 0.5))
        mid, now_ns = self._mids[index], self.now_ns // MS * MS
        if kind == 0:
            self._trade_ids[index] += 1
            side = dice.choice((-1, 1))
            made: Row = trade(now_ns, dice.randrange(1, 40) / 4, side, price=mid,
                              trade_id=self._trade_ids[index])  # fmt: skip
        else:
            bid = (mid - 0.5, dice.randrange(1, 80) / 4)
            ask = (mid + 0.5, dice.randrange(1, 80) / 4)
            if kind == 1:
                made = bbo(now_ns, bid, ask)
            elif kind == 2:
                made = ticker(now_ns, bid, ask)
            else:
                bids = tuple((bid[0] - i / 2, bid[1] + i) for i in range(5))
                asks = tuple((ask[0] + i / 2, ask[1] + i) for i in range(5))
                made = book(now_ns, bids, asks)
        return index, made._replace(received_ts_ns=now_ns + 3 * MS)


def spread(values: list[float]) -> dict[str, float]:
    return {
        "n": len(values),
        "least": round(min(values), 2),
        "median": round(statistics.median(values), 2),
        "most": round(max(values), 2),
    }


def row_costs() -> dict[str, Any]:
    """us per row of one kind, no decision due; and per decision."""
    found: dict[str, Any] = {}
    count = 20_000
    for kind, name in enumerate(KINDS):
        costs = []
        for _ in range(RUNS):
            market = Market(1, 1_000)
            brain = fresh_flow(interval_ms=3_600_000, horizon_ms=3_600_000)
            for _ in range(200):
                feed(brain, market.row()[1])
            rows = [market.row(kind)[1] for _ in range(count)]
            began_ns = time.process_time_ns()
            for row in rows:
                feed(brain, row)
            costs.append((time.process_time_ns() - began_ns) / count / 1e3)
        found[name] = spread(costs)
    costs = []
    for _ in range(RUNS):
        market = Market(1, 1_000)
        brain = fresh_flow(interval_ms=1, horizon_ms=5_000, warm_ms=0)
        rows = [market.row(1)[1] for _ in range(3_000)]
        began_ns = time.process_time_ns()
        for row in rows:
            feed(brain, row)
        costs.append((time.process_time_ns() - began_ns) / len(rows) / 1e3)
    found["decision, with its quote"] = spread(costs)
    return found


def think_costs(row_count: int = 20_000) -> dict[str, Any]:
    """us of a sample, of the labels that came due with a row, of a decision, of its core."""
    timed: dict[str, list[int]] = {}

    def timing(owner: Any, method: str, name: str) -> Any:
        plain = getattr(owner, method)

        def call(*arguments: Any) -> Any:
            began_ns = time.perf_counter_ns()
            answer = plain(*arguments)
            timed.setdefault(name, []).append(time.perf_counter_ns() - began_ns)
            return answer

        return call

    class Timed(FlowBrain):
        """It answers as its parent does."""

    for method, name in (("_sample", "sample"), ("_learn", "labels"), ("_decide", "decision")):
        setattr(Timed, method, timing(FlowBrain, method, name))
    market, brain = Market(1, 100), Timed("BTC-USDT-SWAP", BrainSettings(warm_ms=0))
    began_ns = time.process_time_ns()
    for _ in range(row_count):
        feed(brain, market.row()[1])
    whole_us = (time.process_time_ns() - began_ns) / row_count / 1e3

    def core() -> None:
        brain._learned.opinions(brain._vector(brain._intake.now_ns))

    owner = type("Owner", (), {"core": staticmethod(core)})
    for _ in range(2_000):
        timing(owner, "core", "core")()
    found: dict[str, Any] = {"cpu_us_per_row_with_all_of_it": round(whole_us, 2)}
    for name, values in timed.items():
        ranked = sorted(values[len(values) // 10 :])
        found[name] = {
            f"p{share}": round(ranked[len(ranked) * share // 100] / 1e3, 1)
            for share in (50, 90, 99)
        }
    return found


def window_costs() -> dict[str, Any]:
    """us of one call: p50 and p99 of each run's calls, the median of the runs and their range."""
    halves: dict[str, Any] = {"python": FlowWindow}
    if kernel is not None:
        halves["compiled"] = kernel.FlowWindow
    return {name: half_costs(half) for name, half in halves.items()}


def half_costs(half: Any) -> dict[str, Any]:
    timed: dict[str, list[tuple[float, float]]] = {}
    for _ in range(RUNS):
        market, other = Market(1, 1_000), half(2_000)
        window = half(2_000)
        costs: dict[str, list[int]] = {}
        gc.collect()
        for number in range(40_000):
            row = market.row()[1]
            calls = [event_of(window, row)]
            if number % 10 == 0:
                calls.append(("vector", window.vector, (row.exchange_ts_ns, other)))
                calls.append(("basis noted", window.on_mate, (row.exchange_ts_ns, other)))
            if number % 10 == 5:
                event_of(other, row)[1](*event_of(other, row)[2])
            for name, call, arguments in calls:
                began_ns = time.perf_counter_ns()
                call(*arguments)
                costs.setdefault(name, []).append(time.perf_counter_ns() - began_ns)
        for name, values in costs.items():
            ranked = sorted(values[len(values) // 10 :])
            shares = (ranked[len(ranked) // 2] / 1e3, ranked[len(ranked) * 99 // 100] / 1e3)
            timed.setdefault(name, []).append(shares)
    return {
        name: {
            share: spread([run[place] for run in runs])
            for place, share in enumerate(("p50", "p99"))
        }
        for name, runs in timed.items()
    }


def event_of(window: Any, row: Row) -> tuple[str, Any, tuple[Any, ...]]:
    """The call of a row's kind, and its arguments, as the brain has them."""
    now_ns = row.exchange_ts_ns
    if isinstance(row, TradeRow):
        return "trade", window.on_trade, (now_ns, row.price, row.size, row.side, row.count)
    if isinstance(row, BookRow):
        return "book", window.on_book, (now_ns, now_ns, row.bids[:10], row.asks[:10])
    source, name = (0, "bbo") if isinstance(row, BboRow) else (2, "ticker")
    touch = (row.bid_price, row.bid_size, row.ask_price, row.ask_size)
    return name, window.on_quote, (now_ns, now_ns, source, *touch)


class Process:
    """A brain actor on a stage, with a ring's writer."""

    def __init__(self, instrument_count: int, capacity: int = 4_096) -> None:
        self.names = [f"C{number}-USDT-SWAP" for number in range(instrument_count)]
        listed = json.dumps(self.names)
        self.stage = Stage(f"okx.instruments={listed}", CHANNELS, f"ring.capacity={capacity}")
        self.stage.make_rings()

    def actor(self) -> BrainActor:
        made = BrainActor(self.stage.context("brain-0"))
        made.on_start(time.monotonic_ns())
        return made

    def writer(self) -> RingWriter:
        return RingWriter(self.stage.ring_path(), time.time_ns())


def load_costs(instrument_count: int, batch: int, row_count: int, profile: bool) -> list[float]:
    """us of CPU per row of the loop; `batch` rows stand in the ring when it looks."""
    there = Process(instrument_count)
    actor, writer = there.actor(), there.writer()
    market = Market(instrument_count, 35_000, time.time_ns())
    profiler = cProfile.Profile()
    costs = []
    try:
        for run in range(RUNS + 1):
            used_ns = 0
            for _ in range(row_count // batch):
                for _ in range(batch):
                    index, row = market.row()
                    put(writer, row, index)
                writer.publish()
                if profile and run:
                    profiler.enable()
                began_ns = time.process_time_ns()
                while actor.do_work(time.monotonic_ns()):
                    pass
                used_ns += time.process_time_ns() - began_ns
                profiler.disable()
            if run:
                costs.append(used_ns / row_count / 1e3)
    finally:
        actor.on_stop()
        writer.close()
        there.stage.close()
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(35)
    return costs


def _write_paced(path: Path, runtime_dir: Path, count: int, rate: int, seconds: float) -> None:
    """Rows at a steady rate, each wave published at once and told; received now."""
    page = block.attach(path.parent).pages["brain-0"]
    sleep = SleepWord(page.sleep_words, 0)
    writer, wake = RingWriter(path, time.time_ns()), WakeSender(runtime_dir, "brain-0", sleep)
    market = Market(count, rate, time.time_ns())
    waves = [[market.row() for _ in range(max(1, rate // 5_000))] for _ in range(20_000)]
    step_ns = int(1e9 * len(waves[0]) / rate)
    due_ns = time.monotonic_ns() + 500 * MS
    end_ns = due_ns + int(seconds * 1e9)
    while due_ns < end_ns:
        for wave in waves:
            if (left_ns := due_ns - time.monotonic_ns()) > 0:
                time.sleep(left_ns / 1e9)
            now_ns = time.time_ns()
            for index, row in wave:
                stamp_ns = now_ns // MS * MS
                put(writer, row._replace(exchange_ts_ns=stamp_ns, received_ts_ns=now_ns), index)
            if writer.publish():
                wake.wake()
            due_ns += step_ns
            if due_ns >= end_ns:
                break
    wake.close()
    writer.close()


def paced(count: int, rate: int, seconds: float) -> dict[str, Any]:
    there = Process(count)
    actor = there.actor()
    places = (there.stage.ring_path(), there.stage.config.runtime_dir, count, rate, seconds)
    writer = subprocess.Popen([sys.executable, __file__, "--writer", *map(str, places)])
    used_ns = began_ns = rows = 0
    while writer.poll() is None:
        work = actor.do_work(time.monotonic_ns())
        if work and not began_ns:
            began_ns, used_ns = time.monotonic_ns(), time.process_time_ns()
        rows += work
        if not work:
            actor.wait(50)
    wall_ns = time.monotonic_ns() - began_ns
    used_ns = time.process_time_ns() - used_ns
    document = actor.document()
    latency = document.latency_us
    ages = actor._context.latencies.counts(Stretch.RECEIVE_TO_BRAIN).percentiles(0.5, 0.99, 0.999)
    actor.on_stop()
    there.stage.close()
    return {
        "rows_per_s": rate,
        "rows": rows,
        "cpu_us_per_row": round(used_ns / max(1, rows) / 1e3, 2),
        "cpu_share": round(used_ns / wall_ns, 3),
        "decisions": document.decisions,
        "to_brain_us": [round(age / 1e3, 1) for age in ages],
        "to_decision_us": [latency.p50, latency.p99, latency.p999],
        "lapped": document.lapped,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=("window", "rows", "think", "load", "paced"))
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--writer", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.writer:
        path, runtime_dir, count, rate, seconds = options.writer
        _write_paced(Path(path), Path(runtime_dir), int(count), int(rate), float(seconds))
        return
    found: dict[str, Any] = {
        "machine": f"{platform.processor()} {os.cpu_count()} cores, {platform.python_version()}"
    }
    if options.only in (None, "window"):
        found["window"] = window_costs()
    if options.only in (None, "rows"):
        found["rows"] = row_costs()
    if options.only in (None, "think"):
        found["think"] = think_costs()
    if options.only in (None, "load"):
        found["load"] = {
            f"{count} instruments, {batch} rows a turn": spread(
                load_costs(count, batch, 20_000, options.profile)
            )
            for count, batch in ((300, 1), (300, 100), (300, 2_000), (1, 1), (1, 100))
        }
    if options.only in (None, "paced"):
        found["paced"] = [paced(300, rate, options.seconds) for rate in (1_000, 5_000, 20_000)]
    if options.json:
        print(json.dumps(found))
        return
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
