"""The runner in real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hunter.config import Config
from hunter.runtime.logs import log_path
from hunter.status import documents
from hunter.status.block import StatusBlock
from hunter.status.documents import WatchdogDocument
from hunter.status.page import ActorState, Page, is_alive

ACTOR = """
import sys
from hunter.errors import ConfigError
from hunter.runtime.runner import run_process
from hunter.status.documents import WatchdogDocument
from hunter.status.page import ActorState

class Sample:
    def __init__(self, context): self.context, self.fault = context, sys.argv[3]
    def on_start(self, now_ns):
        if self.fault == "configuration": raise ConfigError("brain.kind: no such class; write flow")
    def do_work(self, now_ns):
        if self.fault == "bug": return 1 // 0
        if self.fault == "memory": return len(bytes(1 << 60))
        return 0
    def wait(self, timeout_ms): import select; select.select([], [], [], timeout_ms / 1000)
    def on_stop(self): self.context.log.info("stops politely")
    def state(self): return ActorState.READY
    def document(self): return WatchdogDocument(("sample",), 7)

run_process(Sample)
"""


@pytest.fixture
def spawn(
    instance: tuple[Config, StatusBlock], tmp_path: Path
) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """A real actor process, its output in its log file."""
    program = tmp_path / "sample.py"
    program.write_text(ACTOR, encoding="utf-8")
    config = instance[0]
    made: list[subprocess.Popen[bytes]] = []

    def start(fault: str) -> subprocess.Popen[bytes]:
        with log_path(config.log_dir, "sample-0").open("ab") as log:
            command = [sys.executable, str(program), "sample-0", str(config.runtime_dir), fault]
            made.append(subprocess.Popen(command, stdout=log, stderr=log))
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.wait(10)


def log_of(instance: tuple[Config, StatusBlock]) -> str:
    return log_path(instance[0].log_dir, "sample-0").read_text(encoding="utf-8")


def wait_until_ready(process: subprocess.Popen[bytes], page: Page) -> None:
    while page.beat().state is not ActorState.READY:
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)


def test_real_process_beats_and_stops_politely(
    instance: tuple[Config, StatusBlock],
    page: Page,
    spawn: Callable[[str], subprocess.Popen[bytes]],
) -> None:
    process = spawn("none")
    wait_until_ready(process, page)
    beat = page.beat()
    assert beat.pid == process.pid
    assert is_alive(beat)
    assert documents.decode(page.read_document(), WatchdogDocument) == WatchdogDocument(
        ("sample",), 7
    )
    title = Path(f"/proc/{process.pid}/cmdline").read_bytes().rstrip(b"\0")
    assert title == b"hunter: sample-0 (test)"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert page.beat().state is ActorState.STOPPED
    assert not is_alive(page.beat())
    assert log_of(instance).endswith("INFO sample-0 stops politely\n")


def test_real_process_with_a_bug_leaves_a_traceback(
    instance: tuple[Config, StatusBlock], spawn: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    assert spawn("bug").wait(30) == 1
    text = log_of(instance)
    assert "ERROR sample-0 unexpected error\n    Traceback" in text
    assert text.endswith("ZeroDivisionError: integer division or modulo by zero\n")


def test_r13_real_process_out_of_memory_says_so_and_ends(
    instance: tuple[Config, StatusBlock], spawn: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    assert spawn("memory").wait(30) == 1
    assert "ERROR sample-0 out of memory; the next process has what this" in log_of(instance)


def test_real_process_with_a_bad_configuration_says_so_in_one_line(
    instance: tuple[Config, StatusBlock], spawn: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    assert spawn("configuration").wait(30) == 78
    (line,) = log_of(instance).splitlines()
    assert line.endswith("ERROR sample-0 ConfigError: brain.kind: no such class; write flow")


def test_real_process_dumps_its_stack_when_asked(
    instance: tuple[Config, StatusBlock],
    page: Page,
    spawn: Callable[[str], subprocess.Popen[bytes]],
) -> None:
    process = spawn("none")
    wait_until_ready(process, page)
    process.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert "most recent call first" in log_of(instance)
