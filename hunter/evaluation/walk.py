"""One pass through a recording: rows in the order received drive fresh brains, and on a grid of
receive time each brain is asked for its outlook before any later row is given to it.

So nothing can be scored that was fitted on what came after: a brain learns by itself, from labels
that are over. Event time at a grid point is that of the instrument's newest row and the receive
time that has gone since. Points are asked about from WARM_NS after the instrument's first row on,
where there is a mid. Mates are driven row by row as they came, and know of each other. A silence
longer than SILENCE_NS_MAX is left out of the grid. Called by `evaluation.run`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from math import nan
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hunter.brain.eventtime import EventClock
from hunter.brain.protocol import Brain
from hunter.clock import Clock
from hunter.evaluation.grid import GridMarket, MarketGrid
from hunter.evaluation.heuristics import Floats
from hunter.evaluation.rows import AnyRow, RecordedRow, give, mates_name

WARM_NS: Final = 120_000_000_000
"""Never scored: of the beginning of a recording."""
SILENCE_NS_MAX: Final = 60_000_000_000
_MEASURED_EVERY: Final = 8
_MS: Final = 1_000_000
_DIRECTIONS: Final = {"up": 1, "down": -1, "flat": 0}

MakeBrain = Callable[[str, int | None], Brain]
"""Instrument and horizon in ms -> a fresh brain; None: at the horizons it has by itself."""


class Entrant(NamedTuple):
    """A kind of brain. `is_asked_by_horizon`: one that was not made for a horizon is made anew for
    it.
    """

    kind: str
    make: MakeBrain
    is_asked_by_horizon: bool


class Said(NamedTuple):
    """What a brain said of one horizon: arrays of the market's shape, NaN where it was not asked or
    had nothing to say.
    """

    probability_up: Floats
    probability_move: Floats
    direction: NDArray[np.int8]


class BrainWalk(NamedTuple):
    """`said` by horizon in ms; latencies in us of a sample of the calls."""

    kind: str
    name: str
    errors: int
    said: dict[int, Said]
    outlook_us: Floats
    row_us: Floats


class InstrumentWalk(NamedTuple):
    instrument: str
    market: GridMarket
    first_ns: int
    last_ns: int
    brains: tuple[BrainWalk, ...]


class Walk:
    """`run` once. `tell` is called now and then with the receive time reached."""

    def __init__(
        self,
        entrants: Iterable[Entrant],
        horizons_ms: tuple[int, ...],
        steps_ms: tuple[int, int],
        clock: Clock,
        tell: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`steps_ms`: of the grid, and after which a quote is stale."""
        self._entrants = tuple(entrants)
        self._horizons_ms = horizons_ms
        step_ms, self._stale_ms = steps_ms
        self._step_ns = step_ms * _MS
        self._clock = clock
        self._tell = tell
        self._sides: dict[str, _Side] = {}

    def run(self, rows: Iterable[RecordedRow]) -> list[InstrumentWalk]:
        """By instrument, in order of appearance."""
        step_ns, sides = self._step_ns, self._sides
        due_ns = 0
        for item in rows:
            received_ns = item.row.received_ts_ns
            if received_ns > due_ns:
                if not due_ns:
                    due_ns = -(-received_ns // step_ns) * step_ns
                due_ns = self._pass_points(due_ns, received_ns)
            side = sides.get(item.instrument) or self._new_side(item.instrument)
            side.take(item)
        self._pass_points(due_ns, due_ns + 1)
        return [side.walk(name) for name, side in sides.items()]

    def _pass_points(self, due_ns: int, received_ns: int) -> int:
        """Ask at all points before `received_ns`; the next one after."""
        silent_from_ns = max((side.grid.last_ns for side in self._sides.values()), default=0)
        silent_from_ns += SILENCE_NS_MAX
        self._tell(due_ns)
        while due_ns < received_ns:
            if due_ns > silent_from_ns:
                return max(due_ns, -(-received_ns // self._step_ns) * self._step_ns)
            for side in self._sides.values():
                side.pass_point(due_ns)
            due_ns += self._step_ns
        return due_ns

    def _new_side(self, instrument: str) -> _Side:
        brains = []
        for entrant in self._entrants:
            first = entrant.make(instrument, None)
            brains.append(_Entered(entrant.kind, [first]))
            if entrant.is_asked_by_horizon:
                has = {outlook.horizon_ms for outlook in first.outlook(0)}
                wanted = (horizon for horizon in self._horizons_ms if horizon not in has)
                brains[-1].brains += [entrant.make(instrument, horizon) for horizon in wanted]
        side = self._sides[instrument] = _Side(brains, self._stale_ms, self._clock)
        for name, mate in self._sides.items():
            if mate is not side and mates_name(name) == mates_name(instrument):
                side.meet(mate)
        return side


class _Entered:
    """One entrant for one instrument: usually one brain, and what it said."""

    def __init__(self, kind: str, brains: list[Brain]) -> None:
        self.kind = kind
        self.brains = brains
        self.columns: dict[int, tuple[array[float], array[float], array[int]]] = {}
        self.outlook_ns: array[int] = array("q")
        self.row_ns: array[int] = array("q")

    def take(self, row: AnyRow) -> None:
        for brain in self.brains:
            give(brain, row)

    def ask(self, now_ns: int, point: int, clock: Clock) -> None:
        for brain in self.brains:
            began_ns = clock.monotonic_ns()
            outlooks = brain.outlook(now_ns)
            self.outlook_ns.append(clock.monotonic_ns() - began_ns)
            for outlook in outlooks:
                columns = self.columns.get(outlook.horizon_ms)
                if columns is None:
                    columns = (array("f"), array("f"), array("b"))
                    self.columns[outlook.horizon_ms] = columns
                if len(columns[0]) > point:
                    continue  # another brain of this entrant has said it
                _fill(columns, point)
                move = outlook.probability_move
                columns[0].append(outlook.probability_up)
                columns[1].append(nan if move is None else move)
                columns[2].append(_DIRECTIONS[outlook.direction])

    def walk(self, point_count: int) -> BrainWalk:
        said = {}
        for horizon_ms, columns in sorted(self.columns.items()):
            _fill(columns, point_count)
            up, move, direction = (np.array(column) for column in columns)
            said[horizon_ms] = Said(up.astype(np.float64), move.astype(np.float64), direction)
        return BrainWalk(
            self.kind,
            self.brains[0].name,
            sum(brain.errors for brain in self.brains),
            said,
            np.array(self.outlook_ns, dtype=np.float64) / 1e3,
            np.array(self.row_ns, dtype=np.float64) / 1e3,
        )


def _fill(columns: tuple[array[float], array[float], array[int]], point_count: int) -> None:
    """Up to a point: it was not asked, or did not say."""
    missing = point_count - len(columns[0])
    if missing > 0:
        columns[0].extend([nan] * missing)
        columns[1].extend([nan] * missing)
        columns[2].extend([0] * missing)


class _Side:
    """One instrument: its market, its event time and its brains."""

    def __init__(self, brains: list[_Entered], stale_ms: int, clock: Clock) -> None:
        self.brains = brains
        self.grid = MarketGrid(stale_ms)
        self._event = EventClock()
        self._clock = clock
        self._rows = 0
        self._points = 0

    def meet(self, mate: _Side) -> None:
        """Each brain and the mate's of the same entrant."""
        for one, other in zip(self.brains, mate.brains, strict=True):
            for brain, twin in zip(one.brains, other.brains, strict=True):
                introduce(brain, twin)

    def take(self, item: RecordedRow) -> None:
        row = item.row
        self.grid.take(item)
        self._event.advance(row.exchange_ts_ns, row.received_ts_ns)
        self._rows += 1
        if self._rows % _MEASURED_EVERY:
            for asked in self.brains:
                asked.take(row)
            return
        for asked in self.brains:
            began_ns = self._clock.monotonic_ns()
            asked.take(row)
            asked.row_ns.append(self._clock.monotonic_ns() - began_ns)

    def pass_point(self, at_ns: int) -> None:
        grid = self.grid
        if grid.is_quoted(at_ns) and at_ns - grid.first_ns >= WARM_NS:
            now_ns = self._event.now_ns + at_ns - grid.last_ns
            for asked in self.brains:
                asked.ask(now_ns, self._points, self._clock)
        grid.add_point(at_ns)
        self._points += 1

    def walk(self, instrument: str) -> InstrumentWalk:
        brains = tuple(asked.walk(self._points) for asked in self.brains)
        grid = self.grid
        return InstrumentWalk(instrument, grid.market(), grid.first_ns, grid.last_ns, brains)


def introduce(one: Any, other: Any) -> None:
    """Two brains of mates; those that have no use for a mate have no `meet`."""
    for brain, mate in ((one, other), (other, one)):
        meet = getattr(brain, "meet", None)
        if meet is not None:
            meet(mate)
