"""What the built-in brain says of rows that are always the same, to the last bit.

The digests are of flow@2 as its Python half decides; the compiled half, and whatever makes either
faster, must not change them. They hold where the C library rounds exp2 and its like as it did
there; elsewhere these tests are skipped, and the ones beside them, which compare the halves and
hold the features against an oracle, are what remains.
"""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Callable
from math import exp, exp2, log, sqrt

import msgspec
import pytest
from fakes.brain_rows import Row, feed, fresh_flow, random_rows
from fakes.brain_stage import Head, put

from hunter.signals.signal import encode_signal

LIBRARY = "289c7077dee55e9524d615e9"
DECISIONS = {
    "plain": "c25653835e66c50676358a9a",
    "spoiled": "b71e3996db49d3023ec1ac85",
    "slow": "fdabdf06ee77ba8fefc409aa",
}
JOURNAL = "dbaf2e28139474649dc878ee"
INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT", "SOL-USDT-SWAP")


def library() -> str:
    """Of the C library's roundings."""
    dice = random.Random(1)
    taken = [dice.uniform(-40.0, 0.0) for _ in range(2_000)]
    values = [f(x) for x in taken for f in (exp, exp2, lambda y: log(-y), lambda y: sqrt(-y))]
    return digest(struct.pack(f"<{len(values)}d", *values))


def digest(*parts: bytes) -> str:
    return hashlib.blake2s(b"".join(parts), digest_size=12).hexdigest()


def decisions_digest(rows: list[Row], settings: dict[str, int]) -> str:
    """Of every decision, and of the whole state now and then."""
    brain = fresh_flow(**settings)
    parts = []
    for number, row in enumerate(rows):
        said = feed(brain, row)
        if said is not None:
            parts.append(msgspec.json.encode(said))
        if number % 500 == 0:
            parts.append(brain.snapshot())
        if number % 900 == 0:
            brain.on_gap()
    assert len(parts) > len(rows) / 100
    return digest(*parts)


def cases() -> dict[str, tuple[list[Row], dict[str, int]]]:
    quick = {"interval_ms": 100, "horizon_ms": 300, "warm_ms": 1_000}
    slow = {"interval_ms": 1_000, "stale_ms": 200}
    return {
        "plain": (random_rows(31, 4_000), quick),
        "spoiled": (random_rows(32, 6_000, spoil=True), quick),
        "slow": (random_rows(33, 4_000, step_ms=60, spoil=True), slow),
    }


def journal_digest(make: Callable[..., Head]) -> str:
    """Of what a brain process told of three instruments, their rows mixed."""
    names = json.dumps(INSTRUMENTS)
    there = make(f"okx.instruments={names}", 'okx.channels=["trades","bbo-tbt","tickers","books5"]')
    actor = there.start()
    markets = [iter(random_rows(40 + i, 1_500, step_ms=120)) for i in range(len(INSTRUMENTS))]
    dice = random.Random(5)
    for _ in range(700):
        for _ in range(dice.randrange(1, 12)):
            index = dice.randrange(len(INSTRUMENTS))
            row = next(markets[index], None)
            if row is not None:
                put(there.writer, row, index)
        there.writer.publish()
        there.read(actor)
    told = there.journal()
    assert len(told) > 100
    # the ring's id is of the moment it was made; reception and reading lie years apart here
    lines = [encode_signal(signal).partition(b'"instrument"')[2] for signal in told]
    return digest(*(line.partition(b'"latency_us"')[0] for line in lines))


@pytest.fixture(autouse=True)
def _same_library() -> None:
    if library() != LIBRARY:
        pytest.skip("the C library rounds otherwise here")


@pytest.mark.parametrize("name", list(DECISIONS))
def test_brain_decides_as_ever(name: str) -> None:
    assert decisions_digest(*cases()[name]) == DECISIONS[name]


def test_brain_process_journals_as_ever(head: Callable[..., Head]) -> None:
    assert journal_digest(head) == JOURNAL
