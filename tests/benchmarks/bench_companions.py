"""What page, metrics, store and alerts cost stream and brain: latency with and without them.

    python tests/benchmarks/bench_companions.py [--rounds 8] [--seconds 8] [--rates 1000 5000]
        [--only web store alerts] [--nice -15] [--unpinned] [--json]

One whole instance a run, started as a user starts it, with a load process of its own. The arms take
turns (without, with, with, without, ...), so that a noisy minute meets both. `with` has all three
companions, one viewer that reads the page's WebSocket, and /metrics asked for each second. The
load and the viewer have the first core, hunter and its companions share the others: on two cores
all of hunter is on one, which is the worst that can happen to it. --unpinned leaves
it to the kernel.

Counted by hunter itself (1/16 precision), from the first message of the load to the last; one
figure a run. Told are medians and the range over the runs, the median of the differences within a
round, and its 95 % interval by bootstrap over the rounds. An interval that holds 0 means that no
difference was seen, and its width how large a one could have gone unseen.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hunter.bench import machine
from hunter.bench.instance import BenchInstance
from hunter.bench.loadclient import Load, pinned
from hunter.bench.machine import core_percent
from hunter.bench.runs import Cores, choose_cores, ring_capacity, subscription_count
from hunter.bench.traffic import TrafficPlan
from hunter.ring.segment import shared_dir
from hunter.status import block
from hunter.status.histogram import percentiles
from hunter.status.latency import STAGES_OF, Latencies, Stage

COMPANIONS = ("web", "store", "alerts")
STAGES = (Stage.RECEIVE_TO_RING, Stage.RECEIVE_TO_SIGNAL)
POINTS = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
SETTLE_S = 1.0
QUIET_S = 10.0
RESAMPLES = 5_000
DECISION_INTERVAL_MS = 10


class Webhook(http.server.BaseHTTPRequestHandler):
    """Whom the alerts are told to."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Run:
    """`counts`: how often each latency came, by stage. `cpu`: percent of a core by actor."""

    counts: dict[Stage, list[int]]
    cpu: dict[str, float]
    cores: dict[str, float]
    note: str

    def figure(self, stage: Stage, point: str) -> float:
        """In microseconds."""
        return percentiles(self.counts[stage], [POINTS[point]])[0] / 1e3


def stage_counts(instance: BenchInstance) -> dict[Stage, list[int]]:
    """As they are now, of all actors of a role together."""
    config = instance.config
    status = block.attach(shared_dir(config.hunter.name, config.runtime_dir))
    found: dict[Stage, list[int]] = {}
    for role, stages in STAGES_OF.items():
        pages = [page for name, page in status.pages.items() if name.startswith(role)]
        for stage in set(stages) & set(STAGES):
            columns = [Latencies(page).counts(stage).every for page in pages]
            found[stage] = [sum(column) for column in zip(*columns, strict=True)]
    status.close()
    return found


class Arm:
    """Runs with some companions; `viewed` counts what the viewer got."""

    def __init__(self, names: Sequence[str], cores: Cores, hook: Path) -> None:
        self.names = names
        self.cores = cores
        self.viewed: list[dict[str, int]] = []
        self.settings = tuple(f"{name}.enabled=true" for name in names)
        if "web" in names:
            self.settings += ("web.port=18900",)
        if "alerts" in names:
            self.settings += (f'alerts.webhook="file:{hook}"', "alerts.after_s=0")

    def measure(self, rate: int, seconds: float) -> Run:
        plan = TrafficPlan("trades", int(rate * seconds), rate_per_s=rate)
        settings = (
            f"ring.capacity={ring_capacity(plan)}",
            f"brain.interval_ms={DECISION_INTERVAL_MS}",
            *self.settings,
        )
        with (
            contextlib.closing(Load(plan, self.cores.load)) as load,
            contextlib.closing(
                BenchInstance(plan, load.port, settings, self.cores.measured)
            ) as instance,
        ):
            load.await_subscriptions(subscription_count(plan), 30.0)
            with self._viewer(instance):
                time.sleep(SETTLE_S)
                return self._loaded(plan, load, instance)

    def _loaded(self, plan: TrafficPlan, load: Load, instance: BenchInstance) -> Run:
        first, before = instance.mark(), stage_counts(instance)
        load.go()
        target, end = first.rows + plan.messages, time.monotonic() + QUIET_S
        rows = first.rows
        while rows < target and time.monotonic() < end:
            time.sleep(0.05)
            now = instance.rows()
            if now != rows:
                rows, end = now, time.monotonic() + QUIET_S
        last = instance.mark()
        time.sleep(0.25)
        after, report = stage_counts(instance), load.report(1.0)
        assert rows == target, f"{target - rows} messages are missing"
        taken_ns = last.at_ns - first.at_ns
        return Run(
            {
                stage: [y - x for x, y in zip(before[stage], after[stage], strict=True)]
                for stage in STAGES
            },
            {
                name: 100 * (used - first.cpu_ns[name]) / taken_ns
                for name, used in last.cpu_ns.items()
            },
            core_percent(first.core_ticks, last.core_ticks),
            "" if report is None else report.narrow,
        )

    @contextlib.contextmanager
    def _viewer(self, instance: BenchInstance) -> Iterator[None]:
        if "web" not in self.names:
            yield
            return
        report = instance.status()
        assert report.web is not None
        with pinned(self.cores.load):
            process = subprocess.Popen(
                [sys.executable, __file__, "--viewer", report.web.url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        yield
        told, _ = process.communicate("", timeout=20)
        self.viewed.append(json.loads(told))


def watch(url: str) -> None:
    """The viewer: reads what the page's own script would, and asks for /metrics each second."""
    from websockets.sync.client import connect

    counts = {"messages": 0, "bytes": 0, "scrapes": 0}
    base = url.rstrip("/")
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(1.0):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{base}/metrics") as answer:
                counts["bytes"] += len(answer.read())
                counts["scrapes"] += 1

    threading.Thread(target=scrape, daemon=True).start()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    with connect(base.replace("http", "ws", 1) + "/ws", max_size=None, open_timeout=20) as socket:
        print("watching", flush=True)
        with contextlib.suppress(Exception):  # the instance ends before us
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    counts["bytes"] += len(socket.recv(timeout=0.5))
                    counts["messages"] += 1
    print(json.dumps(counts), flush=True)


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """95 %, of the median, by bootstrap over the rounds."""
    dice = random.Random(1)
    found = sorted(median(dice.choices(differences, k=len(differences))) for _ in range(RESAMPLES))
    return found[int(0.025 * RESAMPLES)], found[int(0.975 * RESAMPLES)]


def compare(without: Sequence[Run], with_: Sequence[Run]) -> list[dict[str, Any]]:
    """One row for each stage and percentile, in microseconds."""
    rows = []
    for stage in STAGES:
        for point in POINTS:
            a, b = ([run.figure(stage, point) for run in runs] for runs in (without, with_))
            differences = [y - x for x, y in zip(a, b, strict=True)]
            low, high = interval(differences)
            rows.append(
                {
                    "stage": stage.name.lower(),
                    "percentile": point,
                    "without_us": [min(a), median(a), max(a)],
                    "with_us": [min(b), median(b), max(b)],
                    "difference_us": median(differences),
                    "difference_us_low": low,
                    "difference_us_high": high,
                }
            )
    return rows


def middles(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median over the runs, of each."""
    return {name: median(part[name] for part in parts) for name in parts[0]}


def measure(options: argparse.Namespace, arms: tuple[Arm, Arm]) -> list[dict[str, Any]]:
    found = []
    for rate in options.rates:
        runs: tuple[list[Run], list[Run]] = ([], [])
        for number in range(options.rounds):
            order = (0, 1) if number % 2 == 0 else (1, 0)
            for place in order:
                print(f"{rate:,}/s, round {number + 1}, arm {place}", file=sys.stderr)
                runs[place].append(arms[place].measure(rate, options.seconds))
        found.append(
            {
                "rate_per_s": rate,
                "rounds": options.rounds,
                "latency": compare(*runs),
                "cpu_percent_without": middles([run.cpu for run in runs[0]]),
                "cpu_percent_with": middles([run.cpu for run in runs[1]]),
                "core_percent_without": middles([run.cores for run in runs[0]]),
                "core_percent_with": middles([run.cores for run in runs[1]]),
                "notes": sorted({each.note for part in runs for each in part if each.note}),
            }
        )
    return found


def show(found: dict[str, Any]) -> None:
    print(machine.line(found["machine"]))
    print(
        f"{found['cores']}; with: {', '.join(found['companions'])}; us"
        + (f"; all at nice {found['nice']}" if found["nice"] else "")
    )
    for entry in found["rates"]:
        print(f"\n{entry['rate_per_s']:,} trades/s, {entry['rounds']} rounds")
        print(f"{'':<24}{'without':>30}{'with':>30}{'difference':>30}")
        for row in entry["latency"]:
            name = f"{row['stage'].replace('_', ' ')} {row['percentile']}"
            parts = [_range(row["without_us"]), _range(row["with_us"])]
            low, high = row["difference_us_low"], row["difference_us_high"]
            difference = f"{row['difference_us']:+,.1f} [{low:+,.1f}, {high:+,.1f}]"
            print(f"{name:<24}{parts[0]:>30}{parts[1]:>30}{difference:>30}")
        for arm in ("without", "with"):
            used = entry[f"cpu_percent_{arm}"]
            cores = entry[f"core_percent_{arm}"]
            print(
                f"  CPU {arm}: "
                + ", ".join(f"{name} {used[name]:.1f} %" for name in used)
                + "; of the cores, whoever used them: "
                + ", ".join(f"{name}: {cores[name]:.0f} %" for name in cores)
            )
        for note in entry["notes"]:
            print(f"  ! {note}")
    if found["viewed"]:
        messages, scrapes = (
            median(v[key] for v in found["viewed"]) for key in ("messages", "scrapes")
        )
        print(
            f"\nThe viewer got {messages:,.0f} messages and {scrapes:.0f} scrapes a run (medians)."
        )


def _range(figures: Sequence[float]) -> str:
    least, middle, most = figures
    return f"{middle:,.1f} [{least:,.1f}-{most:,.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rates", type=int, nargs="+", default=[1_000, 5_000])
    parser.add_argument("--only", nargs="+", choices=COMPANIONS, default=list(COMPANIONS))
    parser.add_argument(
        "--nice",
        type=int,
        default=0,
        help="Of load, viewer and hunter alike: below 0 they go before whatever else runs here.",
    )
    parser.add_argument("--unpinned", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--viewer", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.viewer:
        watch(options.viewer)
        return
    os.nice(options.nice)
    everywhere = frozenset(os.sched_getaffinity(0))
    cores = Cores(everywhere, everywhere) if options.unpinned else choose_cores()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with TemporaryDirectory(prefix="hunter-bench-") as home:
        hook = Path(home) / "webhook"
        hook.touch(mode=0o600)
        hook.write_text(f"http://127.0.0.1:{server.server_port}/\n")
        arms = Arm((), cores, hook), Arm(options.only, cores, hook)
        began = time.monotonic()
        found: dict[str, Any] = {
            "machine": machine.describe(),
            "cores": str(cores),
            "companions": options.only,
            "nice": options.nice,
            "rates": measure(options, arms),
            "viewed": arms[1].viewed,
            "seconds": round(time.monotonic() - began),
        }
    server.shutdown()
    if options.json:
        print(json.dumps(found))
    else:
        show(found)


if __name__ == "__main__":
    main()
