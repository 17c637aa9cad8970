"""What an actor can do wrong, as a process: crash, hang, get nowhere, not go when asked.

A user's brain that fails on demand plays most of it; whatever it does, its siblings do not notice.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import failing_brains, odd_actors
from fakes.failing_brains import FAULT_AT_IMPORT, KIND
from fakes.instance import (
    HunterInstance,
    Simulator,
    is_gone,
    running,
    temporary_home,
    wait_until,
)
from fakes.whole_tree import (
    BACK_S,
    RING,
    data_failures,
    pids_of,
    restarts_of,
    running_odd,
    wait_for_trades,
    wait_until_replaced,
    wait_until_running,
)

pytestmark = pytest.mark.system

SIM = ("--no-limits", "--rate", "100")


@pytest.fixture(scope="module")
def on_demand() -> Iterator[tuple[HunterInstance, Simulator]]:
    """An instance whose brain fails on demand, for every test that leaves it healthy."""
    with temporary_home() as home:
        failing_brains.put_beside(home)
        settings = (KIND, RING, "supervisor.max_restarts=50", "supervisor.stop_timeout_s=1")
        with running(home, *settings, sim=SIM) as (instance, simulator):
            yield instance, simulator


@pytest.mark.parametrize(
    ("fault", "last_exit", "told"),
    [
        ("segfault", "signal 11", "Segmentation fault"),
        ("abort", "signal 6", "Aborted"),
        ("exit 139", "exit 139", ""),
        ("system exit", "exit 3", ""),
        ("fatal", "exit 1", "nothing goes any more"),
    ],
)
def test_p5_brain_that_crashes_is_back_and_its_siblings_do_not_notice(
    on_demand: tuple[HunterInstance, Simulator], fault: str, last_exit: str, told: str
) -> None:
    instance, simulator = on_demand
    before, restarts = pids_of(instance), instance.actor("brain-0")["restarts"]
    failing_brains.tell(instance.home, fault)
    after = wait_until_replaced(instance, "brain-0", before["brain-0"])
    assert after["last_exit"] == last_exit
    assert after["restarts"] == restarts + 1
    assert pids_of(instance) == before | {"brain-0": after["pid"]}
    assert told in instance.log("brain-0")
    assert f"brain-0 died (pid {before['brain-0']})" in instance.log("supervisor")
    assert data_failures(instance, simulator) == []


def test_p5_exception_in_a_users_brain_costs_one_decision_and_no_process(
    on_demand: tuple[HunterInstance, Simulator],
) -> None:
    instance, _ = on_demand
    before, errors = pids_of(instance), instance.actor("brain-0")["errors"]
    for count, fault in enumerate(("raise", "recurse"), 1):
        failing_brains.tell(instance.home, fault)
        text = f"the brain failed {count} times"
        wait_until(text, lambda text=text: any(text in r for r in instance.status()["reasons"]))
        wait_for_trades(instance, 20)
    assert pids_of(instance) == before
    assert instance.actor("brain-0")["errors"] == errors + 1, "said once, and not for each"
    assert "on_trades raised ZeroDivisionError" in instance.log("brain-0")


def test_p6_blocked_loop_is_a_hang_and_its_log_says_where(
    on_demand: tuple[HunterInstance, Simulator],
) -> None:
    instance, simulator = on_demand
    before = pids_of(instance)
    failing_brains.tell(instance.home, "block")
    after = wait_until_replaced(instance, "brain-0", before["brain-0"])
    assert after["last_exit"] == "hang"
    assert pids_of(instance) == before | {"brain-0": after["pid"]}
    log = instance.log("brain-0")
    assert "in _block" in log
    assert "in wait" in log, "of its other thread too"
    assert data_failures(instance, simulator) == []


def test_p14_grandchildren_of_a_brain_go_with_it(
    on_demand: tuple[HunterInstance, Simulator],
) -> None:
    instance, _ = on_demand
    told = instance.home / failing_brains.GRANDCHILDREN
    failing_brains.tell(instance.home, "grandchildren")
    wait_until("grandchildren", told.exists)
    pids = [int(word) for word in failing_brains.take(told).split()]
    # one whose parent is gone stays, as long as the brain whose session it is in lives
    assert [is_gone(pid) for pid in pids] == [False] * 3
    brain = instance.actor("brain-0")["pid"]
    os.kill(brain, signal.SIGKILL)
    wait_until("grandchildren gone", lambda: all(map(is_gone, pids)))
    wait_until_replaced(instance, "brain-0", brain)


def test_p14_p17_brain_that_ignores_sigterm_is_killed_in_time_with_its_grandchildren(
    home: Path,
) -> None:
    failing_brains.put_beside(home)
    with running(home, KIND, "supervisor.stop_timeout_s=1", sim=SIM) as (instance, _):
        told = home / failing_brains.GRANDCHILDREN
        failing_brains.tell(home, "grandchildren")
        wait_until("grandchildren", told.exists)
        pids = [*instance.tree_pids(), *map(int, told.read_text().split())]
        failing_brains.tell(home, "deaf")
        wait_until("deafness", lambda: not (home / failing_brains.FAULT).exists())
        asked_s = time.monotonic()
        done = instance.command("stop")
        assert time.monotonic() - asked_s > 1, "it was asked politely first"
        assert "stopped in" in done.stdout
        wait_until("everything gone", lambda: all(map(is_gone, pids)), 2)
        assert not instance.shared.exists()
    log = instance.log("supervisor")
    assert "WARNING supervisor brain-0 died" in log
    (record,) = instance.command("deaths", "--json").stdout.splitlines()
    assert '"last_exit":"stop timeout","cause":"stop timeout","asked":false' in record
    assert "stopped" in log.splitlines()[-1]


def test_p2_p3_actor_asked_to_end_or_stopped_from_outside_is_back_and_nothing_is_lost(
    home: Path,
) -> None:
    settings = (RING, "supervisor.max_restarts=1", "watchdog.hang_after_ms=2000")
    with running(home, *settings, sim=("--no-limits", "--rate", "400")) as (instance, simulator):
        wait_for_trades(instance)
        for _ in range(2):  # more often than the limit: it is no crash
            for name in ("brain-0", "stream-0", "watchdog"):
                pid = instance.actor(name)["pid"]
                os.kill(pid, signal.SIGTERM)
                after = wait_until_replaced(instance, name, pid)
                assert after["last_exit"] == "exit 0"
        assert set(restarts_of(instance).values()) == {2}
        restored = [
            line for line in instance.log("brain-0").splitlines() if "restored from its" in line
        ]
        assert len(restored) == 2, "it wrote its checkpoint each time"
        before = pids_of(instance)
        # stopped for a moment while it writes: nobody minds
        os.kill(before["stream-0"], signal.SIGSTOP)
        time.sleep(0.4)
        os.kill(before["stream-0"], signal.SIGCONT)
        wait_for_trades(instance)
        # a stopped reader does not hold up the writer
        os.kill(before["brain-0"], signal.SIGSTOP)
        wait_for_trades(instance, 200)
        brain = wait_until_replaced(instance, "brain-0", before["brain-0"])
        assert pids_of(instance)["stream-0"] == before["stream-0"]
        os.kill(before["stream-0"], signal.SIGSTOP)
        stream = wait_until_replaced(instance, "stream-0", before["stream-0"])
        assert (brain["last_exit"], stream["last_exit"]) == ("hang", "hang")
        assert pids_of(instance)["watchdog"] == before["watchdog"]
        wait_for_trades(instance, 100)
        assert data_failures(instance, simulator) == []


def test_p7_actors_that_beat_and_get_nowhere_are_replaced_alone(home: Path) -> None:
    two = 'okx.instruments=["BTC-USDT-SWAP", "ETH-USDT-SWAP"]'
    settings = (RING, two, "stream.shards=2", "watchdog.interval_ms=200")
    sim = (*SIM, "--instruments", "BTC-USDT-SWAP,ETH-USDT-SWAP")
    with running_odd(home, "livelock", settings, sim) as (instance, simulator, control):
        before = pids_of(instance)
        wait_for_trades(instance, 20)
        odd_actors.set_control(control, 1)
        # the brain's rows come from the one stream that still writes
        wait_until("a verdict", lambda: asked_to_restart(instance) >= {"stream-1", "brain-0"}, 60)
        odd_actors.set_control(control, 0)
        for name in ("stream-1", "brain-0"):
            assert wait_until_replaced(instance, name, before[name])["last_exit"] == "stalled"
        after = pids_of(instance)
        assert {name for name in before if before[name] != after[name]} == {"stream-1", "brain-0"}
        wait_for_trades(instance, 100)
        assert data_failures(instance, simulator) == []


def asked_to_restart(instance: HunterInstance) -> set[str]:
    """Whom the watchdog has found without progress."""
    return {
        line.split()[3]
        for line in instance.log("watchdog").splitlines()
        if "stalled; asking for a restart" in line
    }


def test_p8_p9_brain_that_dies_again_and_again_is_parked_while_the_others_run(home: Path) -> None:
    failing_brains.put_beside(home)
    settings = (KIND, RING, "supervisor.max_restarts=2")
    with running(home, *settings, sim=SIM) as (instance, simulator):
        before = pids_of(instance)
        siblings = {name: pid for name, pid in before.items() if name != "brain-0"}
        for fault, last_exit in (("segfault", "signal 11"), ("late", "exit 7")):
            # a death right after the start would count as its own fault
            wait_until("up for a while", lambda: instance.actor("brain-0")["uptime_s"] > 1.5)
            failing_brains.tell(home, fault, FAULT_AT_IMPORT)
            os.kill(instance.actor("brain-0")["pid"], signal.SIGKILL)
            parked = wait_until("parked", lambda: is_in(instance, "parked"), BACK_S)
            assert parked["last_exit"] == last_exit
            report = instance.status()
            assert report["state"] == "degraded"
            reason = next(r for r in report["reasons"] if "brain-0" in r)
            assert "parked" in reason
            assert last_exit in reason
            wait_for_trades(instance, 20)
            (home / FAULT_AT_IMPORT).unlink()
            instance.command("restart", "brain-0")
            wait_until_running(instance)
        assert pids_of(instance).items() >= siblings.items()
        # each time one after the kill, two more within the limit, and one by command
        assert instance.actor("brain-0")["restarts"] == 8
        assert data_failures(instance, simulator) == []


def is_in(instance: HunterInstance, state: str) -> Any:
    actor = instance.actor("brain-0")
    return actor["state"] == state and actor
