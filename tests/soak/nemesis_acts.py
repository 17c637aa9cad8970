"""The nemesis' hands: what each kind of action does to a running instance.

A death that will come of it is noted before it is brought about, so that every one can be told from
one that nobody wanted.
"""

from __future__ import annotations

import os
import signal
import time
import urllib.error
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from fakes.instance import is_gone
from fakes.nemesis_deaths import Death, Term
from fakes.nemesis_plan import EXCHANGE, Action
from soak.nemesis_trial import READY_TIMEOUT_S, Trial, Unfit

from hunter.simulator.faults import FAULTS
from hunter.status.block import SUPERVISOR
from hunter.status.documents import ChildDocument
from hunter.system.former import KILLED

GONE_TIMEOUT_S = 10.0
FLIPS = 5
FLIP_S = 0.03
FLAP_S = 0.1


def perform(trial: Trial, action: Action) -> None:
    """One action, as soon as its targets are fit for it."""
    trial.seen.done[action.kind] += 1
    trial.seen.kills += action.kill_count
    ACTS[action.kind](trial, action)


def _kill(trial: Trial, action: Action) -> None:
    trial.send(trial.fit(action.targets[0]), signal.SIGKILL, "signal")


def _kill_many(trial: Trial, action: Action) -> None:
    for name in action.targets:
        trial.fit(name)
    for child in [trial.fit(name) for name in action.targets]:
        trial.send(child, signal.SIGKILL, "signal")


def _kill_starting(trial: Trial, action: Action) -> None:
    (name,) = action.targets
    before = trial.fit(name)
    trial.send(before, signal.SIGKILL, "signal")

    def following() -> ChildDocument | None:
        child = trial.tree.look()[name]
        return child if child.pid and child.pid != before.pid else None

    child = trial.until(f"another {name}", following, READY_TIMEOUT_S)
    trial.idle(action.lasts_s)
    trial.send(child, signal.SIGKILL, "signal")


def _terminate(trial: Trial, action: Action) -> None:
    trial.send(trial.fit(action.targets[0]), signal.SIGTERM, "exit")


def _hang(trial: Trial, action: Action) -> None:
    trial.send(trial.fit(action.targets[0]), signal.SIGSTOP, "hang")


def _restart(trial: Trial, action: Action) -> None:
    child = trial.fit(action.targets[0])
    trial.doomed.add((child.name, child.pid))
    trial.seen.term.injected.append(Death(child.name, child.pid, "asked", time.monotonic_ns()))
    done = trial.instance.command("restart", child.name, check=False)
    if done.returncode:
        trial.note([f"hunter restart {child.name}: {done.returncode}, {done.stderr}"])


def _pause(trial: Trial, action: Action) -> None:
    _stop_for(trial, trial.fit(action.targets[0]).pid, action.lasts_s)


def _flip(trial: Trial, action: Action) -> None:
    pid = trial.fit(action.targets[0]).pid
    for _ in range(FLIPS):
        _stop_for(trial, pid, FLIP_S)
        trial.idle(FLIP_S)


def _stop_for(trial: Trial, pid: int, lasts_s: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        trial.idle(lasts_s)
    finally:
        os.kill(pid, signal.SIGCONT)


def _pause_supervisor(trial: Trial, action: Action) -> None:
    children = [trial.fit(name) for name in action.targets]
    pid = trial.tree.supervisor_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        for child in children:
            trial.send(child, signal.SIGKILL, "signal", is_timed=False)
        trial.idle(action.lasts_s)
    finally:
        os.kill(pid, signal.SIGCONT)


def _kill_supervisor(trial: Trial, action: Action) -> None:
    if action.name == "settled":
        trial.until_counted()
    trial.end_term(settled=action.name == "settled")
    pids = [child.pid for child in trial.tree.children().values() if child.pid]
    pids.append(trial.tree.supervisor_pid)
    trial.seen.supervisors.append(Death(SUPERVISOR, pids[-1], KILLED))
    os.kill(pids[-1], signal.SIGKILL)
    killed_s, end_s = time.monotonic(), time.monotonic() + GONE_TIMEOUT_S
    while not all(is_gone(pid) for pid in pids):
        if time.monotonic() > end_s:
            raise Unfit(f"the supervisor was killed, and left {pids}")
        time.sleep(0.001)
    trial.seen.gone_ms.append((time.monotonic() - killed_s) * 1e3)
    trial.heal_network()  # `start` waits for the exchange
    done = trial.instance.start(check=False)
    if done.returncode:
        raise Unfit(f"start after a killed supervisor: {done.stdout} {done.stderr}")
    trial.tree.attach()
    trial.seen.terms.append(Term())
    trial.doomed.clear()


def _network(trial: Trial, action: Action) -> None:
    proxy, name = trial.proxy, action.name
    if name == "reset":
        proxy.reset()
    elif name == "half_close":
        proxy.half_close()
    elif name == "refuse":
        proxy.refusing = True
        proxy.reset()
        trial.later(action.lasts_s, lambda: setattr(proxy, "refusing", False))
    elif name == "flapping":
        _flap(trial, action.lasts_s)
    else:
        weather: dict[str, float | bool] = {
            "black_hole": {"black_hole": True},
            "latency": {"latency_ms": 120.0},
            "jitter": {"jitter_ms": 80.0},
            "slices": {"slice_bytes": 100, "slice_pause_ms": 1.0},
        }[name]
        proxy.set(**weather)
        trial.later(action.lasts_s, proxy.heal)


def _flap(trial: Trial, lasts_s: float) -> None:
    """Up and down, and up again."""
    end_s = time.monotonic() + lasts_s
    while time.monotonic() < end_s:
        trial.proxy.refusing = not trial.proxy.refusing
        trial.proxy.reset()
        trial.idle(FLAP_S)
    trial.proxy.refusing = False


def _exchange(trial: Trial, action: Action) -> None:
    query = urlencode({"name": action.name, **EXCHANGE[action.name]})
    try:
        done_to = trial.simulator.control(f"/sim/fault?{query}")["done_to"]
    except urllib.error.HTTPError:  # "first", and nobody is connected just now
        was_done = False
    else:
        was_done = bool(done_to) or FAULTS[action.name].moment not in ("now", "market")
    trial.seen.faults[action.name if was_done else f"{action.name}, nobody there"] += 1


ACTS: Final[dict[str, Callable[[Trial, Action], None]]] = {
    "kill": _kill,
    "kill_many": _kill_many,
    "kill_starting": _kill_starting,
    "terminate": _terminate,
    "hang": _hang,
    "restart": _restart,
    "pause": _pause,
    "flip": _flip,
    "pause_supervisor": _pause_supervisor,
    "kill_supervisor": _kill_supervisor,
    "network": _network,
    "exchange": _exchange,
}
