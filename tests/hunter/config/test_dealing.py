from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.config.dealing import deal
from hunter.market.instrument import mate_of

BASES = [f"C{number}-USDT" for number in range(30)]


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_instruments_without_mates_are_dealt_in_turn(shards: int) -> None:
    assert deal(BASES[:7], shards) == tuple(place % shards for place in range(7))


def test_mates_go_to_the_same_shard() -> None:
    names = ["BTC-USDT", "ETH-USDT", "BTC-USDT-SWAP", "SOL-USDT", "ETH-USDT-SWAP", "XRP-USDT"]
    assert deal(names, 2) == (0, 1, 0, 0, 1, 1)


def test_mates_are_dealt_apart_when_a_shard_would_have_nothing() -> None:
    assert deal(["BTC-USDT", "BTC-USDT-SWAP"], 2) == (0, 1)
    assert deal(["BTC-USDT", "BTC-USDT-SWAP", "ETH-USDT"], 3) == (0, 1, 2)


@given(st.data())
def test_shares_are_about_even_and_none_is_empty(data: st.DataObject) -> None:
    every = [name for base in BASES for name in (base, f"{base}-SWAP")]
    names = data.draw(st.lists(st.sampled_from(every), min_size=1, unique=True))
    shards = data.draw(st.integers(1, len(names)))
    dealt = deal(names, shards)
    loads = Counter(dealt)
    assert set(loads) == set(range(shards))
    assert max(loads.values()) - min(loads.values()) <= 2
    groups = len({min(name, mate_of(name) or name) for name in names})
    if groups >= shards:
        at = dict(zip(names, dealt, strict=True))
        assert all(at.get(str(mate_of(name)), at[name]) == at[name] for name in names)
