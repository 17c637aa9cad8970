"""The supervisor killed, stopped and asked to end at any moment; its children at the edges of their
lives. Nothing is left, nothing is started twice, nobody is blamed for a pause of all.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from fakes import failing_brains
from fakes.instance import (
    HUNTER,
    HunterInstance,
    Simulator,
    is_gone,
    running,
    wait_until,
)
from fakes.whole_tree import (
    RING,
    data_failures,
    pids_of,
    restarts_of,
    wait_for_trades,
    wait_until_replaced,
    wait_until_running,
)

pytestmark = pytest.mark.system

SIM = ("--no-limits", "--rate", "100")
HANG_AFTER_MS = 1500  # a busy machine holds up a beat for less
# Longer than both the actors' allowance and the watchdog's own, which is five times theirs.
PAUSE_S = 7.8


def test_p10_killed_supervisor_leaves_neither_stopped_children_nor_grandchildren(
    home: Path,
) -> None:
    failing_brains.put_beside(home)
    settings = (RING, failing_brains.KIND)
    with running(home, *settings, sim=SIM) as (instance, simulator):
        told = home / failing_brains.GRANDCHILDREN
        failing_brains.tell(home, "grandchildren")
        wait_until("grandchildren", told.exists)
        grandchildren = [int(word) for word in told.read_text().split()]
        pids = instance.tree_pids()
        for pid in pids[1:]:
            os.kill(pid, signal.SIGSTOP)
        os.kill(pids[0], signal.SIGKILL)
        wait_until("every actor gone", lambda: all(map(is_gone, pids)), 5, 0.005)
        instance.start()
        wait_until("grandchildren gone", lambda: all(map(is_gone, grandchildren)), 5)
        wait_for_trades(instance, 50)
        assert data_failures(instance, simulator) == []


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HunterInstance, Simulator]]:
    """An instance for tests that kill nobody."""
    home = tmp_path_factory.mktemp("w")
    settings = (RING, f"watchdog.hang_after_ms={HANG_AFTER_MS}")
    with running(home, *settings, sim=SIM) as (instance, simulator):
        yield instance, simulator


def test_p11_stopped_supervisor_holds_up_nobody_and_blames_nobody_when_it_goes_on(
    watched: tuple[HunterInstance, Simulator],
) -> None:
    instance, simulator = watched
    pids, restarts = pids_of(instance), restarts_of(instance)
    os.kill(instance.supervisor_pid(), signal.SIGSTOP)
    try:
        end_s = time.monotonic() + PAUSE_S
        while time.monotonic() < end_s:
            wait_for_trades(instance, 20)
    finally:
        os.kill(instance.supervisor_pid(), signal.SIGCONT)
    wait_until_running(instance)
    wait_for_trades(instance, 100)
    assert pids_of(instance) == pids
    assert restarts_of(instance) == restarts
    assert data_failures(instance, simulator) == []


@pytest.mark.parametrize("first", ["supervisor", "actors", "watchdog"])
def test_c2_whole_tree_that_was_suspended_goes_on_and_nobody_is_blamed(
    watched: tuple[HunterInstance, Simulator], first: str
) -> None:
    instance, simulator = watched
    pids, restarts = pids_of(instance), restarts_of(instance)
    supervisor = instance.supervisor_pid()
    order = {
        "supervisor": [supervisor, pids["watchdog"], pids["brain-0"], pids["stream-0"]],
        "actors": [pids["stream-0"], pids["brain-0"], pids["watchdog"], supervisor],
        "watchdog": [pids["watchdog"], supervisor, pids["stream-0"], pids["brain-0"]],
    }[first]
    for pid in order:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(PAUSE_S)
    for pid in order:
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.1)  # it looks around while the others still stand
    wait_until_running(instance)
    wait_for_trades(instance, 100)
    time.sleep(2 * HANG_AFTER_MS / 1000)
    assert pids_of(instance) == pids
    assert restarts_of(instance) == restarts
    assert data_failures(instance, simulator) == []


def test_p16_without_a_watchdog_the_others_are_supervised_and_it_is_replaced(home: Path) -> None:
    settings = (RING, "watchdog.hang_after_ms=2000")
    with running(home, *settings, sim=SIM) as (instance, simulator):
        wait_for_trades(instance)
        before = pids_of(instance)
        os.kill(before["watchdog"], signal.SIGSTOP)
        os.kill(before["brain-0"], signal.SIGKILL)
        brain = wait_until_replaced(instance, "brain-0", before["brain-0"])
        watchdog = wait_until_replaced(instance, "watchdog", before["watchdog"])
        assert watchdog["last_exit"] == "hang"
        log = instance.log("supervisor")
        assert log.index(f"brain-0 ready (pid {brain['pid']})") < log.index("watchdog died")
        os.kill(watchdog["pid"], signal.SIGKILL)
        assert wait_until_replaced(instance, "watchdog", watchdog["pid"])["restarts"] == 2
        assert pids_of(instance)["stream-0"] == before["stream-0"]
        assert data_failures(instance, simulator) == []


def test_p18_all_actors_killed_at_once_are_back_once_each_and_connect_within_the_limit(
    home: Path,
) -> None:
    two = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
    settings = (
        RING,
        "stream.standby=true",
        "stream.shards=2",
        f"okx.instruments={json.dumps(two)}",
        "supervisor.max_restarts=20",
    )
    sim = ("--rate", "100", "--instruments", ",".join(two))
    with running(home, *settings, sim=sim) as (instance, simulator):
        wait_for_trades(instance, 50)
        for _ in range(2):
            before = pids_of(instance)
            killed_s = time.time()
            for pid in before.values():
                os.kill(pid, signal.SIGKILL)
            for name, pid in before.items():
                wait_until_replaced(instance, name, pid)
            wait_until_running(instance)
            streams = [name for name in before if name.startswith("stream")]
            assert len(streams) == 4
            # Two at once, then less than two a second. A busy machine bunches what it sends, so
            # that a window of a second says little; but the last cannot be early.
            assert max(last_connect_s(instance, name) for name in streams) - killed_s > 1.0
        wait_for_trades(instance, 100)
        assert set(restarts_of(instance).values()) == {2}
        assert data_failures(instance, simulator) == []


def last_connect_s(instance: HunterInstance, name: str) -> float:
    """When a stream process last said that it is connected."""
    said = [line for line in instance.log(name).splitlines() if " connected to " in line]
    return datetime.fromisoformat(said[-1].split()[0]).timestamp()


START_S = 0.3  # about so long is an actor on its way


def test_p19_killed_while_it_starts_or_stops_is_started_once_or_not_at_all(home: Path) -> None:
    with running(home, RING, "supervisor.max_restarts=50", sim=SIM) as (instance, simulator):
        draw = random.Random(19)
        for _ in range(4):  # at another moment of its start each time
            pid = instance.actor("brain-0")["pid"]
            os.kill(pid, signal.SIGKILL)
            successor = wait_until("a successor", lambda pid=pid: new_pid(instance, pid), 20, 0.001)
            time.sleep(draw.uniform(0.0, START_S))
            with contextlib.suppress(ProcessLookupError):
                os.kill(successor, signal.SIGKILL)
            wait_until_replaced(instance, "brain-0", successor)
        assert len(actor_processes(instance, "brain-0")) == 1
        assert data_failures(instance, simulator) == []
        pids = instance.tree_pids()
        os.kill(pids[0], signal.SIGTERM)
        for pid in pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until("everything gone", lambda: all(map(is_gone, pids)), 10, 0.005)
        wait_until("nothing left", lambda: not leftovers(instance), 5)
    lines = instance.log("supervisor").splitlines()
    stopping = next(i for i, line in enumerate(lines) if "tree stopping" in line)
    assert not [line for line in lines[stopping:] if " started " in line]


def new_pid(instance: HunterInstance, old_pid: int) -> int:
    pid = int(instance.actor("brain-0")["pid"])
    return pid if pid != old_pid else 0


def actor_processes(instance: HunterInstance, name: str) -> list[int]:
    """Pids of the processes that are this actor of this instance, whoever started them."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (path / "fd" / "2").readlink() == instance.config.log_dir / f"{name}.log":
                found.append(int(path.name))
    return found


PHASES_S = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8)
KINDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def test_p12_start_ended_by_a_signal_at_any_moment_leaves_nothing(home: Path) -> None:
    instance = HunterInstance(home, [], None)
    screen = home / "screen.txt"
    # no multiple of the kinds: the second round pairs them otherwise
    for phase_s, kind in zip(PHASES_S * 2, itertools.cycle(KINDS), strict=False):
        with screen.open("wb") as output:
            process = subprocess.Popen(
                [*HUNTER, "start", "--demo", "-c", str(instance.config_file)],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            time.sleep(phase_s)
            os.killpg(process.pid, kind)  # as the terminal does; actors have sessions of their own
            code = process.wait(30)
        finally:
            process.kill()
        text = screen.read_text()
        # before the program has a handler the kernel's answer is as good: nothing was made
        told = [line for line in text.splitlines() if "warning" not in line]
        codes = (1, -kind) if is_pythons_own(text) else (0, 130) if told else (0, 130, -kind)
        assert code in codes, (phase_s, kind, code, text)
        assert "Traceback" not in text or is_pythons_own(text), (phase_s, kind, text)
        assert leftovers(instance) == [], (phase_s, kind, text)
        assert instance.command("status", check=False).returncode == 3
    assert instance.command("start", "-d", "--demo").returncode == 0
    instance.stop()


def is_pythons_own(text: str) -> bool:
    """Whether a traceback is of Python's own start, which has no better word for Ctrl-C."""
    return "Traceback" in text and "hunter/cli" not in text


def test_p12_detached_start_that_is_interrupted_leaves_nothing(home: Path) -> None:
    instance = HunterInstance(home, [], None)
    command = [*HUNTER, "start", "-d", "--demo", "-c", str(instance.config_file)]
    for phase_s in (0.1, 0.3, 0.5, 0.8, 1.1):
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            time.sleep(phase_s)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            said = process.communicate(timeout=20)[0]
        finally:
            process.kill()
            process.wait()
        codes = (1,) if is_pythons_own(said.decode()) else (0, 130, -signal.SIGINT)
        assert process.returncode in codes, (phase_s, said)
        if process.returncode == 0:
            assert b"Ready in" in said
            instance.command("stop")
        assert leftovers(instance) == [], (phase_s, said)


def test_p12_interrupt_after_ready_was_said_comes_too_late(home: Path) -> None:
    """Found by a test run: told "Ready", and then 130, with everything left running."""
    instance = HunterInstance(home, [], None)
    for kind in KINDS:
        process = subprocess.Popen(
            [*HUNTER, "start", "-d", "--demo", "-c", str(instance.config_file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            with process, process.stdout as lines:
                while not lines.readline().startswith(b"Ready in"):
                    assert process.poll() is None
                while process.poll() is None:  # also while its interpreter comes to its end
                    process.send_signal(kind)
            assert process.returncode == 0, kind
            assert instance.status()["state"] == "running"
        finally:
            instance.stop()


def test_p12_second_interrupt_of_a_detached_start_stops_at_once(home: Path) -> None:
    """Nobody listens at one of the two addresses, so that it does not get ready; one is deaf."""
    failing_brains.put_beside(home)
    failing_brains.tell(home, "deaf")
    settings = (
        failing_brains.KIND,
        'okx.channels=["trades", "candle1m"]',
        'okx.business_url="ws://127.0.0.1:9/ws/v5/business"',
        "supervisor.stop_timeout_s=30",
    )
    exchange = Simulator(*SIM)
    instance = HunterInstance(home, settings, exchange.port)
    try:
        with instance.begin() as process:
            wait_until("deafness", lambda: not (home / failing_brains.FAULT).exists())
            pids = instance.tree_pids()
            process.send_signal(signal.SIGINT)
            wait_until("stopping", lambda: instance.status()["state"] == "stopping")
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=10)[1]
        assert process.returncode == 130
        assert b"interrupted; everything was stopped again" in said
        assert all(map(is_gone, pids))
        assert leftovers(instance) == []
    finally:
        instance.stop()
        exchange.stop()


def leftovers(instance: HunterInstance) -> list[object]:
    """Processes, shared memory and sockets of an instance that should be gone."""
    names = ("supervisor", "exchange", "stream-0", "brain-0", "watchdog")
    found: list[object] = [pid for name in names for pid in actor_processes(instance, name)]
    found += [instance.shared] if instance.shared.exists() else []
    if instance.config.runtime_dir.exists():
        found += [*instance.config.runtime_dir.glob("*.ipc")]
    return found


def test_p12_second_request_ends_a_polite_stop_at_once(home: Path) -> None:
    failing_brains.put_beside(home)
    settings = (failing_brains.KIND, "supervisor.stop_timeout_s=30")
    with running(home, *settings, sim=SIM) as (instance, _):
        failing_brains.tell(home, "deaf")
        wait_until("deafness", lambda: not (home / failing_brains.FAULT).exists())
        pids = instance.tree_pids()
        os.kill(pids[0], signal.SIGTERM)
        wait_until("stopping", lambda: instance.status()["state"] == "stopping")
        os.kill(pids[0], signal.SIGTERM)
        wait_until("everything gone", lambda: all(map(is_gone, pids)), 10)
        assert leftovers(instance) == []
        # They were killed as the operator wished, which is nothing to look into.
        assert "no deaths are known" in instance.command("deaths").stdout
        assert "WARNING" not in instance.log("supervisor").partition("tree stopping")[2]
