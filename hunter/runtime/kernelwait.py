"""Since when the bytes of a read may have been waiting in the kernel.

A frame is stamped when it is read. While this process was busy, or stood still, frames lay in the
kernel's buffer, and a latency that begins with the stamp leaves just that out, which is the worst
of it (coordinated omission). So each read is dated back, as far as what is known allows: a socket
was empty at the last read that drained it, and at the end of a wait that it did not end; what came
after that has come at any time since. The answer is an upper bound: of the oldest byte, and so of
all messages of the read.

Not seen is what a clock of this process cannot tell: how long the woken process waited for a core
(about 50 us on one that was asleep), a stand-still that both began and ended within a wait of the
asked length, and what the network, the host's card and TLS records under way took. The kernel's own
stamps (SO_TIMESTAMP) would be of packets, not of what TLS makes of them.

One for each socket. Pure: all times are monotonic ns, and passed in. The stream's loop calls it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

# A wait that is over sooner has not slept: what it found was there before.
AT_ONCE_NS: Final = 20_000
# A wait may last so much longer than asked for; poll's timeout is in ms, and the host is busy.
LATE_NS: Final = 2_000_000
# What the kernel can hold for one socket: net.ipv4.tcp_rmem's usual maximum.
BUFFER_BYTES_MAX: Final = 6 << 20
# Of a burst, one read in each such part of the buffer is remembered: that many at most.
_PARTS: Final = 64


class KernelWait:
    """`waited` after each wait of the process, `read` after each read of the socket; `opened` for
    a new connection.
    """

    __slots__ = ("_buffer_bytes_max", "_empty_ns", "_has_more", "_reads", "_total_bytes")

    def __init__(self, now_ns: int, buffer_bytes_max: int = BUFFER_BYTES_MAX) -> None:
        self._buffer_bytes_max = buffer_bytes_max
        # Of the reads since the socket was last empty: when, and how much had been read by then.
        self._reads: deque[tuple[int, int]] = deque()
        self.opened(now_ns)

    def opened(self, now_ns: int) -> None:
        """Nothing has come yet."""
        self._empty_ns = now_ns
        self._has_more = False
        self._total_bytes = 0
        self._reads.clear()

    def waited(self, began_ns: int, ended_ns: int, asked_ns: int, *, readable: bool) -> None:
        """A wait for any of the process's sockets is over; `readable`: this one ended it, or had
        a part in that.
        """
        slept_ns = ended_ns - began_ns
        has_just_come = AT_ONCE_NS < slept_ns <= asked_ns + LATE_NS and not self._has_more
        # Over at once: it was there before. Longer than asked: the process stood still, and it came
        # at any time since the socket was last seen empty.
        if has_just_come or not readable:
            self._drained(ended_ns)

    def read(self, now_ns: int, byte_count: int, *, drained: bool) -> int:
        """How long, in ns, the oldest byte of a read that was done at `now_ns` may have waited.
        `drained`: it brought less than there was room for, or found nothing: the socket is empty.
        """
        # In a long burst the socket is never seen empty. But a byte cannot have come before there
        # was room for it: before all but a buffer's worth of what lay in front of it had been read.
        had_room = self._total_bytes - self._buffer_bytes_max
        while self._reads and self._reads[0][1] <= had_room:
            self._empty_ns = self._reads.popleft()[0]
        wait_ns = max(0, now_ns - self._empty_ns) if byte_count else 0
        self._total_bytes += byte_count
        if drained:
            self._drained(now_ns)
            return wait_ns
        self._has_more = True
        part_bytes = self._buffer_bytes_max // _PARTS
        if not self._reads or self._total_bytes - self._reads[-1][1] >= part_bytes:
            self._reads.append((now_ns, self._total_bytes))
        return wait_ns

    def _drained(self, now_ns: int) -> None:
        """It was seen empty at that time."""
        self._empty_ns = max(self._empty_ns, now_ns)
        self._has_more = False
        self._reads.clear()
