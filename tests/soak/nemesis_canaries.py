"""Broken invariants, on purpose and for real: a check that does not find these checks nothing.

Each canary tampers with a running instance as the defect that its checker is there for would: in
the shared memory, with the files, or behind the nemesis' back. `mark` is how the failures begin
that have to come of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np
import zmq

from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.rows import CHECK_BYTES, Kind, numpy_dtype
from hunter.signals.journal_reader import journal_files, journal_path

if TYPE_CHECKING:
    from soak.nemesis_run import Nemesis

ROWS_TIMEOUT_S = 20.0
SIGNAL_TIMEOUT_S = 20.0
LEAKED = 60
# Of ZeroMQ's wire protocol 3.0, mechanism NULL; and READY, as a DEALER: then the peer stays.
ZMTP_GREETING = (
    b"\xff"
    + bytes(8)
    + b"\x7f\x03\x00"
    + b"NULL".ljust(20, b"\0")
    + bytes(32)
    + b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
)


class Canary:
    """One that does nothing; the others override what they need."""

    mark = ""
    settings: tuple[str, ...] = ()
    is_long = False
    """Whether it takes so long that I6 can be judged."""

    def before_heal(self, nemesis: Nemesis) -> None:
        """After the plan, before everything has to be in order again."""

    def before_stop(self, nemesis: Nemesis) -> None:
        """When everything is in order again."""

    def clean_up(self) -> None:
        """Whatever it left."""


class _Poke(Canary):
    """Changes a committed row that the checks have not read yet, as a broken writer would."""

    def before_heal(self, nemesis: Nemesis) -> None:
        nemesis.until_counted()
        path = nemesis.ring.files[0]
        tape = next(iter(nemesis.ring.tapes.values()))
        nemesis.ring.look()
        with segment.attach(path, writable=True) as shared:
            layout = RingLayout.read_header(shared.view)
            capacity = layout.capacities[Kind.TRADE]
            word = layout.intent_word(0, Kind.TRADE) + 1
            start = layout.lane_offset(0, Kind.TRADE)
            row_bytes = numpy_dtype(Kind.TRADE).itemsize
            lane = shared.part(start, start + capacity * row_bytes)
            rows = np.frombuffer(lane, dtype=numpy_dtype(Kind.TRADE))
            end_s = time.monotonic() + ROWS_TIMEOUT_S
            while shared.words[word] < tape.sequence + 4:
                assert time.monotonic() < end_s, "no new rows to tamper with"
                time.sleep(0.001)
            self.poke(rows, int(shared.words[word]) - 1 & capacity - 1)
            del rows
        nemesis.note(nemesis.ring.look())

    def poke(self, rows: np.ndarray, slot: int) -> None:
        """`slot`: the newest row's."""
        raise NotImplementedError


class DoubleRow(_Poke):
    """A row is written twice: its matches, once more, in the next place, with a check that fits."""

    mark = "I2"

    def poke(self, rows: np.ndarray, slot: int) -> None:
        for name in ("trade_id", "price", "size", "count", "side"):
            rows[name][slot] = rows[name][slot - 1]
        rows["check"][slot] = zlib.crc32(rows[slot].tobytes()[:-CHECK_BYTES])


class TornRow(_Poke):
    """Half of a row is there, of a writer that publishes before it has written."""

    mark = "I1"

    def poke(self, rows: np.ndarray, slot: int) -> None:
        for name in ("price", "size", "count"):
            rows[name][slot] = 0


class LostMatches(Canary):
    """An exchange that keeps matches to itself, in the feed and by REST: counted, but lost."""

    mark = "I2"

    def before_heal(self, nemesis: Nemesis) -> None:
        nemesis.until_counted()
        control = nemesis.simulator.control
        control("/sim/fault?name=rest_unavailable")
        control("/sim/fault?name=drop_trades&lasts_s=1.5")
        nemesis.idle(1.6)
        control("/sim/fault?name=rest_missing&code=2000")
        control("/sim/fault?clear=rest_unavailable")
        nemesis.idle(3.0)


class BlindReader(Canary):
    """The process that reads all the time is killed: it cannot speak for the rest."""

    mark = "I3"

    def before_heal(self, nemesis: Nemesis) -> None:
        nemesis.reader.kill()


class WrongBook(Canary):
    """An update whose size is wrong and whose chain is right, and no other channel to tell."""

    mark = "I4"
    settings = ('okx.channels=["trades", "books"]',)

    def before_stop(self, nemesis: Nemesis) -> None:
        nemesis.simulator.control("/sim/fault?name=wrong_book")
        end_s = time.monotonic() + ROWS_TIMEOUT_S
        while not any(text.startswith(self.mark) for text in nemesis.seen.failures):
            assert time.monotonic() < end_s, "no wrong book was compared"
            nemesis.idle(0.1)


class Orphan(Canary):
    """A process that outlives its instance, with a descriptor of it."""

    mark = "I5"

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def before_stop(self, nemesis: Nemesis) -> None:
        with (nemesis.instance.config.data_dir / "orphan").open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "import time; time.sleep(120)"], stdout=file
            )

    def clean_up(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Leak(Canary):
    """Clients of the supervisor that come and never go, and cost it a descriptor each."""

    mark = "I6"
    is_long = True

    def __init__(self) -> None:
        self._clients: list[zmq.Socket[bytes]] = []

    def before_stop(self, nemesis: Nemesis) -> None:
        endpoint = f"ipc://{nemesis.instance.config.runtime_dir / 'control.ipc'}"
        for _ in range(LEAKED):
            self._clients.append(zmq.Context.instance().socket(zmq.DEALER))
            self._clients[-1].connect(endpoint)
            nemesis.idle(0.5)

    def clean_up(self) -> None:
        for client in self._clients:
            client.close(linger=0)


class Miscount(Canary):
    """A kill that nobody counted: a crash looks like that."""

    mark = "I7"

    def before_heal(self, nemesis: Nemesis) -> None:
        nemesis.until_counted()
        os.kill(nemesis.fit("brain-0").pid, signal.SIGABRT)


class Secret(Canary):
    """A password in a log."""

    mark = "I8"

    def before_stop(self, nemesis: Nemesis) -> None:
        with (nemesis.instance.config.log_dir / "stream-0.log").open("a") as file:
            file.write(f"connecting with {os.environ['OKX_API_SECRET']}\n")


class TwoSignals(Canary):
    """The newest signal of the journal, once more."""

    mark = "signal"

    def before_stop(self, nemesis: Nemesis) -> None:
        directory = nemesis.instance.config.data_dir / "signals"

        def newest() -> bytes:
            numbers = journal_files(directory)
            path = journal_path(directory, numbers[-1]) if numbers else None
            return b"" if path is None else path.read_bytes()

        text = nemesis.until("a signal", newest, SIGNAL_TIMEOUT_S)
        with journal_path(directory, journal_files(directory)[-1]).open("ab") as file:
            file.write(text.splitlines(keepends=True)[0])


CANARIES: Final[dict[str, Canary]] = {
    "double": DoubleRow(),
    "torn": TornRow(),
    "lost": LostMatches(),
    "blind": BlindReader(),
    "book": WrongBook(),
    "orphan": Orphan(),
    "leak": Leak(),
    "miscount": Miscount(),
    "secret": Secret(),
    "twice": TwoSignals(),
}
