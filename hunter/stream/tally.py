"""What every push of one channel of one instrument changes.

One truth in two hands: compiled code and `Counters` count in the same record. This class is the
twin of the compiled one, for where there is none.
"""

from __future__ import annotations

from hunter.native import kernel


class Tally:
    """`lag`: the buffer of a Histogram, exchange to receive in us."""

    __slots__ = ("lag", "last_data_ns", "last_exchange_ts_ns", "messages")

    def __init__(self, lag: memoryview) -> None:
        self.lag = lag
        self.messages = 0
        self.last_data_ns = 0
        self.last_exchange_ts_ns = 0


def new_tally(lag: memoryview) -> Tally:
    """The compiled one where there is a kernel."""
    if kernel is None:
        return Tally(lag)
    compiled: Tally = kernel.Tally(lag)
    return compiled
