"""What the exchange's own words are about, and how much of them is kept. Pure; `session` asks."""

from __future__ import annotations

import re
from typing import Final

from hunter.exchange.okx.requests import Subscription
from hunter.text import printable

LENGTH_MAX: Final = 300
# "... wrong URL or channel:candle1m,instId:BTC-USDT doesn't exist. ..." (seen 2026-09), and with a
# space after the comma (seen 2025-12).
_NAMED: Final = re.compile(r"channel:\s*([\w-]+)(?:,\s*inst(?:Id|Type):\s*([\w-]+))?")


def named(msg: str) -> Subscription | None:
    """The subscription that an error names, whether it is one of ours or not."""
    found = _NAMED.search(msg)
    return None if found is None else Subscription(found[1], found[2] or "")


def short(value: str | int | None) -> str:
    """A field of an answer as it may be logged."""
    return "" if value is None else printable(str(value)[:LENGTH_MAX])
