"""Read-only access to a running instance: for the command line and for users' own Python.

    import hunter
    h = hunter.attach("hunter.toml")
    h.trades("BTC-USDT-SWAP").last(1000)      # numpy structured array, copied and validated
    h.trades("BTC-USDT-SWAP").to_polars(1000) # or to_pandas, to_arrow
    for signal in h.signals(follow=True): ...

    instance   attach, and what of an instance is mapped now
    lane       rows of one kind: copies, views, frames
    frames     rows as a table of pandas, polars or pyarrow
    following  signals out of the journal, by a loop or by asyncio

Everything is mapped read-only, so nothing here can disturb the system; all but a `view` is copied
out, so nothing changes under the caller's hands.
"""

from __future__ import annotations

from hunter.access.following import journal_signals, journal_signals_async
from hunter.access.instance import Instance, attach, bar_trades
from hunter.access.lane import BarLane, BookLane, BookTop, Lane, LaneView

__all__ = [
    "BarLane",
    "BookLane",
    "BookTop",
    "Instance",
    "Lane",
    "LaneView",
    "attach",
    "bar_trades",
    "journal_signals",
    "journal_signals_async",
]
