"""Which lanes a ring has, and of what length.

Pure. A lane is made only when a subscribed channel feeds it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hunter.config import Config
from hunter.market.instrument import group_leaders
from hunter.ring.layout import RingLayout, capacities_of, source_hash
from hunter.ring.rows import Kind

# Lanes other than trades: quotes come about as often as trades, books and tickers ten times a
# second.
_SLOW_LANE_DIVISOR: Final = 4
_LANE_ROWS_MIN: Final = 64
# Lanes whose pace is the exchange's and not the market's: minutes of marks and indexes, hours of
# the others.
_FIXED_LANES: Final = {
    "mark-price": (Kind.MARK, 1024),
    "index-tickers": (Kind.INDEX, 1024),
    "funding-rate": (Kind.FUNDING, 256),
    "open-interest": (Kind.OPEN_INTEREST, 256),
    "liquidation-orders": (Kind.LIQUIDATION, 1024),
}
_CANDLE_ROWS: Final = 1024
_CANDLE_DOUBLINGS_MAX: Final = 3


def ring_layout(config: Config, shard: int, source: str) -> RingLayout:
    """Lanes of one stream process."""
    channels, capacity = set(config.okx.channels), config.ring.capacity
    slow = max(_LANE_ROWS_MIN, capacity // _SLOW_LANE_DIVISOR)
    # Trades come by one channel or another, and what an instrument is has to be known anyway.
    row_counts = {Kind.TRADE: capacity, Kind.INSTRUMENT: _LANE_ROWS_MIN}
    if "bbo-tbt" in channels:
        row_counts[Kind.BBO] = capacity
    if "tickers" in channels:
        row_counts[Kind.TICKER] = slow
    if channels & {"books", "books5"}:
        row_counts[Kind.BOOK] = slow
    row_counts |= {kind: rows for name, (kind, rows) in _FIXED_LANES.items() if name in channels}
    candle_count = sum(name.startswith("candle") for name in channels)
    if candle_count:
        doublings = min(candle_count - 1, _CANDLE_DOUBLINGS_MAX)
        row_counts[Kind.CANDLE] = _CANDLE_ROWS << doublings
    names = config.shard_instruments(shard)
    return RingLayout(
        names, capacities_of(row_counts), source_hash(source), groups=group_leaders(names)
    )


def rings_bytes(config: Config) -> int:
    """What the rings of all stream processes take of shared memory."""
    return sum(ring_layout(config, shard, "").total_bytes for shard in range(config.stream.shards))


def fitting_capacity(config: Config, room_bytes: int) -> int | None:
    """The largest [ring] capacity below the present one whose rings take at most so many bytes."""
    replace = msgspec.structs.replace
    capacity = config.ring.capacity >> 1
    while capacity >= _LANE_ROWS_MIN:
        if rings_bytes(replace(config, ring=replace(config.ring, capacity=capacity))) <= room_bytes:
            return capacity
        capacity >>= 1
    return None
