"""What is counted of one channel of one instrument; `hunter status` shows it as a feed."""

from __future__ import annotations

from hunter.exchange.okx.states import SubscriptionState
from hunter.status import documents
from hunter.status.histogram import Histogram
from hunter.stream.tally import new_tally

# What pushes its present state as soon as it is subscribed ("Initial push" of the channel pages).
# The others are as they should be from their acknowledgement on.
_PUSHED_AT_ONCE = ("trades", "tickers", "books", "books5", "bbo-tbt", "candle")


def is_settled(channel: str, state: SubscriptionState) -> bool:
    """Whether a subscription brings, or will bring by itself, all that it ever will."""
    if state is SubscriptionState.ACKED:
        return channel == "trades-all" or not channel.startswith(_PUSHED_AT_ONCE)
    return state in (SubscriptionState.LIVE, SubscriptionState.PARKED)


class Counters:
    """`before`: what the process that was killed had counted. What every push changes is in
    `tally`, which compiled code counts in as well.
    """

    __slots__ = (
        "backfilled",
        "duplicates",
        "first_push",
        "gaps",
        "lag_us",
        "lost",
        "malformed",
        "mismatches",
        "note",
        "resync_ms",
        "silent",
        "tally",
    )

    def __init__(self, before: documents.FeedDocument | None) -> None:
        known = before or documents.FeedDocument("", "", "")
        self.lag_us = Histogram()
        self.tally = new_tally(self.lag_us.counts)
        self.tally.messages = known.messages
        self.gaps = known.gaps
        self.backfilled = known.backfilled
        self.duplicates = known.duplicates
        self.lost = known.lost
        self.malformed = known.malformed
        self.mismatches = known.mismatches
        self.resync_ms = known.resync_ms
        self.note = ""
        # The first push after a subscription is the exchange's cached state, however old it is.
        self.first_push = True
        self.silent = False

    @property
    def messages(self) -> int:
        """Pushes received."""
        return self.tally.messages

    @messages.setter
    def messages(self, count: int) -> None:
        self.tally.messages = count

    @property
    def last_data_ns(self) -> int:
        """When the newest push came, monotonic; 0 before the first."""
        return self.tally.last_data_ns

    @last_data_ns.setter
    def last_data_ns(self, now_ns: int) -> None:
        self.tally.last_data_ns = now_ns

    @property
    def last_exchange_ts_ns(self) -> int:
        """The newest time that the exchange stamped on a push."""
        return self.tally.last_exchange_ts_ns

    def on_push(self, exchange_ts_ns: int, received_ts_ns: int, *, repeats: bool) -> None:
        """How long a push was under way. A channel that `repeats` itself for want of news keeps the
        old stamp then, which says nothing.
        """
        tally = self.tally
        is_news = exchange_ts_ns > tally.last_exchange_ts_ns if repeats else exchange_ts_ns
        if self.first_push:
            self.first_push = False
        elif is_news:
            self.lag_us.record((received_ts_ns - exchange_ts_ns) // 1_000)
        tally.last_exchange_ts_ns = max(tally.last_exchange_ts_ns, exchange_ts_ns)

    def document(self, instrument: str, channel: str, state: str) -> documents.FeedDocument:
        """As `hunter status` shows it."""
        p50_us, p99_us = self.lag_us.percentiles(0.5, 0.99)
        return documents.FeedDocument(
            instrument=instrument,
            channel=channel,
            state=state,
            messages=self.messages,
            last_data_ns=self.last_data_ns,
            gaps=self.gaps,
            backfilled=self.backfilled,
            duplicates=self.duplicates,
            lost=self.lost,
            malformed=self.malformed,
            lag_ms_p50=p50_us / 1000,
            lag_ms_p99=p99_us / 1000,
            mismatches=self.mismatches,
            resync_ms=self.resync_ms,
            note=self.note if state == "parked" else "",
        )
