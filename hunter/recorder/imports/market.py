"""OKX frames of an imported market, as the exchange would have sent them.

Channels and their pace are those of the live feed: `trades` with the matches of one taker at one
price in one frame, `books` (400 levels) at most every 100 ms, `bbo-tbt` at most every 10 ms,
`tickers` at most every 100 ms; a state that waits for its turn is sent when the turn comes, not
when the next event does. Match ids go up without holes and `seqId`s chain, so that what a source
does not have is not taken for a loss on the way: ids after a hole are moved down, and counted.
Order counts and 24 h figures are not known: 1 and empty.

`advance` comes before each event, with receive times that never go back. Pure but for the sink.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from hunter.market.instrument import instrument_type
from hunter.recorder.imports.ladder import DEPTH, ImportedBook, Quote, differences

BOOK_EVERY_NS: Final = 100_000_000
QUOTE_EVERY_NS: Final = 10_000_000
TICKER_EVERY_NS: Final = 100_000_000
COUNT_MAX: Final = 2**16 - 1
_FIRST_SEQ_ID: Final = 1_000_000
_NEVER: Final = 1 << 62
_NS_PER_MS: Final = 1_000_000

Sink = Callable[[int, bytes], None]
"""Takes (receive time, frame)."""


class Match(NamedTuple):
    """Matches (match_id - match_count, match_id] of the source; `side` is the taker's."""

    match_id: int
    match_count: int
    ts_ms: int
    price: float
    size: float
    side: str


def number_text(value: float) -> str:
    """As OKX writes numbers: no exponent, no trailing zeros; reads back as the same float."""
    text = repr(value)
    if "e" in text:
        text = f"{value:.20f}".rstrip("0")
    return text[:-2] if text.endswith(".0") else text.rstrip(".")


class ImportedInstrument:
    """Frames of one instrument. `due_ns` is when the next of them has to be sent."""

    def __init__(self, name: str, sink: Sink) -> None:
        self.name = name
        self.book = ImportedBook()
        self.has_book = False
        """Whether `book` is whole: a snapshot has come, and nothing was lost since."""
        self.due_ns = _NEVER
        self.frames: Counter[str] = Counter()
        self.matches = 0
        self.matches_missing = 0
        self.spans: dict[str, tuple[int, int]] = {}
        """First and last receive time of each channel."""
        self._type = instrument_type(name)
        self._sink = sink
        self._seq_id = _FIRST_SEQ_ID
        self._last_match_id = -1
        self._pending: Match | None = None
        self._pending_ns = 0
        self._last_trade: tuple[float, float] | None = None
        self._last_trade_ms = 0
        # Of each paced channel: from when on it may be sent again, and what waits to be sent.
        self._book_free_ns = self._quote_free_ns = self._ticker_free_ns = 0
        self._book_stamp = self._quote_stamp = (0, 0)  # (ts_ms, seqId) of the last change
        self._book_waits = self._quote_waits = self._ticker_waits = False
        self._book_seq_id = -1
        self._sent: tuple[dict[float, float], dict[float, float]] = ({}, {})
        self._quote: Quote = (0.0, 0.0, 0.0, 0.0)
        self._quote_sent: Quote | None = None

    def is_next(self, match_id: int) -> bool:
        """Whether a match is newer than all before; others come twice or out of order."""
        return match_id > self._last_match_id

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return self._pending is None and self.due_ns == _NEVER

    def continues(self, match: Match) -> bool:
        """Whether OKX would have sent the match in one frame with the one before."""
        before = self._pending
        return (
            before is not None
            and (before.ts_ms, before.price, before.side) == (match.ts_ms, match.price, match.side)
            and match.match_id - match.match_count == before.match_id
            and before.match_count + match.match_count <= COUNT_MAX
        )

    def trade(self, received_ns: int, match: Match) -> None:
        """Matches that are next."""
        before = self._pending
        if before is not None and self.continues(match):
            size = round(before.size + match.size, 8)
            count = before.match_count + match.match_count
            self._pending = match._replace(match_count=count, size=size)
        else:
            self.flush()
            if self._last_match_id >= 0:
                self.matches_missing += match.match_id - match.match_count - self._last_match_id
            self._pending = match
        self._last_match_id = match.match_id
        self._pending_ns = received_ns

    def flush(self) -> None:
        """Send the trade that might have been continued."""
        match = self._pending
        if match is None:
            return
        self._pending = None
        self._seq_id += 1
        self.matches += match.match_count
        price, size = number_text(match.price), number_text(match.size)
        row = {
            "instId": self.name,
            "tradeId": str(match.match_id - self.matches_missing),
            "px": price,
            "sz": size,
            "side": match.side,
            "ts": str(match.ts_ms),
            "count": str(match.match_count),
            "source": "0",
            "seqId": self._seq_id,
        }
        self._send(self._pending_ns, "trades", row)
        self._last_trade, self._last_trade_ms = (match.price, match.size), match.ts_ms
        self._wait_for_ticker(self._pending_ns)

    def book_changed(self, received_ns: int, ts_ms: int) -> None:
        """`book` has been brought up to an event of this time."""
        self.flush()
        self._seq_id += 1
        self._book_stamp = (ts_ms, self._seq_id)
        self._book_waits = True
        self.due_ns = min(self.due_ns, max(received_ns, self._book_free_ns))

    def quote_changed(
        self, received_ns: int, ts_ms: int, quote: Quote, is_of_book: bool = False
    ) -> None:
        """The best levels at an event of this time; `is_of_book`: that of `book_changed` just now,
        so that quote and book have one `seqId`.
        """
        if quote == self._quote:
            return
        self.flush()
        if not is_of_book:
            self._seq_id += 1
        self._quote, self._quote_stamp = quote, (ts_ms, self._seq_id)
        self._quote_waits = True
        self.due_ns = min(self.due_ns, max(received_ns, self._quote_free_ns))
        self._wait_for_ticker(received_ns)

    def forget_book(self) -> None:
        """What follows is unknown until a whole book comes: that one will be a new snapshot."""
        self.book, self.has_book = ImportedBook(), False
        self._book_seq_id, self._sent, self._book_waits = -1, ({}, {}), False

    def send_due(self, now_ns: int) -> None:
        """Send what waits, is due, and has not been sent."""
        while self.due_ns <= now_ns:
            at_ns = self.due_ns
            if self._quote_waits and self._quote_free_ns <= at_ns:
                self._send_quote(at_ns)
            if self._book_waits and self._book_free_ns <= at_ns:
                self._send_book(at_ns)
            if self._ticker_waits and self._ticker_free_ns <= at_ns:
                self._send_ticker(at_ns)
            waits = (self._quote_waits, self._book_waits, self._ticker_waits)
            frees = (self._quote_free_ns, self._book_free_ns, self._ticker_free_ns)
            later = (free for waiting, free in zip(waits, frees, strict=True) if waiting)
            self.due_ns = min(later, default=_NEVER)

    def _wait_for_ticker(self, received_ns: int) -> None:
        if self._last_trade is not None and self._quote != (0.0, 0.0, 0.0, 0.0):
            self._ticker_waits = True
            self.due_ns = min(self.due_ns, max(received_ns, self._ticker_free_ns))

    def _send_quote(self, at_ns: int) -> None:
        self._quote_waits = False
        if self._quote == self._quote_sent:
            return
        self._quote_free_ns, self._quote_sent = at_ns + QUOTE_EVERY_NS, self._quote
        bid, bid_size, ask, ask_size = self._quote
        ts_ms, seq_id = self._quote_stamp
        asks, bids = _levels([(ask, ask_size)][: ask > 0]), _levels([(bid, bid_size)][: bid > 0])
        row = {"asks": asks, "bids": bids, "ts": str(ts_ms), "seqId": seq_id}
        self._send(at_ns, "bbo-tbt", row)

    def _send_book(self, at_ns: int) -> None:
        self._book_waits = False
        tops = (self.book.asks.top(DEPTH), self.book.bids.top(DEPTH))
        changed = [differences(*pair) for pair in zip(self._sent, tops, strict=True)]
        if not any(changed):
            return
        self._book_free_ns, self._sent = at_ns + BOOK_EVERY_NS, tops
        ts_ms, seq_id = self._book_stamp
        is_snapshot = self._book_seq_id < 0
        row = {
            "asks": _levels(changed[0]),
            "bids": _levels(changed[1]),
            "ts": str(ts_ms),
            "checksum": 0,
            "seqId": seq_id,
            "prevSeqId": self._book_seq_id,
        }
        self._book_seq_id = seq_id
        self._send(at_ns, "books", row, "snapshot" if is_snapshot else "update")

    def _send_ticker(self, at_ns: int) -> None:
        self._ticker_waits = False
        self._ticker_free_ns = at_ns + TICKER_EVERY_NS
        assert self._last_trade is not None
        names = ("bidPx", "bidSz", "askPx", "askSz")
        best = (number_text(value) if value else "" for value in self._quote)
        row = {
            "instType": str(self._type),
            "instId": self.name,
            "last": number_text(self._last_trade[0]),
            "lastSz": number_text(self._last_trade[1]),
            **dict(zip(names, best, strict=True)),
            **dict.fromkeys(("open24h", "high24h", "low24h", "vol24h", "volCcy24h"), ""),
            "ts": str(max(self._quote_stamp[0], self._last_trade_ms)),
        }
        self._send(at_ns, "tickers", row)

    def _send(self, at_ns: int, channel: str, row: dict[str, Any], action: str = "") -> None:
        self.frames[channel] += 1
        self.spans[channel] = (self.spans.get(channel, (at_ns, 0))[0], at_ns)
        frame: dict[str, Any] = {"arg": {"channel": channel, "instId": self.name}}
        if action:
            frame["action"] = action
        self._sink(at_ns, msgspec.json.encode(frame | {"data": [row]}))


def _levels(levels: list[tuple[float, float]]) -> list[tuple[str, str, str, str]]:
    return [
        (number_text(price), number_text(size), "0", "1" if size else "0") for price, size in levels
    ]


class ImportedMarket:
    """All instruments of an import, whose frames come out in the order of their times."""

    def __init__(self, sink: Sink) -> None:
        self.instruments: dict[str, ImportedInstrument] = {}
        self.now_ns = 0
        self._active: dict[str, ImportedInstrument] = {}
        self._sink = sink

    def instrument(self, name: str) -> ImportedInstrument:
        """The one that the event at hand is of; `name` is spelt like an instrument of OKX."""
        found = self._active.get(name)
        if found is None:
            found = self.instruments.get(name) or ImportedInstrument(name, self._sink)
            self.instruments[name] = self._active[name] = found
        return found

    def advance(self, received_ns: int, continued: ImportedInstrument | None = None) -> int:
        """Send what was due before this time; returns the time, or the newest one if it went back.

        What is due is sent in time order, and before it any trade that came earlier, but for one
        that the event at hand continues.
        """
        if received_ns <= self.now_ns:
            return self.now_ns
        self.now_ns = received_ns
        for one in self._active.values():
            if one is not continued:
                one.flush()
        while due := [one for one in self._active.values() if one.due_ns < received_ns]:
            first = min(due, key=_due_ns)
            first.send_due(first.due_ns)
        # Of hundreds of instruments few have something to send at a time.
        self._active = {name: one for name, one in self._active.items() if not one.is_idle}
        return received_ns

    def finish(self) -> None:
        """Send what still waits."""
        self.advance(self.now_ns + max(BOOK_EVERY_NS, TICKER_EVERY_NS) + 1)


def _due_ns(one: ImportedInstrument) -> int:
    return one.due_ns
