"""Books from REST for those whose snapshot did not come: one request at a time for each.

Updates that come without a snapshot wait in the book (OKX, change log of 2026-02-12); the REST book
is what they belong to. One that is older than they are changes nothing, and is asked for again.
"""

from __future__ import annotations

from typing import Final

from hunter.errors import MalformedMessage
from hunter.exchange.okx.asks import NEVER_NS
from hunter.exchange.okx.rest import RestError, books_path, parse_books_answer
from hunter.exchange.okx.rows import BookUpdate
from hunter.stream.parts import Fetch, Parts
from hunter.stream.worker import Result

AGAIN_NS: Final = 1_000_000_000


class BookSeeds:
    """For the books of one role, or of one connection. `purpose`, `line`, `life`: as in Fetch."""

    def __init__(self, parts: Parts, purpose: str, line: int = 0, life: int = 0) -> None:
        self._parts = parts
        self._purpose = purpose
        self._place = (line, life)
        self._due_ns: dict[str, int] = {}

    def want(self, instrument: str, now_ns: int) -> None:
        """Ask, if that is not under way and the last answer was long enough ago."""
        if now_ns < self._due_ns.get(instrument, 0):
            return
        # not before its answer, which may take as long as it likes
        self._due_ns[instrument] = NEVER_NS
        about = Fetch(self._purpose, instrument, *self._place)
        self._parts.rest.ask(about, books_path(instrument), urgent=True)

    def open(self, result: Result, now_ns: int) -> BookUpdate | None:
        """The book of an answer; None when there is none, which is logged."""
        what = result.key
        assert isinstance(what, Fetch)
        self._due_ns[what.about] = now_ns + AGAIN_NS
        try:
            return self._parts.rest.open(result, parse_books_answer, now_ns)
        except (OSError, RestError, MalformedMessage) as error:
            self._parts.context.log.warning("REST book of %s failed: %s", what.about, error)
            return None
