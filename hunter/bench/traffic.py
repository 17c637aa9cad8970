"""Which message of which instrument comes when: the whole of a run, made before it begins.

Pure. Message k is due k/rate seconds after the start, whatever happens to those before it: a delay
of the sender or the receiver counts against every message that was due meanwhile (coordinated
omission). The same plan gives the same messages in every process. Used by the load process, and by
those who have to know what it sends.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from hunter.bench.frames import STAMP, STAMP_DIGITS, InstrumentFrames, Texts

# Parts of a thousand. "capture" is the peak second of a recorded BTC swap.
MIXES: Final[dict[str, dict[str, int]]] = {
    "trades": {"trades": 1000},
    "mix": {"trades": 600, "books": 300, "tickers": 100},
    "top5": {"trades": 350, "books5": 540, "tickers": 110},
    "capture": {"bbo-tbt": 430, "trades": 350, "tickers": 110, "books": 110},
}
BUSIEST: Final = 10
QUIET_SHARE: Final = 10
"""The busiest instruments have so many times the traffic of the others."""

MESSAGES_MAX: Final = 400_000
"""Of a run: they are made before it, and should not take hundreds of MB."""

_NAMES: Final = ("BTC", "ETH", "SOL", "XRP", "DOGE", "LTC", "ADA", "TRX", "LINK", "AVAX")
_BURST_STEP_NS: Final = 10_000


class TrafficPlan(msgspec.Struct, frozen=True):
    """One run. rate_per_s 0: as fast as it is read. `batch`: messages that leave at once."""

    mix: str
    messages: int
    instruments: tuple[str, ...] = ("BTC-USDT-SWAP",)
    rate_per_s: float = 0.0
    batch: int = 1
    greets: bool = True
    """Whether each subscription is answered with the channel's present state."""

    @property
    def step_ns(self) -> float:
        """From message to message; of a burst, in the stamps alone."""
        return 1e9 / self.rate_per_s if self.rate_per_s else _BURST_STEP_NS

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(MIXES[self.mix])

    def due_ns(self, number: int) -> float:
        """When a message is due, counted from the start: the messages of a batch together, with
        the last of them.
        """
        last = min(self.messages, (number // self.batch + 1) * self.batch) - 1
        return last * self.step_ns


def instrument_names(count: int) -> tuple[str, ...]:
    """So many swaps, BTC-USDT-SWAP first."""
    names = _NAMES[:count] + tuple(f"C{number:03d}" for number in range(count - len(_NAMES)))
    return tuple(f"{name}-USDT-SWAP" for name in names)


def weights(count: int) -> list[int]:
    """Messages of each instrument in one round: the busiest first."""
    return [QUIET_SHARE if place < BUSIEST else 1 for place in range(count)]


def instrument_order(count: int) -> list[int]:
    """One round of all instruments, each evenly spread over it."""
    turns = [
        ((turn + (place * 0.618034) % 1) / weight, place)
        for place, weight in enumerate(weights(count))
        for turn in range(weight)
    ]
    return [place for _, place in sorted(turns)]


def channel_order(mix: str) -> list[str]:
    """A thousand messages of one instrument."""
    channels = [name for name, parts in MIXES[mix].items() for _ in range(parts)]
    random.Random(11).shuffle(channels)
    return channels


class Traffic:
    """The messages of a plan, in the order sent, with room for their stamps.

    `instruments[k]`: whose message k is, as a place in the plan's list. `lengths[k]`: its bytes.
    `texts`: the pools; they may be shared by many runs.
    """

    def __init__(self, plan: TrafficPlan, texts: Texts | None = None) -> None:
        self.plan = plan
        makers = [InstrumentFrames(name, texts) for texts in [texts or Texts()]
                  for name in plan.instruments]  # fmt: skip
        self._makers = dict(zip(plan.instruments, makers, strict=True))
        order, channels = instrument_order(len(makers)), channel_order(plan.mix)
        counts = [place * 37 for place in range(len(makers))]
        # In one piece: as so many objects, and joined afterwards, they would take three times that.
        self._data = data = bytearray()
        self.lengths = np.empty(plan.messages, np.int64)
        self._stamps = np.empty(plan.messages, np.int64)
        whose = np.empty(plan.messages, np.int32)
        for number in range(plan.messages):
            place = order[number % len(order)]
            chunk = makers[place].next(channels[counts[place] % len(channels)])
            data += chunk
            self.lengths[number], self._stamps[number] = len(chunk), chunk.index(STAMP)
            counts[place] += 1
            whose[number] = place
        self.instruments: npt.NDArray[np.int32] = whose

    def hello(self, inst_id: str, channel: str, now_ms: int) -> bytes:
        """What a subscription is answered with besides its acknowledgement; b"" for a channel that
        this plan does not have.
        """
        maker = self._makers.get(inst_id)
        if maker is None:
            return b""
        return maker.hello(channel).replace(STAMP, b"%0*d" % (STAMP_DIGITS, now_ms))

    def stream_of(self, places: Sequence[int], start_wall_ms: int) -> Stream:
        """Everything for one connection, which carries these instruments: stamped for a run that
        starts at `start_wall_ms`. One that carries all of them has the only copy there is.
        """
        mine = np.isin(self.instruments, np.asarray(places, np.int32))
        numbers = np.flatnonzero(mine)
        ends = np.cumsum(self.lengths[numbers])
        if len(numbers) == self.plan.messages:
            data = np.frombuffer(self._data, np.uint8)
        else:
            every = np.frombuffer(self._data, np.uint8)
            data = every[np.repeat(mine, self.lengths)]
        at = ends - self.lengths[numbers] + self._stamps[numbers]
        stamps = start_wall_ms + (numbers * self.plan.step_ns / 1e6).astype(np.int64)
        for digit in range(STAMP_DIGITS):
            data[at + digit] = 48 + stamps // 10 ** (STAMP_DIGITS - 1 - digit) % 10
        return Stream(data.data, numbers, ends)


class Stream:
    """What goes over one connection: `numbers[j]` is the j-th message here, its last byte lies
    before `ends[j]`.
    """

    def __init__(
        self, data: memoryview, numbers: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
    ) -> None:
        self.data = data
        self.numbers = numbers
        self.ends = ends

    def slices(self, batch: int) -> list[tuple[int, memoryview]]:
        """(batch number, bytes) of each batch that has anything for this connection."""
        if not len(self.numbers):
            return []
        batches = self.numbers // batch
        last = np.flatnonzero(np.diff(batches, append=batches[-1] + 1))
        ends = self.ends[last].tolist()
        starts = [0, *ends[:-1]]
        return [
            (number, self.data[start:end])
            for number, start, end in zip(batches[last].tolist(), starts, ends, strict=True)
        ]
