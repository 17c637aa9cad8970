"""Where the trades of a run ended, kept over an orderly stop, which removes the ring.

The next run fetches what was traded in between, if it is not too much: `former_position` decides by
the first trade that the exchange sends, because the file may be of another market, or old.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from hunter.exchange.okx.rows import Trade
from hunter.ring.writer import LastTrade
from hunter.stream.backfill import HOLE_MATCHES_MAX

AGE_NS_MAX: Final = 6 * 3_600_000_000_000


class Positions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By instrument the last match in the ring. `source`: hash of where the rows came from."""

    source: int
    stopped_wall_ns: int
    trades: dict[str, LastTrade]


def save(path: Path, positions: Positions) -> None:
    """Write whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(positions))
    aside.replace(path)


def load(path: Path, source: int, now_wall_ns: int) -> dict[str, LastTrade]:
    """What the run before left; empty when there is none, or it is another market's, old or
    damaged.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Positions)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    if found.source != source or not 0 <= now_wall_ns - found.stopped_wall_ns <= AGE_NS_MAX:
        return {}
    return found.trades


def former_position(former: LastTrade, first: Trade) -> LastTrade | None:
    """Where a chain may resume, given the first trade seen: None when nothing lies between, when it
    does not follow on (a replay that begins again), or when more was traded than is worth fetching.
    """
    missing = first.trade_id - first.count - former.trade_id
    later = first.exchange_ts_ns >= former.exchange_ts_ns
    return former if later and 0 < missing <= HOLE_MATCHES_MAX else None
