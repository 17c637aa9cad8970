"""What the host and its operator do to a running instance: clocks, terminals, edited files, starts
that race, a kill of everything.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import odd_actors
from fakes.instance import HUNTER, HunterInstance, is_gone, running, wait_until
from fakes.whole_tree import (
    RING,
    data_failures,
    pids_of,
    restarts_of,
    running_odd,
    wait_for_trades,
    wait_until_replaced,
    wait_until_running,
)
from soak.kill_actors import INSTRUMENT

pytestmark = pytest.mark.system

SIM = ("--no-limits", "--rate", "100")
HOUR_NS = 3_600_000_000_000


def test_c1_steps_of_the_wall_clock_are_no_faults_of_anybody(home: Path) -> None:
    with running_odd(home, "skew", [RING], SIM) as (instance, simulator, control):
        wait_for_trades(instance)
        pids, restarts = pids_of(instance), restarts_of(instance)
        connects = [line["connects"] for line in instance.status()["connections"]]
        for offset_ns in (HOUR_NS, -HOUR_NS, 0):
            odd_actors.set_control(control, offset_ns)
            decided = instance.status()["brain"]["decisions"]
            wait_for_trades(instance, 150)
            row = instance.trades(INSTRUMENT, 1)[-1]
            seen_ns = row["received_ts_ns"] - row["exchange_ts_ns"]
            assert abs(seen_ns - offset_ns) < HOUR_NS / 4, "the clock was stepped indeed"
            wait_until(
                "decisions", lambda n=decided: instance.status()["brain"]["decisions"] > n + 3
            )
            assert instance.book(INSTRUMENT)["valid"]
        assert pids_of(instance) == pids
        assert restarts_of(instance) == restarts
        assert [line["connects"] for line in instance.status()["connections"]] == connects
        assert "asking for a restart" not in instance.log("watchdog")
        assert data_failures(instance, simulator) == []


def test_c4_c7_broken_file_changes_nothing_that_runs_and_a_kill_of_all_needs_no_cleaning(
    home: Path,
) -> None:
    with running(home, RING, "brain.interval_ms=700", sim=SIM) as (instance, simulator):
        good = instance.config_file.read_text()
        broken = good + "[ring]\ncapcity = 5\n"
        wait_for_trades(instance)
        wait_until("a checkpoint", lambda: any((home / "data/checkpoints").rglob("*.*")))
        before = pids_of(instance)
        instance.config_file.write_text(broken)
        os.kill(before["brain-0"], signal.SIGKILL)
        for words in (["status"], ["stop"], ["restart", "brain-0"], ["start", "-d"]):
            done = instance.command(*words, check=False)
            assert done.returncode == 78, words
            assert f"{instance.config_file}:4: unknown key ring.capcity" in done.stderr
        instance.config_file.unlink()
        done = instance.command("status", check=False)
        assert done.returncode == 78
        assert str(instance.config_file) in done.stderr
        os.kill(before["stream-0"], signal.SIGKILL)
        instance.config_file.write_text(good.replace("[hunter]", "[hunter]\n# edited"))
        for name in ("brain-0", "stream-0"):
            wait_until_replaced(instance, name, before[name])
        assert "restored from its checkpoint" in instance.log("brain-0"), "the same settings"
        assert instance.status()["rings"][0]["capacity"] == 1 << 16

        kept = instance.trades(INSTRUMENT)
        pids = instance.tree_pids()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_until("everything gone", lambda: all(map(is_gone, pids)), 5, 0.005)
        assert instance.command("status", check=False).returncode == 3
        instance.start()
        assert instance.trades(INSTRUMENT)[: len(kept)] == kept
        wait_for_trades(instance, 50)
        assert data_failures(instance, simulator) == []


def test_c5_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*HUNTER, "sim", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 78
    assert done.stdout == ""
    assert re.fullmatch(rf"hunter: cannot listen on 127\.0\.0\.1:{port}: .+\n", done.stderr)
    assert "choose another port" in done.stderr


def test_c6_of_twenty_starts_at_once_one_wins_and_the_others_name_it(home: Path) -> None:
    instance = HunterInstance(home, [RING], None)
    command = [*HUNTER, "start", "--demo", "--background", "-c", str(instance.config_file)]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        for _ in range(20)
    ]
    try:
        wait_until(
            "one is left", lambda: sum(process.poll() is None for process in started) == 1, 60
        )
        (winner,) = [process for process in started if process.poll() is None]
        wait_until_running(instance)
        assert instance.supervisor_pid() == winner.pid
        for process in started:
            if process is not winner:
                assert process.returncode == 11
                assert f"(pid {winner.pid})" in process.communicate(timeout=10)[1]
        wait_for_trades(instance, 20)
        assert set(restarts_of(instance).values()) == {0}
        instance.command("restart", "brain-0")
        instance.command("stop")
        assert winner.wait(10) == 0
    finally:
        for process in started:
            process.kill()
            process.communicate(timeout=10)
        instance.stop()


# Takes the terminal on descriptor 0 for its own and becomes what its arguments say.
ON_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if sys.argv[1] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, nohup: str, words: list[str], **named: Any) -> None:
        self.descriptor, theirs = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, nohup, *words[1:]],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            **named,
        )
        os.close(theirs)

    def hang_up(self) -> None:
        os.close(self.descriptor)


def test_c12_start_that_returned_needs_no_terminal_no_locale_no_home(home: Path) -> None:
    instance = HunterInstance(home, [RING], None)
    words = [*HUNTER, "start", "-d", "--demo", "-c", str(instance.config_file)]
    terminal = Terminal("", words, env={"LC_ALL": "C"})
    try:
        assert terminal.process.wait(60) == 0
        terminal.hang_up()
        wait_for_trades(instance, 50)
        assert instance.status()["state"] == "running"
        assert set(restarts_of(instance).values()) == {0}
        instance.command("stop")
        # no descriptor 0, 1 or 2 at all
        shell = 'exec "$@" <&- >&- 2>&-'
        done = subprocess.run(
            ["/bin/sh", "-c", shell, "sh", *words], env={}, timeout=60, check=False
        )
        assert done.returncode == 0
        wait_until_running(instance)
        wait_for_trades(instance, 20)
        brain = instance.actor("brain-0")["pid"]
        os.kill(brain, signal.SIGKILL)
        wait_until_replaced(instance, "brain-0", brain)
        assert instance.status()["state"] == "running"
    finally:
        terminal.process.kill()
        terminal.process.wait()
        instance.stop()


@pytest.mark.parametrize("nohup", ["nohup", ""])
def test_c12_foreground_ends_in_order_with_its_terminal_or_lives_on_with_nohup(
    home: Path, nohup: str
) -> None:
    instance = HunterInstance(home, [RING], None)
    terminal = Terminal(nohup, [*HUNTER, "start", "--demo", "-c", str(instance.config_file)])
    try:
        wait_until_running(instance)
        pids = instance.tree_pids()
        terminal.hang_up()
        if nohup:
            wait_for_trades(instance, 50)
            assert instance.tree_pids() == pids
            instance.command("stop")
        assert terminal.process.wait(20) == 0
        assert all(map(is_gone, pids))
        assert not instance.shared.exists()
        assert "Traceback" not in instance.log("supervisor")
    finally:
        terminal.process.kill()
        terminal.process.wait()
        instance.stop()


def test_c14_without_assertions_it_works_as_well(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")  # as -O, and inherited
    with running(home, RING, sim=SIM) as (instance, simulator):
        for name in ("stream-0", "brain-0", "watchdog"):
            pid = instance.actor(name)["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_until_replaced(instance, name, pid)
        wait_for_trades(instance, 50)
        assert data_failures(instance, simulator) == []


FORKS = {"fork", "forkpty", "fork_exec", "vfork"}
POOLS = {"multiprocessing", "pty"}


def forks(tree: ast.Module) -> list[int]:
    """Lines that fork this process, without another program in it, or may."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in FORKS:
            found.append(node.lineno)
        elif isinstance(node, ast.keyword) and node.arg == "preexec_fn":
            found.append(node.value.lineno)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = {alias.name for alias in node.names}
            roots = {name.partition(".")[0] for name in (names if module is None else {module})}
            if roots & POOLS or names & (FORKS | {"ProcessPoolExecutor"}):
                found.append(node.lineno)
    return found


def test_c14_nothing_forks() -> None:
    """A fork after threads or ZeroMQ inherits their locks; only new programs are started."""
    root = Path(__file__).resolve().parents[2]
    paths = [path for folder in ("hunter", "supervisor") for path in (root / folder).rglob("*.py")]
    assert len(paths) > 100
    found = {str(path): forks(ast.parse(path.read_text())) for path in paths}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_c14_each_form_of_a_fork_is_seen() -> None:
    text = (
        "import os, multiprocessing\nfrom multiprocessing.pool import Pool\nos.fork()\n"
        "from concurrent.futures import ProcessPoolExecutor\nPopen(x, preexec_fn=f)\nimport pty\n"
    )
    assert forks(ast.parse(text)) == [1, 2, 4, 6, 3, 5]
    assert not forks(ast.parse("import os\nos.execv('x', [])\nPopen(x)\n"))
