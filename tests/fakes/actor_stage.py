"""What an actor is given, without its process: a status page, rings and sockets that are real, and
time that can be moved.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from hunter.clock import SystemClock
from hunter.config import load
from hunter.ring import segment
from hunter.ring.adopt import adopt_or_create
from hunter.ring.layout import WRITER_PID_WORD, RingLayout
from hunter.ring.reader import LaneReader, Row
from hunter.ring.rows import Kind
from hunter.runtime.actor import Actor, Context
from hunter.status import block, documents
from hunter.system import ring_layout

MS = 1_000_000
SWAP = "BTC-USDT-SWAP"


class HandClock:
    """Time that moves when told to, from a moment in 2026 on."""

    def __init__(self) -> None:
        self.now_ns = 1_790_000_000_000_000_000

    def wall_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def skip(self, milliseconds: float) -> None:
        self.now_ns += int(milliseconds * MS)


class SkippingClock:
    """The host's clocks, and `skip` to get to a deadline without waiting for it."""

    def __init__(self) -> None:
        self._skipped_ns = 0
        self._host = SystemClock()

    def wall_ns(self) -> int:
        return self._host.wall_ns()

    def monotonic_ns(self) -> int:
        return self._host.monotonic_ns() + self._skipped_ns

    def skip(self, milliseconds: float) -> None:
        self._skipped_ns += int(milliseconds * MS)


class LogLines(logging.Handler):
    """Keeps what an actor logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")

    def having(self, text: str) -> list[str]:
        return [line for line in self.lines if text in line]


class Stage:
    """Directories, status block and, if wanted, rings of one instance; `close` removes them all.

    The directories have short names: a socket's path is limited to 107 bytes.
    """

    def __init__(self, *settings: str, actors: tuple[str, ...] = ("stream-0", "brain-0")) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="hunter-test-"))
        self.config_file = self.home / "hunter.toml"
        self.config_file.write_text('[hunter]\nruntime_dir = "run"\n')
        self.config = load(self.config_file, settings)
        self.clock = SkippingClock()
        self.log = LogLines()
        self.shared = segment.shared_dir(self.config.hunter.name, self.config.runtime_dir)
        segment.make_private_dir(self.config.runtime_dir)
        segment.make_private_dir(self.shared)
        self.status = block.create(
            self.shared, self.config.hunter.name, actors, 64 << 10, self.clock.wall_ns()
        )
        self._rings: list[segment.Segment] = []

    def make_rings(self) -> None:
        for shard in range(self.config.stream.shards):
            layout = ring_layout(self.config, shard, "test")
            adopt_or_create(self.ring_path(shard), layout, self.clock.wall_ns())

    def ring_path(self, shard: int = 0) -> Path:
        return self.shared / f"ring-{shard}"

    def end_writer(self, shard: int = 0) -> None:
        """As if the process that writes the ring had ended."""
        with segment.attach(self.ring_path(shard), writable=True) as shared:
            shared.words[WRITER_PID_WORD] = 0

    def context(self, name: str, clock: Any = None) -> Context:
        logger = logging.Logger(name)
        logger.addHandler(self.log)
        page = self.status.pages[name]
        return Context(name, self.config, clock or self.clock, page, self.shared, logger)

    def rows(self, kind: Kind, instrument: str = SWAP, shard: int = 0) -> list[Row]:
        """All rows of a lane that are still there, oldest first."""
        if len(self._rings) <= shard:
            self._rings.append(segment.attach(self.ring_path(shard)))
        shared = self._rings[shard]
        layout = RingLayout.read_header(shared.view)
        return LaneReader(shared, layout, layout.instruments.index(instrument), kind).last(1 << 20)

    def show(self, actor: str, document: msgspec.Struct) -> None:
        """Put a document on a page, as its actor would."""
        self.status.pages[actor].write_document(documents.encode(document))

    def close(self) -> None:
        for shared in self._rings:
            shared.close()
        self.status.close()
        shutil.rmtree(self.shared, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)


def turn(actor: Actor, clock: SkippingClock | HandClock, wait_ms: int = 20) -> int:
    """One turn of the runner's loop."""
    work = actor.do_work(clock.monotonic_ns())
    if not work:
        actor.wait(wait_ms)
    return work


def run_until(actor: Actor, clock: SkippingClock, what: str, condition: Callable[[], Any]) -> Any:
    """Turn the loop until `condition` is true; its value. Fails with `what` after 10 s."""
    end_ns = SystemClock().monotonic_ns() + 10_000 * MS
    while True:
        value = condition()
        if value:
            return value
        assert SystemClock().monotonic_ns() < end_ns, f"not within 10 s: {what}"
        turn(actor, clock)
