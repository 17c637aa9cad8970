"""What the last run's pages say of a supervisor that was killed: told once, by the next start.

A supervisor that ends in order says so on its page; one that was killed cannot, and nobody outlives
it who could. To be called before the pages are made anew, under the instance's lock.
"""

from __future__ import annotations

import logging

from hunter.clock import Clock
from hunter.config import Config
from hunter.errors import SegmentError
from hunter.ring.segment import shared_dir
from hunter.runtime.logs import log_path
from hunter.status import block
from hunter.status.deaths import DeathLog, DeathRecord, LogMark, last_lines
from hunter.status.page import ActorState, Beat

KILLED = "killed"


def tell_former_supervisor(config: Config, log: logging.Logger, clock: Clock) -> None:
    """A warning and a record of its death, if there was one."""
    beat = _killed(config)
    if beat is None:
        return
    last_words = last_lines(log_path(config.log_dir, block.SUPERVISOR), LogMark())
    silent_ns = max(0, clock.monotonic_ns() - beat.beat_monotonic_ns)
    log.warning(
        "the former supervisor (pid %d) was killed; its last beat was %.1f s ago",
        beat.pid,
        silent_ns / 1e9,
    )
    at_ns = clock.wall_ns() - silent_ns
    DeathLog(config.log_dir).append(
        DeathRecord(
            actor=block.SUPERVISOR,
            role=block.SUPERVISOR,
            pid=beat.pid,
            restarts=0,
            last_exit=KILLED,
            cause=KILLED,
            asked=False,
            at_ns=at_ns,
            at_monotonic_ns=beat.beat_monotonic_ns,
            uptime_s=round(max(0, at_ns - beat.started_wall_ns) / 1e9, 3),
            rss_bytes=beat.rss_bytes,
            cpu_percent=beat.cpu_permille / 10,
            log=last_words,
        )
    )


def _killed(config: Config) -> Beat | None:
    try:
        status = block.attach(shared_dir(config.hunter.name, config.runtime_dir))
    except SegmentError:  # there is none, or it is from before the last boot: that was no kill
        return None
    beat = status.pages[block.SUPERVISOR].beat()
    status.close()
    return beat if beat.pid and beat.state is not ActorState.STOPPED else None
