"""Whole recordings: the rule `trade_id - count == previous trade_id` holds throughout."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from hunter.exchange.okx.messages import Envelope
from hunter.exchange.okx.parse import parse_trades
from hunter.exchange.okx.rows import Trade
from hunter.exchange.okx.tradechain import Hole, TradeChain

Frames = Callable[[str], list[bytes]]


def trades_of(frames: list[bytes]) -> list[tuple[str, Trade]]:
    found = []
    for frame in frames:
        if b'"trades"' not in frame[:60]:
            continue
        envelope = msgspec.json.decode(frame, type=Envelope)
        if envelope.arg is not None and envelope.event is None:
            found += [(envelope.arg.inst_id, trade) for trade in parse_trades(envelope.data)]
    return found


@pytest.mark.parametrize("name", ["BTC-USDT-SWAP", "BTC-USDT"])
def test_framed_recording_has_no_hole(captured_frames: Frames, name: str) -> None:
    trades = trades_of(captured_frames(f"okx-framed-binance/{name}.jsonl.gz"))
    chain = TradeChain()
    for _, trade in trades:
        assert chain.accept(trade, 0) == [trade]
    counts = chain.statistics()
    assert counts.row_count == len(trades) > 1_000
    assert counts.match_count > counts.row_count


def test_missing_row_of_a_recording_is_a_hole_of_its_matches(captured_frames: Frames) -> None:
    trades = trades_of(captured_frames("okx-framed-binance/BTC-USDT-SWAP.jsonl.gz"))[:20]
    chain = TradeChain()
    (_, dropped) = trades.pop(10)
    outcomes = [outcome for _, trade in trades for outcome in chain.accept(trade, 0)]
    after = dropped.trade_id - dropped.count
    assert [item for item in outcomes if not isinstance(item, Trade)] == [
        Hole(after, dropped.trade_id + 1)
    ]


def test_2022_recording_chains_one_match_a_row(captured_frames: Frames) -> None:
    trades = trades_of(captured_frames("okx-2022-cryptofeed/OKX.ws.1.0.gz"))
    chains: dict[str, TradeChain] = {}
    for inst_id, trade in trades:
        assert chains.setdefault(inst_id, TradeChain()).accept(trade, 0) == [trade]
    assert sum(chain.statistics().match_count for chain in chains.values()) == len(trades) > 60
