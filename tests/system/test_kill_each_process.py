"""SIGKILL of any process at any moment: it is back, and nothing is lost, doubled or torn."""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from pathlib import Path

import pytest
from fakes.instance import HunterInstance, is_gone, running, wait_until
from soak.kill_actors import INSTRUMENT, check, kill_and_wait, soak

pytestmark = pytest.mark.system


def test_killed_actors_are_back_and_nothing_is_lost(home: Path) -> None:
    options = argparse.Namespace(kills=9, pause_s=0.4, rate=150.0, standby=False)
    result = soak(home, 20261122, options)
    assert result["failures"] == []
    assert result["trade_rows"] > 100


def test_actor_killed_again_and_again_is_not_parked_for_it(home: Path) -> None:
    """Somebody else's SIGKILL of a ready actor is no crash of its own."""
    with running(home, sim=("--no-limits", "--rate", "50")) as (instance, simulator):
        wait_until("trades", lambda: instance.status()["rings"][0]["sequence"] > 0)
        limit = instance.config.supervisor.max_restarts
        for _ in range(limit + 2):
            time.sleep(0.6)  # a death right after the start is the program's own fault
            kill_and_wait(instance, "watchdog")
        assert check(instance, simulator, {"watchdog": limit + 2})["failures"] == []


def test_killed_supervisor_takes_all_with_it_and_the_next_start_goes_on(home: Path) -> None:
    with running(home, sim=("--no-limits", "--rate", "200")) as (instance, simulator):
        wait_until("trades", lambda: instance.status()["rings"][0]["sequence"] > 50)
        pids = instance.tree_pids()
        before = instance.trades(INSTRUMENT)
        os.kill(pids[0], signal.SIGKILL)
        wait_until("every process gone", lambda: all(map(is_gone, pids)), 1.0, 0.005)
        status = instance.command("status", check=False)
        assert status.returncode == 3
        assert "was killed" in status.stdout
        assert not instance.book(INSTRUMENT)["valid"], "nobody keeps it up to date"
        kept = instance.trades(INSTRUMENT)
        assert kept[: len(before)] == before
        instance.start()
        wait_until(
            "the same ring to go on",
            lambda: instance.trades(INSTRUMENT)[-1]["sequence"] > kept[-1]["sequence"],
        )
        time.sleep(1)
        assert instance.trades(INSTRUMENT)[: len(kept)] == kept
        assert check(instance, simulator, {})["failures"] == []


def test_stop_after_a_killed_supervisor_cleans_up(home: Path) -> None:
    instance = HunterInstance(home, [], None)
    try:
        instance.start("--demo")
        pids = instance.tree_pids()
        os.kill(pids[0], signal.SIGKILL)
        wait_until("every process gone", lambda: all(map(is_gone, pids)), 1.0, 0.005)
        assert instance.shared.exists()
    finally:
        instance.stop()
    assert not instance.shared.exists()


def test_stopped_actor_is_noticed_as_hung_and_replaced(home: Path) -> None:
    with running(home) as (instance, _):
        before = instance.actor("brain-0")
        os.kill(before["pid"], signal.SIGSTOP)
        after = wait_until(
            "a new brain",
            lambda: (
                (a := instance.actor("brain-0"))["pid"] not in (0, before["pid"])
                and a["state"] == "ready"
                and a
            ),
        )
        assert after["last_exit"] == "hang"
        assert after["restarts"] == 1
        assert is_gone(before["pid"])
        assert instance.actor("stream-0")["restarts"] == 0


def test_actor_stopped_for_a_moment_is_left_alone(home: Path) -> None:
    with running(home, "watchdog.hang_after_ms=3000") as (instance, _):
        pid = instance.actor("stream-0")["pid"]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(pid, signal.SIGCONT)
        time.sleep(3.5)
        assert instance.actor("stream-0")["pid"] == pid
        assert instance.actor("stream-0")["restarts"] == 0


def test_restart_by_name_is_polite_and_free(home: Path) -> None:
    with running(home) as (instance, _):
        before = instance.actor("brain-0")["pid"]
        done = instance.command("restart", "brain-0")
        assert str(before) in done.stdout
        after = instance.actor("brain-0")
        assert after["pid"] != before
        assert after["last_exit"] == "exit 0"
        unknown = instance.command("restart", "brain-7", check=False)
        assert unknown.returncode == 4
        assert "brain-0" in unknown.stderr


def test_stop_and_start_fetches_what_was_traded_in_between(home: Path) -> None:
    with running(home, sim=("--no-limits", "--rate", "100")) as (instance, simulator):
        wait_until("trades", lambda: instance.status()["rings"][0]["sequence"] > 50)
        instance.command("stop")
        before = json.loads((home / "data/positions/ring-0.json").read_text())
        last_id = before["trades"][INSTRUMENT][0]
        time.sleep(1)
        instance.start()
        wait_until("no hole", lambda: instance.status()["state"] == "running")
        rows = instance.trades(INSTRUMENT)
        assert rows[0]["trade_id"] - rows[0]["count"] == last_id
        assert rows[0]["source"] == "backfill"
        assert check(instance, simulator, {})["failures"] == []
