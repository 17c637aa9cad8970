"""Rows whose every field follows from kind and sequence, and rings to put them in.

A row that is torn, stale or misplaced differs from `facts` in at least one field.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hunter.ring import segment
from hunter.ring.layout import RingLayout, capacities_of
from hunter.ring.reader import Row
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter

INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT")
NOW_NS = 1_700_000_000_000_000_000
# The fields of a row without `sequence`, `arrival` and `check`; one of them is bytes.
Facts = tuple[Any, ...]


def ring_layout(
    capacity: int = 16,
    instruments: tuple[str, ...] = INSTRUMENTS,
    kinds: tuple[Kind, ...] = tuple(Kind),
    created_wall_ns: int = NOW_NS,
) -> RingLayout:
    capacities = capacities_of(dict.fromkeys(kinds, capacity))
    return RingLayout(instruments, capacities, 7, created_wall_ns)


def make_ring(path: Path, layout: RingLayout) -> Path:
    segment.create(path, layout.total_bytes, layout.write_header).close()
    return path


def numbers(sequence: int, count: int) -> tuple[float, ...]:
    """Distinct floats that no other sequence below 10 million has."""
    return tuple(sequence + place / 128 for place in range(count))


def levels(sequence: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Bids and asks of the book row `sequence`; every fifth row marks the book invalid."""
    if sequence % 5 == 0:
        return None
    whole = numbers(sequence, 80)
    return whole[: 2 * (sequence % 21)], whole[40 : 40 + 2 * (sequence * 7 % 21)]


# What follows the common head in a row of a kind from INSTRUMENT on, by its sequence.
_VALUES: dict[Kind, Callable[[int], Facts]] = {
    Kind.INSTRUMENT: lambda n: (
        *numbers(n, 5), n * 19, n * 23, n % 256, n * 3 % 256, b"%08d" % n,
    ),
    Kind.MARK: lambda n: numbers(n, 1),
    Kind.INDEX: lambda n: numbers(n, 4),
    Kind.FUNDING: lambda n: (*numbers(n, 6), n * 19, n * 23),
    Kind.OPEN_INTEREST: lambda n: numbers(n, 3),
    Kind.LIQUIDATION: lambda n: (*numbers(n, 5), 1 if n & 1 else -1, n % 3 - 1),
    Kind.CANDLE: lambda n: (n * 19, *numbers(n, 7), n * 29, n % 256, n * 3 % 256),
}  # fmt: skip


def put(writer: RingWriter, index: int, kind: Kind, sequence: int) -> None:
    """Put the row that `facts` describes; `sequence` must be the lane's next."""
    received, exchange = sequence * 3 + 1, sequence * 5 + 2
    if kind is Kind.TRADE:
        price, size = numbers(sequence, 2)
        side = 1 if sequence & 1 else -1
        trade = (sequence * 11, exchange, price, size, sequence & 0xFFFF, side)
        writer.put_trade(index, received, trade, sequence & 7)
    elif kind is Kind.BBO:
        a, b, c, d = numbers(sequence, 4)
        writer.put_bbo(index, received, (sequence * 13, exchange, a, b, c, d))
    elif kind is Kind.TICKER:
        writer.put_ticker(index, received, exchange, numbers(sequence, 11))
    elif kind is Kind.BOOK:
        writer.put_book(index, received, sequence * 17, exchange, levels(sequence))
    else:
        writer.put(index, kind, received, exchange, _VALUES[kind](sequence))


def facts(kind: Kind, sequence: int) -> Facts:
    """What a row must hold besides sequence, arrival and check."""
    received, exchange = sequence * 3 + 1, sequence * 5 + 2
    if kind is Kind.TRADE:
        side = 1 if sequence & 1 else -1
        stamps = (sequence * 11, exchange, received)
        return (*stamps, *numbers(sequence, 2), sequence & 0xFFFF, side, sequence & 7)
    if kind is Kind.BBO:
        return (sequence * 13, exchange, received, *numbers(sequence, 4), 0)
    if kind is Kind.TICKER:
        whole = numbers(sequence, 11)
        return (exchange, received, *whole, 0)
    if kind is not Kind.BOOK:
        return (exchange, received, *_VALUES[kind](sequence))
    top = levels(sequence)
    bids, asks = top if top is not None else ((), ())
    sides = (*bids, *(0.0,) * (40 - len(bids)), *asks, *(0.0,) * (40 - len(asks)))
    counts = (int(top is not None), len(bids) // 2, len(asks) // 2, 0)
    return (sequence * 17, exchange, received, *counts, *sides)


def facts_of(row: Row) -> Facts:
    """A row without sequence, arrival and check."""
    return row[2:-1]


def is_whole(kind: Kind, row: Row) -> bool:
    return facts_of(row) == facts(kind, int(row[0]))


class Feeder:
    """A writer that goes on where the lanes stand, one row after the other."""

    def __init__(self, path: Path, now_wall_ns: int = NOW_NS) -> None:
        self.writer = RingWriter(path, now_wall_ns)
        with segment.attach(path) as shared:
            layout = self.writer.layout
            self.positions = {
                (index, kind): shared.words[layout.intent_word(index, kind) + 1]
                for index in range(len(layout.instruments))
                for kind in Kind
                if layout.capacities[kind]
            }

    def put(self, index: int, kind: Kind, row_count: int = 1) -> None:
        for _ in range(row_count):
            self.positions[index, kind] += 1
            put(self.writer, index, kind, self.positions[index, kind])

    def publish(self) -> bool:
        return self.writer.publish()

    def close(self) -> None:
        self.writer.close()
