"""A supervisor alone, with children that cost nothing: a thousand kills, and it is as it was.

    python tests/soak/supervisor_kills.py [--kills 1000] [--children 20]

Resident memory, descriptors and threads are looked at whenever all children are there, and must be
the same at the end as after the warm-up, within 5 %; restarts must equal kills. Prints one JSON
object; exit code 1 when something grew or was miscounted, or there were too few looks to tell (one
a round of kills, and 40 are needed). The same over a run of whole instances is
a check of tests/soak/nemesis.py.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from supervisor.commands import Request
from supervisor.events import Report
from supervisor.runner import Supervisor
from supervisor.spec import ChildSpec, TreeSpec
from supervisor.tree import Tree

if TYPE_CHECKING:
    from fakes.checkers import Sample

# Ready at once and asleep for good; a shell costs a millisecond, a Python forty.
CHILD = ("/bin/sh", "-c", 'echo READY=1 > "/proc/self/fd/$SUPERVISOR_NOTIFY_FD"; exec sleep 1000')
KILLABLE_S = 0.7  # below half a second of work a kill counts as the program's own fault
TURN_S = 0.02
TIMEOUT_S = 30.0


class Silent:
    """Nobody commands, nobody looks."""

    def fileno(self) -> int:
        return -1

    def receive(self) -> list[Request]:
        return []

    def changed(self, tree: Tree, reports: tuple[Report, ...]) -> None:
        pass

    def tick(self) -> None:
        pass


def host(child_count: int) -> int:
    """The supervised program; says at its end how often each child was restarted. It must not
    import what the killer needs: megabytes of others would hide a small leak.
    """
    children = tuple(ChildSpec(name=f"child-{i}", argv=CHILD) for i in range(child_count))
    supervisor = Supervisor(TreeSpec(children=children), Silent(), Silent())
    code = supervisor.run()
    print(json.dumps({r.name: r.restarts for r in supervisor.tree.records}), flush=True)
    return code


def kill_all(process: subprocess.Popen[str], kills: int, child_count: int) -> list[Sample]:
    """Children in turn, in an order of chance; samples whenever all are there and old enough."""
    import psutil
    from fakes.checkers import Sample

    watched = psutil.Process(process.pid)
    seen_s: dict[int, float] = {}
    samples: list[Sample] = []
    killed = 0
    end_s = time.monotonic() + TIMEOUT_S
    while killed < kills:
        assert time.monotonic() < end_s, f"stuck after {killed} kills"
        now_s = time.monotonic()
        pids = [child.pid for child in watched.children()]
        seen_s = {pid: seen_s.get(pid, now_s) for pid in pids}
        fit = [pid for pid in pids if now_s - seen_s[pid] >= KILLABLE_S]
        if len(fit) < child_count:
            time.sleep(TURN_S)
            continue
        samples.append(
            Sample(
                process.pid,
                killed,
                watched.memory_info().rss,
                watched.num_fds(),
                watched.num_threads(),
            )
        )
        random.shuffle(fit)
        chosen = set(fit[: kills - killed])
        for pid in chosen:
            os.kill(pid, signal.SIGKILL)
        killed += len(chosen)
        end_s = time.monotonic() + TIMEOUT_S
        while len(pids := {child.pid for child in watched.children()}) < child_count or (
            pids & chosen
        ):
            assert time.monotonic() < end_s, f"not all back after {killed} kills"
            time.sleep(TURN_S)
    return samples


def run(kills: int, child_count: int) -> dict[str, Any]:
    import psutil
    from fakes.checkers import check_flat

    process = subprocess.Popen(
        [sys.executable, __file__, "--host", str(child_count)], stdout=subprocess.PIPE, text=True
    )
    began_s = time.monotonic()
    try:
        samples = kill_all(process, kills, child_count)
    finally:
        left = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        output, _ = process.communicate(timeout=TIMEOUT_S)
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    restarts = sum(json.loads(output).values())
    failures = check_flat(samples)
    if restarts != kills:
        failures.append(f"{restarts} restarts, {kills} kills")
    return {
        "failures": failures,
        "kills": kills,
        "restarts": restarts,
        "seconds": round(time.monotonic() - began_s, 1),
        "samples": len(samples),
        "rss_bytes": [samples[0].rss_bytes, samples[-1].rss_bytes],
        "descriptors": [samples[0].descriptors, samples[-1].descriptors],
        "threads": [samples[0].threads, samples[-1].threads],
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--children", type=int, default=20)
    parser.add_argument("--host", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.host:
        return host(options.host)
    result = run(options.kills, options.children)
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
