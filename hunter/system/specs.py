"""The actors as specifications for the supervisor, in start order.

Pure, but for the environment, of which the actors inherit a part.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from hunter.config import Config
from hunter.runtime.logs import log_path
from hunter.system import orphans
from hunter.system.environment import actor_environment, interpreter
from supervisor.spec import ChildSpec, RestartIntensity, TreeSpec

SECOND_NS: Final = 1_000_000_000
# Whom the kernel ends first when memory runs out, above the supervisor's own oom_score_adj (to go
# below it takes a privilege). Only the supervisor's end would take the others with it.
OOM_SCORE_ADJ: Final = {
    "brain": 300,  # holds what a user's code holds; warm again from its checkpoint in a moment
    "stream": 100,  # reconnects and refills, which takes longer
    "exchange": 100,  # of the demo; nobody misses its market
    "watchdog": 100,  # small; back before the next look is due
    **dict.fromkeys(("web", "alerts", "store"), 500),  # they only look on
}
_OOM_SCORE_ADJ_MAX: Final = 1000
# Actors begin together, but no more of them than two to a core at once: most of a start is imports,
# and a process that gets no processor is late to be ready, and ended for it.
_TOGETHER_PER_CPU: Final = 2


def child_specs(config: Config, *, demo: bool) -> tuple[ChildSpec, ...]:
    """Actors in start order; they stop in reverse."""
    companions = [(name, name, f"hunter.{name}") for name in config.companions]
    # Who keeps what the streams write stops after them: it begins before them.
    names = [each for each in companions if each[0] == "store"]
    names += [("exchange", "exchange", "hunter.simulator")] if demo else []
    for shard in range(config.stream.shards):
        names.append((f"stream-{shard}", "stream", "hunter.stream"))
        if config.stream.standby:
            names.append((f"stream-{shard}b", "stream", "hunter.stream"))
    names += [("brain-0", "brain", "hunter.brain"), ("watchdog", "watchdog", "hunter.watchdog")]
    names += [each for each in companions if each[0] != "store"]
    own_adj, python = _own_oom_score_adj(), interpreter()
    ours = {"PYTHONUNBUFFERED": "1", orphans.VARIABLE: str(config.runtime_dir)}
    return tuple(
        ChildSpec(
            name=name,
            role=role,
            argv=(*python, "-m", module, name, str(config.runtime_dir)),
            env=actor_environment(os.environ, role, config) | ours,
            log_path=str(log_path(config.log_dir, name)),
            stop_timeout_ns=int(config.supervisor.stop_timeout_s * SECOND_NS),
            oom_score_adj=min(_OOM_SCORE_ADJ_MAX, own_adj + OOM_SCORE_ADJ[role]),
            # The others' beats are read by the watchdog; its own go to the supervisor.
            hang_after_ns=5 * config.watchdog.hang_after_ms * 1_000_000
            if role == "watchdog"
            else None,
            after=_after([earlier for earlier, _, _ in names[:number]], name, role),
        )
        for number, (name, role, module) in enumerate(names)
    )


def _after(names: list[str], name: str, role: str) -> frozenset[str]:
    """Whom an actor's start waits for, of those before it: a stream for the demo's exchange, for
    who finds that closed comes back only a second later, and a standby for whom it stands by. Else
    nobody needs another to begin.
    """
    together = _TOGETHER_PER_CPU * max(2, len(os.sched_getaffinity(0)))
    needed = set(names[: max(0, len(names) + 1 - together)])
    if role == "stream":
        needed |= {"exchange", name.removesuffix("b")} & set(names)
    # It only looks on: a store that cannot begin must not hold up a market.
    return frozenset(needed - {"store"})


def _own_oom_score_adj() -> int:
    try:
        return int(Path("/proc/self/oom_score_adj").read_text())
    except (OSError, ValueError):  # a /proc that is hidden from us
        return 0


def tree_spec(
    config: Config, children: tuple[ChildSpec, ...], down: frozenset[str] = frozenset()
) -> TreeSpec:
    """The tree of these children; those in `down` stay so until they are started by name."""
    return TreeSpec(
        children=children,
        down=down,
        intensity=RestartIntensity(
            max_restarts=config.supervisor.max_restarts,
            period_ns=config.supervisor.period_s * SECOND_NS,
        ),
    )
