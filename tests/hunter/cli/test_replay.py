"""`hunter replay` as a process: what it says, what it leaves, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import HUNTER
from fakes.running_simulator import Running

from hunter.cli import replay as module
from hunter.cli.replay import ReplaySummary
from hunter.clock import SystemClock
from hunter.simulator.options import SimOptions

SPOT = "ETH-USDT"
CHANNELS = ("trades", "tickers", "books", "bbo-tbt")


@pytest.fixture(scope="module")
def market() -> list[bytes]:
    """Some seconds of a synthetic market, as a recording's lines."""
    lines: list[bytes] = []
    exchange = Running(SimOptions(instruments=(SPOT,), rate=200.0, limits=False))
    try:
        client = exchange.connect()
        args = [{"channel": name, "instId": SPOT} for name in CHANNELS]
        client.send(json.dumps({"op": "subscribe", "args": args}))
        while len(lines) < 1_500:
            frame = client.recv(timeout=10, decode=False)
            lines.append(b"%d %s\n" % (SystemClock().wall_ns(), frame))
    finally:
        exchange.stop()
    return lines


class Desk:
    """A folder to work in, and a temporary folder of its own for what is left."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.temporary = home / "t"
        self.temporary.mkdir()
        self.before = set(os.listdir("/dev/shm"))

    def write(self, name: str, lines: list[bytes]) -> Path:
        path = self.home / name
        path.write_bytes(b"".join(lines))
        return path

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*HUNTER, "replay", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=dict(os.environ, TMPDIR=str(self.temporary)),
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        process = self.start(*words)
        output, errors = process.communicate(timeout=60)
        assert not [name for name in set(os.listdir("/dev/shm")) - self.before if "replay" in name]
        assert not list(self.temporary.glob("hunter-run-*"))
        return process.returncode, output, errors


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    return Desk(tmp_path)


def data_lines(market: list[bytes]) -> list[bytes]:
    return [line for line in market if b'"data":' in line]


def test_replay_reads_everything_and_tells_where_the_signals_are(
    desk: Desk, market: list[bytes]
) -> None:
    desk.write("a.jsonl", market)
    code, output, errors = desk.run("a.jsonl", "--set", "brain.interval_ms=100")
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith(f"replayed {SPOT}: {len(data_lines(market)):,} frames, ")
    assert " 0 lost, 0 gaps, 0 lapped, 0 unread" in lines[1]
    assert " decisions, " in lines[2]
    (folder,) = desk.temporary.iterdir()
    assert lines[3] == f"look at them: hunter signals -c {folder / 'hunter.toml'}"
    told = subprocess.run(
        [*HUNTER, "signals", "-n", "100000", "--json", "-c", str(folder / "hunter.toml")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f" {len(told.stdout.splitlines()):,} signals: " in lines[2]


def test_summary_as_json_counts_what_was_recorded(desk: Desk, market: list[bytes]) -> None:
    half = len(market) // 2
    (desk.home / "rec").mkdir()
    desk.write("rec/1.jsonl", market[:half])
    desk.write("rec/2.jsonl", [*market[half:], b"1790000000000000000 half a li"])
    code, output, _ = desk.run("rec", "--json", "-o", "out", "--speed", "20")
    assert code == 0
    found = json.loads(output)
    trades = [
        json.loads(line.partition(b" ")[2])["data"][0]
        for line in data_lines(market)
        if b'"channel":"trades"' in line
    ]
    assert found["frames"] == len(data_lines(market))
    assert found["trades"] == len(trades)
    assert found["matches"] == sum(int(item["count"]) for item in trades)
    assert (found["lost"], found["lapped"], found["unread"]) == (0, 0, 0)
    assert (found["malformed"], found["torn"]) == (1, 0)
    assert found["signals_dir"] == str(desk.home / "out" / "signals")
    assert found["instruments"] == [SPOT]
    assert set(found["signals"]) == {"up", "down", "flat"}


def test_hole_in_the_recording_is_told_and_is_exit_1(desk: Desk, market: list[bytes]) -> None:
    trades = [line for line in data_lines(market) if b'"channel":"trades"' in line]
    missing = market.index(trades[len(trades) // 2])
    desk.write("a.jsonl", market[:missing] + market[missing + 1 :])
    code, output, errors = desk.run("a.jsonl", "--json")
    found = json.loads(output)
    assert code == 1
    assert found["lost"] >= 1
    assert found["unread"] == 0
    assert errors == f"hunter: {found['lost']} matches are not in the recording\n"


def test_missing_recording_and_used_folder_start_nothing(desk: Desk, market: list[bytes]) -> None:
    code, output, errors = desk.run("nothing.jsonl")
    assert (code, output) == (4, "")
    assert errors == "hunter: no recording at nothing.jsonl\n"
    path = desk.write("a.jsonl", market)
    code, _, errors = desk.run(str(path), "-o", ".")
    assert code == 1
    assert "is not empty; a replay needs a folder of its own" in errors
    code, _, errors = desk.run()
    assert code == 2
    code, _, errors = desk.run(str(path), "--speed", "fast")
    assert code == 2
    assert not list(desk.temporary.iterdir())


def test_interrupted_replay_leaves_nothing_running(desk: Desk, market: list[bytes]) -> None:
    desk.write("a.jsonl", market)
    process = desk.start("a.jsonl", "--speed", "0.05", "-o", "out")
    log = desk.home / "out" / "logs" / "stream-0.log"
    waited = threading.Event()
    end_ns = SystemClock().monotonic_ns() + 20_000_000_000
    while not (log.is_file() and "connected to" in log.read_text()):
        assert SystemClock().monotonic_ns() < end_ns, "not connected in time"
        waited.wait(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert output == ""
    assert errors == f"hunter: interrupted; what there is: {desk.home / 'out'}\n"
    assert not [name for name in set(os.listdir("/dev/shm")) - desk.before if "replay" in name]
    assert not list(desk.temporary.iterdir())


def test_instance_that_fails_is_told_with_the_place_of_its_logs(
    desk: Desk, market: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.write("a.jsonl", market)
    monkeypatch.setattr(module, "run", lambda config, **options: 3)
    words = ["replay", str(path), "-o", str(desk.home / "out")]
    with pytest.raises(module.HunterError, match=r"ended with exit code 3; see .*out/logs"):
        module.replay.main(words[1:], standalone_mode=False)


def summary(**other: Any) -> ReplaySummary:
    values = {
        "schema": 1, "recording": ["a"], "instruments": [SPOT], "frames": 9, "trades": 3,
        "matches": 4, "lost": 0, "gaps": 0, "lapped": 0, "unread": 0, "malformed": 0, "torn": 0,
        "decisions": 2, "signals": {"up": 1, "down": 0, "flat": 0}, "took_s": 0.0,
        "market_s": 1.0, "signals_dir": "x/signals",
    }  # fmt: skip
    return ReplaySummary(**(values | other))


def test_every_kind_of_loss_has_its_reason() -> None:
    assert summary().is_whole
    lossy = summary(lost=1, lapped=2, unread=3, torn=4, malformed=5)
    assert not lossy.is_whole
    assert module._why_not_whole(lossy, Path("x")) == (
        "1 matches are not in the recording; the brain missed 2 rows: a lower --speed or a larger"
        " ring.capacity; 3 frames or rows were not read: see x/logs"
    )
    text = module._text(lossy, Path("x"))
    assert "in the recording: 5 lines that cannot be read, 4 files that break off" in text
    assert "1 lost, 0 gaps, 2 lapped, 3 unread" in text
