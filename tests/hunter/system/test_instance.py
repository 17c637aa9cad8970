from __future__ import annotations

import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.actor_stage import Stage

from hunter.access import Instance
from hunter.ring.segment import WriterLease
from hunter.system.locks import DATA_LOCK_FILE, LOCK_FILE, running_pid
from supervisor.lock import holder

RUN = """
import sys
from pathlib import Path
from hunter.config import load
from hunter.system import free_port, run, with_simulator

config = with_simulator(load(Path(sys.argv[1])), free_port())
code = run(config, demo=True, take_output=print, before_loop=lambda: print("loop", flush=True))
print("code", code, flush=True)
"""


@pytest.mark.system
def test_run_starts_everything_and_leaves_nothing(stage: Stage) -> None:
    """One whole life, ended by SIGTERM; a second run of the same instance is refused meanwhile."""
    words = [sys.executable, "-c", RUN, str(stage.config_file)]
    stage.shared.joinpath("status").unlink()
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert Path(process.stdout.readline().strip()).name == "supervisor.log"
            assert process.stdout.readline() == "loop\n"
            wait_until_running(stage)
            assert running_pid(stage.config) == process.pid
            second = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
            assert "AlreadyRunning" in second.stderr
            process.send_signal(signal.SIGTERM)
            output, log = process.communicate(timeout=30)
        finally:
            process.kill()
    assert not stage.shared.exists()
    left = {path.name for path in stage.config.runtime_dir.iterdir()}
    assert left == {LOCK_FILE, "server.limits"}, "what was asked of the exchange counts later too"
    assert output == "code 0\n"
    assert log.endswith(" INFO supervisor stopped\n")


EARLY = RUN.replace(
    "config = with",
    """
import os, signal
from hunter.system import instance

class Late(instance.Supervisor):
    def run(self, *words):
        os.kill(os.getpid(), signal.SIGTERM)
        return super().run(*words)

instance.Supervisor = Late
config = with""",
    1,
)


@pytest.mark.system
def test_request_to_stop_just_before_the_supervisor_listens_is_not_lost(stage: Stage) -> None:
    words = [sys.executable, "-c", EARLY, str(stage.config_file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.endswith("loop\ncode 0\n"), done.stderr
    assert " started " not in done.stderr
    assert done.stderr.endswith(" INFO supervisor stopped\n")
    assert not stage.shared.exists()


@pytest.mark.system
def test_start_called_off_while_an_old_writer_is_at_it_touches_nothing_of_its(
    stage: Stage,
) -> None:
    stage.make_rings()
    lease = WriterLease(stage.config.runtime_dir / "ring-0.lock")
    assert lease.acquire()
    kept = [stage.ring_path(), stage.shared / "status", stage.config.runtime_dir / "ring-0.lock"]
    before = [(path.stat().st_ino, path.read_bytes()) for path in kept]
    words = [sys.executable, "-c", RUN, str(stage.config_file)]
    in_use = stage.config.data_dir / DATA_LOCK_FILE
    try:
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            try:
                poller = select.poll()
                for _ in range(1_000):
                    if holder(str(in_use)):  # taken after it has begun to remember signals
                        break
                    poller.poll(10)
                process.send_signal(signal.SIGTERM)
                output, _ = process.communicate(timeout=30)
            finally:
                process.kill()
        assert output == "code 0\n"
        assert [(path.stat().st_ino, path.read_bytes()) for path in kept] == before
    finally:
        lease.close()


def wait_until_running(stage: Stage) -> None:
    poller = select.poll()
    for _ in range(500):
        with Instance(stage.config) as instance:
            report = instance.status()
        if report.state == "running" and len(report.actors) == 4:
            return
        poller.poll(20)
    raise AssertionError(f"not running: {report}")
