"""`hunter replay --verify`: a run's signals are what its recording gives, or the first that is not
is shown."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes.instance import HUNTER, Simulator, running, wait_until

from hunter.recorder.anchor import anchors_of
from hunter.signals.journal_reader import journal_files, journal_path
from hunter.signals.line import decode_line, encode_line
from hunter.signals.verification import moment_of

pytestmark = pytest.mark.system

TALKATIVE = ("brain.interval_ms=200", "brain.warm_ms=1000", "brain.coverage=1.0")
TALKATIVE_TOO = ("brain.threshold=0.0",)


def hunter(*words: str | Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [*HUNTER, *map(str, words)], capture_output=True, text=True, timeout=90, check=False
    )
    return done.returncode, done.stdout, done.stderr


def verify(recording: Path, run: Path, *settings: str) -> tuple[int, Any, str]:
    words = [word for setting in settings for word in ("--set", setting)]
    found = hunter("replay", recording, "--verify", "-c", run, "--json", *words)
    code, output, errors = found
    return code, json.loads(output) if output else None, errors


def recorders_config(home: Path, simulator: Simulator) -> Path:
    """The running instance's folders, and where its market comes from."""
    url = f"ws://127.0.0.1:{simulator.port}/ws/v5/public"
    config = home / "recorder.toml"
    config.write_text(
        f'[hunter]\nruntime_dir = "r"\ndata_dir = "data"\n[okx]\npublic_url = "{url}"\n'
    )
    return config


def alter(folder: Path, until_ms: int) -> None:
    """Another probability in the last signal told up to then, with a checksum that fits."""
    path = journal_path(folder, journal_files(folder)[0])
    lines = path.read_bytes().splitlines(keepends=True)
    signals = [decode_line(line.rstrip(b"\n")) for line in lines]
    number = max(n for n, one in enumerate(signals) if moment_of(one).boundary_ms <= until_ms)
    other = signals[number].probability_up + 1e-15
    lines[number] = encode_line(msgspec.structs.replace(signals[number], probability_up=other))
    path.write_bytes(b"".join(lines))


def test_run_beside_a_recorder_is_verified_from_the_anchor_on(home: Path) -> None:
    """The run began before the recording: its brain had learnt by then."""
    settings = (*TALKATIVE, *TALKATIVE_TOO)
    with running(home, *settings, sim=("--no-limits", "--rate", "200")) as (instance, simulator):
        config = recorders_config(home, simulator)
        wait_until("signals", lambda: len(instance.signals()) > 10, 30)
        recording = home / "rec"
        recorder = subprocess.Popen(
            [*HUNTER, "record", "-c", str(config), "-o", str(recording)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            wait_until("the anchor", lambda: anchors_of(recording), 30)
            time.sleep(3)
        finally:
            recorder.send_signal(signal.SIGINT)
            recorder.communicate(timeout=20)
        assert recorder.returncode == 0
    code, found, errors = verify(recording, instance.config_file, *settings)
    assert (code, errors) == (0, ""), found
    assert found["anchored"]
    assert found["difference"] is None
    assert found["compared"] >= 5
    alter(home / "data" / "signals", found["until_ms"])
    code, found, errors = verify(recording, instance.config_file, *settings)
    assert code == 7
    assert found["difference"]["field"] == "probability_up"
    assert "probability_up was" in errors
    # Without the anchor it is another brain: cold at the recording's first row.
    anchors_of(recording)[0].unlink()
    code, found, errors = verify(recording, instance.config_file, *settings)
    assert code == 7
    assert not found["anchored"]
    assert "anchor" in errors


def test_replay_is_verified_against_another_of_the_same_recording(home: Path) -> None:
    simulator, recording = Simulator("--no-limits", "--rate", "200"), home / "rec"
    try:
        config = recorders_config(home, simulator)
        code, _, errors = hunter("record", "-c", config, "-o", recording, "--for", "6s")
    finally:
        simulator.stop()
    assert code == 0, errors
    assert anchors_of(recording) == [], "no instance ran"
    settings = [w for s in (*TALKATIVE, *TALKATIVE_TOO) for w in ("--set", s)]
    code, output, errors = hunter("replay", recording, "-o", home / "out", *settings)
    assert code == 0, output + errors
    run = home / "out" / "hunter.toml"
    code, found, errors = verify(recording, run)
    assert (code, errors) == (0, "")
    assert found["compared"] > 10
    code, _, errors = hunter("replay", recording, "--verify", "--against", home / "nowhere")
    assert (code, "no journal of signals" in errors) == (4, True)
    code, _, errors = hunter("replay", recording, "--verify", "-o", home / "x")
    assert code == 2
