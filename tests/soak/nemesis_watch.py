"""What the nemesis sees of an instance: cheap looks, a hundred a second, at memory and files.

Nothing here asks the instance for anything: a supervisor that is stopped or dead answers as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from fakes.checkers import (
    Left,
    Sample,
    Tape,
    check_book,
    check_book_moves,
    check_rows,
    check_truth,
)
from fakes.fault_proxy import FaultProxy
from fakes.instance import HunterInstance, Simulator
from fakes.nemesis_deaths import Death
from fakes.nemesis_truth import FileTail, LedgerTail, RowDigest
from soak.nemesis_signals import Oracle

from hunter.access import Instance
from hunter.brain.settings import BrainSettings
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.reader import LaneReader
from hunter.ring.rows import Kind, numpy_dtype
from hunter.status import block
from hunter.status.documents import ChildDocument, StreamDocument, SupervisorDocument, decode
from hunter.status.page import ActorState, is_alive, process_start_ticks
from hunter.system import LOCK_FILE
from supervisor.lock import holder

STAYS = ("*.lock", "*.limits")  # in the runtime directory, on purpose


class TreeWatch:
    """The supervisor's page and its children's, and since when each child has been ready."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._status = block.attach(directory)
        self._ready_since: dict[tuple[str, int], float] = {}

    def attach(self) -> None:
        """Again: each supervisor makes a status block of its own."""
        self._status.close()
        self._status = block.attach(self._directory)
        self._ready_since.clear()

    def close(self) -> None:
        self._status.close()

    @property
    def supervisor_pid(self) -> int:
        return self._status.pages[block.SUPERVISOR].beat().pid

    def children(self) -> dict[str, ChildDocument]:
        raw = self._status.pages[block.SUPERVISOR].read_document()
        tree = decode(raw, SupervisorDocument)
        return {} if tree is None else {child.name: child for child in tree.children}

    def look(self) -> dict[str, ChildDocument]:
        """As `children`; remembers who is ready."""
        now_s, children = time.monotonic(), self.children()
        ready = {(c.name, c.pid) for c in children.values() if c.state == "ready"}
        self._ready_since = {key: self._ready_since.get(key, now_s) for key in ready}
        return children

    def ready_for_s(self, child: ChildDocument) -> float:
        since_s = self._ready_since.get((child.name, child.pid))
        return 0.0 if since_s is None else time.monotonic() - since_s

    def state_of(self, name: str) -> ActorState:
        """In the actor's own words."""
        return self._status.pages[name].beat().state

    def writer(self) -> str:
        """The stream process that says it writes, and lives."""
        for name, page in self._status.pages.items():
            if name.startswith("stream") and is_alive(page.beat()):
                document = decode(page.read_document(), StreamDocument)
                if document is not None and document.active:
                    return name
        return ""

    def sample(self, kills: int) -> Sample | None:
        """The supervisor's resources, unless it is just gone."""
        pid = self.supervisor_pid
        with contextlib.suppress(OSError):
            statm = Path(f"/proc/{pid}/statm").read_bytes().split()
            return Sample(
                pid,
                kills,
                int(statm[1]) * os.sysconf("SC_PAGE_SIZE"),
                len(os.listdir(f"/proc/{pid}/fd")),
                len(os.listdir(f"/proc/{pid}/task")),
            )
        return None


class RingWatch:
    """Every row of every instrument against the ledger, as they come; books now and then."""

    def __init__(self, instance: HunterInstance, simulator: Simulator, ledger: Path) -> None:
        self.ledger = LedgerTail(ledger)
        self.tapes: dict[str, Tape] = {}
        self.oracles: list[Oracle] = []
        self.books_compared = 0
        self._simulator = simulator
        self._segments: list[segment.Segment] = []
        self._lanes: list[tuple[Tape, LaneReader, LaneReader, RowDigest]] = []
        settings = BrainSettings(interval_ms=instance.config.brain.interval_ms)
        for path in sorted(instance.shared.glob("ring-*[0-9]")):
            shared = segment.attach(path)
            self._segments.append(shared)
            layout = RingLayout.read_header(shared.view)
            for index, name in enumerate(layout.instruments):
                trades, books = (
                    LaneReader(shared, layout, index, kind) for kind in (Kind.TRADE, Kind.BOOK)
                )
                self.tapes[name] = Tape(name)
                self._lanes.append((self.tapes[name], trades, books, RowDigest()))
                self.oracles.append(Oracle(shared, layout, index, settings))

    def close(self) -> None:
        self.ledger.close()
        for shared in self._segments:
            shared.close()

    @property
    def files(self) -> list[Path]:
        return [shared.path for shared in self._segments]

    def look(self) -> list[str]:
        """I1 and I2 of what is new; and the signals that have to come of it."""
        failures: list[str] = []
        for tape, trades, _, digest in self._lanes:
            while raw := trades.poll_bytes():
                self.ledger.poll()
                rows = np.frombuffer(raw, dtype=numpy_dtype(Kind.TRADE))
                failures += check_rows(tape, rows)
                tape.digests.update(digest.add(rows))
                truth = self.ledger.truth.get(tape.instrument, {})
                failures += check_truth(tape, rows, truth)
            if trades.lapped:
                failures.append(f"I1 {tape.instrument}: the check was lapped; raise the capacity")
                trades.lapped = 0
            if trades.damaged:
                failures.append(f"I1 {tape.instrument}: {trades.damaged} damaged rows")
                trades.damaged = 0
        for oracle in self.oracles:
            failures += oracle.look()
        return failures

    def compare_books(self, *, all_known: bool = False) -> list[str]:
        """I4 of the newest valid book of each instrument, where the exchange still knows it; or of
        every one, if all have to be known.
        """
        failures: list[str] = []
        for name, row in self._newest_books():
            if row is None or not row["valid"]:
                failures += [f"I4 {name}: no valid book"] if all_known else []
                continue
            query = f"instId={name}&seqId={int(row['seq_id'])}"
            try:
                truth: Any = self._simulator.control(f"/sim/book?{query}")
            except urllib.error.HTTPError as error:
                unknown = f"I4 {name}: the exchange knows no book {row['seq_id']}: {error}"
                failures += [unknown] if all_known else []
                continue
            self.books_compared += 1
            failures += check_book(name, row, truth)
        return failures

    def exchange_books(self) -> dict[str, int]:
        """The sequence id of the newest book that the exchange has published, by instrument."""
        answers = {
            name: self._simulator.control(f"/sim/ledger?instId={name}&limit=1")
            for name in self.tapes
        }
        return {name: int(answer["book"]["seqId"]) for name, answer in answers.items()}

    def books_behind(self, newest: dict[str, int]) -> list[str]:
        """I4 of books that are not yet as new as these."""
        return [
            failure
            for name, row in self._newest_books()
            for failure in check_book_moves(name, row, newest[name])
        ]

    def _newest_books(self) -> Iterator[tuple[str, Any | None]]:
        for tape, _, books, _ in self._lanes:
            rows = np.frombuffer(books.last_bytes(1), dtype=numpy_dtype(Kind.BOOK))
            yield tape.instrument, rows[0] if len(rows) else None

    def is_complete(self, heads: dict[str, int]) -> bool:
        return all((tape.last_id or -1) >= heads.get(name, 0) for name, tape in self.tapes.items())

    def told_lost(self, instance: HunterInstance) -> dict[str, int]:
        """What `hunter status` calls lost."""
        with Instance(instance.config) as access:
            feeds = access.status().feeds
        return {feed.instrument: feed.lost for feed in feeds if feed.channel == "trades"}


class DeathsTail:
    """Records of deaths as the supervisor writes them, that of its predecessor among them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tail = FileTail(path)
        self.told: list[Death] = []

    def poll(self) -> list[Death]:
        for line in self._tail.lines():
            entry = json.loads(line)
            self.told.append(
                Death(
                    entry["actor"],
                    entry["pid"],
                    entry.get("cause") or "",
                    entry["at_monotonic_ns"],
                    entry["last_exit"],
                )
            )
        return self.told

    def close(self) -> None:
        self._tail.close()


def what_is_left(instance: HunterInstance, proxy: FaultProxy, spared: set[int]) -> Left:
    """After `hunter stop`: everything that still has to do with this instance."""
    config = instance.config
    places = (str(instance.home), str(instance.shared))
    processes = [
        f"{pid} {name}"
        for pid in _pids()
        if pid not in spared and (name := _user_of(pid, places)) is not None
    ]
    unix = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
    sockets = [line.split()[-1] for line in unix if str(config.runtime_dir) in line]
    sockets += [f"connection to the exchange from port {port}" for port in _clients_of(proxy.port)]
    stays = {path for pattern in STAYS for path in config.runtime_dir.glob(pattern)}
    runtime = set(config.runtime_dir.iterdir()) if config.runtime_dir.exists() else set()
    return Left(
        processes=tuple(processes),
        sockets=tuple(sockets),
        shared_files=tuple(map(str, everything_at(instance.shared))),
        runtime_files=tuple(str(path) for path in runtime - stays),
        lock_holder=holder(str(config.runtime_dir / LOCK_FILE)),
    )


def everything_at(directory: Path) -> list[Path]:
    """What is in it, and itself, if it is there: an empty one is left, too."""
    return [directory, *directory.rglob("*")] if directory.exists() else []


def _clients_of(port: int) -> list[int]:
    """Ports of loopback that are connected to this one. Not what the proxy has open: after a black
    hole it keeps its end, whoever was on the other.
    """
    table = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    rows = [line.split() for line in table]
    established = "01"  # include/net/tcp_states.h
    return [
        int(row[1].rpartition(":")[2], 16)
        for row in rows
        if row[3] == established and int(row[2].rpartition(":")[2], 16) == port
    ]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _user_of(pid: int, places: tuple[str, ...]) -> str | None:
    """The command of a process that has a file of ours open or mapped, or is named after one."""
    folder = Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        held = [command, (folder / "maps").read_text(errors="replace")]
        for entry in (folder / "fd").iterdir():
            with contextlib.suppress(OSError):
                held.append(os.readlink(entry))
        if process_start_ticks(pid) and any(place in text for text in held for place in places):
            return command
    return None
