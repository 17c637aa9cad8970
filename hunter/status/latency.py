"""How long the stages of the data path take, counted in the pages of the status block.

Values are nanoseconds, counted as in `histogram`. Two stages to a page, those of its process's
role. What is counted stays when the process dies, and its successor goes on: a counter never falls,
as long as the instance is up. Recent is what came since the older of the last two *marks*, which
are copies of the counters, one a minute: so of the last minute or two in which the process ran.

    word 0: turns | 1, 2, 3: monotonic ns of the mark in slot 0, 1, 2 | up to 32 unused
    for each stage: 960 counters | 960 of slot 0 | 960 of slot 1 | 960 of slot 2

After turn t, slot t % 3 holds the newest mark and (t - 1) % 3 the older one. The next mark is made
in the third and put in force by one store of `turns`: a writer killed anywhere leaves the former
marks, and a reader that sees the same turns after its copy as before has copied whole marks.

One writer, the page's process; anybody reads.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from hunter.status.histogram import COUNTERS, index_of, middle, percentiles

TURN_EVERY_NS: Final = 60_000_000_000
_SLOTS: Final = 3
_HEADER_WORDS: Final = 32
_LANES: Final = 2
_LANE_WORDS: Final = (1 + _SLOTS) * COUNTERS
LATENCY_WORDS: Final = _HEADER_WORDS + _LANES * _LANE_WORDS
_READ_ATTEMPTS_MAX: Final = 8
assert _SLOTS < _HEADER_WORDS


class Stage(enum.IntEnum):
    """A stretch of the way from the exchange to a signal. The page of a stream counts the first
    two, that of the brain the others.
    """

    EXCHANGE_TO_RECEIVE = 0
    """From the exchange's stamp to ours: both clocks' faults are in it."""
    RECEIVE_TO_RING = 1
    """From when the bytes could have been read (see `runtime.kernelwait`) to a published row."""
    RECEIVE_TO_BRAIN = 2
    """From a row's stamp of reception to when the brain has it in hands; what went before the stamp
    is in RECEIVE_TO_RING alone. Not from its publication: no row says when that was, and a word
    with the newest one would show a brain that falls behind a busy ring as if it kept up.
    """
    RECEIVE_TO_SIGNAL = 3
    """From the reception of the row that a decision is about to that decision."""


STAGES_OF: Final = {
    "stream": (Stage.EXCHANGE_TO_RECEIVE, Stage.RECEIVE_TO_RING),
    "brain": (Stage.RECEIVE_TO_BRAIN, Stage.RECEIVE_TO_SIGNAL),
}


class StageCounts(NamedTuple):
    """Of one stage, by number of the counter: since the instance was started, and recent ones."""

    every: list[int]
    recent: list[int]

    def percentiles(self, *fractions: float) -> list[float]:
        """Of the recent ones, in ns; zeros when there are none."""
        return percentiles(self.recent, fractions)

    def cumulative(self, edges_ns: Sequence[int]) -> list[int]:
        """How many values since the start were at most each of these, for a metrics system: none
        ever falls from one look to the next. A value that shares its counter with a greater one
        than the edge is not counted, so an edge is right to within 1/16.
        """
        tops = [index_of(edge + 1) for edge in edges_ns]
        return [sum(self.every[:top]) for top in tops]

    @property
    def sum_ns(self) -> float:
        """Of all values since the start, each taken for the middle of its counter: right to within
        1/32, and it never falls either.
        """
        return sum(count * middle(index) for index, count in enumerate(self.every) if count)


class LatencyPlace(Protocol):
    """A `status.page.Page`: it has LATENCY_WORDS mapped words for this."""

    @property
    def latency_words(self) -> memoryview: ...


class Latencies:
    """The stages in one page: `record` and `turn` are its process's, the rest is anybody's."""

    __slots__ = ("_bases", "_words")

    def __init__(self, page: LatencyPlace) -> None:
        self._words = page.latency_words
        self._bases = [_HEADER_WORDS + (stage % _LANES) * _LANE_WORDS for stage in Stage]

    def record(self, stage: int, value_ns: int, count: int = 1) -> None:
        """Count one value for `count` events, say for all rows of a batch. Once a batch, so
        `index_of` is written out here: a call costs more than the rest.
        """
        if value_ns >= 16:
            shift = value_ns.bit_length() - 5
            value_ns = (shift << 4) + (value_ns >> shift)
            if value_ns >= COUNTERS:
                value_ns = COUNTERS - 1
        elif value_ns < 0:
            value_ns = 0  # clocks that disagree
        self._words[self._bases[stage] + value_ns] += count

    def counters(self, stage: int) -> memoryview:
        """The counters of a stage, for compiled code to count in."""
        base = self._bases[stage]
        return self._words[base : base + COUNTERS]

    def turn(self, now_ns: int) -> None:
        """Make a mark, if it is time to; `now_ns` is monotonic."""
        words = self._words
        turns = words[0]
        if not turns:
            for slot in range(_SLOTS):
                words[1 + slot] = now_ns
        elif now_ns - words[1 + turns % _SLOTS] < TURN_EVERY_NS:
            return
        slot = (turns + 1) % _SLOTS
        for base in self._bases[:_LANES]:
            mark = base + (1 + slot) * COUNTERS
            words[mark : mark + COUNTERS] = words[base : base + COUNTERS]
        words[1 + slot] = now_ns
        words[0] = turns + 1

    def counts(self, stage: int) -> StageCounts:
        """One look."""
        words, base = self._words, self._bases[stage]
        for _ in range(_READ_ATTEMPTS_MAX):
            turns = words[0]
            # The mark first: counters only grow, so what they have over it is never negative.
            mark = base + (1 + (turns + _SLOTS - 1) % _SLOTS) * COUNTERS
            before = words[mark : mark + COUNTERS].tolist()
            every = words[base : base + COUNTERS].tolist()
            if words[0] == turns:
                break
        # Never below 0, whatever has become of the memory.
        return StageCounts(every, [max(0, a - b) for a, b in zip(every, before, strict=True)])

    def recent_since_ns(self) -> int:
        """Monotonic time from which on values count as recent; 0 before the first turn."""
        turns = self._words[0]
        return self._words[1 + (turns + _SLOTS - 1) % _SLOTS]


def added(counts: Sequence[StageCounts]) -> StageCounts:
    """Several processes' together, say of all shards."""
    return StageCounts(
        [sum(column) for column in zip(*(item.every for item in counts), strict=True)],
        [sum(column) for column in zip(*(item.recent for item in counts), strict=True)],
    )


def counts_by_stage(pages: Mapping[str, Sequence[LatencyPlace]]) -> dict[Stage, StageCounts]:
    """Every stage's counts over all processes of the role that counts it; `pages` are by role."""
    found: dict[Stage, StageCounts] = {}
    for role, stages in STAGES_OF.items():
        kept = [Latencies(page) for page in pages.get(role, ())]
        for stage in stages:
            counts = [each.counts(stage) for each in kept]
            found[stage] = added(counts) if counts else StageCounts([], [])
    return found
