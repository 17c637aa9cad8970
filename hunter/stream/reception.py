"""When the bytes of one connection were read, and how long they and their rows took.

The receive stamp of a row is taken right after the read that brought it, and the time that its
bytes may have lain in the kernel before is counted in (`runtime.kernelwait`). One for each line of
the writing role; all the connections of its life report to it.
"""

from __future__ import annotations

from hunter.clock import Clock
from hunter.exchange.okx.asks import NEVER_NS
from hunter.runtime.kernelwait import KernelWait
from hunter.status.latency import Latencies, Stage


class Reception:
    """The plain kind: takes no frame out of the buffer. `received_ts_ns` and `read_ns` are wall and
    monotonic time of the last read.
    """

    def __init__(self, clock: Clock, latencies: Latencies) -> None:
        self.received_ts_ns = 0
        self.read_ns = 0
        self._wall_ns = clock.wall_ns
        self._monotonic_ns = clock.monotonic_ns
        self._latencies = latencies
        self._kernel_wait = KernelWait(clock.monotonic_ns())
        # Since when the bytes of the last read may have waited, and those of all reads of the turn.
        self._since_ns = 0
        self._oldest_ns = NEVER_NS

    def begin_turn(self) -> None:
        """What was read before has been published, or made no row."""
        self._oldest_ns = NEVER_NS

    def opened(self) -> None:
        """A connection is new: nothing has come but what came with its handshake."""
        self._since_ns = self._oldest_ns = now_ns = self._monotonic_ns()
        self._kernel_wait.opened(now_ns)

    def waited(self, began_ns: int, ended_ns: int, asked_ns: int, *, readable: bool) -> None:
        """The process has waited for its sockets; see `KernelWait.waited`."""
        self._kernel_wait.waited(began_ns, ended_ns, asked_ns, readable=readable)

    def was_read(self, byte_count: int, *, drained: bool) -> None:
        """Bytes were read just now; `drained`: the socket is empty."""
        self.received_ts_ns = self._wall_ns()
        self.read_ns = now_ns = self._monotonic_ns()
        self._since_ns = now_ns - self._kernel_wait.read(now_ns, byte_count, drained=drained)
        self._oldest_ns = min(self._oldest_ns, self._since_ns)

    def found_empty(self) -> None:
        """A read brought nothing: the socket is empty."""
        self._kernel_wait.read(self._monotonic_ns(), 0, drained=True)

    def take(self, _: bytearray, start: int, end: int) -> tuple[int, int]:
        """None of them: all plain frames go the long way."""
        return start, end

    def taken(self) -> tuple[int, int]:
        """Frames, and bytes of their payloads, since the last look."""
        return 0, 0

    def arrived(self, exchange_ts_ns: int) -> None:
        """One push was under way for so long."""
        lag_ns = self.received_ts_ns - exchange_ts_ns
        self._latencies.record(Stage.EXCHANGE_TO_RECEIVE, lag_ns)

    def published(self, push_count: int) -> None:
        """What so many pushes brought can be read now."""
        waited_ns = self._monotonic_ns() - self._oldest_ns
        self._latencies.record(Stage.RECEIVE_TO_RING, waited_ns, push_count)
