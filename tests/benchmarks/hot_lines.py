"""The hottest lines of a process under load, with their share of its CPU time.

    python tests/benchmarks/hot_lines.py burst            compiled lines of the stream, by perf
    python tests/benchmarks/hot_lines.py paced --rate 5000 --actor brain-0 --py-spy PATH

perf (Debian: linux-perf) sees the lines of C files and of the kernel; py-spy (from PyPI, in any
environment) sees those of Python. Each is asked for the process of a real instance, between the
first message and the last.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from hunter.bench.instance import BenchInstance  # noqa: E402
from hunter.bench.runs import choose_cores, ring_capacity, run  # noqa: E402
from hunter.bench.traffic import TrafficPlan  # noqa: E402

TOP = 10
SAMPLES_PER_S = 999


def perf_lines(data: Path, by: str) -> list[tuple[float, str]]:
    """(share in percent, what) of a recording, greatest first."""
    text = subprocess.run(
        ["perf", "report", "-i", str(data), "--stdio", "--sort", by, "--percent-limit", "0.4"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.findall(r"(?m)^\s*([0-9.]+)%\s+(.+?)(?:\s+-\s+-)?\s*$", text)
    return [(float(share), what) for share, what in found]


def python_lines(data: Path) -> list[tuple[float, str]]:
    """The same of py-spy's stacks: the innermost line of each."""
    counts: Counter[str] = Counter()
    for line in data.read_text(encoding="utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        if "_bootstrap" in stack:
            continue  # a helper thread, which waits
        counts[stack.rpartition(";")[2]] += int(count)
    total = sum(counts.values()) or 1
    return [(100 * count / total, what) for what, count in counts.most_common()]


def with_source(what: str) -> str:
    """`json.c:246` with the text of that line."""
    name, _, number = what.partition(":")
    path = ROOT / "hunter/native" / name
    if not (number.isdigit() and path.is_file()):
        return what
    text = path.read_text(encoding="utf-8").splitlines()[int(number) - 1]
    return f"{what:16} {text.strip()}"


def watch(words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("load", choices=("burst", "paced"))
    parser.add_argument("--mix", default="mix", choices=("trades", "mix"))
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--actor", default="stream-0")
    parser.add_argument("--py-spy", default="", help="path of py-spy: lines of Python instead")
    asked = parser.parse_args()
    if not asked.py_spy and shutil.which("perf") is None:
        sys.exit("perf is not installed (Debian: apt install linux-perf)")

    with tempfile.TemporaryDirectory(prefix="hunter-hot-lines-") as folder:
        data = Path(folder) / "samples"
        watchers: list[subprocess.Popen[bytes]] = []

        def begin(instance: BenchInstance) -> None:
            pid = str(instance.pids[asked.actor])
            if asked.py_spy:
                words = [asked.py_spy, "record", "-p", pid, "-f", "raw", "-o", str(data)]
                words += ["-r", "500", "-d", "600"]
            else:
                words = ["perf", "record", "-e", "cpu-clock", "-F", str(SAMPLES_PER_S), "-p", pid]
                words += ["-o", str(data)]
            watchers.append(watch(words))

        burst = asked.load == "burst"
        messages = int(asked.seconds * (400_000 if burst else asked.rate))
        plan = TrafficPlan(asked.mix, messages, rate_per_s=0 if burst else asked.rate)
        outcome = run(
            plan, choose_cores(), (f"ring.capacity={ring_capacity(plan)}",), meanwhile=begin
        )
        for watcher in watchers:  # the watched process has ended, and so do they
            watcher.wait(60)
        print(
            f"{asked.actor}, {asked.load} of {messages:,} ({asked.mix}),"
            f" {outcome.stream_us_per_message} us of the stream's CPU a message"
        )
        if asked.py_spy:
            tables = {"lines of Python": python_lines(data)}
        else:
            tables = {
                name: perf_lines(data, by)
                for name, by in (("functions", "symbol,dso"), ("lines", "srcline"))
            }
        for name, rows in tables.items():
            print(f"\n{name}")
            for share, what in rows[:TOP]:
                print(f"  {share:5.1f} %  {with_source(what)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
