"""How long it takes until a fault is noticed and mended: median, 99th percentile and the most.

    python tests/benchmarks/bench_recovery.py [--n 50] [--json]

A whole instance against the exchange look-alike on loopback, 500 trades a second. Times are taken
from outside, by looking at shared memory and /proc every 0.5 ms; a command's is that of its whole
process, and the start of a bare Python stands beside it. Targets: the fault matrix's and the
design's, for the 99th percentile on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.instance import HUNTER, HunterInstance, Simulator, is_gone, running, temporary_home
from soak.nemesis_run import spread
from soak.nemesis_trial import READY_S
from soak.nemesis_watch import DeathsTail, TreeWatch

from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.reader import LaneReader
from hunter.ring.rows import Kind
from hunter.status import block
from hunter.status.documents import BrainDocument, ChildDocument, decode
from hunter.status.page import ActorState

SIM = ("--no-limits", "--rate", "500")
SETTINGS = ("brain.interval_ms=100", "supervisor.max_restarts=1000")
LOOK_S = 0.0005  # more often would take the processor from those who are measured
TIMEOUT_S = 30.0
IDLE_S = 20.0
# A cold start fetches what it missed. Kills that follow each other faster than the exchange's REST
# limit refills measure the limit.
REST_REFILL_S = 2.0
# What is measured, the target in its unit, and the unit.
TARGETS: dict[str, tuple[float | None, str]] = {
    "death noticed": (20, "ms"),
    "stop by SIGSTOP noticed": (20, "ms"),
    "hang noticed": (1200, "ms"),
    "stream killed, next trade, cold": (500, "ms"),
    "stream killed, next trade, standby": (50, "ms"),
    "brain killed, next row read": (2000, "ms"),
    "brain killed, next decision": (2000, "ms"),
    "supervisor killed, nothing left": (100, "ms"),
    "hunter stop": (6000, "ms"),
    "hunter status, running": (300, "ms"),
    "hunter status, all stopped by SIGSTOP": (300, "ms"),
    "hunter status, down": (300, "ms"),
    "python -c pass": (None, "ms"),
    "idle CPU, supervisor": (1, "%"),
    "idle CPU, watchdog": (1, "%"),
}


class Patient:
    """A running instance and quick looks at it."""

    def __init__(self, instance: HunterInstance, simulator: Simulator) -> None:
        self.instance, self.simulator = instance, simulator
        self.tree = TreeWatch(instance.shared)
        self.deaths = DeathsTail(instance.config.log_dir / "deaths.jsonl")
        self._ring = segment.attach(instance.shared / "ring-0")
        self._layout = layout = RingLayout.read_header(self._ring.view)
        self._head_word = layout.intent_word(0, Kind.TRADE) + 1

    def close(self) -> None:
        self.tree.close()
        self.deaths.close()
        self._ring.close()

    def again(self) -> None:
        """After another start: a status block of another supervisor."""
        self.tree.attach()

    @property
    def head(self) -> int:
        return int(self._ring.words[self._head_word])

    def trade_made_ns(self, position: int) -> int:
        """The exchange's time of the trade at a position of the lane."""
        reader = LaneReader(self._ring, self._layout, 0, Kind.TRADE, position)
        return int(reader.poll(1)[0][3])

    def fit(self, name: str = "") -> ChildDocument:
        """The named child, or the writer, when everything has been ready for a while."""

        def found() -> ChildDocument | None:
            children = self.tree.look()
            settled = all(self.tree.ready_for_s(each) > READY_S for each in children.values())
            streams = [each for each in children if each.startswith("stream")]
            live = all(self.tree.state_of(each) == ActorState.READY for each in streams)
            return children.get(name or self.tree.writer()) if settled and live else None

        return until("fit", found, 0.01)

    def kill(self, child: ChildDocument) -> int:
        """The moment at which the signal was sent; returns when the process is gone."""
        at_ns = time.monotonic_ns()
        os.kill(child.pid, signal.SIGKILL)
        until("gone", lambda: is_gone(child.pid))
        return at_ns

    def noticed_ms(self, child: ChildDocument, at_ns: int) -> float:
        """From the signal to the moment in the record of the death."""
        records = until(
            "a record", lambda: [each for each in self.deaths.poll() if each.pid == child.pid]
        )
        return float(records[-1].at_monotonic_ns - at_ns) / 1e6


def until(what: str, condition: Callable[[], Any], every_s: float = LOOK_S) -> Any:
    end_s = time.monotonic() + TIMEOUT_S
    while not (value := condition()):
        assert time.monotonic() < end_s, f"not within {TIMEOUT_S} s: {what}"
        time.sleep(every_s)
    return value


@contextlib.contextmanager
def patient(*settings: str) -> Iterator[Patient]:
    with temporary_home() as home, running(home, *SETTINGS, *settings, sim=SIM) as pair:
        found = Patient(*pair)
        try:
            yield found
        finally:
            found.close()


def stream_kills(here: Patient, n: int, rest_s: float) -> tuple[list[float], list[float]]:
    """(death noticed, kill to the next committed trade), of the writer. A trade cannot be committed
    before it is made, and this market is silent for 40 ms and more during 4 % of the time: if the
    next one is younger than the kill, it counts from its own time.
    """
    noticed, outages = [], []
    for _ in range(n):
        time.sleep(rest_s)
        child = here.fit()
        at_wall_ns = time.time_ns()
        at_ns = here.kill(child)
        head = here.head
        until("a trade", lambda head=head: here.head > head)
        seen_wall_ns = time.time_ns()
        began_ns = max(at_wall_ns, here.trade_made_ns(head))
        outages.append((seen_wall_ns - began_ns) / 1e6)
        noticed.append(here.noticed_ms(child, at_ns))
    return noticed, outages


def brain_kills(here: Patient, n: int) -> tuple[list[float], list[float], list[float]]:
    """(death noticed, kill to the next row read, kill to the next decision)."""
    noticed, rows, decisions = [], [], []
    with contextlib.closing(block.attach(here.instance.shared)) as status:
        page = status.pages["brain-0"]

        def document() -> BrainDocument:
            return decode(page.read_document(), BrainDocument) or BrainDocument()

        for _ in range(n):
            child = here.fit("brain-0")
            until("a decision", lambda: document().decisions > 0)
            at_ns = here.kill(child)
            before = document().decisions
            noticed.append(here.noticed_ms(child, at_ns))
            until("a row", lambda: page.beat().pid != child.pid and page.beat().progress > 0)  # noqa: B023
            rows.append((time.monotonic_ns() - at_ns) / 1e6)
            until("a decision", lambda: document().decisions not in (0, before))  # noqa: B023
            decisions.append((time.monotonic_ns() - at_ns) / 1e6)
    return noticed, rows, decisions


def hangs(here: Patient, n: int) -> tuple[list[float], list[float]]:
    """(SIGSTOP noticed as such, taken for a hang and acted upon), of each actor in turn."""
    noticed, acted = [], []
    names = [name for name in here.tree.children() if name != "watchdog"]
    for number in range(n):
        child = here.fit(names[number % len(names)])
        at_ns = time.monotonic_ns()
        os.kill(child.pid, signal.SIGSTOP)

        def seen() -> ChildDocument:
            return here.tree.children()[child.name]  # noqa: B023

        noticed.append((until("noticed", lambda: seen().stopped_since_ns) - at_ns) / 1e6)
        until("a hang", lambda: (seen().pid, seen().state) != (child.pid, child.state))  # noqa: B023
        acted.append((time.monotonic_ns() - at_ns) / 1e6)
    return noticed, acted


def supervisor_kills(here: Patient, n: int) -> list[float]:
    found = []
    for _ in range(n):
        here.fit()
        pids = [child.pid for child in here.tree.children().values()]
        pids.append(here.tree.supervisor_pid)
        at_ns = time.monotonic_ns()
        os.kill(pids[-1], signal.SIGKILL)
        until("nothing left", lambda pids=pids: all(is_gone(pid) for pid in pids))
        found.append((time.monotonic_ns() - at_ns) / 1e6)
        here.instance.start()
        here.again()
    return found


def commands(n: int, words: list[str], exit_code: int) -> list[float]:
    """Of whole processes, which have to say what is so."""
    found = []
    for _ in range(n):
        began_ns = time.monotonic_ns()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        found.append((time.monotonic_ns() - began_ns) / 1e6)
        assert done.returncode == exit_code, (words, done)
    return found


def statuses(here: Patient, n: int) -> dict[str, list[float]]:
    """While it runs, while every process of it is stopped by a signal, and after its end."""
    words = [*HUNTER, "status", "-c", str(here.instance.config_file)]
    here.fit()
    found = {"hunter status, running": commands(n, words, 0)}
    pids = here.instance.tree_pids()
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        found["hunter status, all stopped by SIGSTOP"] = commands(n, words, 5)
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
    here.fit()
    stops = []
    for number in range(max(2, n // 5)):
        if number:
            here.instance.start()
            here.again()
            here.fit()
        began_ns = time.monotonic_ns()
        here.instance.command("stop")
        stops.append((time.monotonic_ns() - began_ns) / 1e6)
    found["hunter stop"] = stops
    found["hunter status, down"] = commands(n, words, 3)
    found["python -c pass"] = commands(n, [sys.executable, "-c", "pass"], 0)
    return found


def idle_cpu(here: Patient) -> dict[str, list[float]]:
    """Percent of one core, of those that have nothing to do while all is well."""
    watchdog = here.fit("watchdog").pid
    pids = {"idle CPU, supervisor": here.tree.supervisor_pid, "idle CPU, watchdog": watchdog}
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    time.sleep(IDLE_S)
    return {name: [100 * (cpu_s(pid) - before[name]) / IDLE_S] for name, pid in pids.items()}


def cpu_s(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    fields = stat[stat.rfind(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(n: int) -> dict[str, list[float]]:
    few = max(2, n // 5)
    found: dict[str, list[float]] = {}
    with patient("stream.standby=false") as here:
        noticed, found["stream killed, next trade, cold"] = stream_kills(here, n, REST_REFILL_S)
        found["death noticed"] = noticed
    with patient("stream.standby=true") as here:
        found |= idle_cpu(here)
        noticed, found["stream killed, next trade, standby"] = stream_kills(here, n, 0.0)
        found["death noticed"] += noticed
        noticed, rows, decisions = brain_kills(here, n)
        found["death noticed"] += noticed
        found["brain killed, next row read"] = rows
        found["brain killed, next decision"] = decisions
        found["stop by SIGSTOP noticed"], found["hang noticed"] = hangs(here, few)
        found["supervisor killed, nothing left"] = supervisor_kills(here, few)
    with patient("stream.standby=true") as here:
        found |= statuses(here, max(5, n // 2))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--n", type=int, default=50, help="kills of each kind")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    load = os.getloadavg()[0]  # of others, before we begin
    found = {name: spread(values) for name, values in measure(options.n).items()}
    version = f"Python {platform.python_version()}, {platform.release()}"
    machine = f"{os.cpu_count()} cores, load {load:.2f}, {version}"
    if options.json:
        print(json.dumps({"machine": machine, "n": options.n, "found": found}, indent=1))
        return 0
    print(machine)
    print(f"{'':40}{'n':>5}{'median':>10}{'p99':>10}{'max':>10}{'target':>10}")
    for name, (target, unit) in TARGETS.items():
        row = found[name]
        values = "".join(f"{row[key]:10.2f}" for key in ("median", "p99", "max"))
        wanted = "" if target is None else f"{target:10g} {unit}"
        met = "" if target is None or row["p99"] <= target else "  not met"
        print(f"{name:40}{row['count']:5.0f}{values}{wanted}{met}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
