"""`hunter replay --verify` on journals written here: what is compared, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from fakes.recordings import SWAP, ToldMarket, write

from hunter.cli.replay import replay
from hunter.config import Config, load
from hunter.errors import HunterError, NotFound, VerificationDiffers
from hunter.evaluation.recompute import recompute
from hunter.signals.journal import Journal
from hunter.signals.signal import Signal

RING, OTHER_RING = "18c0ffee00000001", "18c0ffee00000002"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(tmp_path / "rec" / "a.jsonl", ToldMarket(12).lines)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "hunter.toml"
    file.write_text(
        f'[okx]\ninstruments = ["{SWAP}"]\n[brain]\ninterval_ms = 200\nwarm_ms = 500\n'
        "coverage = 1.0\nthreshold = 0.0\n"
    )
    return load(file)


@pytest.fixture
def told(config: Config, recording: Path) -> list[Signal]:
    """What a run would have told, measured as a run measures."""
    signals = recompute(config, [recording]).signals
    assert len(signals) > 10
    return [
        msgspec.structs.replace(
            signal, id=RING + signal.id[1:], latency_us=55.0, decided_ts_ns=signal.decided_ts_ns + 9
        )
        for signal in signals
    ]


def write_journal(config: Config, signals: list[Signal]) -> None:
    journal = Journal(config.data_dir / "signals")
    for signal in signals:
        assert journal.append(signal)
    journal.close()


def verify(recording: Path, *words: str | Path) -> Result:
    home = recording.parent.parent
    return CliRunner().invoke(
        replay,
        [str(recording), "--verify", "-c", str(home / "hunter.toml"), *map(str, words)],
    )


def test_same_signals_are_exit_0_and_counted(
    config: Config, recording: Path, told: list[Signal]
) -> None:
    write_journal(config, told)
    done = verify(recording)
    assert done.exit_code == 0, done.output
    assert f"verified: {len(told):,} signals" in done.output
    found = json.loads(verify(recording, "--json").stdout)
    assert found["compared"] == len(told)
    assert found["difference"] is None
    assert not found["anchored"]
    elsewhere = verify(recording, "--against", config.data_dir / "signals")
    assert elsewhere.exit_code == 0


def test_altered_and_missing_signals_are_told(
    config: Config, recording: Path, told: list[Signal]
) -> None:
    other = msgspec.structs.replace(told[5], regime="another")
    write_journal(config, [*told[:5], other, *told[7:]])
    done = verify(recording, "--json")
    assert isinstance(done.exception, VerificationDiffers)
    assert done.exception.exit_code == 7
    found = json.loads(done.stdout)
    assert found["compared"] == 5
    assert (found["difference"]["field"], found["difference"]["told"]) == ("regime", "another")


def test_missing_signal_is_a_difference_and_a_run_that_ended_early_is_none(
    config: Config, recording: Path, told: list[Signal]
) -> None:
    write_journal(config, [*told[:5], *told[6:9]])
    done = verify(recording)
    assert "was never told" in str(done.exception)


def test_run_that_ended_early_is_compared_as_far_as_it_went(
    config: Config, recording: Path, told: list[Signal]
) -> None:
    write_journal(config, told[:7])
    assert "verified: 7 signals" in verify(recording).output


def test_the_newest_run_over_that_time_is_meant(
    config: Config, recording: Path, told: list[Signal]
) -> None:
    former = [
        msgspec.structs.replace(signal, id=OTHER_RING + signal.id[len(RING) :], probability_up=0.5)
        for signal in told
    ]
    write_journal(config, [*former, *told])
    assert verify(recording).exit_code == 0


def test_nothing_to_compare_with_is_not_found(
    config: Config, recording: Path, told: list[Signal]
) -> None:
    assert isinstance(verify(recording).exception, NotFound)
    early = msgspec.structs.replace(told[0], id=f"{RING}-{SWAP}-1000")
    write_journal(config, [early])
    done = verify(recording)
    assert isinstance(done.exception, NotFound)
    assert "no signals of this recording's time" in str(done.exception)


def test_damaged_anchor_is_said(config: Config, recording: Path, told: list[Signal]) -> None:
    write_journal(config, told)
    (recording.parent / "ring-0.anchor").write_bytes(b"not a checkpoint")
    done = CliRunner().invoke(
        replay, [str(recording.parent), "--verify", "-c", str(config.base_dir) + "/hunter.toml"]
    )
    assert isinstance(done.exception, HunterError)
    assert "ring-0.anchor is damaged" in str(done.exception)


@pytest.mark.parametrize("words", [("-o", "x"), ("--speed", "3")])
def test_options_of_a_replay_that_plays_are_refused(
    config: Config, recording: Path, words: tuple[str]
) -> None:
    assert verify(recording, *words).exit_code == 2


def test_against_alone_is_refused(recording: Path) -> None:
    done = CliRunner().invoke(replay, [str(recording), "--against", "x"])
    assert done.exit_code == 2
