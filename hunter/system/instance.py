"""One whole life of an instance: put up, run by the supervisor, taken down."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

from hunter.bus.sockets import ControlServer
from hunter.clock import SystemClock
from hunter.config import Config
from hunter.runtime.logs import log_path, start_logging
from hunter.system.control import ControlSource
from hunter.system.former import tell_former_supervisor
from hunter.system.leases import await_leases
from hunter.system.locks import take_data_lock, take_lock
from hunter.system.observer import StatusWriter
from hunter.system.orphans import end_orphans
from hunter.system.places import check_places, make_folders
from hunter.system.shared import clear_runtime_dir, prepare, remove_shared
from hunter.system.specs import tree_spec
from hunter.system.wishes import forget_stopped, stopped_actors
from supervisor.runner import Supervisor


def run(
    config: Config,
    *,
    demo: bool,
    take_output: Callable[[Path], None] = lambda _: None,
    before_loop: Callable[[], None] = lambda: None,
) -> int:
    """Run an instance until it is told to stop; returns the exit code.

    Call from the main thread of a process of its own. `take_output` is called with the supervisor's
    log file once the instance is ours, `before_loop` when status can be read. Raises
    AlreadyRunning, ConfigError or SegmentUnusable before anything has been started.
    """
    check_places(config)
    with contextlib.ExitStack() as stack:
        lock = take_lock(config)
        stack.callback(lock.release)
        early = EarlySignals()
        make_folders(config)
        data_lock = take_data_lock(config)
        stack.callback(data_lock.release)
        await_leases(config, lambda: early.came)
        if early.came:
            return 0  # nothing is ours to clear away: an old writer may still be at it
        log_file = log_path(config.log_dir, "supervisor")
        take_output(log_file)
        log, _ = start_logging("supervisor", log_file)
        stack.callback(clear_runtime_dir, config)
        control = ControlServer(config.runtime_dir)
        stack.callback(control.close)
        tell_former_supervisor(config, log, SystemClock())
        orphan_count = end_orphans(config)
        if orphan_count:
            log.warning("ended %d processes that actors of a killed run had left", orphan_count)
        prepared = prepare(config, log, demo=demo)
        spec = tree_spec(config, prepared.children, stopped_actors(config))
        observer = StatusWriter(prepared, log)
        before_loop()
        code = Supervisor(spec, ControlSource(control), observer).run(lambda: early.came)
        observer.finish()
        control.close()
        prepared.status.close()
        remove_shared(config)
        forget_stopped(config)
    return code


class EarlySignals:
    """A request to stop that comes while the instance is being put up, or taken down, must not end
    the process where it stands: shared memory would be left behind. It is remembered, and the
    supervisor asks for it when its own handlers stand.
    """

    def __init__(self) -> None:
        self.came = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                signal.signal(number, self._note)

    def _note(self, *_: object) -> None:
        self.came = True
