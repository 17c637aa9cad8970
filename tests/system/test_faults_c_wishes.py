"""What an operator wants of one actor while it starts, and after the supervisor was killed (C10);
and what the next start and `hunter deaths` tell of a death that nobody could tell of before.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import HunterInstance, is_gone, wait_until

from hunter.system.wishes import STOPPED_FILE

pytestmark = pytest.mark.system

SLOW = """
import time
from pathlib import Path

if Path(__file__).with_name("be-slow").exists():
    time.sleep(3)


class Slow:
    def on_trades(self, batch): pass
    def on_book(self, book): pass
    def on_ticker(self, ticker): pass
    def decide(self, now_ns): return None
    def snapshot(self): return b"-"
    def restore(self, state): pass
"""


def started(home: Path, *settings: str) -> HunterInstance:
    instance = HunterInstance(home, settings, None)
    instance.start("--demo")
    return instance


def successor_of(instance: HunterInstance, name: str, pid: int) -> Any:
    def look() -> Any:
        actor = instance.actor(name)
        return actor if actor["pid"] not in (0, pid) else None

    return wait_until(f"another {name}", look)


def deaths(instance: HunterInstance, actor: str) -> list[Any]:
    lines = instance.command("deaths", actor, "--json").stdout.splitlines()
    return [json.loads(line) for line in lines]


def test_c10_restart_of_an_actor_that_is_starting_waits_for_it(home: Path) -> None:
    (home / "slow_brain.py").write_text(SLOW)
    instance = started(home, 'brain.kind="slow_brain:Slow"')
    try:
        (home / "be-slow").touch()
        pid = instance.actor("brain-0")["pid"]
        os.kill(pid, signal.SIGKILL)
        starting = successor_of(instance, "brain-0", pid)
        assert starting["state"] == "starting"
        done = instance.command("restart", "brain-0", check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"brain-0: pid {starting['pid']} in ")
        assert instance.actor("brain-0")["pid"] == starting["pid"], "the one that was starting"
        # And one that is ready is replaced, however slow its successor is.
        done = instance.command("restart", "brain-0")
        assert done.stdout.startswith(f"brain-0: pid {starting['pid']} -> ")
    finally:
        instance.stop()


def test_c10_actor_stopped_by_name_stays_down_when_the_supervisor_is_killed(home: Path) -> None:
    instance = started(home)
    try:
        instance.command("stop", "brain-0")
        pids = instance.tree_pids()
        os.kill(pids[0], signal.SIGKILL)
        wait_until("everybody gone", lambda: all(map(is_gone, pids)))
        done = instance.start("--demo")
        told = "brain-0 was stopped by the operator; start it: hunter restart brain-0"
        assert told in done.stdout
        assert "ok  stream-0" in done.stdout
        brain = instance.actor("brain-0")
        assert (brain["state"], brain["pid"], brain["restarts"]) == ("stopped", 0, 0)

        (record,) = deaths(instance, "supervisor")
        assert (record["pid"], record["last_exit"], record["asked"]) == (pids[0], "killed", False)
        log = instance.log("supervisor")
        assert f"WARNING supervisor the former supervisor (pid {pids[0]}) was killed" in log
        assert "processes that actors of a killed run had left" not in log, "they had gone"

        assert instance.command("restart", "brain-0").stdout.startswith("brain-0: pid ")
        wait_until("all well", lambda: instance.status()["state"] == "running")
        instance.command("stop", "brain-0")
        assert (instance.config.runtime_dir / STOPPED_FILE).read_text() == "brain-0\n"
        # An orderly stop of everything is the end of the wish.
        instance.command("stop")
        assert not (instance.config.runtime_dir / STOPPED_FILE).exists()
        done = instance.start("--demo")
        assert "ok  brain-0" in done.stdout
        assert len(deaths(instance, "supervisor")) == 1, "nobody killed the last one"
    finally:
        instance.stop()


def test_death_of_an_actor_that_was_stopped_by_a_signal_says_so(home: Path) -> None:
    instance = started(home, "watchdog.hang_after_ms=600")
    try:
        pid = instance.actor("brain-0")["pid"]
        os.kill(pid, signal.SIGSTOP)
        successor_of(instance, "brain-0", pid)
        (record,) = deaths(instance, "brain-0")
        assert (record["last_exit"], record["cause"]) == ("hang", "hang")
        assert record["detail"].startswith("stopped by signal 19 for ")
        assert "ended: hang; stopped by signal 19" in instance.command("deaths", "brain-0").stdout
    finally:
        instance.stop()
