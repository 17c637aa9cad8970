"""What the exchange lists: the facts of our instruments, and which of them cannot be streamed.

Asked of REST at the start, and again in a while; the `instruments` channel, where it is subscribed,
says changes at once. The start never waits for it: the exchange itself refuses an instrument that
it does not know. What is not listed, or suspended, is parked with a sentence that says so, and
comes back by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from hunter.errors import MalformedMessage
from hunter.exchange.okx.catalog import Catalog, VerdictKind, paths
from hunter.exchange.okx.rest import RestError, parse_instruments_answer
from hunter.exchange.okx.rows import InstrumentDetails
from hunter.stream.feed import InstrumentFeed
from hunter.stream.parts import Fetch, Parts
from hunter.stream.worker import Result

AGAIN_NS: Final = 3_600_000_000_000
# While one of ours is missing or suspended, or a list could not be had.
SOON_NS: Final = 300_000_000_000
RETRY_NS: Final = 10_000_000_000
# The connections first: the same server may be counting.
START_AFTER_NS: Final = 1_500_000_000
_PURPOSE: Final = "instruments"
_AGAINST: Final = (VerdictKind.SUSPENDED, VerdictKind.UNLISTED)


class Listings:
    """Of the writing role. `returned`: instruments that may be subscribed again; the caller clears
    it.
    """

    def __init__(self, parts: Parts, feeds: Mapping[str, InstrumentFeed]) -> None:
        self._parts = parts
        self._log = parts.context.log
        self._feeds = feeds
        self._catalog = Catalog()
        self._next_ns = parts.context.clock.monotonic_ns() + START_AFTER_NS
        self._due_ns = dict.fromkeys(paths(parts.instruments), self._next_ns)
        self.returned: set[str] = set()

    @property
    def next_deadline_ns(self) -> int:
        return self._next_ns

    def step(self, now_ns: int) -> None:
        """Ask for the lists that are due."""
        if now_ns < self._next_ns:
            return
        for path, due_ns in self._due_ns.items():
            if now_ns >= due_ns:
                self._parts.rest.ask(Fetch(_PURPOSE, path), path)
                # until its answer says otherwise
                self._due_ns[path] = now_ns + AGAIN_NS
        self._next_ns = min(self._due_ns.values())

    def on_result(self, result: Result, received_ts_ns: int, now_ns: int) -> None:
        """A list, or why there is none."""
        what = result.key
        assert isinstance(what, Fetch)
        delay_ns = AGAIN_NS
        try:
            rows = self._parts.rest.open(result, parse_instruments_answer, now_ns)
        except (OSError, RestError, MalformedMessage) as error:
            self._log.warning("REST list of instruments failed: %s", error)
            delay_ns = RETRY_NS
        else:
            self._catalog.add(rows, what.about)
            self.on_details(rows, received_ts_ns)
            if any(feed.verdict for feed in self._feeds.values()):
                delay_ns = SOON_NS
        self._due_ns[what.about] = now_ns + delay_ns
        self._next_ns = min(self._due_ns.values())

    def on_changes(self, rows: list[InstrumentDetails], received_ts_ns: int) -> None:
        """What the `instruments` channel says has changed."""
        self._catalog.update(rows)
        self.on_details(rows, received_ts_ns)

    def on_details(self, rows: Iterable[InstrumentDetails], received_ts_ns: int) -> None:
        """Facts of any instruments; those of ours go into the ring."""
        for row in rows:
            feed = self._feeds.get(row.inst_id)
            if feed is not None:
                feed.public.on_details(row, received_ts_ns)
        for name, feed in self._feeds.items():
            self._judge(name, feed)

    def _judge(self, name: str, feed: InstrumentFeed) -> None:
        verdict = self._catalog.verdict(name)
        text = verdict.text if verdict.kind in _AGAINST else ""
        if text == feed.verdict:
            return
        feed.verdict = text
        if text:
            self._log.error("%s is parked: %s", name, text)
        else:
            self._log.info("%s is listed and trades again", name)
            self.returned.add(name)
