"""A storm: an endless sequence of faults drawn from the table, repeatable from its seed. Pure.

What it draws always ends by itself: by a number of uses, by time, or by a `resume` that it has
scheduled. Faults whose damage nobody can see or repair (`rest_missing`, `wrong_book`) and those
that leave the market for good (`delist`) are not drawn, so that a client that does everything
right ends with the exchange's truth.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hunter.simulator.faults import Fault, make_fault

SECOND_NS: Final = 1_000_000_000


class Draw(NamedTuple):
    """How often a fault comes, with how many uses (0: no count), for how long at most, and with
    which codes.
    """

    name: str
    weight: int
    uses_max: int = 0
    lasts_s: float = 0.0
    codes: tuple[int, ...] = ()


DRAWS: Final = (
    Draw("refuse", 2, 2, 6.0),
    Draw("hang", 1, 1, 10.0),
    Draw("http", 2, 2, 6.0, (429, 403, 503)),
    Draw("accept_then_close", 2, 2, 6.0, (1000, 1001, 1012, 1013)),
    Draw("deaf", 1, 2, 4.0),
    Draw("error", 3, 2, 6.0, (60014, 60012, 60013, 63999, 64007)),
    Draw("partial_ack", 2, 1, 10.0),
    Draw("no_ack", 2, 1, 10.0),
    Draw("no_snapshot", 2, 1, 10.0),
    Draw("data_before_ack", 2, 2, 10.0),
    Draw("mute", 2, 0, 3.0),
    Draw("drop_trades", 8, 30, 5.0),
    Draw("drop_book", 6, 3, 5.0),
    Draw("wrong_checksum", 1, 3, 5.0),
    Draw("orphan_delete", 3, 5, 5.0),
    Draw("crossed", 3, 1, 5.0),
    Draw("heartbeat", 3, 5, 5.0),
    Draw("resnapshot", 2, 2, 5.0),
    Draw("reordered", 3, 20, 5.0),
    Draw("conflict", 4, 5, 5.0),
    Draw("duplicate", 4, 20, 5.0),
    Draw("swap", 4, 10, 5.0),
    Draw("late", 4, 5, 5.0, (5, 20, 100, 1000, 6000)),
    Draw("garbage", 2, 3, 5.0),
    Draw("binary", 2, 3, 5.0),
    Draw("empty", 2, 3, 5.0),
    Draw("bad_utf8", 2, 3, 5.0),
    Draw("bomb", 3, 3, 5.0),
    Draw("giant", 1, 1, 5.0, (64, 1024, 3072, 6144)),
    Draw("chatter", 3, 10, 5.0),
    Draw("trickle", 1, 1, 5.0, (1, 20, 100)),
    Draw("delay", 3, 200, 4.0, (10, 100, 300)),
    Draw("rest_unavailable", 3, 3, 6.0),
    Draw("rest_throttled", 3, 3, 6.0),
    Draw("rest_stale", 4, 3, 6.0),
    Draw("close", 5, codes=(1000, 1001, 1008, 1009, 1011, 1012, 1013, 4004, 4006)),
    Draw("abort", 4),
    Draw("fin", 2),
    Draw("freeze", 2),
    Draw("notice", 2),
    Draw("seq_reset", 1),
    Draw("burst", 3, codes=(100, 1000, 5000)),
    Draw("suspend", 1),
    Draw("maintenance", 1, codes=(60, 3600)),
)
_SUSPENDED_S_MAX: Final = 3.0
_CONNECTIONS: Final = ("*", "first", "last")


class Storm:
    """`due` gives what is to be done by now; the same seed gives the same at the same times after
    the start.
    """

    def __init__(self, seed: int, gap_s: float, instruments: Sequence[str], now_ns: int) -> None:
        self.seed = seed
        self._gap_s = gap_s
        self._instruments = tuple(instruments)
        self._rng = random.Random(f"storm/{seed}")
        self._next_ns = now_ns + self._gap_ns()
        self._later: list[tuple[int, int, Fault]] = []
        self._count = 0

    def next_due_ns(self) -> int:
        return min(self._next_ns, self._later[0][0]) if self._later else self._next_ns

    def due(self, now_ns: int) -> list[Fault]:
        faults = []
        while (due_ns := self.next_due_ns()) <= now_ns:
            if self._later and self._later[0][0] == due_ns:
                faults.append(heapq.heappop(self._later)[2])
                continue
            fault = self._draw()
            faults.append(fault)
            if fault.name == "suspend":
                resume = make_fault("resume")
                resume.inst_id = fault.inst_id
                after_ns = int(self._rng.uniform(0.5, _SUSPENDED_S_MAX) * SECOND_NS)
                self._count += 1
                heapq.heappush(self._later, (due_ns + after_ns, self._count, resume))
            self._next_ns += self._gap_ns()
        return faults

    def _gap_ns(self) -> int:
        return max(1_000_000, int(self._rng.expovariate(1 / self._gap_s) * SECOND_NS))

    def _draw(self) -> Fault:
        rng = self._rng
        (draw,) = rng.choices(DRAWS, [draw.weight for draw in DRAWS])
        fault = make_fault(draw.name, rng.choice(draw.codes) if draw.codes else None)
        fault.conn_id = rng.choice(_CONNECTIONS)
        if self._instruments and (draw.name == "suspend" or rng.random() < 0.5):
            fault.inst_id = rng.choice(self._instruments)
        if draw.uses_max:
            fault.left = rng.randint(1, draw.uses_max)
        if draw.lasts_s:
            fault.lasts_ns = int(rng.uniform(0.3, 1.0) * draw.lasts_s * SECOND_NS)
        return fault


def shown(fault: Fault, after_ns: int) -> dict[str, Any]:
    """One line of the log of what was fired."""
    return {"at_s": round(after_ns / SECOND_NS, 3), **fault.describe()}
