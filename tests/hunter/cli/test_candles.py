"""`hunter candles` on a made-up ring, and on recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.actor_stage import SWAP
from fakes.recordings import SPOT, ToldMarket, write

from hunter.access import bar_trades
from hunter.clock import utc_text
from hunter.errors import NotFound, NotRunning
from hunter.evaluation.rows import RowCounts, recorded_rows
from hunter.ring.rows import Kind, TradeFlag

S = 1_000_000_000
OPEN_NS = 1_790_000_000 * S - 1_790_000_000 * S % (60 * S)


def put(shown: Any, *rows: tuple[int, float, float, int], flags: int = 0) -> None:
    """(trade id, seconds, size, side); each of one match."""
    for trade_id, at_s, size, side in rows:
        stamp_ns = OPEN_NS + int(at_s * S)
        values = (trade_id, stamp_ns, 40_000.0 + trade_id, size, 1, side)
        shown.writer.put_trade(0, stamp_ns + 1, values, flags)
    shown.writer.publish()


def say_what_a_contract_is_worth(shown: Any, value: float) -> None:
    numbers = (0.1, 0.01, 0.01, value, 1.0, 5, 0, 1, 1, b"BTC")
    shown.writer.put(0, Kind.INSTRUMENT, OPEN_NS, 0, numbers)
    shown.writer.publish()


def test_json_is_one_bar_a_line_oldest_first(shown: Any) -> None:
    put(shown, (10, 5, 2.0, 1), (11, 61, 2.0, 1), (12, 90, 0.5, -1), (13, 130, 1.0, 1))
    say_what_a_contract_is_worth(shown, 0.01)
    bars = [json.loads(line) for line in shown.output("candles", SWAP, "--json").splitlines()]
    assert [bar["complete"] for bar in bars] == [False, True, False]
    assert [bar["why_not_complete"] for bar in bars] == [
        "begins before what was seen", None, "under way",
    ]  # fmt: skip
    assert bars[1] == {
        "instrument": SWAP, "bar": "1m", "open_ts_ns": OPEN_NS + 60 * S,
        "open": 40_011.0, "high": 40_012.0, "low": 40_011.0, "close": 40_012.0,
        "volume": 2.5, "buy_volume": 2.0, "sell_volume": 0.5,
        "volume_base": 0.025, "volume_quote": 1_000.28, "vwap": 40_011.2,
        "cvd": 1.5, "cvd_running": 3.5, "matches": 2, "first_trade_id": 11, "last_trade_id": 12,
        "misplaced": 0, "complete": True, "why_not_complete": None,
    }  # fmt: skip


def test_what_a_contract_is_worth_is_not_made_up(shown: Any) -> None:
    put(shown, (10, 5, 2.0, 1))
    (bar,) = [json.loads(line) for line in shown.output("candles", SWAP, "--json").splitlines()]
    assert bar["volume_base"] is None
    assert bar["volume_quote"] is None
    assert shown.output("candles", SWAP).splitlines()[1].split()[9:11] == ["-", "-"]


def test_table_has_the_newest_bars_and_says_from_when_on_they_are_whole(shown: Any) -> None:
    put(shown, (10, 5, 1.0, 1), (11, 61, 2.0, 1), (12, 121, 0.5, -1), (13, 182, 1.0, 1))
    result = shown.call("candles", SWAP, "-n", "2")
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    assert head.split()[:6] == ["OPENED", "OPEN", "HIGH", "LOW", "CLOSE", "VWAP"]
    assert [line.split()[0] for line in lines] == [
        utc_text(OPEN_NS + n * 60 * S).replace(".000Z", "Z") for n in (2, 3)
    ]
    assert lines[0].split()[6:9] == ["0", "0.5", "-0.5"]
    assert lines[1].endswith("under way")
    whole_from = utc_text(OPEN_NS + 60 * S).replace(".000Z", "Z")
    assert result.stderr == f"whole from {whole_from} on: the ring begins with match 10\n"


def test_ring_that_begins_within_the_only_bar_has_no_whole_one(shown: Any) -> None:
    put(shown, (10, 5, 1.0, 1))
    said = shown.call("candles", SWAP, "--bar", "1h").stderr
    assert said == "no bar is whole yet: the ring begins with match 10\n"


def test_missing_matches_are_told(shown: Any) -> None:
    put(shown, (10, 5, 1.0, 1), (11, 61, 2.0, 1))
    put(shown, (14, 121, 0.5, -1), flags=int(TradeFlag.AFTER_LOSS))
    put(shown, (15, 182, 1.0, 1))
    result = shown.call("candles", SWAP)
    assert [line.split()[-1] for line in result.stdout.splitlines()[2:4]] == ["missing"] * 2
    assert result.stderr.endswith("; matches are missing in 2 of these bars\n")


def test_first_bar_of_a_lapped_ring_is_not_shown_as_whole(shown: Any) -> None:
    """What the ring no longer holds is what the bar has lost."""
    capacity = shown.config.ring.capacity
    put(shown, *((n, n / 100, 1.0, 1) for n in range(1, 2 * capacity)))
    bars = [
        json.loads(line)
        for line in shown.output("candles", SWAP, "--json", "-n", "999").splitlines()
    ]
    assert sum(bar["matches"] for bar in bars) == capacity
    assert bars[0]["why_not_complete"] == "begins before what was seen"
    assert all(bar["complete"] and bar["matches"] == 6_000 for bar in bars[1:-1])


def test_nothing_traded_unknown_and_stopped(shown: Any) -> None:
    assert shown.output("candles", SWAP) == "no trades yet; see: hunter status\n"
    assert shown.output("candles", SWAP, "--json") == ""
    assert isinstance(shown.call("candles", "XRP-USDT").exception, NotFound)
    assert shown.call("candles", SWAP, "--bar", "2m").exit_code == 2
    shown.down()
    assert isinstance(shown.call("candles", SWAP).exception, NotRunning)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    swap, spot = ToldMarket(130), ToldMarket(130, SPOT)
    lines = sorted(swap.lines + spot.lines, key=lambda line: line[0])
    half = len(lines) // 2
    write(tmp_path / "rec" / "1.jsonl.gz", lines[:half])
    write(tmp_path / "rec" / "2.jsonl", lines[half:])
    return tmp_path / "rec"


def test_bars_of_a_recording_need_nothing_that_runs(shown: Any, recording: Path) -> None:
    shown.down()
    words = ("candles", SWAP, "--recording", str(recording), "--json", "-n", "100")
    bars = [json.loads(line) for line in shown.output(*words, "--bar", "1s").splitlines()]
    rows = [
        found.row
        for found in recorded_rows(sorted(recording.glob("*")), RowCounts(), (SWAP,))
        if found.kind is Kind.TRADE
    ]
    trades = list(bar_trades(rows))
    assert len(bars) == 100
    assert all(bar["complete"] for bar in bars[:-1])
    for bar in bars:
        inside = [one for one in trades if one.exchange_ts_ns // S * S == bar["open_ts_ns"]]
        assert bar["matches"] == sum(one.matches for one in inside) > 0
        assert bar["volume"] == sum(one.size for one in inside)
        assert bar["cvd"] == sum(one.size * one.side for one in inside)
        assert bar["volume_base"] is None
    words = ("candles", SPOT, "--recording", str(recording), "--json")
    assert json.loads(shown.output(*words).splitlines()[0])["volume_quote"] > 0


def test_contract_value_of_a_recording_is_given_by_hand(shown: Any, recording: Path) -> None:
    words = ("candles", SWAP, "--recording", str(recording), "--contract-value", "0.5", "--json")
    for line in shown.output(*words).splitlines():
        bar = json.loads(line)
        assert bar["volume_base"] == bar["volume"] / 2
    assert shown.call(*words[:4], "--contract-value", "0").exit_code == 2


def test_recording_without_the_instrument_or_none_at_all(shown: Any, recording: Path) -> None:
    for words, text in (
        (("ETH-USDT", "--recording", str(recording)), f"it holds {SWAP}, {SPOT}"),
        (("nonsense", "--recording", str(recording)), "not spelt like an instrument"),
        ((SWAP, "--recording", str(recording / "none")), "no recording at"),
    ):
        result = shown.call("candles", *words)
        assert isinstance(result.exception, NotFound)
        assert text in str(result.exception)
