"""I7: the supervisor tells of each death that was brought about, once and with its cause, and of no
other; and what may excuse it. Observations in, failures out, as in `checkers`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fakes.checkers import FAILURES_MAX

KILLED: Final = "signal 9"  # and nothing more: "perhaps out of memory" is nobody's kill


@dataclass(frozen=True)
class Death:
    """One that was brought about, or one that was told. `cause`: signal, hang, exit or asked."""

    actor: str
    pid: int
    cause: str
    at_monotonic_ns: int = 0
    last_exit: str = ""

    @property
    def key(self) -> tuple[str, int, str]:
        return self.actor, self.pid, self.cause


@dataclass
class Term:
    """One supervisor's: what was done to its children, and what it said of them at the end.
    `settled`: whether it had the time to notice everything.
    """

    injected: list[Death] = field(default_factory=list)
    told_restarts: dict[str, int] = field(default_factory=dict)
    told_exits: dict[str, dict[str, int]] = field(default_factory=dict)
    settled: bool = True


def check_restarts(term: Term) -> list[str]:
    """I7: restarts, and exits by cause, are the faults that were injected: no more, and no fewer
    once the supervisor has had the time to see them.
    """
    if term.settled and not term.told_restarts:
        return ["I7 the supervisor told of no actor"]
    failures = []
    done = Counter(death.actor for death in term.injected)
    told = Counter(term.told_restarts)
    for actor in sorted(done.keys() | told.keys()):
        if _is_off(told[actor], done[actor], term):
            failures.append(f"I7 {actor}: {told[actor]} restarts, {done[actor]} faults")
    causes = Counter((death.actor, death.cause) for death in term.injected)
    exits = Counter(
        {(actor, cause): n for actor, each in term.told_exits.items() for cause, n in each.items()}
    )
    for actor, cause in sorted(causes.keys() | exits.keys()):
        count, wanted = exits[actor, cause], causes[actor, cause]
        if _is_off(count, wanted, term):
            failures.append(f"I7 {actor}: {count} x {cause}, {wanted} injected")
    return failures


def _is_off(told: int, done: int, term: Term) -> bool:
    return told > done or (term.settled and told != done)


def check_deaths(terms: Iterable[Term], told: Sequence[Death]) -> list[str]:
    """I7, for the records of deaths: exactly one for each that was injected and noticed, with its
    cause, and none of anything else. Pids come round in a long run: all are counted.
    """
    sure, perhaps, found = _counts(terms, told)
    failures = []
    for key in sorted(sure.keys() | perhaps.keys() | found.keys()):
        low, high = sure[key], sure[key] + perhaps[key]
        actor, pid, cause = key
        if not high:
            failures.append(f"I7 {actor} (pid {pid}) died by itself: {cause}")
        elif not low <= found[key] <= high:
            failures.append(f"I7 {actor} (pid {pid}, {cause}): {found[key]} records")
    return failures[:FAILURES_MAX]


def _counts(
    terms: Iterable[Term], told: Iterable[Death]
) -> tuple[Counter[tuple[str, int, str]], ...]:
    """By key: deaths that must have been told, those that may have been, and those that were."""
    sure: Counter[tuple[str, int, str]] = Counter()
    perhaps: Counter[tuple[str, int, str]] = Counter()
    for term in terms:
        (sure if term.settled else perhaps).update(death.key for death in term.injected)
    return sure, perhaps, Counter(death.key for death in told)


def foreign_kills(terms: Iterable[Term], told: Sequence[Death]) -> list[Death]:
    """Children that somebody else killed: then I7 proves nothing. By SIGKILL alone, as it is: any
    other signal is a crash of their own, and what the kernel kills for memory is no accident.
    """
    sure, perhaps, _ = _counts(terms, ())
    left = sure + perhaps
    foreign = []
    for death in told:
        if left[death.key]:
            left[death.key] -= 1
        elif death.last_exit == KILLED:
            foreign.append(death)
    return foreign


def is_excused(failures: Iterable[str], foreign: Iterable[object]) -> bool:
    """Whether a run says nothing: somebody else killed, and nothing but the counting is wrong."""
    return any(True for _ in foreign) and all(text.startswith("I7 ") for text in failures)
