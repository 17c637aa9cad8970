"""Messages as the exchange frames them: WebSocket text frames around OKX's JSON.

Pure. Every message passes all of hunter's checks: match ids without a hole, sequence ids in a
chain, a book of 400 levels a side that is never crossed, quotes that agree with it. The texts that
vary come from small pools which are made once and gone through in turn, so that a message costs a
few joins and a million of them can be made in seconds. Used by `traffic`.
"""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from hunter.simulator.frames import wire_text

STAMP_DIGITS: Final = 13
STAMP: Final = b"0" * STAMP_DIGITS
"""What stands for the exchange's time, in ms, until `traffic.Traffic.stamp` writes it."""

BOOK_DEPTH: Final = 400
UPDATE_LEVELS_MAX: Final = 10
FIRST_TRADE_ID: Final = 1_000_000_000
FIRST_SEQUENCE_ID: Final = 50_000_000_000
# Matches of one trade message, in turn: most are one.
COUNTS: Final = (1, 1, 1, 2, 1, 1, 4, 1, 1, 2)
_PREFIX_SUMS: Final = tuple(sum(COUNTS[: i + 1]) for i in range(len(COUNTS)))
_BASE_TICKS: Final = 874_000
_POOL: Final = 1_000
_TICKS_A_UNIT: Final = 10
_MEAN_DEPTH: Final = 25


class BookStep(NamedTuple):
    """One update of the pool: its levels, and the best levels of a side after it, best first."""

    asks: bytes
    bids: bytes
    top_asks: bytes
    top_bids: bytes
    best_ask: bytes
    best_bid: bytes


def trade_id(number: int) -> int:
    """Last match of the trade message with this number; number -1 is the one that is sent at the
    subscription.
    """
    if number < 0:
        return FIRST_TRADE_ID
    rounds, place = divmod(number, len(COUNTS))
    return FIRST_TRADE_ID + rounds * _PREFIX_SUMS[-1] + _PREFIX_SUMS[place]


def trade_number(match_id: int) -> int:
    """The reverse of `trade_id`; -1 for anything that is no last match."""
    rounds, rest = divmod(match_id - FIRST_TRADE_ID - 1, _PREFIX_SUMS[-1])
    if rest + 1 not in _PREFIX_SUMS or rounds < 0:
        return -1
    return rounds * len(COUNTS) + _PREFIX_SUMS.index(rest + 1)


class Texts:
    """The pools. One object serves all instruments of a run; the same seed makes the same texts."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self.trades = [self._trade() for _ in range(_POOL)]
        self.tickers = [self._ticker() for _ in range(_POOL)]
        self._sizes = {
            side: {depth: self._size() for depth in range(1, BOOK_DEPTH + 1)} for side in (1, -1)
        }
        self.snapshot = (self._levels(1, BOOK_DEPTH), self._levels(-1, BOOK_DEPTH))
        self.books = self._steps()

    def _size(self) -> str:
        return f"{self._random.expovariate(1 / 60) + 0.01:.2f}"

    def _trade(self) -> bytes:
        """Price, size and side; the stamp and the count follow."""
        is_buy = self._random.random() < 0.5
        ticks = _BASE_TICKS + (1 if is_buy else -1)
        side = "buy" if is_buy else "sell"
        return f'{_price(ticks)}","sz":"{self._size()}","side":"{side}","ts":"'.encode()

    def _ticker(self) -> bytes:
        last = _price(_BASE_TICKS + self._random.choice((-1, 1)))
        return (
            f'{last}","lastSz":"{self._size()}","askPx":"{_price(_BASE_TICKS + 1)}",'
            f'"askSz":"{self._size()}","bidPx":"{_price(_BASE_TICKS - 1)}",'
            f'"bidSz":"{self._size()}","open24h":"86012.4","high24h":"88120","low24h":"85511.7",'
            f'"sodUtc0":"86500.1","sodUtc8":"86777.3","volCcy24h":"73998.8786",'
            f'"vol24h":"7399887.86","ts":"'
        ).encode()

    def _levels(self, side: int, count: int) -> bytes:
        sizes = self._sizes[side]
        depths = [depth for depth in range(1, BOOK_DEPTH + 1) if depth in sizes][:count]
        return b",".join(_level(side, depth, sizes[depth]) for depth in depths)

    def _steps(self) -> list[BookStep]:
        """What one step deletes the next brings back, so that the pool can be gone round."""
        steps, gone = [], {1: 0, -1: 0}
        for place in range(_POOL):
            parts = {}
            for side in (1, -1):
                parts[side], gone[side] = self._step(side, gone[side], place < _POOL - 1)
            steps.append(
                BookStep(
                    parts[1],
                    parts[-1],
                    self._levels(1, 5),
                    self._levels(-1, 5),
                    self._levels(1, 1),
                    self._levels(-1, 1),
                )
            )
        return steps

    def _step(self, side: int, returning: int, may_delete: bool) -> tuple[bytes, int]:
        """One side of an update, and the depth that it deletes (0: none)."""
        sizes, draw = self._sizes[side], self._random
        wanted = UPDATE_LEVELS_MAX if draw.random() < 0.75 else draw.randint(1, UPDATE_LEVELS_MAX)
        depths = {returning} if returning else set()
        while len(depths) < wanted:
            depths.add(1 + min(BOOK_DEPTH - 1, int(draw.expovariate(1 / _MEAN_DEPTH))))
        for depth in depths:
            sizes[depth] = self._size()
        leaving = 0
        if may_delete and draw.random() < 0.5:
            leaving = draw.choice(sorted(depths - {returning}) or [0])
        if leaving:
            del sizes[leaving]
        levels = [
            _level(side, depth, sizes[depth]) if depth in sizes else _level(side, depth, "")
            for depth in sorted(depths)
        ]
        return b",".join(levels), leaving


def _price(ticks: int) -> str:
    units, tenths = divmod(ticks, _TICKS_A_UNIT)
    return f"{units}.{tenths}" if tenths else str(units)


def _level(side: int, depth: int, size: str) -> bytes:
    """`depth` counts from the best level; no size: the level is gone."""
    orders = 1 + depth % 7 if size else 0
    return f'["{_price(_BASE_TICKS + side * depth)}","{size or 0}","0","{orders}"]'.encode()


class InstrumentFrames:
    """The messages of one instrument, in order: each call makes the next of its channel."""

    def __init__(self, inst_id: str, texts: Texts) -> None:
        self._texts = texts
        self._name = name = inst_id.encode()
        arg = {
            channel: b'{"arg":{"channel":"%s","instId":"%s"},' % (channel.encode(), name)
            for channel in ("trades", "tickers", "books", "books5", "bbo-tbt")
        }
        self._trade_head = arg["trades"] + b'"data":[{"instId":"%s","tradeId":"' % name
        kind = b"SWAP" if name.endswith(b"-SWAP") else b"SPOT"
        self._ticker_head = arg["tickers"] + (
            b'"data":[{"instType":"%s","instId":"%s","last":"' % (kind, name)
        )
        self._arg = arg
        self._trade_count = -1
        self._ticker_count = 0
        self._book_count = 0
        self._sequence = self._book_sequence = FIRST_SEQUENCE_ID

    def hello(self, channel: str) -> bytes:
        """What the exchange pushes at once when a channel is subscribed. Changes nothing."""
        if channel == "books":
            asks, bids = self._texts.snapshot
            return wire_text(
                self._arg["books"] + b'"action":"snapshot","data":[{"asks":[%s],"bids":[%s],'
                b'"ts":"%s","checksum":0,"seqId":%d,"prevSeqId":-1}]}'
                % (asks, bids, STAMP, FIRST_SEQUENCE_ID)
            )
        if channel == "trades":
            return self._trade(-1, FIRST_SEQUENCE_ID)
        if channel == "tickers":
            return self._ticker(0)
        return self._top(channel, FIRST_SEQUENCE_ID)

    def next(self, channel: str) -> bytes:
        """The next message of `channel`."""
        if channel == "trades":
            self._trade_count += 1
            self._sequence += 1
            return self._trade(self._trade_count, self._sequence)
        if channel == "tickers":
            self._ticker_count += 1
            return self._ticker(self._ticker_count)
        if channel == "books":
            return self._update()
        if channel == "books5":
            self._book_count += 1
            self._sequence += 1
        return self._top(channel, self._book_sequence if channel == "bbo-tbt" else self._sequence)

    def _trade(self, number: int, sequence: int) -> bytes:
        return wire_text(
            b'%s%d","px":"%s%s","count":"%d","source":"0","seqId":%d}]}'
            % (
                self._trade_head,
                trade_id(number),
                self._texts.trades[number % _POOL],
                STAMP,
                COUNTS[number % len(COUNTS)] if number >= 0 else 1,
                sequence,
            )
        )

    def _ticker(self, number: int) -> bytes:
        body = self._texts.tickers[number % _POOL]
        return wire_text(b'%s%s%s"}]}' % (self._ticker_head, body, STAMP))

    def _update(self) -> bytes:
        step = self._texts.books[self._book_count % _POOL]
        self._book_count += 1
        self._sequence += 1
        before, self._book_sequence = self._book_sequence, self._sequence
        return wire_text(
            self._arg["books"] + b'"action":"update","data":[{"asks":[%s],"bids":[%s],'
            b'"ts":"%s","checksum":0,"seqId":%d,"prevSeqId":%d}]}'
            % (step.asks, step.bids, STAMP, self._sequence, before)
        )

    def _top(self, channel: str, sequence: int) -> bytes:
        """The best level a side, or the best five, of the book as it stands."""
        depth = 1 if channel == "bbo-tbt" else 5
        if self._book_count:
            step = self._texts.books[(self._book_count - 1) % _POOL]
            asks, bids = (
                (step.best_ask, step.best_bid) if depth == 1 else (step.top_asks, step.top_bids)
            )
        else:
            asks, bids = (b",[".join(side.split(b",[")[:depth]) for side in self._texts.snapshot)
        return wire_text(
            self._arg[channel] + b'"data":[{"asks":[%s],"bids":[%s],"instId":"%s","ts":"%s",'
            b'"seqId":%d}]}' % (asks, bids, self._name, STAMP, sequence)
        )
