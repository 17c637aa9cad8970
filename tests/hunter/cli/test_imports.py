"""`hunter import`: what it says, its exit codes, and that its recording is read by replay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from fakes.import_files import SWAP, book_line, csv_text, trade_rows

from hunter.cli.imports import binance_symbol
from hunter.cli.main import cli
from hunter.errors import HunterError, NotFound
from hunter.recorder.contents import read_contents, recording_files
from hunter.recorder.imports.tally import ImportRefused


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["import", *map(str, words)])


@pytest.fixture
def trades(tmp_path: Path) -> Path:
    path = tmp_path / "trades.csv"
    rows = trade_rows((5, "buy", "10.5", "2", 0), (6, "sell", "10.4", "1", 250))
    path.write_bytes(csv_text([*rows, "nonsense"]))
    return path


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.data"
    levels = ([["10.4", "3", "1"]], [["10.5", "2", "1"]])
    path.write_text(book_line(0, *levels, "snapshot") + "\n" + book_line(200, *levels[::-1]))
    return path


def test_import_of_archives_is_a_recording_of_hunter(
    tmp_path: Path, trades: Path, books: Path
) -> None:
    result = run("okx-archive", trades, books, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    contents = read_contents(recording_files([tmp_path / "out"]))
    (one,) = summary["instruments"]
    assert {(name, SWAP): count for name, count in one["frames"].items()} == contents.frames
    assert contents.matches == {SWAP: one["matches"]} == {SWAP: 2}
    assert contents.instruments == (SWAP,)
    assert summary["dropped"] == {"a row with too few columns": 1}
    assert "no receive clock" in summary["clock"]
    assert one["last_ns"]["trades"] - one["first_ns"]["trades"] == 250_000_000


def test_text_says_what_came_what_was_left_out_and_which_clock_it_is(
    tmp_path: Path, trades: Path
) -> None:
    result = run("okx-archive", trades, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    said = result.stdout
    assert f"{SWAP}: trades 2; 2 matches" in said
    assert "no books: the files have none" in said
    assert "left out 1: a row with too few columns\n  the first: trades.csv" in said
    assert "the archive has no receive clock" in said
    assert f"hunter replay {tmp_path / 'out'}" in said


def test_binance_recording_becomes_the_named_instrument(tmp_path: Path) -> None:
    path = tmp_path / "a"
    data = '{"e":"trade","T":1700000000000,"t":1,"s":"BTCUSDT","p":"10","q":"0.5","m":true}'
    path.write_text(f"1700000000000000000 {data}\n")
    result = run("binance", path, "-o", tmp_path / "out", "--instrument", SWAP)
    assert result.exit_code == 0, result.output
    assert "receive time is that of the recording" in result.stdout
    contents = read_contents(recording_files([tmp_path / "out"]))
    assert contents.matches == {SWAP: 1}
    again = run(
        "binance", path, "-o", tmp_path / "eth", "--instrument", "ETH-USDT", "--symbol", "btcusdt"
    )
    assert again.exit_code == 0, again.output


def test_file_that_breaks_off_is_exit_code_1_and_its_beginning_stays(
    tmp_path: Path, trades: Path
) -> None:
    import gzip

    rows = trade_rows(*((n, "buy", "10.5", "2", n) for n in range(20_000)))
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(csv_text(rows))[:-500])
    result = run("okx-archive", path, "-o", tmp_path / "out")
    assert isinstance(result.exception, HunterError)
    assert result.exception.exit_code == 1
    assert "a.csv.gz" in str(result.exception)
    assert "get the file again" in str(result.exception)
    assert read_contents(recording_files([tmp_path / "out"])).matches[SWAP] > 10_000


@pytest.mark.parametrize("text", ["", "instrument_name\n", "a,b\n"])
def test_nothing_to_import_is_exit_code_1_and_leaves_no_folder(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    result = run("okx-archive", path, "-o", tmp_path / "out")
    assert isinstance(result.exception, ImportRefused)
    assert not (tmp_path / "out").exists()


def test_missing_file_is_exit_code_4_and_a_full_folder_1(tmp_path: Path, trades: Path) -> None:
    result = run("okx-archive", tmp_path / "none", "-o", tmp_path / "out")
    assert isinstance(result.exception, NotFound)
    assert not (tmp_path / "out").exists()
    assert isinstance(run("okx-archive", trades, "-o", tmp_path).exception, ImportRefused)


@pytest.mark.parametrize(
    "words",
    [
        ("okx-archive", "{file}"),
        ("okx-archive", "{file}", "-o", "{out}", "--instrument", "bitcoin"),
        ("binance", "{file}", "-o", "{out}"),
        ("binance", "{file}", "-o", "{out}", "--instrument", "SOL-USDT-SWAP"),
        ("binance", "{file}", "-o", "{out}", "--instrument", SWAP, "--contract-value", "0"),
    ],
)
def test_wrong_words_are_exit_code_2(tmp_path: Path, trades: Path, words: tuple[str, ...]) -> None:
    result = run(*(word.format(file=trades, out=tmp_path / "out") for word in words))
    assert result.exit_code == click.UsageError.exit_code


def test_symbols_follow_from_names() -> None:
    names = ("BTC-USDT", "ETH-USDT-SWAP", "BTC-USD-SWAP", "BTC-USD-241227")
    assert [binance_symbol(name) for name in names] == [
        "BTCUSDT",
        "ETHUSDT",
        "BTCUSD_PERP",
        "BTCUSD",
    ]


def test_command_itself_ends_with_the_codes_of_the_contract(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "hunter", "import", "okx-archive", "none", "-o", "out"]
    ended = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 4
    assert ended.stderr == "hunter: no file to import at none\n"
