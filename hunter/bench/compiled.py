"""The compiled way from frame to ring, stage by stage: the same bytes gone through as far as each
stage in turn. The difference to the pass before is what the stage costs.

The last pass is the fast path itself, with routes armed as a live instrument's are, into a ring of
its own. Called by `stages`, where there is a compiled half.
"""

from __future__ import annotations

from typing import Any, Final

from hunter.bench.frames import trade_id
from hunter.clock import SystemClock
from hunter.errors import HunterError
from hunter.exchange.okx.calm import new_calm
from hunter.exchange.okx.chaintail import new_chain_tail
from hunter.exchange.okx.heard import new_heard
from hunter.exchange.okx.keptops import new_kept_tops
from hunter.exchange.okx.orderbook import OrderBook
from hunter.exchange.okx.rows import BookUpdate
from hunter.native import kernel
from hunter.ring.writer import RingWriter
from hunter.status.histogram import COUNTERS_BYTES
from hunter.stream.shown import new_shown
from hunter.stream.tally import new_tally

PASSES: Final = ("frame", "decode", "book upkeep", "ring write")
CHANNELS: Final = ("trades", "tickers", "books")


class CompiledPass:
    """One pass over `data`, to be called once: what it changes is made anew for each. `name` is the
    instrument's, `snapshot` what its book begins with.
    """

    def __init__(self, data: bytes, snapshot: BookUpdate, writer: RingWriter, name: str) -> None:
        assert kernel is not None
        self._kernel: Any = kernel
        self._data = data
        book = OrderBook()
        book.apply(snapshot)
        self._book = book.state
        self._fast = kernel.FastPath(writer.lanes)
        self._lags = memoryview(bytearray(COUNTERS_BYTES)).cast("Q")
        checks = (new_kept_tops(), new_kept_tops(), new_kept_tops(), new_calm())
        tail = new_chain_tail()
        tail.end = trade_id(-1)
        shown = new_shown(True, snapshot.seq_id, snapshot.exchange_ts_ns)
        records: dict[str, tuple[Any, ...]] = {
            "trades": (tail,),
            "tickers": (),
            "books": (None, book.state, shown, *checks),
        }
        kinds = (kernel.ROUTE_TRADES, kernel.ROUTE_TICKERS, kernel.ROUTE_UPDATES)
        for channel, kind in zip(CHANNELS, kinds, strict=True):
            route = kernel.Route(channel, name, kind, 0)
            self._fast.add(route)
            lag = memoryview(bytearray(COUNTERS_BYTES)).cast("Q")
            route.arm(new_heard(), new_tally(lag), *records[channel])

    def go(self, stage: str, piece_bytes: int) -> int:
        """As far as this stage; how many messages got there. `piece_bytes`: what a read brings,
        after which rows are published.
        """
        at = PASSES.index(stage)
        if stage != PASSES[-1]:
            done: int = self._kernel.pass_to(self._data, at, self._book)
            return done
        return self._into_ring(piece_bytes)

    def _into_ring(self, piece_bytes: int) -> int:
        data, fast, lags = self._data, self._fast, self._lags
        clock = SystemClock()
        received_ts_ns, now_ns = clock.wall_ns(), clock.monotonic_ns()
        start, end = 0, len(data)
        while start < end:
            stop = min(start + piece_bytes, end)
            taken, _ = fast.run(data, start, stop, received_ts_ns, now_ns, lags)
            if taken == start:
                raise HunterError("the compiled half has declined a prepared message")
            start = taken
        return int(fast.frame_count)
