"""The invariants that the nemesis must not break, one function each: observations in, failures out.

Nothing in here looks at a running system, so that each can be shown a broken one. The numbers are
those of the fault matrix's harness: I1 rows, I2 truth, I3 readers, I4 books, I5 leftovers,
I6 the supervisor's resources, I8 secrets; and signals. I7, restarts, is in nemesis_deaths.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose, isfinite
from typing import Any, Final

import numpy as np

from hunter.ring.rows import BOOK_LEVELS, TradeFlag

FAILURES_MAX: Final = 20  # one defect makes many
FLAT_RATIO: Final = 0.05
FLAT_SAMPLES_MIN: Final = 40
Match = tuple[float, float, int, int]  # price, size, side, ms since the epoch
Truth = dict[int, Match]
NO_MATCH: Final[Match] = (0.0, 0.0, 0, 0)


@dataclass
class Tape:
    """How far one instrument's trades have been checked."""

    instrument: str
    sequence: int = 0
    arrival: int = 0
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
    arrivals = rows["arrival"].astype(np.int64)
    if np.any(np.diff(arrivals, prepend=tape.arrival) <= 0):
        failures.append(f"I1 {tape.instrument}: arrival numbers do not grow after {tape.arrival}")
    tape.arrival = int(arrivals[-1]) if len(arrivals) else tape.arrival
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
    side, size and time; a hole only where the row after it says that matches were lost. Takes what
    it has compared out of `truth`, and moves the tape on.
    """
    failures: list[str] = []
    names = ("sequence", "trade_id", "price", "size", "count", "side", "flags", "exchange_ts_ns")
    for row in zip(*(rows[name].tolist() for name in names), strict=True):
        sequence, trade_id, price, size, count, side, flags, ts_ns = row
        failures += _check_chain(tape, trade_id - count, flags)
        whole = 0.0
        # a torn count may be any number: do not walk through four thousand million matches
        for match_id in range(max(trade_id - count, trade_id - 100_000) + 1, trade_id + 1):
            true_price, true_size, true_side, true_ms = truth.pop(match_id, NO_MATCH)
            whole += true_size
            if (true_price, true_side, true_ms * 1_000_000) != (price, side, ts_ns):
                failures.append(
                    f"I2 {tape.instrument}: match {match_id} at {price}, side {side}, {ts_ns} ns;"
                    f" ledger: {true_price}, side {true_side}, {true_ms} ms"
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
    return failures + check_lost(tape, told_lost)


def check_lost(tape: Tape, told_lost: int) -> list[str]:
    """I2: nothing is missing, and nothing is called so."""
    if not (tape.lost or told_lost):
        return []
    return [f"I2 {tape.instrument}: {tape.lost} matches are missing, `lost` says {told_lost}"]


@dataclass
class ReaderLog:
    """What a process saw that read the ring all the time."""

    digests: dict[str, dict[int, int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    row_count: int = 0
    polls: int = 0
    ended: bool = False


def check_reader(log: ReaderLog, tapes: Mapping[str, Tape], up_to: Mapping[str, int]) -> list[str]:
    """I3: a reader that read all the time never saw a row that was torn, doubled or out of order,
    and what it saw of each instrument, row by row up to `up_to`, is what was compared with the
    ledger.
    """
    failures = [f"I3 {text}" for text in log.wrong]
    if not log.ended:
        failures.append("I3 the reader did not live to the end")
    for name, tape in tapes.items():
        digests, known = log.digests.get(name, {}), tape.digests
        both = digests.keys() & known.keys()
        failures += [
            f"I3 {name}: the reader saw other rows up to {at}"
            for at in sorted(both)
            if digests[at] != known[at]
        ]
        unseen = sorted(at for at in known.keys() - both if at <= up_to[name])
        if unseen:
            failures.append(
                f"I3 {name}: the reader never saw {len(unseen)} blocks of rows, the first up to"
                f" {unseen[0]}"
            )
        if not both:
            failures.append(f"I3 {name}: nothing that the reader saw could be compared")
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


def check_book_moves(instrument: str, row: Any | None, newest_seq_id: int) -> list[str]:
    """I4: the newest book of the ring is valid, and none from before the exchange's newest."""
    if row is None or not row["valid"]:
        return [f"I4 {instrument}: no valid book; the exchange has {newest_seq_id}"]
    if row["seq_id"] < newest_seq_id:
        text = f"the book stays at {row['seq_id']}; the exchange's is at {newest_seq_id}"
        return [f"I4 {instrument}: {text}"]
    return []


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
    warm-up, within 5 %; of every supervisor that was looked at often enough to tell, and of one at
    least.
    """
    failures = []
    by_pid: dict[int, list[Sample]] = {}
    for sample in samples:
        by_pid.setdefault(sample.pid, []).append(sample)
    if max(map(len, by_pid.values()), default=0) < FLAT_SAMPLES_MIN:
        return ["I6 no supervisor was looked at often enough"]
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


def check_secrets(texts: Iterable[tuple[str, bytes]], secrets: Iterable[str]) -> list[str]:
    """I8: no secret, and no half of one, stands in any file or output."""
    needles = [part.encode() for each in secrets for part in (each[: len(each) // 2], each[-8:])]
    return [
        f"I8 a secret is in {name}"
        for name, text in texts
        if any(needle in text for needle in needles)
    ]


def check_signals(
    journalled: Sequence[tuple[str, int, int]],
    expected: Mapping[str, Mapping[int, int]],
    up_to: Mapping[str, int],
) -> list[str]:
    """The journal has, once each and in order, a signal for each decision that the rows of the ring
    demand: as if no brain had ever been killed. `journalled`: instrument, boundary, trade sequence;
    `expected`: by instrument, boundary -> trade sequence; `up_to`: what must be there already.
    """
    failures = []
    seen: dict[str, dict[int, int]] = {name: {} for name in expected}
    for name, boundary_ms, sequence in journalled:
        own = seen.setdefault(name, {})
        if boundary_ms in own:
            failures.append(f"signal {name} {boundary_ms} is in the journal twice")
        elif own and boundary_ms < next(reversed(own)):
            failures.append(f"signal {name} {boundary_ms} stands behind a later one")
        own[boundary_ms] = sequence
    for name, own in seen.items():
        due = expected.get(name, {})
        if not own:
            failures.append(f"signal {name}: there is none")
        for boundary_ms, sequence in own.items():
            if due.get(boundary_ms) != sequence:
                text = f"names row {sequence}, not {due.get(boundary_ms)}"
                failures.append(f"signal {name} {boundary_ms} {text}")
        last_ms = max(up_to.get(name, 0), *own, 0)
        failures += [
            f"signal {name} {boundary_ms} is missing"
            for boundary_ms in due
            if boundary_ms <= last_ms and boundary_ms not in own
        ]
    return failures[:FAILURES_MAX]
