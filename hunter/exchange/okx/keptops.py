"""The newest best levels of a book or of its quotes, by sequence id. Pure.

One truth in two hands: compiled code and `CrossCheck` keep and find in the same record. This class
is the twin of the compiled one, for where there is none.
"""

from __future__ import annotations

from typing import Final

from hunter.exchange.okx.rows import NO_SEQUENCE
from hunter.native import kernel

KEPT: Final = 64
TOP: Final = 5

# [price, size, price, size, ...], best first, at most TOP levels.
Side = list[float]
Sides = tuple[Side, Side]


class KeptTops:
    """A ring of KEPT places: each one that is kept takes the place of the oldest, whether that was
    popped meanwhile or not. A repeated id counts as new.
    """

    __slots__ = ("_next", "_places", "_sides")

    def __init__(self) -> None:
        self._places: list[int] = []
        self._next = 0
        self._sides: dict[int, Sides] = {}
        self.clear()

    def __len__(self) -> int:
        return len(self._sides)

    def keep(self, seq_id: int, bids: Side, asks: Side) -> None:
        if seq_id < 0:
            raise ValueError("only what has a sequence id is kept")
        if max(len(bids), len(asks)) > 2 * TOP:
            raise ValueError(f"more than {TOP} levels a side")
        self.pop(seq_id)
        self._sides.pop(self._places[self._next], None)
        self._places[self._next] = seq_id
        self._next = (self._next + 1) % KEPT
        self._sides[seq_id] = (bids, asks)

    def find(self, seq_id: int) -> Sides | None:
        return self._sides.get(seq_id)

    def pop(self, seq_id: int) -> Sides | None:
        """Found, and not kept any more."""
        sides = self._sides.pop(seq_id, None)
        if sides is not None:
            self._places[self._places.index(seq_id)] = NO_SEQUENCE
        return sides

    def clear(self) -> None:
        self._places = [NO_SEQUENCE] * KEPT
        self._next = 0
        self._sides.clear()


def new_kept_tops() -> KeptTops:
    """The compiled one where there is a kernel."""
    if kernel is None:
        return KeptTops()
    compiled: KeptTops = kernel.KeptTops()
    return compiled
