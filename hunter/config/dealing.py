"""Which stream process follows which instrument. Pure; the configuration asks.

Mates (the spot and the swap of one base) go to one process, whose ring gives their rows one order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hunter.market.instrument import group_leaders


def deal(names: Sequence[str], shards: int) -> tuple[int, ...]:
    """For each instrument its shard. Group by group, each to the shard that has least so far: no
    two shards differ by more than two instruments, and none is empty. Where there are fewer groups
    than shards, mates are dealt apart.
    """
    assert 1 <= shards <= len(names), (shards, len(names))
    leaders = group_leaders(names)
    sizes = Counter(leaders)
    if len(sizes) < shards:
        return tuple(place % shards for place in range(len(names)))
    loads, found = [0] * shards, dict[int, int]()
    for leader in leaders:
        if leader not in found:
            found[leader] = shard = loads.index(min(loads))
            loads[shard] += sizes[leader]
    return tuple(found[leader] for leader in leaders)
