"""Channels that are not about one instrument: `liquidation-orders` and `instruments`, subscribed by
type, and `status`, the exchange's own announcements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from hunter.errors import MalformedMessage
from hunter.exchange.okx import parse_public
from hunter.exchange.okx.events import Data
from hunter.exchange.okx.rows import Maintenance
from hunter.exchange.okx.states import SubscriptionState
from hunter.status import documents
from hunter.stream.counters import Counters, is_settled
from hunter.stream.feed import InstrumentFeed
from hunter.stream.listings import Listings

CHANNELS: Final = ("liquidation-orders", "instruments", "status")
STATUS: Final = "status"
# What the status page shows as the instrument of a channel that is about none.
WHOLE_EXCHANGE: Final = "*"
_OVER: Final = ("completed", "canceled")
# status channel page, `serviceType`: the services that hunter uses.
_SERVICES: Final = {"0": "WebSocket", "5": "trading", "11": "unified account and trading"}


class Bulletins:
    """Of the writing role; `maintenance` are the announcements that are not over, in words."""

    def __init__(
        self,
        feeds: Mapping[str, InstrumentFeed],
        listings: Listings,
        before: documents.FeedDocument | None,
    ) -> None:
        self._feeds = feeds
        self._listings = listings
        self._announced: dict[tuple[str, int], str] = {}
        self.counters = Counters(before)
        self.news: list[str] = []

    @property
    def maintenance(self) -> tuple[str, ...]:
        return tuple(self._announced.values())

    def on_data(self, data: Data, served: Iterable[str], received_ts_ns: int, now_ns: int) -> None:
        """One push; `served`: our instruments that its subscription is for."""
        try:
            if data.channel == STATUS:
                self._on_status(data, now_ns)
                return
            for name in served:
                counters = self._feeds[name].counters[data.channel]
                counters.last_data_ns = now_ns
                counters.silent = False
            if data.channel == "instruments":
                self._on_instruments(data, received_ts_ns)
            else:
                for row in parse_public.parse_liquidations(data.payload):
                    feed = self._feeds.get(row.inst_id)
                    if feed is not None:
                        feed.on_liquidation(row, received_ts_ns, now_ns)
        except MalformedMessage as error:
            self.news.append(f"{data.channel}: {error}")
            self.counters.malformed += data.channel == STATUS
            for name in served:
                self._feeds[name].counters[data.channel].malformed += 1

    def feed_document(self, state: SubscriptionState) -> documents.FeedDocument:
        """The status channel as a feed."""
        word = "parked" if state is SubscriptionState.PARKED else "connecting"
        if is_settled(STATUS, state) and word != "parked":
            word = "live"
        return self.counters.document(WHOLE_EXCHANGE, STATUS, word)

    def _on_instruments(self, data: Data, received_ts_ns: int) -> None:
        rows = parse_public.parse_instruments(data.payload)
        for row in rows:
            feed = self._feeds.get(row.inst_id)
            if feed is not None:
                feed.counters["instruments"].messages += 1
        self._listings.on_changes(rows, received_ts_ns)

    def _on_status(self, data: Data, now_ns: int) -> None:
        self.counters.messages += 1
        self.counters.last_data_ns = now_ns
        for row in parse_public.parse_maintenance(data.payload):
            key = (row.title, row.begin_ts_ns)
            text = _text(row)
            if row.state in _OVER:
                if self._announced.pop(key, None):
                    self.news.append(text)
            elif self._announced.get(key) != text:
                self._announced[key] = text
                self.news.append(text)


def _text(row: Maintenance) -> str:
    service = _SERVICES.get(row.service_type, f"service {row.service_type}")
    return f'OKX maintenance "{row.title}" ({service}) is {row.state}'
