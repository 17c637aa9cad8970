"""Runs one actor as a process: the loop, its beat, signals and exit codes.

The beat is written by the work loop itself, not by a helper thread, so that a loop that hangs stops
beating. This is the one place in an actor's process that catches everything: it logs, and exits;
the supervisor acts.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import supervisor.child
from hunter.clock import SystemClock, process_cpu_ns
from hunter.config import load_effective
from hunter.errors import HunterError
from hunter.ring.segment import shared_dir
from hunter.runtime.actor import Actor, Context
from hunter.runtime.background import stand_back
from hunter.runtime.garbage import Garbage
from hunter.runtime.idle import IdleStrategy
from hunter.runtime.logs import log_path, start_logging
from hunter.runtime.placement import keep_off, pin, placement
from hunter.status import block, documents
from hunter.status.page import ActorState, Page, process_start_ticks
from hunter.status.usage import UsageMeter

BEAT_EVERY_NS: Final = 20_000_000
DOCUMENT_EVERY_NS: Final = 100_000_000
DOCUMENT_EVERY_NS_MAX: Final = 1_000_000_000
# A document of 300 instruments costs milliseconds: then it is made less often, so that it never
# takes a greater part of the processor than this. In the beginning somebody waits for it.
_DOCUMENT_SHARE: Final = 300
_DOCUMENT_SHARE_STARTING: Final = 10
# Seldom: each one wakes the supervisor, which waits for seconds before it misses them.
TELL_SUPERVISOR_EVERY_NS: Final = 250_000_000
WAIT_MS: Final = 50
_OUT_OF_MEMORY: Final = b"ERROR out of memory, even for this line\n"
EFFECTIVE_CONFIG: Final = "effective.json"


def run_process(make: Callable[[Context], Actor]) -> None:
    """The whole life of an actor process: `python -m hunter.ROLE NAME RUNTIME_DIR`. Does not
    return.
    """
    supervisor.child.protect()
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    name, runtime_dir = sys.argv[1], Path(sys.argv[2])
    config = load_effective(runtime_dir / EFFECTIVE_CONFIG)
    log, handler = start_logging(name, log_path(config.log_dir, name))
    directory = shared_dir(config.hunter.name, runtime_dir)
    code = 1
    try:
        _set_title(f"hunter: {name} ({config.hunter.name})")
        placed = placement(name, config)  # before there are threads, which inherit it
        pin(placed.cpus, log)
        keep_off(placed.avoided, log)
        stand_back(placed.nice)
        page = block.attach(directory, writable=True).pages[name]
        context = Context(name, config, SystemClock(), page, directory, log)
        Runner(context, make, lambda: handler.errors).run()
        code = 0
    except HunterError as error:
        log.error("%s: %s", type(error).__name__, error)  # noqa: TRY400 - a typed error needs no traceback
        code = error.exit_code
    except MemoryError:
        _tell_out_of_memory(log)
    except Exception:
        log.exception("unexpected error")
    # Not sys.exit: a helper thread stuck in a name lookup must not hold up the end.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def _tell_out_of_memory(log: logging.Logger) -> None:
    """A line in the log, and if there is no memory for the log's own either, one made before."""
    try:
        log.exception("out of memory; the next process has what this one held")
    except MemoryError:
        with contextlib.suppress(OSError):
            os.write(2, _OUT_OF_MEMORY)


def _set_title(title: str) -> None:
    import setproctitle

    setproctitle.setproctitle(title)


class Runner:
    """The loop of one actor. Time comes from the context's clock, so tests can move it."""

    def __init__(
        self, context: Context, make: Callable[[Context], Actor], error_count: Callable[[], int]
    ) -> None:
        self._context = context
        self._page: Page = context.page
        self._make = make
        self._error_count = error_count
        self._stopping = False
        self._progress = 0
        self._document_due_ns = 0
        self._told_due_ns = 0
        self._overflowed = False
        self._usage = UsageMeter(context.page)
        self._garbage = Garbage()
        self._idle = IdleStrategy(placement(context.name, context.config).busy_poll_ns)

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self.request_stop)
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # Ctrl-C reaches the supervisor, which stops us in order
        self._begin()
        actor = self._make(self._context)
        monotonic_ns = self._context.clock.monotonic_ns
        actor.on_start(monotonic_ns())
        # Ready for the supervisor means: initialised and looping. Whether the exchange answers is
        # for the page's state to say; a stream must never be restarted because OKX is down.
        self._garbage.begin(monotonic_ns())
        # First a beat: the last one is of the start, and who is ready is judged by it from now on.
        self._page.store("beat_monotonic_ns", monotonic_ns())
        supervisor.child.notify_ready()
        next_beat_ns = 0
        may_wait = self._idle.may_wait
        while not self._stopping:
            now_ns = monotonic_ns()
            if now_ns >= next_beat_ns:
                next_beat_ns = now_ns + BEAT_EVERY_NS
                self._report(actor, now_ns)
                self._garbage.now_and_then(now_ns)
            work = actor.do_work(now_ns)
            self._progress += work
            if may_wait(work, now_ns):
                self._garbage.before_wait(now_ns)
                actor.wait(WAIT_MS)
        self._page.store("state", ActorState.STOPPING)
        actor.on_stop()
        self._page.write_document(documents.encode(actor.document()))
        self._page.store("state", ActorState.STOPPED)

    def request_stop(self, *_: object) -> None:
        self._stopping = True

    def _begin(self) -> None:
        page, now = self._page, self._context.clock
        page.store("state", ActorState.STARTING)
        page.store("beat_monotonic_ns", now.monotonic_ns())
        page.store("started_wall_ns", now.wall_ns())
        page.store("progress", 0)
        page.store("process_start", process_start_ticks(os.getpid()))
        page.store("pid", os.getpid())

    def _report(self, actor: Actor, now_ns: int) -> None:
        page = self._page
        page.store("beat_monotonic_ns", now_ns)
        page.store("progress", self._progress)
        self._context.latencies.turn(now_ns)
        self._usage.measure(now_ns)
        if now_ns >= self._told_due_ns:
            self._told_due_ns = now_ns + TELL_SUPERVISOR_EVERY_NS
            supervisor.child.beat()
        if now_ns < self._document_due_ns:
            return
        cpu_ns = process_cpu_ns()
        state = actor.state()
        document = documents.encode(actor.document())
        if not page.write_document(document) and not self._overflowed:
            self._overflowed = True
            self._context.log.error(
                "the status document has outgrown its page (%d bytes); an old one is shown",
                len(document),
            )
        page.store("state", state)
        page.store("errors", self._error_count())
        every_ns = _document_every_ns(state, process_cpu_ns() - cpu_ns)
        self._document_due_ns = now_ns + every_ns


def _document_every_ns(state: ActorState, cost_ns: int) -> int:
    if state is ActorState.STARTING:
        wanted_ns = max(BEAT_EVERY_NS, cost_ns * _DOCUMENT_SHARE_STARTING)
    else:
        wanted_ns = max(DOCUMENT_EVERY_NS, cost_ns * _DOCUMENT_SHARE)
    return min(wanted_ns, DOCUMENT_EVERY_NS_MAX)
