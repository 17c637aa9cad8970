from __future__ import annotations

import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.actor_stage import Stage

from hunter.access import Instance
from hunter.system.locks import LOCK_FILE, running_pid

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


def wait_until_running(stage: Stage) -> None:
    poller = select.poll()
    for _ in range(500):
        with Instance(stage.config) as instance:
            report = instance.status()
        if report.state == "running" and len(report.actors) == 4:
            return
        poller.poll(20)
    raise AssertionError(f"not running: {report}")
