"""Which measurements `hunter bench` makes, and the one object that holds what they found.

The keys are the contract of `hunter bench --json`; what is not asked for is an empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from hunter.bench import comparison, curves, machine, scale, sizing, stages, sustain
from hunter.bench.runs import Cores, RunOutcome, burst, choose_cores, lost, paced
from hunter.bench.traffic import TrafficPlan

DEFAULT_PARTS: Final = ("burst", "paced", "stages", "sustain", "scale")
PARTS: Final = (*DEFAULT_PARTS, "sizing")
RATES: Final = (1_000, 5_000, 20_000)
# So many messages of a burst for each second asked for: enough to tell a kernel's cost apart.
_BURST_MESSAGES: Final = {"trades": 30_000, "mix": 15_000}
_BURST_ROUNDS: Final = 3
_LONG_S: Final = 5.0
"""From so many seconds on, a burst is repeated."""
_PACED_SHARE: Final = 0.3
_SUSTAIN_SHARE: Final = 0.15
_SCALE_SHARE: Final = 0.6
WHOLE_PATH: Final = "socket to ring, as a burst has it"

Tell = Callable[[str, float], None]


class Suite:
    """`tell` hears what is measured now and what share of it is done."""

    def __init__(
        self,
        seconds: float,
        instrument_count: int,
        tell: Tell,
        scale_mixes: Sequence[str] = scale.MIXES,
    ) -> None:
        self.seconds = seconds
        self.scale_mixes = scale_mixes
        self.instrument_count = instrument_count
        self.cores: Cores = choose_cores()
        self._tell = tell
        self.found: dict[str, Any] = {
            "schema": 1,
            "machine": machine.describe() | {"pinning": str(self.cores)},
            "burst": [],
            "paced": [],
            "stages": [],
            "peers": [],
        }

    def measure(self, part: str) -> None:
        """One of PARTS."""
        getattr(self, f"_{part}")()

    def compare(self, directory: Path, rounds: int) -> None:
        """With the peers that have an environment below `directory`."""
        self.found |= comparison.measure(directory, rounds, self.cores, self._tell)

    def draw_curves(self, directory: Path) -> list[Path]:
        """Tables and pictures into `directory`; the files."""
        found = curves.measure(max(0.5, self.seconds * 0.2), self.cores, self._tell)
        self.found["curves"] = curves.as_json(found)
        return curves.write(found, directory, machine.line(self.found["machine"]))

    def _told(self, what: str) -> Callable[[float], None]:
        self._tell(what, 0.0)
        return lambda share: self._tell(what, share)

    def _burst(self) -> None:
        for mix, messages_per_s in _BURST_MESSAGES.items():
            messages = max(2_000, int(messages_per_s * self.seconds))
            outcomes = [
                burst(mix, messages, self.cores, self._told(f"burst of {mix}, {turn + 1}"))
                for turn in range(_BURST_ROUNDS if self.seconds >= _LONG_S else 1)
            ]
            self.found["burst"].append(burst_entry(mix, outcomes))

    def _paced(self) -> None:
        seconds = max(0.5, self.seconds * _PACED_SHARE)
        for rate in RATES:
            plan = TrafficPlan("trades", int(rate * seconds), rate_per_s=rate)
            outcome = paced(plan, self.cores, self._told(f"{rate:,} trades/s"))
            self.found["paced"].append(paced_entry(rate, outcome))

    def _stages(self) -> None:
        self._tell("stages", 0.0)
        repeats = max(1, min(5, int(self.seconds / 2)))
        self.found["stages"] = found = stages.measure(repeats)
        for item in self.found["burst"]:
            if item["mix"] == stages.MIX:
                found.insert(
                    _place_behind(stages.TOGETHER, found),
                    whole_path_entry(item["cpu_us_per_message"]),
                )
        costs = {item["stage"]: item["cpu_us_per_message"] for item in found}
        for whole in (stages.TOGETHER, WHOLE_PATH):
            costs.pop(whole, None)
        self.found["costliest_stage"] = max(costs, key=lambda stage: costs[stage], default="")

    def _sustain(self) -> None:
        self.found["sustain"] = sustain.measure(
            self.instrument_count, min(3.0, self.seconds * _SUSTAIN_SHARE), self.cores, self._tell
        )

    def _scale(self) -> None:
        seconds = max(1.0, self.seconds * _SCALE_SHARE)
        self.found["scale"] = [
            scale.measure(mix, seconds, self.cores, self._tell) for mix in self.scale_mixes
        ]

    def _sizing(self) -> None:
        seconds = max(1.0, self.seconds * _PACED_SHARE)
        self.found["sizing"] = sizing.measure(seconds, self.cores, self._tell)


def common_entry(outcome: RunOutcome) -> dict[str, Any]:
    """What every kind of run says."""
    return {
        "messages": outcome.messages,
        "messages_per_s": int(outcome.messages_per_s),
        "cpu_us_per_message": outcome.stream_us_per_message,
        "brain_cpu_us_per_message": outcome.brain_us_per_message,
        "lost": lost(outcome),
        "gaps": outcome.gaps,
        "malformed": outcome.malformed,
        "reconnects": outcome.reconnects,
        "brain_lapped": outcome.lapped,
        "cpu_percent": outcome.cpu_percent,
        "load": msgspec.to_builtins(outcome.load),
        "note": outcome.note,
        "cut_short": outcome.cut_short,
    }


def burst_entry(mix: str, outcomes: list[RunOutcome]) -> dict[str, Any]:
    """The run of the median cost, with the spread of all; what was lost in any of them is lost."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.stream_us_per_message)
    entry = {"mix": mix, **common_entry(ordered[len(ordered) // 2])}
    return entry | {
        "cpu_us_per_message_min": ordered[0].stream_us_per_message,
        "cpu_us_per_message_max": ordered[-1].stream_us_per_message,
        "rounds": len(ordered),
        "lost": max(map(lost, ordered)),
    }


def whole_path_entry(cpu_us_per_message: float) -> dict[str, Any]:
    """From the socket into the ring as it really runs, beside the stages of it."""
    return {
        "stage": WHOLE_PATH,
        "by": "",
        "cpu_us_per_message": cpu_us_per_message,
        "cpu_us_each": cpu_us_per_message,
        "per": "message",
    }


def _place_behind(stage: str, entries: list[dict[str, Any]]) -> int:
    names = [item["stage"] for item in entries]
    return names.index(stage) + 1 if stage in names else len(names)


def paced_entry(rate_per_s: float, outcome: RunOutcome) -> dict[str, Any]:
    """Latencies that are not known are null."""
    latencies = {
        f"{stage}_us": msgspec.to_builtins(value) for stage, value in outcome.latency_us.items()
    }
    return {
        "rate_per_s": int(rate_per_s),
        **latencies,
        "decisions": outcome.decisions,
        **common_entry(outcome),
    }
