"""What a run of the nemesis stands on: the instance, everything that watches it, and time.

Time passes in `idle` alone, and always with open eyes: rows, deaths, books and the supervisor's
resources are looked at, and what is due to be healed is healed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from fakes.checkers import Sample
from fakes.fault_proxy import FaultProxy
from fakes.instance import HunterInstance, Simulator
from fakes.nemesis_deaths import Death, Term, check_restarts
from fakes.nemesis_plan import WRITER
from soak.nemesis_reader import LogTail
from soak.nemesis_watch import DeathsTail, RingWatch, TreeWatch

from hunter.status.documents import ChildDocument
from hunter.status.page import ActorState

READY_S = 0.55  # below half a second of work a kill counts as the program's own fault
READY_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.25
SAMPLE_EVERY_S = 0.5
BOOKS_EVERY_S = 1.0
TURN_S = 0.01
FAILURES_MAX = 10  # of each invariant: one defect makes many
READER = Path(__file__).with_name("nemesis_reader.py")


@dataclass
class Seen:
    """What the run has brought to light."""

    failures: list[str] = field(default_factory=list)
    terms: list[Term] = field(default_factory=lambda: [Term()])
    supervisors: list[Death] = field(default_factory=list)
    """Each is told of by its successor, and counted as a restart by nobody."""
    samples: list[Sample] = field(default_factory=list)
    gone_ms: list[float] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    status_text: str = ""

    @property
    def term(self) -> Term:
        return self.terms[-1]


def still_doomed(
    doomed: set[tuple[str, int]], children: Mapping[str, ChildDocument]
) -> set[tuple[str, int]]:
    """Those whose end has not been noticed yet: pids come round, and the next one to have this one
    shall live.
    """
    return {
        (name, pid) for name, pid in doomed if name not in children or children[name].pid == pid
    }


def are_mended(children: Mapping[str, ChildDocument], wanted: Mapping[str, int]) -> bool:
    """Whether the supervisor tells of children, all are ready, and each came back that often."""
    return bool(children) and all(
        each.state == "ready" and each.restarts >= wanted.get(each.name, 0)
        for each in children.values()
    )


class Unfit(AssertionError):
    """The instance does not come back: there is no use in going on."""


class Trial:
    """Of one running instance; a context manager."""

    def __init__(
        self,
        instance: HunterInstance,
        simulator: Simulator,
        proxy: FaultProxy,
        *,
        awaits_standby: bool = False,
    ) -> None:
        """`awaits_standby`: nobody is killed while nobody could take over."""
        self.instance, self.simulator, self.proxy = instance, simulator, proxy
        self.awaits_standby = awaits_standby
        self.seen = Seen()
        self.tree = TreeWatch(instance.shared)
        self.ring = RingWatch(instance, simulator, instance.home / "ledger")
        self.deaths = DeathsTail(instance.config.log_dir / "deaths.jsonl")
        self.reader_log = LogTail(instance.home / "reader.jsonl")
        self.reader = subprocess.Popen(
            [sys.executable, str(READER), str(instance.config_file), str(self.reader_log_path)]
        )
        self.doomed: set[tuple[str, int]] = set()
        self._heals: list[tuple[float, Callable[[], object]]] = []
        self._looked_s = self._sampled_s = self._booked_s = 0.0

    @property
    def reader_log_path(self) -> Path:
        return self.instance.home / "reader.jsonl"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_reader()
        for each in (self.tree, self.ring, self.deaths, self.reader_log):
            each.close()

    def stop_reader(self) -> None:
        if self.reader.poll() is None:
            self.reader.terminate()
        self.reader.wait(10)

    def idle(self, lasts_s: float) -> None:
        """Let time pass, with open eyes."""
        end_s = time.monotonic() + lasts_s
        while True:
            now_s = time.monotonic()
            due = [heal for at_s, heal in self._heals if at_s <= now_s]
            self._heals = [pair for pair in self._heals if pair[0] > now_s]
            for heal in due:
                heal()
            self._look(now_s)
            if now_s >= end_s:
                return
            time.sleep(min(TURN_S, end_s - now_s))

    def _look(self, now_s: float) -> None:
        children = self.tree.look()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            self.note(self.ring.look())
            self.deaths.poll()
            self.reader_log.poll()
        self.doomed = still_doomed(self.doomed, children)
        settled = are_mended(children, {})
        if settled and now_s - self._sampled_s >= SAMPLE_EVERY_S:
            self._sampled_s = now_s
            sample = self.tree.sample(self.seen.kills)
            self.seen.samples += [] if sample is None else [sample]
        if settled and now_s - self._booked_s >= BOOKS_EVERY_S:
            self._booked_s = now_s
            self.note(self.ring.compare_books())

    def note(self, failures: list[str]) -> None:
        """Keep what is wrong, and say it at once. One broken invariant leaves room for others."""
        for text in failures:
            kinds = [each.split()[0] for each in self.seen.failures]
            if text not in self.seen.failures and kinds.count(text.split()[0]) < FAILURES_MAX:
                self.seen.failures.append(text)
                print(text, file=sys.stderr, flush=True)

    def until(self, what: str, condition: Callable[[], Any], timeout_s: float) -> Any:
        """The first true value of `condition`; Unfit when time is over."""
        end_s = time.monotonic() + timeout_s
        while not (value := condition()):
            if time.monotonic() > end_s:
                states = {c.name: (c.state, c.last_exit) for c in self.tree.children().values()}
                raise Unfit(f"not within {timeout_s} s: {what}; {states}")
            self.idle(TURN_S)
        return value

    def fit(self, name: str) -> ChildDocument:
        """The named child, or the writer, once it has been ready for long enough."""

        def found() -> ChildDocument | None:
            child = self.tree.look().get(self.tree.writer() if name == WRITER else name)
            if child is None or (child.name, child.pid) in self.doomed:
                return None
            if self.awaits_standby and not self._could_take_over():
                return None
            return child if self.tree.ready_for_s(child) >= READY_S else None

        child = self.until(f"{name} fit", found, READY_TIMEOUT_S)
        assert isinstance(child, ChildDocument)
        return child

    def _could_take_over(self) -> bool:
        """Whether both stream processes could write the next row."""
        children = self.tree.children().values()
        streams = [child for child in children if child.role == "stream"]
        return len(streams) > 1 and all(
            self.tree.ready_for_s(child) and self.tree.state_of(child.name) == ActorState.READY
            for child in streams
        )

    def send(self, child: ChildDocument, number: int, cause: str, *, is_timed: bool = True) -> None:
        """A signal that will be the end of it. Not timed: nobody can notice it for a while."""
        self.doomed.add((child.name, child.pid))
        at_ns = time.monotonic_ns() if is_timed else 0
        self.seen.term.injected.append(Death(child.name, child.pid, cause, at_ns))
        os.kill(child.pid, number)

    def later(self, after_s: float, heal: Callable[[], object]) -> None:
        """Have `heal` called when the time has come, whatever is done then."""
        self._heals.append((time.monotonic() + after_s, heal))

    def heal_network(self) -> None:
        """Good weather, at once and from now on."""
        self._heals.clear()
        self.proxy.refusing = False
        self.proxy.heal()
        self.simulator.control("/sim/fault?clear=all")

    def until_counted(self) -> None:
        """Until the supervisor has had the time to notice and mend everything."""
        wanted = Counter(death.actor for death in self.seen.term.injected)

        def counted() -> bool:
            return are_mended(self.tree.look(), wanted)

        with contextlib.suppress(Unfit):  # the counters say by how much they are wrong
            self.until("all ready and counted", counted, READY_TIMEOUT_S)

    def end_term(self, *, settled: bool) -> None:
        """I7 of this supervisor, which will be gone soon."""
        term = self.seen.term
        term.settled = settled
        for child in self.tree.children().values():
            term.told_restarts[child.name] = child.restarts
            term.told_exits[child.name] = dict(child.exits)
        self.note(check_restarts(term))
