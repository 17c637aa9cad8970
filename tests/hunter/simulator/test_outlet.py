"""What leaves a connection and when, over a real socket pair's transport."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from hunter.simulator.faults import Faults, make_fault
from hunter.simulator.outlet import Outlet, SlowLine
from hunter.simulator.tampering import Outgoing


def run(
    scenario: Callable[[asyncio.Transport, socket.socket], Awaitable[None]],
) -> None:
    """`scenario` gets a transport and the other end of its line."""

    async def inside() -> None:
        near, far = socket.socketpair()
        far.setblocking(False)
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, sock=near
        )
        try:
            await asyncio.wait_for(scenario(transport, far), 10)
        finally:
            transport.abort()
            far.close()

    asyncio.run(inside())


async def read(far: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = await asyncio.get_running_loop().sock_recv(far, count - len(data))
        if not part:
            break
        data += part
    return data


def is_empty(far: socket.socket) -> bool:
    try:
        far.recv(1)
    except BlockingIOError:
        return True
    return False


def outlet(transport: asyncio.Transport, faults: Faults | None = None, most: int = 100) -> Outlet:
    return Outlet(transport, faults or Faults(), "aaaaaaaa", most)


def test_batch_leaves_in_order_and_once() -> None:
    async def scenario(transport: asyncio.Transport, far: socket.socket) -> None:
        one = outlet(transport)
        assert not one.has_batch
        for wire in (b"a", b"b"):
            one.put(wire)
        one.put_odd(Outgoing(b"c"))
        assert one.has_batch
        one.flush(None)
        one.flush(None)
        assert await read(far, 3) == b"abc"
        assert is_empty(far)

    run(scenario)


def test_slow_frame_holds_back_what_is_written_after_it_and_the_end() -> None:
    async def scenario(transport: asyncio.Transport, far: socket.socket) -> None:
        one = outlet(transport)
        one.put(b"a")
        one.put_odd(Outgoing(b"slow", ms_per_byte=1))
        one.put(b"z")
        one.flush(None)
        one.write(b"!")
        one.write(b"")
        assert one.unread_bytes >= 5
        assert await read(far, 1) == b"a"
        assert await read(far, 100) == b"slowz!"
        assert transport.is_closing()
        assert one.unread_bytes == 0

    run(scenario)


def test_delay_holds_each_write_it_is_used_for() -> None:
    async def scenario(transport: asyncio.Transport, far: socket.socket) -> None:
        faults = Faults()
        fault = make_fault("delay", 20)
        fault.left = 1
        faults.arm(fault)
        one = outlet(transport, faults)
        started_s = asyncio.get_running_loop().time()
        one.write(b"late")
        one.write(b"r")
        assert is_empty(far)
        assert await read(far, 5) == b"later"
        assert asyncio.get_running_loop().time() - started_s >= 0.019
        assert faults.armed == []
        one.write(b"now")
        assert await read(far, 3) == b"now"

    run(scenario)


def test_hurry_sends_at_once_what_was_slow_and_later_writes_do_not_wait() -> None:
    async def scenario(transport: asyncio.Transport, far: socket.socket) -> None:
        one = outlet(transport)
        one.put_odd(Outgoing(b"slow", ms_per_byte=10_000))
        one.flush(None)
        one.write(b"z")
        assert await read(far, 1) == b"s"
        one.hurry()
        assert await read(far, 4) == b"lowz"
        assert one.unread_bytes == 0
        one.write(b"!")
        assert await read(far, 1) == b"!"
        one.put_odd(Outgoing(b"ab", ms_per_byte=1))
        one.flush(None)
        assert await read(far, 2) == b"ab"

    run(scenario)


def test_frozen_outlet_lets_nothing_out() -> None:
    async def scenario(transport: asyncio.Transport, far: socket.socket) -> None:
        one = outlet(transport)
        one.put_odd(Outgoing(b"slow", ms_per_byte=1000))
        one.flush(None)
        assert await read(far, 1) == b"s"
        one.freeze()
        one.put(b"a")
        one.put_odd(Outgoing(b"b", ms_per_byte=1))
        one.flush(None)
        one.write(b"")
        assert is_empty(far)
        assert one.is_frozen
        assert not transport.is_closing()

    run(scenario)


def test_reader_is_slow_beyond_the_limit_and_a_huge_frame_is_not_its_fault() -> None:
    async def scenario(transport: asyncio.Transport, far: socket.socket) -> None:
        one = outlet(transport, most=1_000_000)
        one.put_odd(Outgoing(b"x" * 6_000_000))
        one.flush(None)
        assert one.unread_bytes > 1_000_000
        assert not one.is_full
        for _ in range(2):
            one.put(b"y" * 1_000_000)
        one.flush(None)
        assert one.is_full

    run(scenario)


def test_stopped_line_is_silent_and_one_that_is_closing_drops_its_rest() -> None:
    async def scenario(transport: asyncio.Transport, far: socket.socket) -> None:
        line = SlowLine(transport)
        assert line.is_empty
        line.add(b"abc", after_s=0.001)
        line.stop()
        assert line.is_empty
        other = SlowLine(transport)
        other.add(b"abc", after_s=0.001)
        transport.close()
        while not other.is_empty:
            await asyncio.get_running_loop().run_in_executor(None, int)
        assert other.waiting_bytes == 0

    run(scenario)
