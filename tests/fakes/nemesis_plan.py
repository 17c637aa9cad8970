"""What the nemesis will do, drawn from a seed: pure, so that a run can be repeated.

A plan is a list of actions, each with the moment at which it is due and all that it needs to know.
Waiting for a target that is not ready yet moves the rest of a plan, never its contents.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

WRITER: Final = "writer"  # whichever stream process writes at that moment
# How often each kind is drawn. What makes the supervisor wait before a restart is rare, or a long
# run would be all waiting.
WEIGHTS: Final = {
    "kill": 80.0,
    "kill_many": 3.0,
    "kill_starting": 1.0,
    "terminate": 2.0,
    "restart": 1.0,
    "pause": 5.0,
    "flip": 2.0,
    "hang": 0.7,
    "pause_supervisor": 1.0,
    "kill_supervisor": 0.7,
    "network": 5.0,
    "exchange": 5.0,
}
# An actor that ends by itself or hangs is restarted after a growing delay: not again so soon.
SLOW_KINDS: Final = ("terminate", "hang", "kill_starting")
SLOW_EVERY_S: Final = 15.0
PAUSE_S_MAX: Final = 0.3
START_S: Final = 0.25  # a process is not ready before
SUPERVISOR_PAUSE_S_MAX: Final = 1.5
# Of the proxy: a name, and between how many seconds it lasts; 0 is a moment.
NETWORK: Final = {
    "reset": (0.0, 0.0),
    "half_close": (0.0, 0.0),
    "refuse": (0.2, 1.5),
    "black_hole": (0.3, 2.0),
    "latency": (0.5, 3.0),
    "jitter": (0.5, 3.0),
    "slices": (0.5, 2.0),
    "flapping": (0.5, 1.5),
}
# Of the simulator: a name, and what /sim/fault is asked with it. All of these can be healed.
EXCHANGE: Final = {
    "abort": {},
    "fin": {},
    "close": {},
    "notice": {},
    "drop_trades": {"count": 5},
    "drop_book": {"count": 2},
    "duplicate": {"count": 3},
    "swap": {"count": 2},
    "late": {"count": 1, "code": 300},
    "garbage": {"count": 2},
    "mute": {"lasts_s": 1.5},
    "refuse": {"lasts_s": 1},
    "freeze": {"conn": "first"},
    "rest_unavailable": {"lasts_s": 1.5},
    "rest_stale": {"lasts_s": 1},
    "burst": {"code": 300},
}


@dataclass(frozen=True)
class Action:
    """`lasts_s` where it lasts; `name` of the fault, or of what is killed meanwhile."""

    at_s: float
    kind: str
    targets: tuple[str, ...] = ()
    lasts_s: float = 0.0
    name: str = ""

    @property
    def kill_count(self) -> int:
        """Processes that it ends by SIGKILL."""
        if self.kind == "kill_starting":
            return 2  # the one that is there, and the next one on its way
        if self.kind in ("kill", "kill_many", "pause_supervisor"):
            return len(self.targets)
        return int(self.kind == "kill_supervisor")


@dataclass(frozen=True)
class PlanOptions:
    """`pace_s`: mean time between two actions. `only`: nothing but kills of this one. `mixed`: each
    kind as often as any other, for a short run that shall see them all. `one_supervisor`: it is
    never killed, so that it can be looked at over the whole run.
    """

    kills: int = 100
    minutes: float = 1e9
    pace_s: float = 0.4
    standby: bool = True
    network: bool = True
    only: str = ""
    mixed: bool = False
    one_supervisor: bool = False

    @property
    def actors(self) -> tuple[str, ...]:
        standby = ("stream-0b",) if self.standby else ()
        return ("stream-0", *standby, "brain-0", "watchdog")


def make_plan(seed: int, options: PlanOptions) -> list[Action]:
    """The same for the same arguments, on every machine."""
    draw = random.Random(f"nemesis {seed}")
    weights = dict.fromkeys(WEIGHTS, 1.0) if options.mixed else dict(WEIGHTS)
    if options.one_supervisor:
        del weights["kill_supervisor"]
    if options.only:
        weights = {"kill": 1.0}
    if not options.network:
        weights = {kind: each for kind, each in weights.items() if kind not in _OF_NETWORK}
    plan: list[Action] = []
    slow_until_s: dict[str, float] = {}
    at_s, kill_count = 0.0, 0
    while kill_count < options.kills and at_s < 60 * options.minutes:
        at_s += draw.expovariate(1 / options.pace_s)
        (kind,) = draw.choices(list(weights), list(weights.values()))
        action = _draw_action(draw, round(at_s, 3), kind, options)
        if kind in SLOW_KINDS:
            target = action.targets[0]
            if at_s < slow_until_s.get(target, 0.0):
                action = Action(action.at_s, "kill", action.targets)
            else:
                slow_until_s[target] = at_s + SLOW_EVERY_S
        plan.append(action)
        kill_count += action.kill_count
    return plan


_OF_NETWORK: Final = ("network", "exchange")


def _draw_action(draw: random.Random, at_s: float, kind: str, options: PlanOptions) -> Action:
    actors = options.actors
    # the writer is what matters most
    one = options.only or draw.choice((WRITER, *actors))
    named = draw.choice(actors)
    if kind == "kill":
        return Action(at_s, kind, (one,))
    if kind == "kill_many":
        count = draw.randint(2, len(actors))
        return Action(at_s, kind, tuple(sorted(draw.sample(actors, count))))
    if kind == "kill_starting":
        return Action(at_s, kind, (named,), round(draw.uniform(0.0, START_S), 3))
    if kind == "pause":
        return Action(at_s, kind, (one,), round(draw.uniform(0.02, PAUSE_S_MAX), 3))
    if kind == "pause_supervisor":
        killed = (named,) if draw.random() < 0.5 else ()
        return Action(at_s, kind, killed, round(draw.uniform(0.1, SUPERVISOR_PAUSE_S_MAX), 3))
    if kind == "kill_supervisor":
        return Action(at_s, kind, (), 0.0, draw.choice(("settled", "at once")))
    if kind == "network":
        name = draw.choice(list(NETWORK))
        return Action(at_s, kind, (), round(draw.uniform(*NETWORK[name]), 3), name)
    if kind == "exchange":
        return Action(at_s, kind, (), 0.0, draw.choice(list(EXCHANGE)))
    return Action(at_s, kind, (named,))


def plan_text(plan: Iterable[Action]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(asdict(action)) + "\n" for action in plan)


def parse_plan(text: str) -> list[Action]:
    """The plan that `plan_text` wrote."""
    lines = [json.loads(line) for line in text.splitlines()]
    return [Action(**{**line, "targets": tuple(line["targets"])}) for line in lines]
