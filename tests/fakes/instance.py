"""A whole hunter instance in a directory of its own: real processes, sockets, shared memory.

For system tests and the soak. Everything it starts ends with it, also when the test fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hunter.config import load
from hunter.ring.segment import shared_dir
from hunter.system import running_pid

HUNTER = [sys.executable, "-m", "hunter"]
SIM_START_S = 15.0


class Simulator:
    """`hunter sim` as a process; `control` reaches its /sim/ paths."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self.process = self._spawn(0)
        line = self._first_line()
        self.port = int(line.rsplit(":", 1)[1])

    def _spawn(self, port: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*HUNTER, "sim", "--port", str(port), *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _first_line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line.startswith("listening:"), line + (self.process.stdout.read() or "")
        return line

    def control(self, path: str) -> Any:
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)

    def restart(self, kind: int = signal.SIGKILL) -> None:
        """Kill it and start it again on the same port, with the same arguments."""
        self.stop(kind)
        self.process = self._spawn(self.port)
        self._first_line()

    def stop(self, kind: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(kind)
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


class HunterInstance:
    """An instance with directories below `home`. `settings` are `section.key=value` texts."""

    def __init__(self, home: Path, settings: Sequence[str], port: int | None) -> None:
        self.home = home
        self.config_file = home / "hunter.toml"
        self.config_file.write_text('[hunter]\nruntime_dir = "run"\n')
        self.settings = list(settings)
        if port is not None:
            self.settings += [
                f'okx.public_url="ws://127.0.0.1:{port}/ws/v5/public"',
                f'okx.rest_url="http://127.0.0.1:{port}"',
            ]
        self.config = load(self.config_file, self.settings)
        self.shared = shared_dir(self.config.hunter.name, self.config.runtime_dir)

    def command(
        self, *words: str, timeout_s: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*HUNTER, words[0], *words[1:], "-c", str(self.config_file)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not check or done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done

    def start(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.command("start", "-d", *self._overrides(), *words, check=check)

    def begin(self) -> subprocess.Popen[bytes]:
        """`start -d`, which the caller waits for."""
        return subprocess.Popen(
            [*HUNTER, "start", "-d", *self._overrides(), "-c", str(self.config_file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def _overrides(self) -> list[str]:
        return [word for setting in self.settings for word in ("--set", setting)]

    def status(self) -> Any:
        return json.loads(self.command("status", "--json", check=False).stdout)

    def actor(self, name: str) -> Any:
        return next((a for a in self.status()["actors"] if a["name"] == name), None)

    def trades(self, instrument: str, count: int = 1_000_000) -> list[Any]:
        done = self.command("trades", instrument, "-n", str(count), "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def book(self, instrument: str) -> Any:
        return json.loads(self.command("book", instrument, "--json").stdout)

    def signals(self, count: int = 1_000_000) -> list[Any]:
        done = self.command("signals", "-n", str(count), "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def log(self, actor: str) -> str:
        return (self.config.log_dir / f"{actor}.log").read_text()

    def supervisor_pid(self) -> int:
        return int(self.status()["pid"])

    def tree_pids(self) -> list[int]:
        report = self.status()
        return [report["pid"], *(a["pid"] for a in report["actors"] if a["pid"])]

    def stop(self) -> None:
        self.command("stop", check=False)
        pid = running_pid(self.config)
        if pid:  # the very command that ends it may be what a test has found broken
            os.kill(pid, signal.SIGKILL)
        for path in Path("/proc").glob("[0-9]*"):
            # whatever a failed test left of this instance
            with contextlib.suppress(OSError):
                words = (path / "cmdline").read_bytes().split(b"\0")
                if str(self.config.runtime_dir).encode() in words and b"-m" in words:
                    os.kill(int(path.name), signal.SIGKILL)


def wait_until(
    what: str, condition: Callable[[], Any], timeout_s: float = 20.0, every_s: float = 0.05
) -> Any:
    """The first true value of `condition`; fails with `what` when time is over."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout_s} s: {what}"
        time.sleep(every_s)


def is_gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat[stat.rfind(")") + 2] in "ZX"


@contextlib.contextmanager
def running(
    home: Path, *settings: str, sim: Sequence[str] = ("--no-limits",)
) -> Iterator[tuple[HunterInstance, Simulator]]:
    """An instance that streams from a simulator of its own."""
    simulator = Simulator(*sim)
    try:
        instance = HunterInstance(home, settings, simulator.port)
        try:
            instance.start()
            yield instance, simulator
        finally:
            instance.stop()
    finally:
        simulator.stop()


@contextlib.contextmanager
def temporary_home() -> Iterator[Path]:
    """A short path: socket names are limited to 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="hunter-test-") as path:
        yield Path(path)
