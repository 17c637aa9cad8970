"""What is recorded and played again is the same market: the same rows, the same signals."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.instance import HUNTER, Simulator, running, wait_until

from hunter.access import Instance
from hunter.config import OkxSection
from hunter.ring.merge import MERGED_KINDS
from hunter.ring.rows import Kind
from hunter.simulator.instruments import listing
from hunter.simulator.lines import Counts, merged_lines
from hunter.simulator.market import Market

pytestmark = pytest.mark.system

SWAP = "BTC-USDT-SWAP"
# What depends on the moment and the process of reception, not on the market.
OF_THE_MOMENT = ("received_ts_ns", "check")


class Recorder:
    """`hunter record` of a simulator, as a process that ends with its test."""

    def __init__(self, home: Path, port: int, *words: str) -> None:
        self.folder = home / "rec"
        home.mkdir(exist_ok=True)
        config = home / "recorder.toml"
        url = f"ws://127.0.0.1:{port}/ws/v5/public"
        config.write_text(f'[hunter]\nruntime_dir = "r"\n[okx]\npublic_url = "{url}"\n')
        words = (*HUNTER, "record", "-c", str(config), "-o", str(self.folder), *words)
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def segments(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl.zst"))

    def frames(self) -> list[bytes]:
        """Data frames on the disk by now."""
        lines = merged_lines(self.segments, Counts())
        return [frame for _, frame in lines if b'"data":' in frame]

    def stop(self, number: int = signal.SIGINT) -> str:
        if self.process.poll() is None:
            self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=20)
        return output


@pytest.fixture
def recorders() -> Iterator[list[Recorder]]:
    made: list[Recorder] = []
    yield made
    for item in made:
        item.stop(signal.SIGKILL)


def capture_lines(path: Path) -> list[bytes]:
    with gzip.open(path, "rb") as file:
        return [line.rstrip(b"\n").partition(b" ")[2] for line in file]


def played(home: Path, name: str, paths: Sequence[Path]) -> tuple[dict[Kind, Any], list[Any]]:
    """The rings and signals of an instance that was played a recording, whole."""
    directory = home / name
    directory.mkdir()
    lines = list(merged_lines(paths, Counts()))
    total = sum(b'"data":' in frame for _, frame in lines)
    sim = [word for path in paths for word in ("--replay", str(path))]
    with running(directory, "ring.capacity=16384", sim=(*sim, "--speed", "max", "--no-limits")) as (
        instance,
        _,
    ):

        def inputs() -> int:
            return sum(instance.status()["brain"]["inputs"].values())

        wait_until("every row", lambda: inputs() == total, 60, 0.1)
        with Instance(instance.config) as inside:
            rows = {kind: inside.lane(SWAP, kind).last(1 << 20) for kind in MERGED_KINDS}
        return rows, instance.signals()


def same(one: dict[Kind, Any], other: dict[Kind, Any]) -> None:
    for kind in MERGED_KINDS:
        names = [name for name in one[kind].dtype.names if name not in OF_THE_MOMENT]
        assert len(one[kind]) == len(other[kind]) > 0, kind
        for name in names:
            np.testing.assert_array_equal(one[kind][name], other[kind][name], f"{kind} {name}")


def timeless(signals: list[Any]) -> list[Any]:
    """Signals without what depends on when they were decided, and on the ring's name."""
    found = []
    for item in signals:
        kept = {k: v for k, v in item.items() if k not in ("decided_ts_ns", "latency_us")}
        kept["id"] = item["id"].partition("-")[2]
        kept["quality"] = {k: v for k, v in item["quality"].items() if k != "lag_ms"}
        found.append(kept)
    return found


def synthetic(home: Path) -> Path:
    """A minute of a market made up, at once: its clock is the caller's."""
    path, start_ns = home / "synthetic.jsonl.gz", 1_790_000_000_000_000_000
    market = Market(listing(SWAP), 150.0, 20261122, start_ns)
    with gzip.open(path, "wb") as file:
        for now_ns in range(start_ns, start_ns + 60_000_000_000, 10_000_000):
            file.writelines(
                b"%d %s\n" % (now_ns, push.text)
                for push in market.advance(now_ns)
                if push.channel in OkxSection().channels
            )
    return path


@pytest.mark.parametrize(
    ("market", "speed"),
    [
        ("synthetic", "max"),
        ("capture", "max"),
        pytest.param("capture", "20", marks=pytest.mark.slow),
    ],
)
def test_what_was_recorded_plays_like_what_was_recorded_from(
    home: Path,
    request: pytest.FixtureRequest,
    recorders: list[Recorder],
    market: str,
    speed: str,
) -> None:
    if market == "capture":
        folder = request.getfixturevalue("captures")
        path = folder / "okx-framed-binance" / f"{SWAP}.jsonl.gz"
    else:
        path = synthetic(home)
    told = capture_lines(path)
    simulator = Simulator("--replay", str(path), "--speed", speed, "--no-limits")
    try:
        recorder = Recorder(home, simulator.port, "--segment-mb", "0.1")
        recorders.append(recorder)
        wait_until("every frame", lambda: len(recorder.frames()) == len(told), 60, 0.5)
        output = recorder.stop()
    finally:
        simulator.stop()
    assert "\n0 dropped, 0 reconnects; " in output
    assert recorder.frames() == told
    assert len(recorder.segments) > 1
    of_capture, told_by_capture = played(home, "capture", [path])
    of_recording, told_by_recording = played(home, "recording", recorder.segments)
    same(of_capture, of_recording)
    assert timeless(told_by_recording) == timeless(told_by_capture)
    assert told_by_capture
    out = home / "out"
    done = subprocess.run(
        [*HUNTER, "replay", str(recorder.folder), "-o", str(out), "--json"],
        capture_output=True, text=True, check=True, timeout=60, cwd=home,
    )  # fmt: skip
    assert json.loads(done.stdout)["trades"] == len(of_capture[Kind.TRADE])
    again = subprocess.run(
        [*HUNTER, "signals", "-n", "1000000", "--json", "-c", str(out / "hunter.toml")],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert timeless(list(map(json.loads, again.stdout.splitlines()))) == timeless(told_by_capture)


def test_recorder_beside_an_instance_sees_the_same_market(
    home: Path, recorders: list[Recorder]
) -> None:
    """An instance and a recorder beside it, on one market; then the recording alone."""
    live = home / "live"
    live.mkdir()
    with running(live, sim=("--no-limits", "--rate", "200")) as (instance, simulator):
        recorder = Recorder(home, simulator.port)
        recorders.append(recorder)
        time.sleep(4)
        status = instance.status()
        assert status["state"] == "running", status["reasons"]
        assert [actor["restarts"] for actor in status["actors"]] == [0] * len(status["actors"])
        recorder.stop()
        with Instance(instance.config) as inside:
            seen = {row["trade_id"]: row for row in inside.trades(SWAP).last(1 << 20)}
    rows, _ = played(home, "recording", recorder.segments)
    recorded = rows[Kind.TRADE]
    assert len(recorded) > 300
    for row in recorded:
        names = ("exchange_ts_ns", "price", "size", "count", "side")
        assert [row[name] for name in names] == [seen[row["trade_id"]][name] for name in names]
    ids = sorted(trade_id for trade_id in seen if trade_id >= recorded["trade_id"][0])
    assert recorded["trade_id"].tolist() == ids[: len(recorded)]
    assert rows[Kind.BOOK]["valid"].all()


def test_killed_recorder_loses_less_than_the_last_second(
    home: Path, recorders: list[Recorder]
) -> None:
    simulator = Simulator("--no-limits", "--rate", "300")
    try:
        for number in range(3):
            recorder = Recorder(home / str(number), simulator.port)
            recorders.append(recorder)
            wait_until("some market", lambda r=recorder: len(r.frames()) > 300, 20, 0.02)
            time.sleep(0.9 * number)  # anywhere between two parts
            recorder.process.kill()
            killed_ns = time.time_ns()
            recorder.process.wait(10)
            counts = Counts()
            lines = list(merged_lines(recorder.segments, counts))
            assert killed_ns - lines[-1][0] < 1_000_000_000
            assert (counts.malformed, counts.torn) == (0, 0)
            assert all(json.loads(frame) for _, frame in lines)
    finally:
        simulator.stop()
