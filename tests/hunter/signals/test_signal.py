from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from hunter.errors import MalformedMessage
from hunter.signals.decision import Decision
from hunter.signals.signal import (
    Signal,
    SignalId,
    decode_signal,
    encode_signal,
    parse_signal_id,
    signal_of,
)

FIELDS = {
    "schema": int,
    "id": str,
    "instrument": str,
    "direction": str,
    "probability_up": float,
    "confidence": float,
    "probability_move": float,
    "edge_bp": float,
    "edge_after_fee_bp": float,
    "horizon_ms": int,
    "outlook": dict,
    "regime": str,
    "reason": str,
    "features": dict,
    "experts": dict,
    "context": dict,
    "model": str,
    "trade_sequence": int,
    "book_seq_id": int,
    "quality": dict,
    "decided_ts_ns": int,
    "latency_us": float,
}


def test_json_has_exactly_the_published_fields(make_signal: Callable[..., Signal]) -> None:
    found = json.loads(encode_signal(make_signal(1_000)))
    assert {name: type(value) for name, value in found.items()} == FIELDS
    assert list(found["quality"]) == [
        "feed", "book_valid", "lag_ms", "gaps_in_window", "data_age_ms",
    ]  # fmt: skip
    assert found["schema"] == 1


def test_signal_of_a_former_version_is_read(make_signal: Callable[..., Signal]) -> None:
    old = json.loads(encode_signal(make_signal(1_000)))
    for name in ("probability_move", "edge_bp", "edge_after_fee_bp", "outlook", "experts"):
        del old[name]
    del old["context"], old["quality"]["data_age_ms"]
    found = decode_signal(json.dumps(old).encode())
    assert (found.edge_bp, found.outlook, found.quality.data_age_ms) == (None, {}, None)


def test_signal_survives_a_round_of_json_bit_for_bit(make_signal: Callable[..., Signal]) -> None:
    signal = make_signal(1_000, probability_up=0.1 + 0.2)
    assert decode_signal(encode_signal(signal)) == signal


def test_fields_of_a_later_schema_are_ignored(make_signal: Callable[..., Signal]) -> None:
    line = encode_signal(make_signal(1_000))
    assert decode_signal(b'{"new": 1,' + line[1:]) == make_signal(1_000)


@pytest.mark.parametrize("line", [b"", b"{}", b"[1]", b'{"schema":1,"id":"x"', b"\xff"])
def test_line_that_is_no_signal_is_malformed(line: bytes) -> None:
    with pytest.raises(MalformedMessage, match="not a signal"):
        decode_signal(line)


def test_id_names_ring_instrument_and_boundary(make_decision: Callable[..., Decision]) -> None:
    signal = signal_of(make_decision(boundary_ms=777), "00ab", "flat", "why", 1.5)
    assert signal.id == "00ab-BTC-USDT-SWAP-777"
    assert parse_signal_id(signal.id) == SignalId("00ab", "BTC-USDT-SWAP", 777)
    assert (signal.direction, signal.reason, signal.latency_us) == ("flat", "why", 1.5)


@pytest.mark.parametrize("text", ["", "ab", "ab-7", "-BTC-7", "ab-BTC-x", "ab-BTC-", "ab--7"])
def test_text_that_is_no_id_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage, match="not a signal id"):
        parse_signal_id(text)
