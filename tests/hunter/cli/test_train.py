"""`hunter train`: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from fakes.market_recording import START_NS, write_market

from hunter.brain.learning.modelfile import read_model
from hunter.cli.main import cli
from hunter.errors import HunterError, NotFound
from hunter.evaluation.training import TrainingError


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["train", *map(str, words)])


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market") / "market.jsonl", 90)


def test_model_file_is_written_and_described(tmp_path: Path, market: Path) -> None:
    path = tmp_path / "my.json"
    result = run(market, "-o", path, "--horizon", "1000")
    assert result.exit_code == 0, result.output
    model = read_model(path)
    assert model.name == "my"
    assert [one.horizon_ms for one in model.horizons] == [1_000]
    assert abs(model.settings.test_from_ns[0] - (START_NS + int(67.5e9))) < 10**9
    assert "market.jsonl (BTC-USDT-SWAP): " in result.stdout
    assert "not read: from 2023-11-14T22:14:27" in result.stdout
    assert "1000 ms  queue" in result.stdout
    assert f"brain.model_file={path}" in result.stdout


def test_json_is_one_object_and_a_second_run_gives_the_same_file(
    tmp_path: Path, market: Path
) -> None:
    words = (market, "--horizon", "2000,1000,1000", "--name", "same", "--json")
    words += ("--set", "brain.stale_ms=700", "-o")
    results = [run(*words, tmp_path / name) for name in ("a.json", "b.json")]
    said = [json.loads(result.stdout) for result in results]
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert said[0]["sha256"] == read_model(tmp_path / "a.json").sha256
    assert said[0]["schema"] == 1
    assert read_model(tmp_path / "a.json").settings.stale_ms == 700
    assert list(said[0]["horizons"]) == ["1000", "2000"]
    assert said[0]["horizons"]["1000"][0]["expert"] == "queue"


def test_help_shows_the_horizons_as_one_writes_them() -> None:
    assert "[default: 1000,5000,10000]" in CliRunner().invoke(cli, ["train", "--help"]).stdout


@pytest.mark.parametrize(
    ("words", "boundary_ns"),
    [
        (("--until", "2023-11-14T22:14:20Z"), START_NS + 60 * 10**9),
        (("--until", "2023-11-14T23:14:20.5+01:00"), START_NS + 60_500_000_000),
        (("--until", "2023-11-14T22:14:20"), START_NS + 60 * 10**9),
        (("--until", str(START_NS + 50 * 10**9)), START_NS + 50 * 10**9),
        (("--test-share", "0"), 0),
    ],
)
def test_boundary_is_given_as_a_time_or_a_share(
    tmp_path: Path, market: Path, words: tuple[str, ...], boundary_ns: int
) -> None:
    result = run(market, "-o", tmp_path / "m.json", "--horizon", "1000", *words)
    assert result.exit_code == 0, result.output
    assert read_model(tmp_path / "m.json").settings.test_from_ns == (boundary_ns,)
    assert ("all of it was read" in result.stdout) is (boundary_ns == 0)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("-o", "{out}", "--until", "tomorrow"),
        ("-o", "{out}", "--until", "2023-11-14T22:14:20Z", "--test-share", "0.1"),
        ("-o", "{out}", "--test-share", "1"),
        ("-o", "{out}", "--horizon", "1s"),
        ("-o", "{out}", "--horizon", "50"),
        ("-o", "{out}", "--weight", "1", "--weight", "2"),
        ("-o", "{out}", "--weight", "0"),
    ],
)
def test_wrong_words_are_exit_code_2(tmp_path: Path, market: Path, words: tuple[str, ...]) -> None:
    result = run(market, *(word.format(out=tmp_path / "m.json") for word in words))
    assert result.exit_code == click.UsageError.exit_code
    assert not (tmp_path / "m.json").exists()


def test_what_cannot_be_fitted_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    short = write_market(tmp_path / "short.jsonl", 35)
    result = run(short, "-o", tmp_path / "m.json")
    assert isinstance(result.exception, TrainingError)
    assert isinstance(run(tmp_path / "none", "-o", tmp_path / "m.json").exception, NotFound)
    nowhere = run(short, "-o", tmp_path / "no" / "m.json").exception
    assert isinstance(nowhere, HunterError)
    assert "make it" in str(nowhere)
    assert not (tmp_path / "m.json").exists()


def test_command_itself_ends_with_the_codes_of_the_contract(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "hunter", "train", "none", "-o", "m.json"]
    ended = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 4
    assert ended.stderr == "hunter: no recording at none\n"


def test_what_was_fitted_on_is_told_and_the_rest_is_evaluated(tmp_path: Path) -> None:
    market = write_market(tmp_path / "long.jsonl", 190)
    model = tmp_path / "m.json"
    assert run(market, "-o", model, "--horizon", "1000").exit_code == 0
    words = ["--horizon", "1000", "--delay", "0", "--set", f"brain.model_file={model}", "--json"]
    result = CliRunner().invoke(cli, ["evaluate", str(market), *words])
    assert result.exit_code == 0, result.output
    assert "flow was fitted on long.jsonl: not scored" in result.stderr
    told = json.loads(result.stdout)
    # 190 s, of which 142.5 were read; 120 s are never scored, the last one has no label.
    assert told["left_out_fitted"] == pytest.approx(225, abs=12)
    assert told["decisions"] == pytest.approx(465, abs=15)
