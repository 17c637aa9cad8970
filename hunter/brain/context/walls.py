"""Walls: large resting sizes behind the touch, and those that went away without being traded.

A wall is a level behind the best one whose size is more than five times the mean of the levels
behind the best one, on its side of a book of 20 levels. Walls are looked for four times a second
and then followed by their price. A wall is gone when less than a fifth of the most that was seen of
it is left. If the trades at its price do not account for half of what went, it was pulled; trades
may come up to half a second after the book that shows their effect, so the verdict waits that long.
A wall that leaves the 20 levels is forgotten, because nobody sees it any more. Icebergs that fill
up again only grow the size seen.

The touch is left out because its queue is nearly always large against the rest; what happens to it
is order flow (ofi_*). Memory is fixed. Both sides are treated alike, bit for bit.
Owned by one MarketContext.
"""

from __future__ import annotations

import struct
from math import exp2
from typing import Final

WALL_LEVELS: Final = 20
WALL_TIMES: Final = 5.0
LOOK_EVERY_NS: Final = 250_000_000
"""How often new walls are looked for: what flickers in between is none, and time is saved."""
GONE_BELOW: Final = 0.2
PULLED_SHARE: Final = 0.5
VERDICT_AFTER_NS: Final = 500_000_000
PULLED_HALF_LIFE_S: Final = 60.0
WALLS_MAX: Final = 6
"""Followed on a side; three can be walls at once."""
GOING_MAX: Final = 4
"""Gone on a side and without a verdict; one more, and the oldest has its verdict early."""

_LIMIT: Final = WALL_TIMES / (WALL_LEVELS - 1)
_NEVER_NS: Final = 1 << 62
_PER_NS: Final = 1.0 / (PULLED_HALF_LIFE_S * 1e9)
_HEAD: Final = struct.Struct("<q?qq")
_SIDE: Final = struct.Struct("<3dBB")
_WALL: Final = struct.Struct("<4d")
_GOING: Final = struct.Struct("<q3d")


class _Going:
    """A wall that is gone: `size` went, `traded` was traded at its price so far."""

    __slots__ = ("due_ns", "price", "size", "traded")

    def __init__(self, due_ns: int, price: float, size: float, traded: float) -> None:
        self.due_ns = due_ns
        self.price = price
        self.size = size
        self.traded = traded

    @property
    def pulled(self) -> float:
        left = self.size - self.traded
        return left if left >= PULLED_SHARE * self.size else 0.0


class _WallSide:
    """Walls of one side; `volume` is of the whole side, `wall_volume` of its walls now."""

    __slots__ = ("going", "pulled", "volume", "wall_volume", "walls")

    def __init__(self) -> None:
        self.walls: dict[float, list[float]] = {}
        """By price: [all that was seen of it, size now, traded at its price since]."""
        self.going: list[_Going] = []
        self.volume = self.wall_volume = 0.0
        self.pulled = 0.0
        """Size pulled, half-life 60 s, as of the owner's time."""

    def follow(self, stamp_ns: int, levels: tuple[float, ...]) -> None:
        """Take this side of a book over, for the walls that are known."""
        sizes = levels[1::2]
        self.volume = volume = sum(sizes)
        self.wall_volume = 0.0
        if not self.walls:
            return
        limit = (volume - sizes[0]) * _LIMIT
        prices = levels[::2]
        best, worst = prices[0], prices[-1]
        for price, wall in [*self.walls.items()]:
            if price in prices:
                size = sizes[prices.index(price)]
                if size > limit and price != best:
                    self.wall_volume += size
                if size == wall[1]:
                    continue
            elif (best > worst) == (price > worst):
                size = 0.0
            else:
                del self.walls[price]
                continue
            seen, before, traded = wall
            if size > before:
                wall[0] = seen = seen + (size - before)
            wall[1] = size
            if size < GONE_BELOW * seen:
                del self.walls[price]
                going = _Going(stamp_ns + VERDICT_AFTER_NS, price, seen - size, traded)
                self.going.append(going)
                if len(self.going) > GOING_MAX:
                    self.going[-1 - GOING_MAX].due_ns = stamp_ns

    def find(self, levels: tuple[float, ...]) -> None:
        """Look for walls that are not known; after `follow`."""
        sizes, walls = levels[1::2], self.walls
        limit = (self.volume - sizes[0]) * _LIMIT
        for place, size in enumerate(sizes):
            if size > limit and place:
                price = levels[2 * place]
                if price not in walls and len(walls) < WALLS_MAX:
                    walls[price] = [size, size, 0.0]
                    self.wall_volume += size

    def on_trade(self, price: float, size: float) -> None:
        """Only the side whose wall it was can have one at this price."""
        wall = self.walls.get(price)
        if wall is not None:
            wall[2] += size
        for one in self.going:
            if one.price == price:
                one.traded += size

    def judge(self, now_ns: int) -> None:
        """Verdicts that are due; `pulled` stands as of `now_ns`."""
        while self.going and self.going[0].due_ns <= now_ns:
            one = self.going.pop(0)
            self.pulled += one.pulled * exp2((one.due_ns - now_ns) * _PER_NS)

    def forget(self) -> None:
        self.walls.clear()
        self.going.clear()

    def pack(self) -> list[bytes]:
        counts = (len(self.walls), len(self.going))
        return [
            _SIDE.pack(self.volume, self.wall_volume, self.pulled, *counts),
            *(_WALL.pack(price, *wall) for price, wall in self.walls.items()),
            *(_GOING.pack(x.due_ns, x.price, x.size, x.traded) for x in self.going),
        ]

    def unpack(self, state: bytes, start: int) -> int:
        """Returns where the next part begins. Raises struct.error when there is too little."""
        numbers = _SIDE.unpack_from(state, start)
        self.volume, self.wall_volume, self.pulled, wall_count, going_count = numbers
        start += _SIDE.size
        for _ in range(wall_count):
            price, *wall = _WALL.unpack_from(state, start)
            self.walls[price] = wall
            start += _WALL.size
        for _ in range(going_count):
            self.going.append(_Going(*_GOING.unpack_from(state, start)))
            start += _GOING.size
        return start


class Walls:
    """Feed it all rows of trades and books, at their stamps."""

    __slots__ = ("_asks", "_bids", "_due_ns", "_look_ns", "_ts_ns", "is_whole", "stamp_ns")

    def __init__(self) -> None:
        self._bids, self._asks = _WallSide(), _WallSide()
        self._due_ns = _NEVER_NS
        self._ts_ns = self._look_ns = 0
        self.stamp_ns = 0
        self.is_whole = False
        """Whether the newest book has 20 levels a side."""

    def on_trade(self, stamp_ns: int, price: float, size: float) -> None:
        """A trade, perhaps at the price of a wall."""
        self._bids.on_trade(price, size)
        self._asks.on_trade(price, size)
        if stamp_ns >= self._due_ns:
            self._judge(stamp_ns)

    def on_book(self, stamp_ns: int, bids: tuple[float, ...], asks: tuple[float, ...]) -> None:
        """The top of a valid book, flat, best first."""
        if stamp_ns >= self._due_ns:
            self._judge(stamp_ns)
        if len(bids) != 2 * WALL_LEVELS or len(asks) != 2 * WALL_LEVELS:
            self.forget()
            return
        self.is_whole = True
        self.stamp_ns = stamp_ns
        self._bids.follow(stamp_ns, bids)
        self._asks.follow(stamp_ns, asks)
        if stamp_ns >= self._look_ns:
            self._look_ns = stamp_ns + LOOK_EVERY_NS
            self._bids.find(bids)
            self._asks.find(asks)
        if self._bids.going or self._asks.going:
            self._note_due()
            if stamp_ns >= self._due_ns:
                self._judge(stamp_ns)

    def _note_due(self) -> None:
        going = self._bids.going[:1] + self._asks.going[:1]
        self._due_ns = min((one.due_ns for one in going), default=_NEVER_NS)

    def _judge(self, now_ns: int) -> None:
        if now_ns > self._ts_ns:
            weight = exp2((self._ts_ns - now_ns) * _PER_NS)
            self._bids.pulled *= weight
            self._asks.pulled *= weight
            self._ts_ns = now_ns
        self._bids.judge(now_ns)
        self._asks.judge(now_ns)
        self._note_due()

    def forget(self) -> None:
        """The book is not what it was, or rows are missing: what happened to a wall is unknown."""
        self._bids.forget()
        self._asks.forget()
        self._due_ns = _NEVER_NS
        self.is_whole = False

    def imbalance(self) -> float:
        """(bid walls - ask walls) / all that is visible, by size; 0 without a wall."""
        bids, asks = self._bids, self._asks
        return (bids.wall_volume - asks.wall_volume) / (bids.volume + asks.volume)

    def pulled(self, now_ns: int) -> float:
        """(pulled ask walls - pulled bid walls) / (both + the mean visible side), half-life 60 s.

        Positive: sellers took their walls away.
        """
        bids, asks = self._bids, self._asks
        weight = exp2((self._ts_ns - now_ns) * _PER_NS)
        below, above = bids.pulled * weight, asks.pulled * weight
        return (above - below) / (above + below + (bids.volume + asks.volume) / 2.0)

    def state(self) -> bytes:
        """For the snapshot: at most 0.8 kB."""
        head = _HEAD.pack(self._ts_ns, self.is_whole, self.stamp_ns, self._look_ns)
        return b"".join([head, *self._bids.pack(), *self._asks.pack()])

    @classmethod
    def loaded(cls, state: bytes) -> Walls:
        """As it was at `state()`. Raises ValueError when the bytes are none."""
        made = cls()
        try:
            made._ts_ns, made.is_whole, made.stamp_ns, made._look_ns = _HEAD.unpack_from(state)
            end = made._bids.unpack(state, _HEAD.size)
            end = made._asks.unpack(state, end)
        except struct.error as error:
            raise ValueError(f"the walls' state is too short: {error}") from error
        if end != len(state):
            raise ValueError("the walls' state is longer than it says")
        made._note_due()
        return made
