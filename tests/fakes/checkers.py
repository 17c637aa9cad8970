"""The invariants that the nemesis must not break, one function each: observations in, failures out.

Nothing in here looks at a running system, so that each can be shown a broken one. The numbers are
those of the fault matrix's harness: I1 rows, I2 truth, I3 readers, I4 books, I5 leftovers,
I6 the supervisor's resources, I7 restarts, I8 secrets; and signals.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose, isfinite
from typing import Any, Final

import numpy as np

from hunter.ring.rows import BOOK_LEVELS, TradeFlag

FAILURES_MAX: Final = 20  # one defect makes many
FLAT_RATIO: Final = 0.05
FLAT_SAMPLES_MIN: Final = 40
Truth = dict[int, tuple[float, float, int]]  # match -> price, size, side


@dataclass
class Tape:
    """How far one instrument's trades have been checked."""

    instrument: str
    sequence: int = 0
    last_id: int | None = None
    row_count: int = 0
    match_count: int = 0
    backfilled: int = 0
    lost: int = 0
    digests: dict[int, int] = field(default_factory=dict)


def check_rows(tape: Tape, rows: np.ndarray[Any, Any]) -> list[str]:
    """I1: every committed row can be read, is whole, and is there once: the sequence has no hole
    and no repetition, the arrival numbers grow, and no field is impossible.
    """
    failures = []
    expected = np.arange(tape.sequence + 1, tape.sequence + 1 + len(rows), dtype=np.uint64)
    wrong = np.flatnonzero(rows["sequence"] != expected)
    if len(wrong):
        place = int(wrong[0])
        failures.append(
            f"I1 {tape.instrument}: row {rows['sequence'][place]} in place of {expected[place]}"
        )
    if np.any(np.diff(rows["arrival"].astype(np.int64)) <= 0):
        failures.append(f"I1 {tape.instrument}: arrival numbers do not grow")
    return failures + [f"I1 {tape.instrument}: {text}" for text in impossible(rows)]


def impossible(rows: np.ndarray[Any, Any]) -> list[str]:
    """What no whole trade row can hold."""
    found = []
    for name in ("price", "size"):
        if not np.all(np.isfinite(rows[name]) & (rows[name] > 0)):
            found.append(f"a row with an impossible {name}")
    if not np.all(rows["count"] >= 1) or not np.all(np.abs(rows["side"]) == 1):
        found.append("a row with an impossible count or side")
    if not np.all(rows["received_ts_ns"] > 0):
        found.append("a row that was never received")
    return found


def check_truth(tape: Tape, rows: np.ndarray[Any, Any], truth: Truth) -> list[str]:
    """I2: what is committed is what the exchange made: each match once, in order, with its price,
    side and size; a hole only where the row after it says that matches were lost. Takes what it has
    compared out of `truth`, and moves the tape on.
    """
    failures: list[str] = []
    names = ("sequence", "trade_id", "price", "size", "count", "side", "flags")
    for row in zip(*(rows[name].tolist() for name in names), strict=True):
        sequence, trade_id, price, size, count, side, flags = row
        failures += _check_chain(tape, trade_id - count, flags)
        whole = 0.0
        # a torn count may be any number: do not walk through four thousand million matches
        for match_id in range(max(trade_id - count, trade_id - 100_000) + 1, trade_id + 1):
            true_price, true_size, true_side = truth.pop(match_id, (0.0, 0.0, 0))
            whole += true_size
            if (true_price, true_side) != (price, side):
                true = f"{true_price}, side {true_side}"
                failures.append(
                    f"I2 {tape.instrument}: match {match_id} at {price}, side {side};"
                    f" ledger: {true}"
                )
        if isfinite(size) and not isclose(whole, size, rel_tol=1e-9):
            failures.append(
                f"I2 {tape.instrument}: row up to match {trade_id} has size {size}; ledger: {whole}"
            )
        tape.last_id, tape.sequence = trade_id, sequence
        tape.row_count += 1
        tape.match_count += count
        tape.backfilled += bool(flags & TradeFlag.BACKFILL)
    while truth and (oldest := next(iter(truth))) <= (tape.last_id or 0):
        del truth[oldest]  # from before the ring began, or lost
    return failures[:FAILURES_MAX]


def _check_chain(tape: Tape, after_id: int, flags: int) -> list[str]:
    if tape.last_id is None or after_id == tape.last_id:
        return []
    missing = after_id - tape.last_id
    if missing > 0 and flags & TradeFlag.AFTER_LOSS:
        tape.lost += missing
        return []
    return [f"I2 {tape.instrument}: after match {tape.last_id} comes {after_id + 1}"]


def check_complete(tape: Tape, ledger_last_id: int, told_lost: int) -> list[str]:
    """I2, at the end: the ring has all that was made, and since the exchange could supply every
    match again, `lost` says 0 and is right.
    """
    failures = []
    if (tape.last_id or -1) < ledger_last_id:
        failures.append(
            f"I2 {tape.instrument}: the ring ends at {tape.last_id}, the ledger at {ledger_last_id}"
        )
    if tape.lost or told_lost:
        failures.append(
            f"I2 {tape.instrument}: {tape.lost} matches are missing, `lost` says {told_lost}"
        )
    return failures


@dataclass
class ReaderLog:
    """What a process saw that read the ring all the time."""

    digests: dict[str, dict[int, int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    row_count: int = 0
    polls: int = 0
    ended: bool = False


def check_reader(log: ReaderLog, tapes: Mapping[str, Tape]) -> list[str]:
    """I3: a reader that read all the time never saw a row that was torn, doubled or out of order,
    and what it saw is what was compared with the ledger afterwards.
    """
    failures = [f"I3 {text}" for text in log.wrong]
    if not log.ended:
        failures.append("I3 the reader did not live to the end")
    compared = 0
    for name, digests in log.digests.items():
        known = tapes[name].digests
        both = digests.keys() & known.keys()
        compared += len(both)
        differing = sorted(at for at in both if digests[at] != known[at])
        failures += [f"I3 {name}: the reader saw other rows up to {at}" for at in differing]
    if not compared:
        failures.append("I3 nothing that the reader saw could be compared")
    return failures[:FAILURES_MAX]


def check_book(instrument: str, row: Any, truth: Mapping[str, Any]) -> list[str]:
    """I4: a book that is called valid equals the exchange's at the same sequence id."""
    failures = []
    for name, count in (("bids", row["bid_count"]), ("asks", row["ask_count"])):
        ours = [(float(price), float(size)) for price, size in row[name][: int(count)]]
        theirs = [(float(level[0]), float(level[1])) for level in truth[name]][:BOOK_LEVELS]
        if ours != theirs:
            wrong = next(
                (pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]),
                f"{len(ours)} levels, not {len(theirs)}",
            )
            failures.append(f"I4 {instrument} {name} at {row['seq_id']}: {wrong}")
    return failures


@dataclass(frozen=True)
class Left:
    """What is there after `hunter stop`."""

    processes: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    shared_files: tuple[str, ...] = ()
    runtime_files: tuple[str, ...] = ()
    lock_holder: int | None = None


def check_nothing_left(left: Left) -> list[str]:
    """I5: after `stop` there is no process, no socket, nothing in shared memory, and the lock is
    free.
    """
    failures = [f"I5 process left: {text}" for text in left.processes]
    failures += [f"I5 socket left: {text}" for text in left.sockets]
    failures += [f"I5 left in shared memory: {text}" for text in left.shared_files]
    failures += [f"I5 left in the runtime directory: {text}" for text in left.runtime_files]
    if left.lock_holder is not None:
        failures.append(f"I5 the instance lock is held by {left.lock_holder}")
    return failures


@dataclass(frozen=True)
class Sample:
    """Of one supervisor, while all its children were ready."""

    pid: int
    kills: int
    rss_bytes: int
    descriptors: int
    threads: int = 1


def check_flat(samples: Sequence[Sample]) -> list[str]:
    """I6: resident memory and descriptors of a supervisor are the same at the end as after its
    warm-up, within 5 %; of every supervisor that was looked at often enough to tell.
    """
    failures = []
    by_pid: dict[int, list[Sample]] = {}
    for sample in samples:
        by_pid.setdefault(sample.pid, []).append(sample)
    for pid, own in by_pid.items():
        if len(own) < FLAT_SAMPLES_MIN:
            continue
        settled = own[len(own) // 10 :]
        fifth = max(1, len(settled) // 5)
        for name in ("rss_bytes", "descriptors", "threads"):
            first = statistics.median(getattr(each, name) for each in settled[:fifth])
            last = statistics.median(getattr(each, name) for each in settled[-fifth:])
            if abs(last - first) > FLAT_RATIO * first:
                failures.append(f"I6 supervisor {pid}: {name} went from {first} to {last}")
    return failures


@dataclass(frozen=True)
class Death:
    """One that was brought about, or one that was told. `cause`: signal, hang, exit or asked."""

    actor: str
    pid: int
    cause: str
    at_monotonic_ns: int = 0


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
    """I7: restarts, and exits by cause where these are told, are the faults that were injected: no
    more, and no fewer once the supervisor has had the time to see them.
    """
    failures = []
    done = Counter(death.actor for death in term.injected)
    causes = Counter((death.actor, death.cause) for death in term.injected)
    for actor, told in term.told_restarts.items():
        if told > done[actor] or (term.settled and told != done[actor]):
            failures.append(f"I7 {actor}: {told} restarts, {done[actor]} faults")
        for cause, count in term.told_exits.get(actor, {}).items():
            if count > causes[actor, cause] or (term.settled and count != causes[actor, cause]):
                failures.append(f"I7 {actor}: {count} x {cause}, {causes[actor, cause]} injected")
    return failures


def check_deaths(terms: Iterable[Term], told: Sequence[Death]) -> list[str]:
    """I7, for the records of deaths: exactly one for each that was injected and noticed, and none
    of anything else.
    """
    failures = []
    records = Counter((death.actor, death.pid) for death in told)
    known: set[tuple[str, int]] = set()
    for term in terms:
        for death in term.injected:
            key = (death.actor, death.pid)
            known.add(key)
            if records[key] > 1 or (term.settled and not records[key]):
                failures.append(
                    f"I7 {death.actor} (pid {death.pid}, {death.cause}): {records[key]} records"
                )
    for death in told:
        if (death.actor, death.pid) not in known:
            failures.append(f"I7 {death.actor} (pid {death.pid}) died by itself: {death.cause}")
    return failures[:FAILURES_MAX]


def foreign_kills(terms: Iterable[Term], told: Sequence[Death]) -> list[Death]:
    """Children that somebody else killed: then the run proves nothing, and is invalid."""
    known = {(death.actor, death.pid) for term in terms for death in term.injected}
    return [
        death
        for death in told
        if death.cause in ("signal", "out of memory") and (death.actor, death.pid) not in known
    ]


def check_secrets(texts: Iterable[tuple[str, bytes]], secrets: Iterable[str]) -> list[str]:
    """I8: no secret, and no half of one, stands in any file or output."""
    needles = [part.encode() for each in secrets for part in (each[: len(each) // 2], each[-8:])]
    return [
        f"I8 a secret is in {name}"
        for name, text in texts
        if any(needle in text for needle in needles)
    ]


def check_signals(signals: Iterable[Any], tapes: Mapping[str, Tape]) -> list[str]:
    """No signal is in the journal twice, and each was decided on a trade that is in the ring."""
    failures = []
    seen: set[str] = set()
    for signal in signals:
        if signal.id in seen:
            failures.append(f"signal {signal.id} is in the journal twice")
        seen.add(signal.id)
        if not 0 <= signal.trade_sequence <= tapes[signal.instrument].sequence:
            failures.append(f"signal {signal.id} names row {signal.trade_sequence}")
    return failures[:FAILURES_MAX]
