"""The hot standby with real processes: killed, hung and cut off writers."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from fakes.instance import running, wait_until
from soak.kill_actors import check, writer_of

pytestmark = pytest.mark.system
SIM = ("--no-limits", "--rate", "300")


def test_killed_writer_is_replaced_by_its_standby_without_a_backfill(home: Path) -> None:
    with running(home, "stream.standby=true", sim=SIM) as (instance, simulator):
        killed: dict[str, int] = {}
        for _ in range(6):
            name = writer_of(instance)
            time.sleep(0.7)
            os.kill(instance.actor(name)["pid"], signal.SIGKILL)
            killed[name] = killed.get(name, 0) + 1
            wait_until("the other one", lambda old=name: writer_of(instance) != old)
        writer_of(instance)
        time.sleep(0.5)
        result = check(instance, simulator, killed)
        assert result["failures"] == []
        assert result["backfilled_rows"] == 0
        takeovers = [a["takeovers"] for a in instance.status()["actors"] if a["role"] == "stream"]
        assert sum(takeovers) == 6


def test_hung_writer_is_replaced_by_its_standby(home: Path) -> None:
    with running(home, "stream.standby=true", sim=SIM) as (instance, simulator):
        name = writer_of(instance)
        os.kill(instance.actor(name)["pid"], signal.SIGSTOP)
        wait_until("the other one", lambda: writer_of(instance) != name)
        assert instance.actor(name)["last_exit"] == "hang"
        result = check(instance, simulator, {})
        assert [f for f in result["failures"] if not f.startswith(name)] == []
