"""Is a silent connection dead, or does the market rest? REST knows whether anything was traded.

A pong proves the link, not the feed, and a quiet market must not be reconnected for ever. So on a
silence REST is asked for the newest trade. If it is one we have, the market rests. If it is newer,
the feed gets a moment more, because it may just be on its way; then the connection is given up.

Where the connection brought no trade of an instrument (candles, a sentinel, an acknowledgement and
nothing more) REST is compared with itself: silent while the newest match moved from one probe to
the next is dead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from hunter.errors import MalformedMessage
from hunter.exchange.okx.asks import NEVER_NS
from hunter.exchange.okx.rest import RestError, parse_trades_answer, trades_path
from hunter.stream.link import Link
from hunter.stream.parts import Fetch, Parts
from hunter.stream.worker import Result

DOUBT_NS: Final = 300_000_000


class SilenceProbe:
    """Of one connection. `newest` tells the newest match id that it brought of an instrument, None
    where it brought none; `on_dead` is called with the reason when the feed is dead; `line` is its
    place in the plan.
    """

    def __init__(
        self,
        parts: Parts,
        newest: Callable[[str], int | None],
        on_dead: Callable[[str], None],
        line: int = 0,
    ) -> None:
        self._parts = parts
        self._log: logging.Logger = parts.context.log
        self._newest = newest
        self._on_dead = on_dead
        self._line = line
        self._asking = False
        self._asked_ns = 0
        self._doubt_due_ns = NEVER_NS
        self._turn = 0
        # By instrument: the newest match when it was asked for last, and when data had come last.
        self._probed: dict[str, tuple[int, int]] = {}

    @property
    def next_deadline_ns(self) -> int:
        return self._doubt_due_ns

    def ask(self, link: Link, names: Sequence[str], silence_ns: int, now_ns: int) -> None:
        """The whole connection has been silent for `silence_ns`; again for as long as it lasts.
        `names`: instruments to ask about, one after the other, the liveliest first.
        """
        if self._asking:
            # Asked at the silence before this one, and still no answer, nor a refusal.
            self._on_dead("no data, and REST does not answer in time")
            return
        if self._doubt_due_ns != NEVER_NS:
            return
        self._asked_ns = now_ns
        instrument = names[self._turn % len(names)]
        self._turn += 1
        about = Fetch("probe", instrument, self._line, link.connects)
        self._parts.rest.ask(about, trades_path(instrument, 1), urgent=True)
        self._asking = True
        self._log.info("no data for %.1f s; asking REST whether the market rests", silence_ns / 1e9)

    def forget(self) -> None:
        """The connection in question is gone."""
        self._probed.clear()
        self._turn = 0
        self._asking = False
        self._doubt_due_ns = NEVER_NS

    def on_result(self, result: Result, link: Link, now_ns: int) -> None:
        """The answer, if it still is about this connection."""
        what = result.key
        assert isinstance(what, Fetch)
        if (what.line, what.life) != (self._line, link.connects):
            return
        self._asking = False
        try:
            rows = self._parts.rest.open(result, parse_trades_answer, now_ns)
        except (OSError, RestError, MalformedMessage) as error:
            self._log.warning("REST probe of %s failed: %s", what.about, error)
            self._on_dead("no data, and REST does not answer")
            return
        newest = rows[-1].trade_id if rows else None
        if self._is_newer(what.about, newest, link.session.last_data_ns):
            self._doubt_due_ns = now_ns + DOUBT_NS
        else:
            self._log.info("the market rests; the feed is in order")

    def _is_newer(self, instrument: str, newest: int | None, last_data_ns: int) -> bool:
        """Whether the market has something that the connection should have brought."""
        if newest is None:
            return False
        known = self._newest(instrument)
        if known is not None:
            return newest > known
        before = self._probed.get(instrument)
        self._probed[instrument] = (newest, last_data_ns)
        return before is not None and before[1] == last_data_ns and newest > before[0]

    def settle(self, link: Link, now_ns: int) -> None:
        """REST knew a newer trade: has the feed brought anything since it was asked?"""
        if now_ns < self._doubt_due_ns:
            return
        self._doubt_due_ns = NEVER_NS
        if link.session.last_data_ns <= self._asked_ns:
            self._on_dead("no data while the market trades")
