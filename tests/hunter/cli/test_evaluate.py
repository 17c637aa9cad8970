"""`hunter evaluate` as people and programs call it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fakes.recordings import SPOT, SWAP, ToldMarket, write

from hunter.cli.evaluate import Milliseconds, ReadingBar
from hunter.cli.main import cli
from hunter.errors import ConfigError, HunterError, NotFound
from hunter.evaluation.run import Recorded

CAPTURES = Path(__file__).resolve().parents[4] / "shared" / "captures"
CONTRACT = (
    "recording", "brain", "horizon_ms", "decisions", "moves", "n_eff", "auc", "auc_low", "auc_high",
    "auc_baseline", "delta_low", "delta_high", "log_loss", "log_loss_baseline", "brier",
    "ece_folded", "ece_floor", "accuracy_at_20_percent", "auc_placebo", "auc_delayed", "instrument",
)  # fmt: skip
READER = '''
from hunter.signals.decision import Decision

class Reader:
    """Reads the announcement of a told market."""

    def __init__(self, instrument):
        self.bbo = None

    def on_trades(self, batch): pass
    def on_book(self, book): pass
    def on_ticker(self, ticker): pass
    def on_bbo(self, bbo): self.bbo = bbo
    def snapshot(self): return b""
    def restore(self, state): pass

    def decide(self, now_ns):
        if self.bbo is None:
            return None
        p = RIGHT if self.bbo.bid_size > self.bbo.ask_size else 1 - RIGHT
        return Decision(direction="up" if p > 0.5 else "down", probability_up=p,
                        horizon_ms=1000, reason="announced")
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 200 s, and user's brains beside it."""
    home = tmp_path_factory.mktemp("evaluate")
    for name in (SPOT, SWAP):
        write(home / "pair" / f"{name}.jsonl.gz", ToldMarket(150, name).lines)
    write(home / "one.jsonl.gz", ToldMarket(222).lines)
    write(home / "short.jsonl", ToldMarket(30).lines)
    (home / "reading_brain.py").write_text(READER.replace("RIGHT", "0.8"))
    (home / "backward_brain.py").write_text(READER.replace("RIGHT", "0.2"))
    (home / "hunter.toml").write_text('[hunter]\nname = "x"\n')
    return home


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(folder)
    return lambda *words: CliRunner().invoke(cli, ["evaluate", *words])


def lines_of(result: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_real_command_prints_the_contract_s_lines(folder: Path) -> None:
    words = ["pair", "one.jsonl.gz", "--brain", "flow", "--brain", "reading_brain:Reader", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "hunter", "evaluate", *words],
        cwd=folder, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = lines_of(done)
    for line in lines:
        assert set(CONTRACT) <= set(line)
        assert set(line["auc_delayed"]) == {"100", "500"}
    places = {(line["recording"], line["instrument"]) for line in lines}
    assert places == {("pair", SPOT), ("pair", SWAP), ("one.jsonl.gz", SWAP)}
    flow = [line["horizon_ms"] for line in lines if line["kind"] == "flow"]
    assert flow == [1_000, 5_000, 10_000] * 3
    mine = [line for line in lines if line["kind"] == "reading_brain:Reader"]
    assert [line["horizon_ms"] for line in mine] == [1_000] * 3
    assert mine[2]["auc"] == pytest.approx(0.8, abs=0.04)
    assert mine[2]["auc_baseline"] == mine[2]["auc"]
    assert mine[2]["ece_folded"] < mine[2]["ece_floor"]
    assert "reading_brain:Reader says nothing of" in done.stderr


def test_table_for_people_names_what_matters(call: Callable[..., Result]) -> None:
    result = call("one.jsonl.gz", "--horizon", "1000", "--cost-bp", "3")
    assert result.exit_code == 0, result.output
    for word in ("1 s ahead", "AUC - QI", "log-loss", "look-ahead test: leaking copy caught",
                 "after 3 bp of costs", "independent moves are needed", "latency us"):  # fmt: skip
        assert word in result.stdout
    assert "mean" not in result.stdout.splitlines()[3]


def test_one_instrument_of_two(call: Callable[..., Result]) -> None:
    result = call("pair", "--instrument", SPOT, "--json", "--horizon", "1000")
    assert [line["instrument"] for line in lines_of(result)] == [SPOT]


def test_report_is_written(call: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "made" / "here"
    result = call("one.jsonl.gz", "--horizon", "1000", "--out", str(out), "--gate")
    report = json.loads((out / "report.json").read_text())
    assert report["cells"][0]["horizon_ms"] == 1_000
    assert report["recordings"][0]["rows"] > 2_000
    assert (out / "report.html").read_text().startswith("<!doctype html>")
    assert "report.html" in result.stderr


def test_gate_passes_the_reader_and_stops_the_backward(call: Callable[..., Result]) -> None:
    words = ("one.jsonl.gz", "--horizon", "1000", "--gate", "--brain")
    good = call(*words, "reading_brain:Reader")
    assert good.exit_code == 0, good.output
    bad = call(*words, "backward_brain:Reader")
    assert isinstance(bad.exception, HunterError)
    assert bad.exception.exit_code == 1
    assert "queue imbalance" in str(bad.exception)
    assert "log-loss" in str(bad.exception)


def test_exit_codes(call: Callable[..., Result]) -> None:
    for words in (("nowhere",), ("one.jsonl.gz", "--instrument", "ETH-USDT")):
        missing = call(*words)
        assert isinstance(missing.exception, NotFound), words
        assert missing.exception.exit_code == 4
    short = call("short.jsonl")
    assert isinstance(short.exception, HunterError)
    assert short.exception.exit_code == 1
    assert "30 s are too short" in str(short.exception)
    unknown = call("one.jsonl.gz", "--brain", "nonsense")
    assert isinstance(unknown.exception, ConfigError)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("one.jsonl.gz", "--horizon", "abc"),
        ("one.jsonl.gz", "--horizon", "0"),
        ("one.jsonl.gz", "--horizon", "1050"),
        ("one.jsonl.gz", "--delay", "30"),
        ("one.jsonl.gz", "--delay", "-100"),
        ("one.jsonl.gz", "--horizon", "99999999"),
        ("one.jsonl.gz", "--horizon", "9999999"),
        ("one.jsonl.gz", "--horizon", ",".join(str(100 * n) for n in range(1, 12))),
        ("one.jsonl.gz", "--step", "0"),
        ("one.jsonl.gz", "--cost-bp", "-1"),
    ],
)
def test_wrong_usage_is_exit_2(call: Callable[..., Result], words: tuple[str, ...]) -> None:
    assert call(*words).exit_code == 2


def test_times_are_read_in_any_order_and_once() -> None:
    assert Milliseconds().convert("500, 0,500,100", None, None) == (0, 100, 500)
    assert Milliseconds().convert((1, 2), None, None) == (1, 2)


def test_recordings_of_one_name_are_told_apart(call: Callable[..., Result], folder: Path) -> None:
    write(folder / "other" / "one.jsonl.gz", ToldMarket(135).lines)
    result = call("one.jsonl.gz", "other/one.jsonl.gz", "--json", "--horizon", "1000")
    assert [line["recording"] for line in lines_of(result)] == [
        "one.jsonl.gz",
        "other/one.jsonl.gz",
    ]


def test_bar_shows_how_far_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def __init__(self) -> None:
            self.text = ""

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None:
            pass

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("hunter.cli.progress.TERMINAL_EVERY_NS", 0)
    market = ToldMarket(30)
    bar = ReadingBar([Recorded("short", (folder / "short.jsonl",))])
    bar.tell("short", market.lines[0][0])
    bar.tell("short", market.lines[-1][0])
    bar.finish()
    assert "  0%  short (1 of 1)" in screen.text
    assert "[########################] 100%" in screen.text


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="needs recorded market data in ../shared")
def test_baseline_on_recorded_markets_is_as_measured_elsewhere() -> None:
    """0.795 was measured of the perpetual by other code. Its 0.850 of the spot is of 650 s, of
    which the recording holds 345: these give 0.868."""
    result = CliRunner().invoke(
        cli, ["evaluate", str(CAPTURES / "okx-framed-binance"), "--json", "--horizon", "1000"]
    )
    assert result.exit_code == 0, result.output
    baselines = {line["instrument"]: line["auc_baseline"] for line in lines_of(result)}
    assert baselines[SWAP] == pytest.approx(0.795, abs=0.01)
    assert baselines[SPOT] == pytest.approx(0.868, abs=0.01)
    for line in lines_of(result):
        assert line["canary_caught"]
        assert line["canary_honest_passed"]
        assert line["placebo_is_fair"]
        assert line["look_ahead"] == ""
