"""How much of an actor's silence is not its own: the host was away, or it had no processor.

A loop can only beat when it runs. While an actor is silent, this adds up what excuses it: the time
that the watchdog itself was late (a suspended host, a machine too busy for either), and the time
that the actor was able to run and was not let. A new beat clears the account. A loop that spins on
a busy machine is found later, never not at all: of the waiting for a processor no more than
STARVED_MAX limits are believed. Pure: `Cpu` is read by the caller, for silent actors only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

STARVED_MAX: Final = 10
_MS: Final = 1_000_000


class Cpu(NamedTuple):
    """A process at one moment. `waited_ns` counts completed waits for a processor only."""

    is_runnable: bool
    ran_ns: int
    waited_ns: int


def read_cpu(pid: int) -> Cpu | None:
    """From /proc (proc(5), and Documentation/scheduler/sched-stats.rst of the kernel); None when it
    cannot be read.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_bytes().split()
    except (OSError, ValueError):
        return None
    return Cpu(stat[stat.rfind(b")") + 2 :][:1] == b"R", int(ran), int(waited))


class _Account(NamedTuple):
    beat_ns: int
    looked_ns: int
    late_ms: float
    starved_ms: float
    cpu: Cpu | None


class Silence:
    """Of all actors by name. `excused_ms` is asked at each look."""

    def __init__(self, hang_after_ms: int) -> None:
        self._starved_ms_max = float(STARVED_MAX * hang_after_ms)
        self._accounts: dict[str, _Account] = {}

    def is_silent(self, name: str, beat_ns: int) -> bool:
        """Whether the beat is the one of the last look: then its `Cpu` is worth reading."""
        account = self._accounts.get(name)
        return account is not None and account.beat_ns == beat_ns

    def excused_ms(
        self, name: str, beat_ns: int, now_ns: int, late_ms: float, cpu: Cpu | None
    ) -> float:
        """What to take off its silence now. `late_ms`: how late this look is; `cpu`: None when it
        is not silent, or cannot be looked at.
        """
        before = self._accounts.get(name)
        if before is None or before.beat_ns != beat_ns:
            self._accounts[name] = _Account(beat_ns, now_ns, late_ms, 0.0, cpu)
            return late_ms
        # The watchdog's own lateness counts once, not once more as the actor's.
        passed_ms = max(0.0, (now_ns - before.looked_ns) / _MS - late_ms)
        starved_ms = before.starved_ms + min(passed_ms, _starved_ms(before.cpu, cpu, passed_ms))
        account = _Account(
            beat_ns,
            now_ns,
            before.late_ms + late_ms,
            min(starved_ms, self._starved_ms_max),
            cpu,
        )
        self._accounts[name] = account
        return account.late_ms + account.starved_ms


def _starved_ms(before: Cpu | None, now: Cpu | None, passed_ms: float) -> float:
    """How long it could have run in this time and did not."""
    if before is None or now is None:
        return 0.0
    ran_ms = (now.ran_ns - before.ran_ns) / _MS
    if before.is_runnable and now.is_runnable:
        return max(0.0, passed_ms - ran_ms)  # the wait that is not over is in no count yet
    return (now.waited_ns - before.waited_ns) / _MS
