"""A stream's actor in this process, on loopback: turns of its own loop, with the bytes there before
each begins. So a turn costs what it costs in a stream's process, and nothing else is counted.

The exchange is the load's server, in threads that sleep while a turn is measured. Used by `stages`.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from hunter import clock
from hunter.bench.load import LoadServer
from hunter.bench.traffic import TrafficPlan
from hunter.clock import SystemClock
from hunter.config import load
from hunter.errors import HunterError
from hunter.ring import segment
from hunter.ring.adopt import adopt_or_create
from hunter.ring.layout import RingLayout
from hunter.ring.merge import merged_row_count
from hunter.runtime.actor import Context
from hunter.status import block
from hunter.status.page import ActorState
from hunter.stream.actor import StreamActor
from hunter.system import ring_layout

_ACTORS: Final = ("stream-0", "brain-0")
_PAGE_BYTES: Final = 64 << 10
_WAIT_MS: Final = 5
_PATIENCE_NS: Final = 20_000_000_000


class Turns(NamedTuple):
    """CPU of so many turns that brought something."""

    cpu_ns: int
    turn_count: int


def receive(plan: TrafficPlan, piece_bytes: int) -> Turns:
    """All messages of `plan`, from the socket into the ring, in reads of about `piece_bytes`."""
    with _actor(plan) as (actor, server, shared):
        layout = RingLayout.read_header(shared.view)
        wall_ms = SystemClock().wall_ns() // 1_000_000
        stream = server.traffic.stream_of([0], wall_ms)
        first = merged_row_count(shared, layout)
        ends = stream.ends.tolist()
        peer, start, cpu_ns, turn_count = server.peers[0], 0, 0, 0
        deadline_ns = SystemClock().monotonic_ns() + _PATIENCE_NS
        for number, end in enumerate(ends, 1):
            if end - start < piece_bytes and number < len(ends):
                continue
            peer.send(stream.data[start:end])
            start = end
            while merged_row_count(shared, layout) < first + number:
                now_ns = SystemClock().monotonic_ns()
                if now_ns > deadline_ns:
                    raise HunterError("messages did not become rows; is the machine overloaded?")
                began_ns = clock.process_cpu_ns()
                if actor.do_work(now_ns):
                    cpu_ns += clock.process_cpu_ns() - began_ns
                    turn_count += 1
        return Turns(cpu_ns, turn_count)


@contextlib.contextmanager
def _actor(plan: TrafficPlan) -> Iterator[tuple[StreamActor, LoadServer, segment.Segment]]:
    """Connected, subscribed and live."""
    with contextlib.ExitStack() as stack:
        server = LoadServer(plan, lambda **_: None)
        stack.callback(server.close)
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hunter-bench-")))
        config = load(_write_config(home), _settings(plan, server.port))
        shared_dir = segment.shared_dir(config.hunter.name, config.runtime_dir)
        for directory in (config.runtime_dir, shared_dir):
            segment.make_private_dir(directory)
        stack.callback(shutil.rmtree, shared_dir, ignore_errors=True)
        wall_ns = SystemClock().wall_ns()
        status = block.create(shared_dir, config.hunter.name, _ACTORS, _PAGE_BYTES, wall_ns)
        stack.callback(status.close)
        path = shared_dir / "ring-0"
        adopt_or_create(path, ring_layout(config, 0, "bench"), wall_ns)
        log = logging.Logger("bench", logging.CRITICAL)
        page = status.pages[_ACTORS[0]]
        actor = StreamActor(Context(_ACTORS[0], config, SystemClock(), page, shared_dir, log))
        stack.callback(actor.on_stop)
        actor.on_start(SystemClock().monotonic_ns())
        _await_ready(actor)
        yield actor, server, stack.enter_context(segment.attach(path))


def _write_config(home: Path) -> Path:
    file = home / "hunter.toml"
    file.write_text(
        '[hunter]\nname = "stages"\nruntime_dir = "run"\ndata_dir = "data"\n', encoding="utf-8"
    )
    return file


def _settings(plan: TrafficPlan, port: int) -> tuple[str, ...]:
    return (
        f'okx.public_url="ws://127.0.0.1:{port}/ws/v5/public"',
        f'okx.rest_url="http://127.0.0.1:{port}"',
        "okx.instruments=" + msgspec.json.encode(plan.instruments).decode(),
        "okx.channels=" + msgspec.json.encode(plan.channels).decode(),
    )


def _await_ready(actor: StreamActor) -> None:
    deadline_ns = SystemClock().monotonic_ns() + _PATIENCE_NS
    while actor.state() is not ActorState.READY:
        if SystemClock().monotonic_ns() > deadline_ns:
            raise HunterError("the stream did not become ready; is the machine overloaded?")
        if not actor.do_work(SystemClock().monotonic_ns()):
            actor.wait(_WAIT_MS)
