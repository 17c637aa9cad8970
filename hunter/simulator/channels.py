"""The channels the simulator serves: the one table to extend.

Every other name is refused with 60018, as the exchange does for a channel it does not know or that
lives on the other path (websocket/public error codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

Key = tuple[str, str]  # (channel, instId): what a client subscribes to


class Channel(NamedTuple):
    """`path` is the last part of /ws/v5/...; `is_resent` when a snapshot repeats as keep-alive."""

    name: str
    path: str
    is_resent: bool = False


CHANNELS: Final = {
    channel.name: channel
    for channel in (
        Channel("trades", "public"),
        Channel("tickers", "public"),
        Channel("books", "public"),
        Channel("books5", "public", is_resent=True),
        Channel("bbo-tbt", "public", is_resent=True),
        Channel("trades-all", "business"),
    )
}

# Known but never served: 60011 without login, 64003 (fee tier too low) with one.
LOGIN_CHANNELS: Final = frozenset({"books-l2-tbt", "books50-l2-tbt"})

PATHS: Final = frozenset({"public", "business"})


def by_channel(counts: Mapping[Key, int]) -> dict[str, dict[str, int]]:
    """Counts per key as channel -> instId -> count, for JSON."""
    table: dict[str, dict[str, int]] = {}
    for (channel, inst_id), count in counts.items():
        table.setdefault(channel, {})[inst_id] = count
    return table
