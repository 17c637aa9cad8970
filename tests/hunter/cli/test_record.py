"""`hunter record` as a process of its own against a real simulator."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from fakes.actor_stage import SWAP
from fakes.faulty_exchange import Exchange

from hunter.cli import record as module
from hunter.cli.main import cli
from hunter.clock import SystemClock
from hunter.simulator.lines import Counts, merged_lines
from hunter.simulator.options import SimOptions
from hunter.simulator.recording import Recording


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange(SimOptions(rate=400.0, limits=False))
    yield made
    made.stop()


class Desk:
    """A folder with a configuration, and recorders that end with the test."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.config_file = home / "hunter.toml"
        self.config_file.write_text(f'[hunter]\nruntime_dir = "run"\n[okx]\npublic_url = "{url}"\n')
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> subprocess.Popen[str]:
        self._processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "hunter", "record", "-c", str(self.config_file), *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=self.home,
            )
        )
        return self._processes[-1]

    def run(self, *words: str) -> tuple[int, str, str]:
        process = self.start(*words)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    def until_packed(self, folder: str, byte_count: int = 1) -> None:
        waited = threading.Event()
        end_ns = SystemClock().monotonic_ns() + 20_000_000_000
        while sum(path.stat().st_size for path in self.segments(folder)) < byte_count:
            assert SystemClock().monotonic_ns() < end_ns, "nothing recorded in time"
            waited.wait(0.01)

    def segments(self, folder: str) -> list[Path]:
        return sorted((self.home / folder).glob("*.jsonl.zst"))

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def desk(tmp_path: Path, exchange: Exchange) -> Iterator[Desk]:
    made = Desk(tmp_path, exchange.url)
    yield made
    made.close()


def test_recording_for_a_time_ends_by_itself_with_every_match(
    desk: Desk, exchange: Exchange
) -> None:
    code, output, errors = desk.run("-o", "rec", "--for", "2s")
    assert code == 0
    assert errors == f"connected to {exchange.url}\n"
    first, second, third = output.splitlines()
    assert first.startswith("recorded ")
    assert "trades " in first
    assert second.startswith("0 dropped, 0 reconnects; ")
    assert third == "play it: hunter replay rec"
    counts = Counts()
    trades = [
        item.push.body for item in Recording(desk.segments("rec")).pushes(counts)
        if item.push.channel == "trades"
    ]  # fmt: skip
    assert (counts.malformed, counts.torn) == (0, 0)
    truth = exchange.truth(SWAP)
    ids = [trade.trade_id for trade in trades]  # type: ignore[union-attr]
    between = [trade_id for trade_id in sorted(truth) if ids[0] <= trade_id <= ids[-1]]
    assert ids == between
    assert len(ids) > 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_recorder_ends_in_order(desk: Desk, number: int) -> None:
    process = desk.start("-o", "rec")
    desk.until_packed("rec")
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output.startswith("recorded ")
    assert "Traceback" not in errors
    counts = Counts()
    lines = list(merged_lines(desk.segments("rec"), counts))
    assert counts.torn == 0
    assert f"recorded {len(lines):,} frames" in output


def test_segments_rotate_and_the_whole_is_in_order(desk: Desk) -> None:
    code, output, _ = desk.run("-o", "rec", "--for", "2s", "--segment-mb", "0.001")
    assert code == 0
    segments = desk.segments("rec")
    assert len(segments) > 2
    assert f"{len(segments)} segments" in output
    times = [at_ns for at_ns, _ in merged_lines(segments, Counts())]
    assert times == sorted(times)


def test_budget_ends_the_recording_and_the_next_one_does_not_begin(desk: Desk) -> None:
    code, output, errors = desk.run("-o", "rec", "--budget-mb", "0.03")
    assert code == 0
    assert "ended: the disk budget is used up; see --budget-mb" in errors
    assert output.startswith("recorded ")
    size = sum(path.stat().st_size for path in desk.segments("rec"))
    assert 5_000 < size <= 30_000
    code, output, errors = desk.run("-o", "rec", "--budget-mb", f"{size / 1e6}")
    assert (code, output) == (1, "")
    assert errors.startswith("hunter: recordings in rec fill the budget of 0.0")
    assert "raise --budget-mb or move some away" in errors


def test_default_place_is_a_new_folder_that_tells_the_time(desk: Desk) -> None:
    code, output, _ = desk.run("--for", "0.5s")
    assert code == 0
    (folder,) = (desk.home / "data" / "recordings").iterdir()
    assert folder.name.endswith("Z-default")
    assert output.rstrip().endswith(f"hunter replay {folder}")


def test_recorder_without_an_exchange_says_why_nothing_came(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    desk = Desk(tmp_path, f"ws://127.0.0.1:{port}/ws/v5/public")
    code, output, errors = desk.run("-o", "rec", "--for", "0.5s")
    assert code == 0
    assert output.startswith("nothing recorded in 0.")
    assert "cannot connect to 127.0.0.1" in output
    assert "connection lost: cannot connect" in errors


def test_recorder_whose_every_subscription_is_refused_fails(desk: Desk) -> None:
    desk.config_file.write_text(
        desk.config_file.read_text() + 'instruments = ["NO-SUCH"]\nchannels = ["trades"]\n'
    )
    code, _, errors = desk.run("-o", "rec")
    assert code == 1
    assert "the exchange refuses every subscription; see okx.instruments" in errors


def test_recorder_that_cannot_write_fails(desk: Desk) -> None:
    (desk.home / "file").write_text("")
    code, _, errors = desk.run("-o", "file/rec")
    assert code == 1
    assert "cannot make file/rec" in errors


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5s", 1.5), ("15m", 900), ("2 h", 7_200), ("1d", 86_400)]
)
def test_durations_are_understood(text: str, seconds: float) -> None:
    assert module._Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-3", "soon", "5w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write 90, 90s, 15m, 2h or 1d"):
        module._Duration().convert(text, None, None)


class _StillWriter:
    """A disk that takes nothing more."""

    failure = None

    def __init__(self, *parts: Any) -> None: ...

    def finish(self) -> bool:
        return False


def test_lines_that_the_disk_did_not_take_are_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, handlers_kept: None
) -> None:
    monkeypatch.setattr(module, "WriterThread", _StillWriter)
    words = ["record", "-c", str(desk.config_file), "-o", str(desk.home / "rec"), "--for", "0.2"]
    with pytest.raises(module.HunterError, match="the last lines; they are lost"):
        cli.main(words, standalone_mode=False)


@pytest.fixture
def handlers_kept() -> Iterator[None]:
    """A command in the test's own process leaves its signal handlers behind."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_progress_line_tells_rate_size_and_drops(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, handlers_kept: None, capfd: Any
) -> None:
    shown: list[str] = []

    class Eager(module.Progress):
        def show(self, now_ns: int, text: Callable[[], str]) -> None:
            shown.append(text())

    monkeypatch.setattr(module, "Progress", Eager)
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    words = ["record", "-c", str(desk.config_file), "-o", str(desk.home / "rec")]
    cli.main(words, standalone_mode=False)
    timer.join()
    assert shown[-1].startswith("recording 1.")
    assert " 0 dropped, 0 reconnects" in shown[-1]
    assert "/s), 0.0 MB in 1 segments" in shown[-1]
    assert capfd.readouterr().out.startswith("recorded ")
