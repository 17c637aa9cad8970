"""Whole recordings: the compiled decoder takes nearly every frame, with the same values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest
from fakes.native_decoding import Decoding
from fakes.twins import needs_kernel

from hunter.exchange.okx.messages import NO_DATA, Envelope
from hunter.native import kernel

Frames = Callable[[str], list[bytes]]
ORDINARY = ("trades", "tickers", "books", "books5", "bbo-tbt")
RECORDINGS = (
    "okx-framed-binance/BTC-USDT-SWAP.jsonl.gz",
    "okx-2026-frames/books-btc-usdt.jsonl",
    "okx-2026-frames/ccxt-frames.jsonl",
    "okx-2026-frames/okx-v5-frames-2022.jsonl",
    "okx-2022-cryptofeed/OKX.ws.1.0.gz",
)


@needs_kernel
@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_frames_are_taken(captured_frames: Frames, name: str) -> None:
    assert kernel is not None
    decoding = Decoding(kernel)
    taken: Counter[bool] = Counter()
    for frame in captured_frames(name):
        is_taken = decoding.frame(frame) is not None
        try:
            envelope = msgspec.json.decode(frame, type=Envelope)
        except msgspec.DecodeError:
            continue
        if envelope.arg is None or envelope.data is NO_DATA:
            continue
        # The books of 2022 have a checksum, which is Python's to verify.
        with_checksum = b'"checksum":' in frame and b'"checksum":0' not in frame
        if envelope.arg.channel in ORDINARY and not with_checksum:
            taken[is_taken] += 1
    assert taken[True] > 0.99 * taken.total() > 0
