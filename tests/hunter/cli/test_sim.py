"""`hunter sim`: its options, and one life as a process."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hunter.cli import sim as sim_module
from hunter.cli.main import cli
from hunter.errors import ConfigError, NotFound
from hunter.simulator.faults import FAULTS
from hunter.simulator.options import Checksum, SimOptions


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[SimOptions]:
    """What the simulator was run with."""
    found: list[SimOptions] = []
    monkeypatch.setattr(sim_module, "run", found.append)
    return found


def call(*words: str) -> Any:
    return CliRunner().invoke(cli, ["sim", *words])


def test_sim_passes_its_options_on(started: list[SimOptions], tmp_path: Path) -> None:
    recording = tmp_path / "a.jsonl"
    recording.write_text("")
    words = ["--port", "0", "--instruments", "BTC-USDT, ETH-USDT-SWAP,", "--rate", "7"]
    words += ["--seed", "3", "--ledger", str(tmp_path / "truth"), "--no-limits"]
    assert call(*words).exit_code == 0
    assert call("--replay", str(recording), "--speed", "max").exit_code == 0
    assert call("--replay", str(recording), "--speed", "2.5").exit_code == 0
    first, second, third = started
    assert (first.port, first.rate, first.seed, first.limits) == (0, 7.0, 3, False)
    assert first.instruments == ("BTC-USDT", "ETH-USDT-SWAP")
    assert first.ledger == tmp_path / "truth"
    assert (second.replay, second.speed) == ((recording,), None)
    assert third.speed == 2.5


def test_sim_passes_on_how_it_is_to_misbehave(started: list[SimOptions], tmp_path: Path) -> None:
    script, certificate, key = (tmp_path / name for name in ("faults.toml", "cert.pem", "key.pem"))
    words = ["--checksum", "crc", "--tls-cert", str(certificate), "--tls-key", str(key)]
    words += ["--faults", str(script), "--storm", "7", "--storm-gap-s", "0.5"]
    assert call(*words).exit_code == 0
    assert call().exit_code == 0
    first, second = started
    assert first.checksum is Checksum.CRC
    assert (first.tls_cert, first.tls_key, first.faults) == (certificate, key, script)
    assert (first.storm, first.storm_gap_s) == (7, 0.5)
    assert (second.checksum, second.storm, second.faults) == (Checksum.ZERO, None, None)


def test_sim_lists_every_fault_and_ends(started: list[SimOptions]) -> None:
    result = call("--list-faults")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == list(FAULTS)
    assert not started


def test_sim_refuses_a_missing_recording(started: list[SimOptions], tmp_path: Path) -> None:
    error = call("--replay", str(tmp_path / "missing.gz")).exception
    assert isinstance(error, NotFound)
    assert error.exit_code == 4
    assert "no recording at" in str(error)
    assert not started


@pytest.mark.parametrize("words", [["--speed", "fast"], ["--port", "65536"], ["--checksum", "x"]])
def test_sim_refuses_what_is_no_number(started: list[SimOptions], words: list[str]) -> None:
    assert call(*words).exit_code == 2
    assert not started


@pytest.mark.parametrize(
    "words", [["--rate", "-1"], ["--instruments", "btc"], ["--speed", "0"], ["--storm-gap-s", "0"]]
)
def test_sim_refuses_values_out_of_range(started: list[SimOptions], words: list[str]) -> None:
    assert isinstance(call(*words).exception, ConfigError)


def test_sim_serves_until_it_is_told_to_stop() -> None:
    words = [sys.executable, "-m", "hunter", "sim", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening: ws://127.0.0.1:")
            base = line.split()[-1]
            with urllib.request.urlopen(f"{base}/api/v5/public/time", timeout=10) as answer:
                assert answer.status == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
