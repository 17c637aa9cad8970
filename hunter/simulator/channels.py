"""The channels the simulator serves: the one table to extend.

Every other name is refused with 60018, as the exchange does for a channel it does not know, that
lives on the other path, or that does not exist for the instrument's type (websocket/public error
codes).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from hunter.market.instrument import InstrumentType

# What a client subscribes to: (channel, subject). The subject is an instrument, an index, a type
# of instruments, or empty; see `Subject`.
Key = tuple[str, str]


class Subject(enum.Enum):
    """What an argument names besides its channel, and under which key."""

    INSTRUMENT = "instId"
    INDEX = "instId "  # the same key of the argument, another space of names: BTC-USDT of all BTC
    TYPE = "instType"
    NOTHING = ""

    @property
    def argument_key(self) -> str:
        return self.value.strip()


TYPES: Final = frozenset(kind.value for kind in InstrumentType)
_DERIVATIVES: Final = TYPES - {"SPOT"}


class Channel(NamedTuple):
    """`path` is the last part of /ws/v5/...; `types` are those of instruments it exists for;
    `is_resent` when a snapshot repeats as keep-alive.
    """

    name: str
    path: str
    subject: Subject = Subject.INSTRUMENT
    types: frozenset[str] = TYPES
    is_resent: bool = False


class BarSpan(NamedTuple):
    """Length of a candle, and how far its grid is shifted against UTC."""

    seconds: int
    shift_s: int = 0


_DAY_SHIFT_S: Final = 8 * 3600  # bars of 6 hours and more open by UTC+8, unless named utc
BARS: Final = {
    **{f"candle{n}": BarSpan(s) for n, s in (("1s", 1), ("1m", 60), ("3m", 180), ("5m", 300))},
    **{f"candle{minutes}m": BarSpan(minutes * 60) for minutes in (15, 30)},
    **{f"candle{hours}H": BarSpan(hours * 3600) for hours in (1, 2, 4)},
    **{f"candle{n}": BarSpan(h * 3600, _DAY_SHIFT_S) for n, h in (("6H", 6), ("12H", 12))},
    **{f"candle{n}utc": BarSpan(h * 3600) for n, h in (("6H", 6), ("12H", 12), ("1D", 24))},
    "candle1D": BarSpan(86_400, _DAY_SHIFT_S),
}

CHANNELS: Final = {
    channel.name: channel
    for channel in (
        Channel("trades", "public"),
        Channel("tickers", "public"),
        Channel("books", "public"),
        Channel("books5", "public", is_resent=True),
        Channel("bbo-tbt", "public", is_resent=True),
        Channel("trades-all", "business"),
        Channel("mark-price", "public"),
        Channel("index-tickers", "public", Subject.INDEX),
        Channel("funding-rate", "public", types=frozenset({"SWAP"})),
        Channel("open-interest", "public", types=_DERIVATIVES),
        Channel("liquidation-orders", "public", Subject.TYPE, _DERIVATIVES | {"MARGIN"}),
        Channel("instruments", "public", Subject.TYPE, TYPES | {"MARGIN"}),
        Channel("status", "public", Subject.NOTHING),
        *(Channel(name, "business") for name in BARS),
    )
}

# Known but never served: 60011 without login, 64003 (fee tier too low) with one.
LOGIN_CHANNELS: Final = frozenset({"books-l2-tbt", "books50-l2-tbt"})

PATHS: Final = frozenset({"public", "business"})


def is_by_instrument(channel: str) -> bool:
    """Whether its subscriptions name an instrument; so do those of channels not served."""
    served = CHANNELS.get(channel)
    return served is None or served.subject is Subject.INSTRUMENT


def argument(key: Key) -> dict[str, str]:
    """`arg` of the frames for `key`."""
    channel, subject = key
    served = CHANNELS.get(channel)
    name = served.subject.argument_key if served else Subject.INSTRUMENT.argument_key
    return {"channel": channel, name: subject} if name else {"channel": channel}


def key_of(channel: str, arg: Mapping[str, Any]) -> Key | None:
    """The key an argument asks for; None when it does not name what the channel is by."""
    served = CHANNELS.get(channel)
    if served is None:
        return None
    name = served.subject.argument_key
    subject = arg.get(name) if name else ""
    return (channel, subject) if isinstance(subject, str) else None


def index_of(inst_id: str) -> str:
    """The index an instrument follows: BTC-USDT of BTC-USDT-SWAP."""
    return "-".join(inst_id.split("-")[:2])


def by_channel(counts: Mapping[Key, int]) -> dict[str, dict[str, int]]:
    """Counts per key as channel -> subject -> count, for JSON."""
    table: dict[str, dict[str, int]] = {}
    for (channel, subject), count in counts.items():
        table.setdefault(channel, {})[subject] = count
    return table
