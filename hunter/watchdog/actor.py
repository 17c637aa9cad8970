"""The watchdog's duty cycle: look at every page, judge, ask the supervisor for a restart where one
can help.

It asks by name and pid, once per incarnation: the supervisor acts, or knows better. It also says in
words what is not as it should be without a restart being the cure: feeds that are stale, a brain
that falls behind.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import Final

import msgspec

from hunter.bus.messages import RestartActor
from hunter.bus.sockets import ControlClient
from hunter.ring import segment
from hunter.ring.adopt import open_ring
from hunter.ring.layout import RingLayout
from hunter.ring.merge import merged_row_count
from hunter.runtime.actor import Context
from hunter.status import block, documents
from hunter.status.block import SUPERVISOR
from hunter.status.page import ActorState, Beat, is_alive
from hunter.status.usage import private_bytes
from hunter.watchdog.braintroubles import BrainTroubles, disk_facts
from hunter.watchdog.disk import DiskLook
from hunter.watchdog.headroom import Headroom
from hunter.watchdog.liveness import Limits, Look, Verdict, judge
from hunter.watchdog.progress import ProgressTracker
from hunter.watchdog.silence import Silence, read_cpu

_MS: Final = 1_000_000
_MIB: Final = 1 << 20
ASK_AGAIN_NS: Final = 5_000_000_000
THOROUGH_EVERY_NS: Final = 250_000_000
LATE_MS: Final = 2_000.0
CLOCK_MS: Final = 60_000.0  # no network and no loop is a minute behind without worse signs
REPLAY_MS: Final = 3_600_000.0  # nobody is an hour behind the market: this is a recording
_NO_SOCKET: Final = "cannot ask for a restart: no socket to be had; tried again until there is one"
# Channels whose messages need not make a row each.
_ROWLESS: Final = frozenset(("trades-all", "books5", "instruments", "status"))


class WatchdogActor:
    """Watches every actor but itself: the supervisor watches it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._log = context.log
        config = context.config
        self._interval_ns = config.watchdog.interval_ms * _MS
        self._limits = Limits(config.watchdog.hang_after_ms, config.watchdog.memory_limit_mb * _MIB)
        self._control = ControlClient(config.runtime_dir)
        self._status: block.StatusBlock | None = None
        self._due_ns = 0  # the first look is not late, whenever it comes
        self._asked: dict[tuple[str, int], int] = {}
        self._unasked: set[tuple[str, int]] = set()
        self._restarts_asked = 0
        self._hangs: tuple[str, ...] = ()
        self._reasons: tuple[str, ...] = ()
        self._blind_told = ""
        self._thorough_due_ns = 0
        self._tree: documents.SupervisorDocument | None = None
        self._tree_generation = 0
        self._facts: tuple[documents.FactDocument, ...] = ()
        self._brain_troubles = BrainTroubles()
        self._headroom = Headroom(
            self._limits.memory_limit_bytes, config.watchdog.disk_free_mb * _MIB
        )
        self._disk = DiskLook(
            [config.data_dir, config.log_dir, *[config.store_dir] * config.store.enabled]
        )
        self._progress = ProgressTracker()
        self._silence = Silence(config.watchdog.hang_after_ms)
        self._rings: list[tuple[segment.Segment, RingLayout]] = []
        self._sleeper = select.poll()

    def on_start(self, now_ns: int) -> None:
        directory = self._context.shared_dir
        self._status = block.attach(directory)
        for shard in range(self._context.config.stream.shards):
            self._rings.append(open_ring(directory / f"ring-{shard}"))
        self._thorough_due_ns = now_ns

    def do_work(self, now_ns: int) -> int:
        if now_ns < self._due_ns:
            return 0
        late_ms = (now_ns - self._due_ns) / _MS if self._due_ns else 0.0
        self._due_ns = now_ns + self._interval_ns
        if late_ms >= self._limits.hang_after_ms:
            # The host was suspended: whoever wakes up after us has not stood still all the time.
            self._progress = ProgressTracker()
        self._look(now_ns, late_ms)
        return 1

    def wait(self, timeout_ms: int) -> None:
        due_ms = (self._due_ns - self._context.clock.monotonic_ns()) // _MS + 1
        self._sleeper.poll(max(0, min(timeout_ms, due_ms)))

    def on_stop(self) -> None:
        self._disk.close()
        if self._status is not None:
            self._status.close()
        for shared, _ in self._rings:
            shared.close()

    def state(self) -> ActorState:
        return ActorState.READY

    def document(self) -> documents.WatchdogDocument:
        return documents.WatchdogDocument(
            (*self._hangs, *self._reasons), self._restarts_asked, self._facts
        )

    def _look(self, now_ns: int, late_ms: float) -> None:
        """At the beats on each look; at documents and memory, which cost more, now and then."""
        tree = self._supervised()
        if tree is None:
            return
        children = [child for child in tree.children if child.name != self._context.name]
        self._hangs = tuple(
            text for child in children for text in self._judge_beat(child, now_ns, late_ms)
        )
        if now_ns < self._thorough_due_ns:
            return
        self._thorough_due_ns = now_ns + THOROUGH_EVERY_NS
        # Of the market: marks, candles and the like are no work for a brain.
        arrived = [merged_row_count(shared, layout) for shared, layout in self._rings]
        blind = _blindness()
        reasons = [f"the watchdog sees little: {blind}"] if blind else []
        facts = list(self._disk_facts(now_ns))
        for child in children:
            said, found = self._judge_work(child, arrived, now_ns)
            reasons += said
            facts += found
        self._facts = tuple(facts)
        self._reasons = (*(fact.text for fact in facts), *reasons)
        if blind != self._blind_told:
            self._blind_told = blind
            self._log.warning("sees little: %s" if blind else "sees again%s", blind)

    def _disk_facts(self, now_ns: int) -> Iterator[documents.FactDocument]:
        answers = self._disk.look(now_ns)
        place = str(self._context.config.data_dir)
        return self._headroom.disk(self._disk.rooms, answers=answers, place=place)

    def _supervised(self) -> documents.SupervisorDocument | None:
        """The tree as the supervisor shows it; read again when it has changed."""
        assert self._status is not None
        page = self._status.pages[SUPERVISOR]
        generation = page.beat().generation
        if generation != self._tree_generation:
            tree = documents.decode(page.read_document(), documents.SupervisorDocument)
            self._tree, self._tree_generation = tree, generation
        return self._tree

    def _judge_beat(self, child: documents.ChildDocument, now_ns: int, late_ms: float) -> list[str]:
        """Whether an actor's loop turns; what is to be said when it does not."""
        assert self._status is not None
        beat = self._status.pages[child.name].beat()
        silent = self._silence.is_silent(child.name, beat.beat_monotonic_ns)
        excused_ms = self._silence.excused_ms(
            child.name,
            beat.beat_monotonic_ns,
            now_ns,
            late_ms,
            read_cpu(child.pid) if silent and child.pid else None,
        )
        look = Look(
            alive=silent and beat.pid == child.pid and _exists(beat),
            spoken_for=child.state != "ready",
            beat_monotonic_ns=beat.beat_monotonic_ns,
        )
        return self._act_on(child, judge(look, self._limits, now_ns, excused_ms), now_ns)

    def _judge_work(
        self, child: documents.ChildDocument, arrived: list[int], now_ns: int
    ) -> tuple[list[str], list[documents.FactDocument]]:
        """What an actor needs and does, and what is said about it; `arrived`: rows by ring."""
        assert self._status is not None
        page = self._status.pages[child.name]
        beat, raw = page.beat(), page.read_document()
        look = Look(
            alive=beat.pid == child.pid and is_alive(beat),
            spoken_for=child.state != "ready",
            beat_monotonic_ns=now_ns,
            private_bytes=private_bytes(child.pid) if child.pid else 0,
            stalled=self._is_stalled(child, raw, arrived, now_ns),
        )
        verdict = judge(look, self._limits, now_ns, 0.0)
        reasons, facts = self._act_on(child, verdict, now_ns), []
        large = self._headroom.memory(child.name, look.private_bytes)
        if large is not None and verdict is not Verdict.MEMORY:  # else it is restarted for it
            facts.append(large)
        if child.role == "brain" and (brain := documents.decode(raw, documents.BrainDocument)):
            reasons += self._brain_troubles.reasons(brain, now_ns)
            facts += disk_facts(brain)
        elif child.role == "stream":
            reasons += _late_feeds(documents.decode(raw, documents.StreamDocument))
        return reasons, facts

    def _act_on(self, child: documents.ChildDocument, verdict: Verdict, now_ns: int) -> list[str]:
        if verdict in (Verdict.FINE, Verdict.WAIT):
            return []
        told = self._ask(child, verdict, now_ns)
        how = "was asked to restart it" if told else "cannot be asked for a restart"
        return [f"{child.name}: {verdict.value}; the supervisor {how}"]

    def _is_stalled(
        self, child: documents.ChildDocument, raw: bytes | None, arrived: list[int], now_ns: int
    ) -> bool:
        """Whether it takes work and does none: a stream that gets data and writes no rows, a brain
        that lets rows lie."""
        name, pid = child.name, child.pid
        if child.role == "brain" and (brain := documents.decode(raw, documents.BrainDocument)):
            read = sum(msgspec.structs.astuple(brain.inputs)) + brain.lapped + brain.damaged
            return self._progress.stalled(name, pid, sum(arrived), read, now_ns)
        if child.role == "stream" and (stream := documents.decode(raw, documents.StreamDocument)):
            if not stream.active or any(feed.state != "live" for feed in stream.feeds):
                # a standby writes nothing; rows wait for what is missing, or for a connection
                self._progress.forget(name)
                return False
            messages = sum(feed.messages for feed in stream.feeds if feed.channel not in _ROWLESS)
            written = arrived[self._shard_of(name)]
            return self._progress.stalled(name, pid, messages, written, now_ns)
        return False

    def _shard_of(self, stream: str) -> int:
        return int(stream.rpartition("-")[2].rstrip("b"))

    def _ask(self, child: documents.ChildDocument, verdict: Verdict, now_ns: int) -> bool:
        """Whether the supervisor has been asked, now or a moment ago."""
        incarnation = (child.name, child.pid)
        if now_ns - self._asked.get(incarnation, -ASK_AGAIN_NS) < ASK_AGAIN_NS:
            return True
        command = RestartActor(actor=child.name, reason=verdict.value, pid=child.pid)
        told = self._control.tell(command)
        if told or incarnation not in self._unasked:
            text = "asking for a restart" if told else _NO_SOCKET
            self._log.warning("%s (pid %d): %s; %s", *incarnation, verdict.value, text)
        if not told:
            self._unasked.add(incarnation)
            return False
        self._unasked.clear()
        self._asked = {key: at for key, at in self._asked.items() if now_ns - at < ASK_AGAIN_NS}
        self._asked[incarnation] = now_ns
        self._restarts_asked += 1
        return True


def _exists(beat: Beat) -> bool:
    """Whether the process that beat is there; without /proc by its number, which the supervisor
    says is still its own."""
    if is_alive(beat):
        return True
    if not _blindness():
        return False
    try:
        os.kill(beat.pid, 0)
    except OSError:
        return False
    return True


def _blindness() -> str:
    """Why processes cannot be looked at now; "" when they can."""
    try:
        os.close(os.open("/proc/self/stat", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _late_feeds(stream: documents.StreamDocument | None) -> list[str]:
    """Instruments whose data come late: we are slower than the market, or the network is."""
    late = {
        feed.instrument: feed.lag_ms_p50
        for feed in (stream.feeds if stream else ())
        if LATE_MS < feed.lag_ms_p50 < REPLAY_MS
    }
    return [
        f"{name}: data are {lag_ms / 1000:.1f} s late"
        + ("; is this host's clock right?" if lag_ms > CLOCK_MS else "")
        for name, lag_ms in late.items()
    ]
