"""Make before break: the next connection is up before the announced end of this one.

OKX says 64008 about a minute before it closes a connection for a service upgrade (notification
page). A successor with the same subscriptions is opened; both feed the trade chain, which takes
each match once, whoever brings it first; the successor's books grow aside. When every subscription
of the successor is live and its books are valid, it takes over, and no quote, book or match was
missed.
"""

from __future__ import annotations

from hunter.errors import MalformedMessage
from hunter.exchange.okx.events import Data
from hunter.exchange.okx.orderbook import Applied, OrderBook
from hunter.exchange.okx.parse import parse_books
from hunter.exchange.okx.plan import Socket
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.states import SubscriptionState
from hunter.stream.counters import is_settled
from hunter.stream.link import Link
from hunter.stream.parts import Parts
from hunter.stream.seeds import BookSeeds
from hunter.stream.worker import Result


class Handover:
    """The successor of a connection. `step` its link; give it the books' data; ask `ready`.
    `life` tells answers of REST about this successor from those about others.
    """

    def __init__(
        self, parts: Parts, socket: Socket, link: Link, number: int = 0, life: int = 0
    ) -> None:
        self.link = link
        self.life = life
        self._book_channel = parts.book_channel
        self._subscriptions = socket.subscriptions
        self._seeds = BookSeeds(parts, "seed", number, life)
        self.books = {
            item.inst_id: OrderBook()
            for item in socket.subscriptions
            if item.channel == self._book_channel
        }

    @property
    def ready(self) -> bool:
        """Whether the successor brings everything the former connection brought."""
        states = {item: self.link.subscription_state(item) for item in self._subscriptions}
        if not all(is_settled(item.channel, state) for item, state in states.items()):
            return False
        return all(
            book.valid or states[Subscription(self._book_channel, name)] is SubscriptionState.PARKED
            for name, book in self.books.items()
        )

    def on_book(self, data: Data, now_ns: int) -> None:
        """Keep the successor's book; one that breaks is subscribed anew, one that has no snapshot
        is taken from REST. Raises MalformedMessage.
        """
        if data.action == "update" and self.link.is_leaving(data.subscription):
            return
        try:
            for update in parse_books(data.payload, data.action):
                book = self.books[data.inst_id]
                applied = book.apply(update)
                if applied is Applied.IGNORED and not book.valid:
                    book.begin_bootstrap()
                    book.apply(update)
                elif applied in (Applied.GAP, Applied.CHECKSUM_MISMATCH):
                    self._break(data, now_ns)
                    return
        except MalformedMessage:
            self._break(data, now_ns)
            raise
        if self.books[data.inst_id].bootstrapping:
            self._seeds.want(data.inst_id, now_ns)

    def on_seed(self, instrument: str, result: Result, now_ns: int) -> None:
        """The book of REST."""
        snapshot = self._seeds.open(result, now_ns)
        book, subscription = self.books[instrument], Subscription(self._book_channel, instrument)
        if snapshot is None or not book.bootstrapping or self.link.is_leaving(subscription):
            return
        if book.bootstrap(snapshot) is Applied.APPLIED:
            self.link.cancel_resubscribe(subscription)

    def reset_books(self) -> None:
        """The successor has lost its own connection."""
        self.books = {name: OrderBook() for name in self.books}

    def _break(self, data: Data, now_ns: int) -> None:
        self.books[data.inst_id] = OrderBook()
        self.link.resubscribe((data.subscription,), now_ns)
