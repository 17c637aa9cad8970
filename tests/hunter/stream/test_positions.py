"""Positions: kept over an orderly stop, and believed only by a market that goes on from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from hunter.exchange.okx.rows import Trade
from hunter.market.side import Side
from hunter.ring.writer import LastTrade
from hunter.stream.backfill import HOLE_MATCHES_MAX
from hunter.stream.positions import AGE_NS_MAX, Positions, former_position, load, save

S = 1_000_000_000
NOW = 1_790_000_000 * S
LAST = {"BTC-USDT": LastTrade(500, NOW - S), "ETH-USDT": LastTrade(7, NOW)}
FORMER = LAST["BTC-USDT"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "positions" / "ring-0.json"


def trade(trade_id: int, count: int = 1, exchange_ts_ns: int = NOW) -> Trade:
    return Trade(trade_id, count, 1.0, 1.0, Side.BUY, exchange_ts_ns)


def test_positions_come_back(path: Path) -> None:
    save(path, Positions(5, NOW, LAST))
    assert load(path, 5, NOW + S) == LAST
    assert path.stat().st_mode & 0o077 == 0
    assert [item.name for item in path.parent.iterdir()] == ["ring-0.json"]


@pytest.mark.parametrize(
    ("source", "now_ns"),
    [
        pytest.param(6, NOW + S, id="another_market"),
        pytest.param(5, NOW + AGE_NS_MAX + 1, id="old"),
        pytest.param(5, NOW - 1, id="from_the_future"),
    ],
)
def test_positions_of_another_market_or_time_are_none(path: Path, source: int, now_ns: int) -> None:
    save(path, Positions(5, NOW, LAST))
    assert load(path, source, now_ns) == {}


def test_r11_positions_torn_or_altered_at_any_byte_stop_nobody(path: Path) -> None:
    save(path, Positions(5, NOW, LAST))
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at])
        assert load(path, 5, NOW) == {}
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x80]) + whole[at + 1 :])
        assert load(path, 5, NOW) == {}
        path.write_bytes(whole[:at] + b"\0" * (len(whole) - at))
        assert load(path, 5, NOW) == {}


@pytest.mark.parametrize("raw", [b"", b"{", b'{"source":1}', b"[1,2]", b"\xff\xfe"])
def test_damaged_positions_are_none(path: Path, raw: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(raw)
    assert load(path, 5, NOW) == {}


def test_missing_positions_are_none(path: Path) -> None:
    assert load(path, 5, NOW) == {}


def test_positions_that_cannot_be_written_are_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "positions").write_text("in the way")
    with pytest.raises(OSError, match="positions"):
        save(tmp_path / "positions" / "ring-0.json", Positions(5, NOW, LAST))


@pytest.mark.parametrize(
    ("first", "follows"),
    [
        pytest.param(trade(502), True, id="one_match_between"),
        pytest.param(trade(501), False, id="nothing_between"),
        pytest.param(trade(500), False, id="the_very_match"),
        pytest.param(trade(900, 3), True, id="later_match"),
        pytest.param(trade(500 + HOLE_MATCHES_MAX + 1), True, id="as_much_as_is_fetched"),
        pytest.param(trade(500 + HOLE_MATCHES_MAX + 2), False, id="too_much_missing"),
        pytest.param(trade(499), False, id="ids_before"),
        pytest.param(trade(600, exchange_ts_ns=NOW - 2 * S), False, id="time_before"),
    ],
)
def test_only_a_market_that_goes_on_resumes(first: Trade, follows: bool) -> None:
    assert former_position(FORMER, first) == (FORMER if follows else None)
