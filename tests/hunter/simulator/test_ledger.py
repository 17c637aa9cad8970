"""The ledger: bounded, paged, and the same after a kill."""

from __future__ import annotations

import os
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.errors import ConfigError, HunterError
from hunter.simulator.frames import PublishedTrade, Push, trade_push
from hunter.simulator.ledger import Ledger

NAME = "BTC-USDT-SWAP"


def push(trade_id: int, count: int = 1, size: str = "1.5", name: str = NAME) -> Push:
    return trade_push(
        name, PublishedTrade(trade_id, count, "64000.1", size, "sell", 1000, trade_id)
    )


def filled(counts: list[int], **options: int) -> Ledger:
    ledger, trade_id = Ledger(**options), 100
    for count in counts:
        trade_id += count
        ledger.record(push(trade_id, count, str(count)))
    return ledger


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(90, 2600))
def test_matches_before_any_id_are_all_older_ones_newest_first(
    counts: list[int], before: int
) -> None:
    ledger = filled(counts)
    last = 100 + sum(counts)
    found = [match.trade_id for match in ledger.matches_before(NAME, before)]
    assert found == list(range(min(last, before - 1), 100, -1))
    sizes = sum(Decimal(match.size) for match in ledger.matches_before(NAME, None))
    assert sizes == sum(counts)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(90, 2600))
def test_rows_after_any_id_are_the_newer_ones_oldest_first(counts: list[int], after: int) -> None:
    rows = filled(counts).rows_after(NAME, after, 1000)
    assert all(row.trade_id > after for row in rows)
    assert all(b.trade_id - b.match_count == a.trade_id for a, b in pairwise(rows))
    last = 100 + sum(counts)
    assert (rows[-1].trade_id == last) if after < last else not rows


def test_memory_keeps_the_newest_matches_only() -> None:
    ledger = filled([30] * 10, matches_max=100)
    kept = list(ledger.matches_before(NAME, None))
    assert len(kept) == 90
    assert ledger.match_total(NAME) == 300


def test_unknown_instrument_has_nothing() -> None:
    ledger = Ledger()
    assert ledger.last("A-B") is None
    assert ledger.rows_after("A-B", 0, 10) == list(ledger.matches_before("A-B", None)) == []
    assert ledger.match_total("A-B") == 0


def test_chain_that_starts_over_replaces_the_old_one() -> None:
    ledger = filled([1, 1, 1])
    ledger.record(push(50))
    assert [row.trade_id for row in ledger.rows_after(NAME, 0, 10)] == [50]


def test_produced_is_counted_per_channel() -> None:
    ledger = filled([2, 3])
    ledger.record(Push("tickers", NAME, b"{}", None))
    assert ledger.produced == {("trades", NAME): 2, ("tickers", NAME): 1}


def test_file_gives_back_what_was_flushed_even_without_a_close(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ledger.txt"
    ledger = Ledger(path)
    ledger.record(push(10, 3))
    ledger.record(push(11, name="ETH-USDT"))
    ledger.flush()
    ledger.flush()
    again = Ledger(path)
    assert again.last(NAME) == push(10, 3).body
    assert again.last("ETH-USDT") == push(11).body
    again.record(push(12))
    again.close()
    again.close()
    ledger.close()
    assert [row.trade_id for row in Ledger(path).rows_after(NAME, 0, 9)] == [10, 12]


def test_torn_last_line_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "ledger.txt"
    ledger = Ledger(path)
    ledger.record(push(10))
    ledger.flush()
    ledger.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b"BTC-USDT-SWAP 11 1 640")
    again = Ledger(path)
    assert again.last(NAME) == push(10).body
    again.record(push(11))
    again.close()
    assert path.read_bytes().startswith(whole + b"BTC-USDT-SWAP 11 1 64000.1 ")


def test_full_file_becomes_the_older_one_and_both_are_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.txt"
    ledger = Ledger(path, file_bytes_max=200)
    for trade_id in range(1, 21):
        ledger.record(push(trade_id))
        ledger.flush()
    ledger.close()
    sizes = [item.stat().st_size for item in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) < 400
    rows = Ledger(path).rows_after(NAME, 0, 100)
    assert rows[-1].trade_id == 20
    assert len(rows) >= 4


def test_file_that_is_no_ledger_is_refused_with_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n")
    with pytest.raises(ConfigError, match="give another --ledger"):
        Ledger(path)
    with pytest.raises(ConfigError, match="cannot use ledger"):
        Ledger(tmp_path)


def test_write_that_fails_says_which_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.txt")
    ledger.record(push(1))
    os.close(ledger._fd)
    ledger._fd = os.open("/dev/null", os.O_RDONLY)
    with pytest.raises(HunterError, match=r"cannot write ledger .*ledger\.txt"):
        ledger.flush()
    ledger.close()


def test_pages_join_without_hole_or_overlap() -> None:
    ledger = filled([7, 1, 90, 45, 3])
    pages, before = [], None
    while page := list(islice(ledger.matches_before(NAME, before), 20)):
        pages += [match.trade_id for match in page]
        before = page[-1].trade_id
    assert pages == list(range(246, 100, -1))
