"""Channels that are not about one instrument: `liquidation-orders` and `instruments`, subscribed by
type, and `status`, the exchange's own announcements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
ANNOUNCED_MAX: Final = 16
TITLE_SHOWN: Final = 80
# Maintenance takes longer than announced, and "completed" may be missed.
OVERTIME_NS: Final = 3_600_000_000_000
_OVER: Final = ("completed", "canceled")
# status channel page, `serviceType`: the services that hunter uses.
_SERVICES: Final = {"0": "WebSocket", "5": "trading", "11": "unified account and trading"}


class Bulletins:
    """Of the writing role."""

    def __init__(
        self,
        feeds: Mapping[str, InstrumentFeed],
        listings: Listings,
        before: documents.FeedDocument | None,
    ) -> None:
        self._feeds = feeds
        self._listings = listings
        # By title: one that is put off replaces what it was before.
        self._announced: dict[str, Maintenance] = {}
        self.counters = Counters(before)
        self.news: list[str] = []

    def maintenance(self, now_wall_ns: int) -> tuple[str, ...]:
        """Announcements that are not over, in words; at most ANNOUNCED_MAX, the newest."""
        return tuple(
            _text(row) for row in self._announced.values() if not _is_past(row, now_wall_ns)
        )

    def on_data(
        self, data: Data, served: Collection[str], received_ts_ns: int, now_ns: int
    ) -> None:
        """One push; `served`: our instruments that its subscription is for."""
        try:
            if data.channel == STATUS:
                self._on_status(data, received_ts_ns, now_ns)
                return
            for name in served:
                counters = self._feeds[name].counters[data.channel]
                counters.last_data_ns = now_ns
                counters.silent = False
            if data.channel == "instruments":
                self._on_instruments(data, served, received_ts_ns)
            else:
                for row in parse_public.parse_liquidations(data.payload):
                    if row.inst_id in served:  # of the others nobody counts them
                        feed = self._feeds[row.inst_id]
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

    def _on_instruments(self, data: Data, served: Collection[str], received_ts_ns: int) -> None:
        rows = parse_public.parse_instruments(data.payload)
        for row in rows:
            if row.inst_id in served:
                self._feeds[row.inst_id].counters["instruments"].messages += 1
        self._listings.on_changes(rows, received_ts_ns)

    def _on_status(self, data: Data, received_ts_ns: int, now_ns: int) -> None:
        self.counters.messages += 1
        self.counters.last_data_ns = now_ns
        for row in parse_public.parse_maintenance(data.payload):
            before = self._announced.pop(row.title, None)
            if row.state not in _OVER:
                self._announced[row.title] = row
            if before is None and (row.state in _OVER or _is_past(row, received_ts_ns)):
                continue  # news of the past
            if before is None or _text(before) != _text(row):
                self.news.append(_text(row))
        while len(self._announced) > ANNOUNCED_MAX:
            del self._announced[next(iter(self._announced))]


def _is_past(row: Maintenance, now_wall_ns: int) -> bool:
    return bool(row.end_ts_ns) and row.end_ts_ns + OVERTIME_NS <= now_wall_ns


def _text(row: Maintenance) -> str:
    service = _SERVICES.get(row.service_type, f"service {row.service_type}")
    return f'OKX maintenance "{row.title[:TITLE_SHOWN]}" ({service}) is {row.state}'
