"""The book of one instrument: kept by its updates, shown in the ring, hidden at once when it is not
to be believed.

Two proofs: the chain of sequence ids (`orderbook`), and another channel that shows the same book at
the same id (`crosscheck`). The book belongs to one connection and is made anew by the next.
"""

from __future__ import annotations

from typing import Final

from hunter.exchange.okx.crosscheck import Agreement, CrossCheck, Mismatch
from hunter.exchange.okx.events import Data
from hunter.exchange.okx.orderbook import Applied, OrderBook
from hunter.exchange.okx.parse import parse_books
from hunter.exchange.okx.rows import NO_SEQUENCE, Bbo, BookAction, BookLevel, BookUpdate
from hunter.ring.rows import BOOK_LEVELS
from hunter.ring.writer import LastBook, RingWriter
from hunter.stream.counters import Counters
from hunter.stream.shown import new_shown

_BROKEN: Final = (Applied.GAP, Applied.CHECKSUM_MISMATCH)
_CHANGED: Final = (Applied.APPLIED, Applied.RESET, Applied.KEEPALIVE)


class BookFeed:
    """Owned by an InstrumentFeed, which shares its `news`. `wants_resubscribe` is the caller's to
    answer and to clear.
    """

    def __init__(self, index: int, writer: RingWriter, counters: Counters, news: list[str]) -> None:
        self.wants_resubscribe = False
        self._index = index
        self._writer = writer
        self._counters = counters
        self._news = news
        self._book = OrderBook()
        self._check = CrossCheck()
        self._mismatches_seen = 0
        # The book that the check has seen last, and which of its snapshots.
        self._weighed: tuple[OrderBook, int] | None = None
        # The book as readers see it: at first the one that the writer before left in the ring.
        self._shown = new_shown(*(writer.last_book(index) or LastBook(False, NO_SEQUENCE, 0)))
        self._hidden_ns: int | None = None

    @property
    def valid(self) -> bool:
        return self._book.valid and not self._book.crossed

    @property
    def wants_rest(self) -> bool:
        """Whether updates wait for a book from REST: bring it to `on_rest_book`."""
        return self._book.bootstrapping

    def ordinary_check(self) -> tuple[object, ...] | None:
        """What a quote changes that agrees with the book, or waits for it: in the order of the
        kernel's `Route.arm`, from the book on. None while it may change more.
        """
        check = self._check
        return (None, None, *check.kept, check.calm) if check.is_calm else None

    def ordinary_book(self) -> tuple[object, ...] | None:
        """The same of a book that goes on as it is: `books` by an update, `books5` by a push."""
        book, check = self._book, self._check
        if self._hidden_ns is not None or not self._shown.valid or book.crossed:
            return None
        if not (book.is_plain and check.is_calm and self._weighed == (book, book.snapshot_count)):
            return None
        return (book.state, self._shown, *check.kept, check.calm)

    def on_push(self, data: Data, received_ts_ns: int, now_ns: int) -> int:
        """A snapshot or update; returns the book's exchange time. Raises MalformedMessage."""
        book = self._book
        for update in parse_books(data.payload, data.action):
            if book is not self._book:  # the update before this one broke it
                break
            applied = book.apply(update)
            if applied is Applied.IGNORED and not book.valid:
                # Updates without a snapshot: it was lost, or OKX has stopped sending them. Keep the
                # updates and take the REST book as the seed (change log of 2026-02-12).
                book.begin_bootstrap()
                book.apply(update)
            elif applied in _CHANGED:
                if book.crossed:
                    self._on_crossed(update, received_ts_ns, now_ns)
                elif not self._weigh(self._check.on_book(book), received_ts_ns, now_ns):
                    self._weighed = (book, book.snapshot_count)
                    self._show(received_ts_ns, now_ns)
            elif applied in _BROKEN:
                self._counters.gaps += 1
                self._news.append(f"{data.channel}: {applied.value}; resubscribing")
                self.break_off(received_ts_ns, now_ns)
        return book.exchange_ts_ns

    def on_quote(self, quote: Bbo, received_ts_ns: int, now_ns: int) -> None:
        """Best bid and offer as another channel has them."""
        found = self._check.on_quote(
            quote.seq_id, quote.bid, quote.bid_size, quote.ask, quote.ask_size
        )
        self._weigh(found, received_ts_ns, now_ns)

    def on_top5(self, update: BookUpdate, received_ts_ns: int, now_ns: int) -> None:
        """The best five levels as another channel has them."""
        found = self._check.on_top5(update.seq_id, _flat(update.bids), _flat(update.asks))
        self._weigh(found, received_ts_ns, now_ns)

    def on_rest_book(self, snapshot: BookUpdate, received_ts_ns: int, now_ns: int) -> None:
        """A REST book. One that is too old for the updates kept changes nothing: ask again."""
        book = self._book
        if book.bootstrapping and book.bootstrap(snapshot) is Applied.APPLIED:
            self._show_or_hide(received_ts_ns, now_ns)

    def take(self, book: OrderBook | None, received_ts_ns: int, now_ns: int) -> None:
        """`book` is the book from now on; the one that was shown so far is kept by nobody."""
        self._book = book or OrderBook()
        self._show_or_hide(received_ts_ns, now_ns)

    def drop(self, received_ts_ns: int, now_ns: int) -> None:
        """What kept it up to date is gone."""
        self._book = OrderBook()
        self._hide(received_ts_ns, now_ns)

    def break_off(self, received_ts_ns: int, now_ns: int) -> None:
        """It is wrong: hide it and subscribe anew."""
        self.drop(received_ts_ns, now_ns)
        self.wants_resubscribe = True

    def _on_crossed(self, update: BookUpdate, received_ts_ns: int, now_ns: int) -> None:
        """No market has such a book, but for a call auction, whose snapshot is crossed as well: it
        is hidden until it ends.
        """
        if update.action is BookAction.UPDATE and self._shown.valid:
            self._counters.gaps += 1
            self._news.append("the book is crossed; resubscribing")
            self.break_off(received_ts_ns, now_ns)
        else:
            self._hide(received_ts_ns, now_ns)

    def _weigh(self, found: Agreement | Mismatch | None, received_ts_ns: int, now_ns: int) -> bool:
        """Count a contradiction; whether it was the proof that the book is wrong."""
        if not isinstance(found, Mismatch):
            return False
        # Both channels may contradict one book at once.
        self._counters.mismatches += self._check.mismatch_count - self._mismatches_seen
        self._mismatches_seen = self._check.mismatch_count
        if not self._check.broken or not self._book.valid:
            return False
        self._counters.gaps += 1
        self._news.append(f"{found.text}; resubscribing")
        self.break_off(received_ts_ns, now_ns)
        return True

    def _show_or_hide(self, received_ts_ns: int, now_ns: int) -> None:
        if self.valid:
            self._show(received_ts_ns, now_ns)
        else:
            self._hide(received_ts_ns, now_ns)

    def _show(self, received_ts_ns: int, now_ns: int) -> None:
        book = self._book
        if self._hidden_ns is not None:
            self._counters.resync_ms = round((now_ns - self._hidden_ns) / 1e6, 1)
            self._hidden_ns = None
        shown = self._shown
        shown.valid, shown.seq_id, shown.exchange_ts_ns = True, book.seq_id, book.exchange_ts_ns
        self._writer.put_book(
            self._index, received_ts_ns, book.seq_id, book.exchange_ts_ns, book.top(BOOK_LEVELS)
        )

    def _hide(self, received_ts_ns: int, now_ns: int) -> None:
        """Tell readers at once that the book is not to be believed."""
        shown = self._shown
        if not shown.valid:
            return
        self._hidden_ns = now_ns
        shown.valid = False
        self._writer.put_book(self._index, received_ts_ns, shown.seq_id, shown.exchange_ts_ns, None)


def _flat(levels: list[BookLevel]) -> list[float]:
    return [number for level in levels for number in (level.price, level.size)]
