"""Is the book right? Its best levels against those of `bbo-tbt` and `books5` at the same id. Pure.

Since the checksum's end the chain of ids proves that no update is missing, but not that every level
is right. `seqId` is one space over the channels of an instrument, so a quote and a book of one id
are of one state of the market and have the same best levels; whichever comes first waits here for
the other.

A single disagreement proves nothing. In recordings where quotes and books were made from streams of
their own, up to 4 % of the pairs differ although the book is right, now and then two in a row, but
never twice about one level: if the quote is ahead the book soon changes that level, and if it is
behind the next one agrees. A wrong level stays. So a book is `broken` when two comparisons disagree
about the same price while the book has shown the same size there, and none between them agreed
about it. Should fresh snapshots be found broken again and again, it is the quotes that cannot be
trusted, and `broken` stays False until they have agreed for long.

Called by the stream actor, one an instrument; it resubscribes a broken book.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from hunter.exchange.okx.calm import new_calm
from hunter.exchange.okx.keptops import KEPT, TOP, KeptTops, Side, Sides, new_kept_tops
from hunter.exchange.okx.orderbook import OrderBook

# Breaks without this many agreements in a row between them count as one series; after so many of a
# series the quotes are distrusted until they have agreed so often.
STRIKES_MAX: Final = 3
STRIKES_FORGOTTEN: Final = 20
TRUST_REGAINED: Final = 200


class Agreement(NamedTuple):
    """Book and quote of this id have the same best levels."""

    seq_id: int


class Mismatch(NamedTuple):
    """They have not. `text` says where, for the log."""

    seq_id: int
    text: str


class _Fact(NamedTuple):
    """A level the book shows and a quote contradicts. Size 0: the book has no such level."""

    side: str
    price: float
    size: float


class _Comparison:
    """One channel's quotes against the book."""

    __slots__ = ("level_count", "name", "suspected", "waiting")

    def __init__(self, name: str, level_count: int) -> None:
        self.name = name
        self.level_count = level_count
        self.waiting = new_kept_tops()
        self.suspected: set[_Fact] = set()


class CrossCheck:
    """Counts are since it was made; suspicions since the book's last snapshot."""

    def __init__(self) -> None:
        self.broken = False
        self.mismatch_count = 0
        # What agreements change, compiled code changes as well.
        self.calm = new_calm()
        self._quotes = _Comparison("bbo-tbt", 1)
        self._tops = _Comparison("books5", TOP)
        self._books = new_kept_tops()
        self._book: OrderBook | None = None
        self._snapshot_count = 0
        self._strike_count = 0

    @property
    def compared_count(self) -> int:
        return self.calm.compared_count

    @property
    def distrusted(self) -> bool:
        """Whether the quotes contradict fresh snapshots too, so that they are counted only."""
        self._forgive()
        return self._strike_count > STRIKES_MAX

    @property
    def is_calm(self) -> bool:
        """Whether nothing is held against book or quotes: then an agreement changes no more than
        `calm` and what is kept.
        """
        self._forgive()
        suspects = self._quotes.suspected or self._tops.suspected
        return not (suspects or self._strike_count or self.broken)

    @property
    def kept(self) -> tuple[KeptTops, KeptTops, KeptTops]:
        """What the book has shown; the quotes and the tops that wait for it."""
        return self._books, self._quotes.waiting, self._tops.waiting

    def on_quote(
        self, seq_id: int, bid: float, bid_size: float, ask: float, ask_size: float
    ) -> Agreement | Mismatch | None:
        """`bbo-tbt`; an empty side has price NaN. None: there is no book of that id (yet)."""
        bids = [] if math.isnan(bid) else [bid, bid_size]
        asks = [] if math.isnan(ask) else [ask, ask_size]
        return self._on_side(self._quotes, seq_id, (bids, asks))

    def on_top5(
        self, seq_id: int, bids: list[float], asks: list[float]
    ) -> Agreement | Mismatch | None:
        """`books5`, as `OrderBook.top(5)` gives it: [price, size, ...], best first."""
        return self._on_side(self._tops, seq_id, (bids[: 2 * TOP], asks[: 2 * TOP]))

    def on_book(self, book: OrderBook) -> Agreement | Mismatch | None:
        """The book after an update of it. The mismatch, if one of two channels has one."""
        if book is not self._book or book.snapshot_count != self._snapshot_count:
            self._begin(book)
        if not book.valid or book.seq_id < 0:
            self._books.clear()
            return None
        seq_id = book.seq_id
        if seq_id < self.calm.last_id:
            # Ids went back: what is kept is of another count.
            self._books.clear()
            self._quotes.waiting.clear()
            self._tops.waiting.clear()
        self.calm.last_id = seq_id
        shown = book.top(TOP)
        self._books.keep(seq_id, *shown)
        result: Agreement | Mismatch | None = None
        for comparison in (self._quotes, self._tops):
            waiting = comparison.waiting.pop(seq_id)
            if waiting is not None:
                found = self._compare(comparison, seq_id, waiting, shown)
                if result is None or isinstance(found, Mismatch):
                    result = found
        return result

    def _begin(self, book: OrderBook) -> None:
        """A new snapshot: nothing is held against it."""
        self._book = book
        self._snapshot_count = book.snapshot_count
        self._books.clear()
        self._quotes.suspected.clear()
        self._tops.suspected.clear()
        self.broken = False

    def _on_side(
        self, comparison: _Comparison, seq_id: int, sides: Sides
    ) -> Agreement | Mismatch | None:
        calm = self.calm
        is_quote = comparison is self._quotes
        # The exchange repeats a quote when nothing changes; that is no second proof.
        compared_id = calm.quotes_compared_id if is_quote else calm.tops_compared_id
        if seq_id < 0 or seq_id == compared_id:
            return None
        shown = self._books.find(seq_id)
        if shown is None:
            comparison.waiting.keep(seq_id, *sides)
            return None
        return self._compare(comparison, seq_id, sides, shown)

    def _compare(
        self, comparison: _Comparison, seq_id: int, told: Sides, shown: Sides
    ) -> Agreement | Mismatch:
        if comparison is self._quotes:
            self.calm.quotes_compared_id = seq_id
        else:
            self.calm.tops_compared_id = seq_id
        self.calm.compared_count += 1
        wrong: set[_Fact] = set()
        suspected = comparison.suspected
        for side, sign, told_side, shown_side in (
            ("bid", 1.0, told[0], shown[0]),
            ("ask", -1.0, told[1], shown[1]),
        ):
            limit, facts = _contradictions(
                side, sign, told_side, shown_side[: 2 * comparison.level_count]
            )
            wrong |= facts
            # What this comparison could see and did not contradict is cleared.
            suspected -= {
                fact
                for fact in suspected
                if fact.side == side and sign * fact.price >= limit and fact not in facts
            }
        if not wrong:
            self.calm.agreed_in_a_row += 1
            return Agreement(seq_id)
        self._forgive()
        self.mismatch_count += 1
        self.calm.agreed_in_a_row = 0
        if wrong & suspected and not self.broken:
            # Not past the limit, so that regaining trust starts from there.
            self._strike_count = min(self._strike_count + 1, STRIKES_MAX + 1)
            self.broken = not self.distrusted
        suspected |= wrong
        while len(suspected) > KEPT:
            suspected.pop()
        fact = min(wrong)
        return Mismatch(
            seq_id,
            f"{comparison.name} {seq_id} contradicts the book at {fact.side} {fact.price:g}"
            f" (the book has size {fact.size:g})",
        )

    def _forgive(self) -> None:
        """What agreements do to strikes; looked at when it matters, because compiled code counts
        them too.
        """
        is_distrusted = self._strike_count > STRIKES_MAX
        enough = TRUST_REGAINED if is_distrusted else STRIKES_FORGOTTEN
        if self.calm.agreed_in_a_row >= enough:
            self._strike_count = 0


def _contradictions(side: str, sign: float, told: Side, shown: Side) -> tuple[float, set[_Fact]]:
    """Where two tops of one side differ, and how far they can be compared.

    `sign` makes better prices larger. Beyond the worst price that both lists reach, one of them
    says nothing; an empty list says that there is no level at all.
    """
    told_sizes = dict(zip(told[::2], told[1::2], strict=True))
    shown_sizes = dict(zip(shown[::2], shown[1::2], strict=True))
    if told_sizes == shown_sizes:
        return (sign * told[-2] if told else -math.inf), set()
    limit = max(
        (sign * sizes[-2] for sizes in (told, shown) if sizes),
        default=-math.inf,
    )
    facts = {
        _Fact(side, price, shown_sizes.get(price, 0.0))
        for price in told_sizes.keys() | shown_sizes.keys()
        if sign * price >= limit and told_sizes.get(price) != shown_sizes.get(price)
    }
    return limit, facts
