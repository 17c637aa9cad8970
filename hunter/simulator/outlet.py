"""What leaves one WebSocket connection: frames in batches, on time, late, slowly or never.

Everything the connection writes goes through here in one order, control frames included: a frame
that trickles out must not have another in its middle. Owned by one connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from websockets.server import ServerProtocol

from hunter.simulator.faults import Faults
from hunter.simulator.frames import is_text, wire_payload
from hunter.simulator.tampering import Outgoing

_END: Final = b""


class SlowLine:
    """Bytes on their way: each piece leaves at its time, none before those ahead of it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.waiting_bytes = 0
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        # Due time, bytes, and the gap between two of them (0: all at once).
        self._pieces: deque[tuple[float, memoryview, float]] = deque()
        self._last_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_empty(self) -> bool:
        return not self._pieces

    def add(self, data: bytes, after_s: float = 0.0, gap_s: float = 0.0) -> None:
        """`_END` ends the connection in its turn."""
        due_s = max(self._last_s, self._loop.time() + after_s)
        self._last_s = due_s + gap_s * max(0, len(data) - 1)
        self._pieces.append((due_s, memoryview(data), gap_s))
        self.waiting_bytes += len(data)
        if self._timer is None:
            self._arm()

    def hurry(self) -> None:
        """Everything leaves now."""
        pieces = [piece for _, piece, _ in self._pieces]
        self.stop()
        self.waiting_bytes = 0
        self._last_s = 0.0
        for piece in pieces:
            self._write(piece)

    def stop(self) -> None:
        """Nothing leaves any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pieces.clear()

    def _arm(self) -> None:
        self._timer = self._loop.call_at(self._pieces[0][0], self._leave) if self._pieces else None

    def _leave(self) -> None:
        while self._pieces and self._pieces[0][0] <= self._loop.time():
            due_s, data, gap_s = self._pieces.popleft()
            if gap_s and len(data) > 1:
                self._pieces.appendleft((due_s + gap_s, data[1:], gap_s))
                data = data[:1]
            self.waiting_bytes -= len(data)
            self._write(data)
        self._arm()

    def _write(self, data: memoryview) -> None:
        if self._transport.is_closing():
            return
        if data:
            self._transport.write(data)
        else:
            self._transport.close()


class Outlet:
    """`put` and `put_odd` collect a batch, `flush` sends it."""

    def __init__(
        self, transport: asyncio.Transport, faults: Faults, conn_id: str, queue_bytes_max: int
    ) -> None:
        self.is_frozen = False
        self._transport = transport
        self._faults = faults
        self._conn_id = conn_id
        self._queue_bytes_max = queue_bytes_max
        self._batch: list[bytes] = []
        self._slow: list[tuple[int, Outgoing]] = []  # place in the batch, and what goes there
        self._line = SlowLine(transport)

    @property
    def has_batch(self) -> bool:
        return bool(self._batch or self._slow)

    @property
    def unread_bytes(self) -> int:
        return self._transport.get_write_buffer_size() + self._line.waiting_bytes

    @property
    def is_full(self) -> bool:
        return self.unread_bytes > self._queue_bytes_max

    def put(self, wire: bytes) -> None:
        self._batch.append(wire)

    def put_odd(self, item: Outgoing) -> None:
        """A frame that a fault has made; a huge one is not the reader's slowness."""
        if item.ms_per_byte:
            self._slow.append((len(self._batch), item))
            return
        if len(item.wire) > self._queue_bytes_max // 2:
            self._queue_bytes_max += len(item.wire)
        self._batch.append(item.wire)

    def drop_batch(self) -> None:
        self._batch.clear()
        self._slow.clear()

    def flush(self, packer: ServerProtocol | None) -> None:
        """Send the batch; `packer` frames it anew when the connection is compressed."""
        start = 0
        for place, item in self._slow:
            self._send(self._batch[start:place], packer)
            if not self.is_frozen:
                self._line.add(item.wire, gap_s=item.ms_per_byte / 1000)
            start = place
        self._send(self._batch[start:] if start else self._batch, packer)
        self.drop_batch()

    def write(self, data: bytes) -> None:
        """Bytes of the library; empty ones end the connection (RFC 6455 7.1.1)."""
        if self.is_frozen or self._transport.is_closing():
            return
        fault = self._faults.armed and self._faults.take("delay", self._conn_id)
        if fault:
            self._line.add(data, after_s=fault.code / 1000)
        elif not self._line.is_empty:
            self._line.add(data)
        elif data:
            self._transport.write(data)
        else:
            self._transport.close()

    def freeze(self) -> None:
        self.is_frozen = True
        self.stop()

    def hurry(self) -> None:
        """What is late or slow leaves now."""
        self._line.hurry()

    def stop(self) -> None:
        """The connection is over."""
        self.drop_batch()
        self._line.stop()

    def _send(self, wires: list[bytes], packer: ServerProtocol | None) -> None:
        if not wires:
            return
        if packer is None:
            self.write(b"".join(wires))
            return
        for wire in wires:
            if is_text(wire):
                packer.send_text(wire_payload(wire))
                for data in packer.data_to_send():
                    self.write(data)
            else:
                self.write(wire)
