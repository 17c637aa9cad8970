"""The configuration of an instance that plays a recording: everybody else's settings, with the
recording's instruments and channels, directories of its own, and a ring that holds it if it can.
Pure.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from hunter.config import CHANNELS, Config
from hunter.errors import NotFound
from hunter.exchange.okx.plan import make_plan
from hunter.recorder.contents import Contents
from hunter.ring.rows import ROW_BYTES, Kind

NAME: Final = "replay"
CAPACITY_MAX: Final = 1 << 22
# Books and tickers have a quarter of the ring's capacity, trades and quotes all of it; the lanes of
# other channels do not grow with it.
_ROWS_PER_FRAME: Final = {
    **dict.fromkeys(("trades", "trades-all", "bbo-tbt"), 1),
    **dict.fromkeys(("tickers", "books", "books5"), 4),
}
_BYTES_PER_ROW: Final = (
    ROW_BYTES[Kind.TRADE]
    + ROW_BYTES[Kind.BBO]
    + (ROW_BYTES[Kind.TICKER] + ROW_BYTES[Kind.BOOK]) // 4
)


def playback_config(
    config: Config,
    contents: Contents,
    data_dir: Path,
    runtime_dir: Path,
    ring_bytes_max: int,
    fixed: Collection[str] = (),
) -> Config:
    """`fixed`: keys the user has set for this replay, such as ring.capacity; they stay as they are.

    Raises NotFound for an instrument set that is not in the recording, and if it has none at all.
    """
    instruments, channels = contents.instruments, tuple(channel for channel, _ in contents.frames)
    if not instruments:
        held = ", ".join(dict.fromkeys(channels))
        raise NotFound(
            f"the recording is of no instrument, only of {held}: nothing to play; record trades too"
        )
    if "okx.instruments" in fixed:
        for name in config.okx.instruments:
            if name not in instruments:
                known = ", ".join(instruments)
                raise NotFound(f"{name} is not in the recording; it holds {known}")
        instruments = config.okx.instruments
    if "okx.channels" in fixed:
        channels = config.okx.channels
    # The ring is made of trades; a recording without any leaves that lane empty.
    if not {"trades", "trades-all"} & set(channels):
        channels = ("trades", *channels)
    known_channels = tuple(name for name in CHANNELS if name in channels)
    capacity = config.ring.capacity
    if "ring.capacity" not in fixed:
        wanted = max(
            contents.frames[channel, name] * _ROWS_PER_FRAME.get(channel, 0)
            for channel in known_channels
            for name in instruments
        )
        capacity = _capacity(max(wanted, capacity), ring_bytes_max // len(instruments))
    return replace(
        config,
        hunter=replace(
            config.hunter,
            name=NAME,
            runtime_dir=str(runtime_dir),
            data_dir=str(data_dir),
            log_dir="",
        ),
        okx=replace(config.okx, instruments=instruments, channels=known_channels),
        stream=replace(
            config.stream, shards=min(config.stream.shards, len(instruments)), standby=False
        ),
        ring=replace(config.ring, capacity=capacity),
    )


def expected_frames(config: Config, contents: Contents) -> int:
    """How many data frames of the recording the instance subscribes to."""
    plan = make_plan(config.okx.instruments, config.okx.channels)
    return sum(contents.frames[subscription] for subscription in plan.served)


def _capacity(row_count: int, bytes_max: int) -> int:
    """The power of two that holds so many rows; less if that takes too much memory."""
    capacity = min(1 << max(6, (row_count - 1).bit_length()), CAPACITY_MAX)
    while capacity > 64 and capacity * _BYTES_PER_ROW > bytes_max:
        capacity >>= 1
    return capacity
