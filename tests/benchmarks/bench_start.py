"""How long the command line and a start take: wall and CPU time of whole processes.

    python tests/benchmarks/bench_start.py [--n 20] [--json]

Each figure: least, median, most of n runs, taken in turn so that a noisy minute meets all of them.
CPU is user + system of the process and all that it waits for, median; of `start` that of the
command alone. A bare Python stands beside them: no command can be faster than that. `start, ready`
is from the command's start to its return, `start --demo -d` against the embedded exchange. Bytecode
is cached, as it is where hunter is installed, whatever PYTHONDONTWRITEBYTECODE says here: without
that, half of each figure would be the compiler's.
Goals: --help and status below 150 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.instance import temporary_home

HUNTER = [sys.executable, "-P", "-m", "hunter"]
IMPORTS = ("hunter.stream.actor", "hunter.brain.actor", "hunter.watchdog.actor", "supervisor")

Times = dict[str, list[tuple[float, float]]]


def timed(times: Times, name: str, command: list[str], home: Path) -> None:
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    _, _, usage = os.wait4(process.pid, 0)
    wall_ms = (time.perf_counter() - began) * 1000
    process.returncode = 0
    times.setdefault(name, []).append((wall_ms, (usage.ru_utime + usage.ru_stime) * 1000))


@contextlib.contextmanager
def instance(home: Path, start: Callable[[list[str]], None]) -> Iterator[None]:
    start([*HUNTER, "start", "-d", "--demo"])
    try:
        yield
    finally:
        subprocess.run([*HUNTER, "stop"], cwd=home, check=True, stdout=subprocess.DEVNULL)


def measure(home: Path, count: int) -> Times:
    times: Times = {}
    for _ in range(count):
        timed(times, "python -c pass", [sys.executable, "-P", "-c", "pass"], home)
        timed(times, "--help", [*HUNTER, "--help"], home)
        timed(times, "status, down", [*HUNTER, "status"], home)
        for module in IMPORTS:
            code = f"import {module}"
            timed(times, code, [sys.executable, "-P", "-c", code], home)
        with instance(home, lambda command: timed(times, "start, ready", command, home)):
            timed(times, "status, running", [*HUNTER, "status"], home)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with temporary_home() as home:
        os.environ["PYTHONPYCACHEPREFIX"] = str(home / "bytecode")
        measure(home, 1)
        (home / "hunter.toml").write_text('[hunter]\nname = "bench"\nruntime_dir = "run"\n')
        times = measure(home, options.n)
    rows = {
        name: {
            "wall_ms": [round(f(wall for wall, _ in found), 1) for f in (min, median, max)],
            "cpu_ms": round(median(cpu for _, cpu in found), 1),
        }
        for name, found in times.items()
    }
    if options.json:
        print(json.dumps({"python": platform.python_version(), "n": options.n, "times": rows}))
        return
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, n = {options.n}")
    print(f"{'':<32}{'least':>8}{'median':>8}{'most':>8}  ms{'CPU':>9} ms")
    for name, row in rows.items():
        least, middle, most = row["wall_ms"]
        print(f"{name:<32}{least:>8.0f}{middle:>8.0f}{most:>8.0f}{row['cpu_ms']:>13.0f}")


if __name__ == "__main__":
    main()
