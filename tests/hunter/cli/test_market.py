"""`hunter trades` and `hunter book` on a made-up ring."""

from __future__ import annotations

import json
from typing import Any

from fakes.actor_stage import SWAP

from hunter.errors import NotFound, NotRunning
from hunter.ring.rows import TradeFlag


def test_trades_json_is_one_object_a_line_oldest_first(shown: Any) -> None:
    shown.put_trades(10, 13)
    shown.put_trades(16, flags=TradeFlag.BACKFILL)
    lines = shown.output("trades", SWAP, "--json").splitlines()
    assert json.loads(lines[0]) == {
        "sequence": 1,
        "instrument": SWAP,
        "trade_id": 10,
        "count": 3,
        "price": 42219.9,
        "size": 12.06,
        "side": "sell",
        "exchange_ts_ns": 1_790_000_000_000_000_000,
        "received_ts_ns": 1_790_000_000_000_000_001,
        "source": "feed",
    }
    others = [json.loads(line) for line in lines[1:]]
    assert [(o["trade_id"], o["side"], o["source"]) for o in others] == [
        (13, "buy", "feed"),
        (16, "sell", "backfill"),
    ]


def test_trades_shows_the_newest_n_as_a_table(shown: Any) -> None:
    shown.put_trades(*range(10, 60, 3))
    lines = shown.output("trades", SWAP, "-n", "2").splitlines()
    assert lines[0].split() == ["TIME", "SIDE", "PRICE", "SIZE", "MATCHES", "TRADE", "ID", "SOURCE"]
    assert [line.split()[5] for line in lines[1:]] == ["55", "58"]
    assert lines[1].split()[:5] == ["2026-09-21T14:13:20.000Z", "buy", "42,219.9", "12.06", "3"]
    assert "\x1b" not in "".join(lines)


def test_trades_of_an_empty_ring_says_where_to_look(shown: Any) -> None:
    assert shown.output("trades", SWAP) == "no trades yet; see: hunter status\n"
    assert shown.output("trades", SWAP, "--json") == ""


def test_trades_of_an_unknown_instrument(shown: Any) -> None:
    for command in ("trades", "book"):
        result = shown.call(command, "XRP-USDT")
        assert isinstance(result.exception, NotFound)
        assert SWAP in str(result.exception)


def test_trades_and_book_of_a_stopped_instance(shown: Any) -> None:
    shown.down()
    for command in ("trades", "book"):
        assert isinstance(shown.call(command, SWAP).exception, NotRunning)


def test_trades_refuses_a_count_of_nothing(shown: Any) -> None:
    assert shown.call("trades", SWAP, "-n", "0").exit_code == 2


def test_book_json_holds_levels_best_first(shown: Any) -> None:
    shown.put_book()
    item = json.loads(shown.output("book", SWAP, "--json"))
    age_ms = item.pop("age_ms")
    assert 0 <= age_ms < 10_000
    assert item == {
        "instrument": SWAP,
        "valid": True,
        "seq_id": 77,
        "exchange_ts_ns": 1_790_000_000_000_000_000,
        "bids": [[100.0, 2.0], [99.5, 4.0], [99.0, 1.0]],
        "asks": [[100.5, 3.0]],
    }
    item = json.loads(shown.output("book", SWAP, "--json", "--depth", "2"))
    assert (len(item["bids"]), len(item["asks"])) == (2, 1)


def test_book_table_fills_the_shorter_side(shown: Any) -> None:
    shown.put_book()
    lines = shown.output("book", SWAP).splitlines()
    assert lines[0].startswith(f"{SWAP}  valid  seq 77  age ")
    assert [line.split() for line in lines[2:]] == [
        ["2.0", "100.0", "100.5", "3.0"],
        ["4.0", "99.5", "-", "-"],
        ["1.0", "99.0", "-", "-"],
    ]


def test_book_that_nobody_writes_any_more_is_not_valid(shown: Any) -> None:
    shown.put_book()
    shown.stage.end_writer()
    assert json.loads(shown.output("book", SWAP, "--json"))["valid"] is False


def test_book_that_is_not_valid_says_so(shown: Any) -> None:
    shown.put_book()
    shown.put_book(valid=False)
    item = json.loads(shown.output("book", SWAP, "--json"))
    assert (item["valid"], item["bids"], item["asks"]) == (False, [], [])
    assert "NOT VALID" in shown.output("book", SWAP)


def test_book_that_never_came(shown: Any) -> None:
    result = shown.call("book", SWAP)
    assert isinstance(result.exception, NotFound)
    assert "subscribe to books, or wait" in str(result.exception)
