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
from hunter.exchange.okx.orderbook import OrderBook
from hunter.exchange.okx.parse import parse_books
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.states import SubscriptionState
from hunter.stream.counters import is_settled
from hunter.stream.link import Link


class Handover:
    """The successor of a connection. `step` its link; give it the books' data; ask `ready`."""

    def __init__(
        self, link: Link, subscriptions: tuple[Subscription, ...], book_channel: str
    ) -> None:
        self.link = link
        self.books = {
            item.inst_id: OrderBook() for item in subscriptions if item.channel == book_channel
        }
        self._subscriptions = subscriptions
        self._book_channel = book_channel

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
        """Keep the successor's book; one that breaks, or never had a snapshot, is subscribed anew.

        Raises MalformedMessage.
        """
        try:
            for update in parse_books(data.payload, data.action):
                self.books[data.inst_id].apply(update)
        except MalformedMessage:
            self.books[data.inst_id] = OrderBook()
            raise
        finally:
            if not self.books[data.inst_id].valid:
                self.link.resubscribe((data.subscription,), now_ns)

    def reset_books(self) -> None:
        """The successor has lost its own connection."""
        self.books = {name: OrderBook() for name in self.books}
