"""Which cores an actor's process runs on, and how long it looks for work before it sleeps.

The runner calls it at the start of a process. Cores that the host keeps from us (a cgroup, a
service's CPUAffinity) are no reason not to run: what is left of the set is used, and if nothing is,
the process runs wherever it may, and says so.
"""

from __future__ import annotations

import logging
import os
import re
from typing import Final, NamedTuple

from hunter.config import Config, cpus_text, parse_cpus

COMPANION_NICE: Final = 10


class Placement(NamedTuple):
    """No cores: any but those of `avoided`. `nice`: how far behind the data path it stands."""

    cpus: tuple[int, ...] = ()
    busy_poll_ns: int = 0
    nice: int = 0
    avoided: tuple[int, ...] = ()


def placement(name: str, config: Config) -> Placement:
    """Of the actor of this instance name, such as stream-3b."""
    found = re.fullmatch(r"(stream|brain)-(\d+)(b?)", name)
    if found is None:
        if name not in config.companions:
            return Placement()
        # A core that was given to the data path is not for those who only look on.
        theirs = (*parse_cpus(config.stream.cpus), *parse_cpus(config.brain.cpus))
        return Placement(nice=COMPANION_NICE, avoided=theirs)
    section = config.stream if found[1] == "stream" else config.brain
    cpus = parse_cpus(section.cpus)
    if found[1] == "stream":
        shards = config.stream.shards
        # A pair on one core would be no faster than one process, and just that is needed when the
        # standby takes over: so the standbys come after all the others.
        number = int(found[2]) + (shards if found[3] else 0)
        cpus = _dealt(cpus, number, shards * (1 + config.stream.standby))
    return Placement(cpus, section.busy_poll_us * 1_000)


def _dealt(cpus: tuple[int, ...], number: int, process_count: int) -> tuple[int, ...]:
    """One core for each of several processes, in turn; all of them for one."""
    return cpus if process_count == 1 or not cpus else (cpus[number % len(cpus)],)


def keep_off(avoided: tuple[int, ...], log: logging.Logger) -> None:
    """Keep this process off these cores, if it is left any other."""
    others = os.sched_getaffinity(0) - set(avoided)
    if avoided and others:
        pin(tuple(sorted(others)), log)


def pin(cpus: tuple[int, ...], log: logging.Logger) -> None:
    """Keep this process, and the threads it will have, on these cores."""
    if not cpus:
        return
    allowed = os.sched_getaffinity(0)
    usable = allowed & set(cpus)
    if not usable:
        log.warning(
            "cpus %s are not ours to use, only %s; runs on any of those",
            cpus_text(cpus),
            cpus_text(allowed),
        )
        return
    try:
        os.sched_setaffinity(0, usable)
    except OSError as error:  # taken from us at this very moment, or by a sandbox's rules
        log.warning("cpus %s cannot be had: %s", cpus_text(usable), error.strerror)
        return
    log.info("runs on cpus %s", cpus_text(usable))
