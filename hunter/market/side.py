"""Side of the taker: who crossed the spread."""

from __future__ import annotations

import enum


class Side(enum.IntEnum):
    """The value is the sign of the order flow, so that `side * size` is signed volume."""

    BUY = 1
    SELL = -1
