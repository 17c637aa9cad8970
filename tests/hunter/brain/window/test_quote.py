from __future__ import annotations

from math import inf, nan

import pytest

from hunter.brain.window.quote import BestQuote, Source

MS = 1_000_000
T0 = 1_700_000_000_000 * MS


def test_lesser_source_stands_back_until_the_better_is_silent() -> None:
    quote = BestQuote(2_000)
    assert not quote.outranks(Source.TICKER, T0)
    quote.update(T0, Source.BOOK, 1.0, 1.0, 2.0, 1.0)
    assert quote.outranks(Source.TICKER, T0 + 2_000 * MS)
    assert not quote.outranks(Source.TICKER, T0 + 2_001 * MS)
    assert not quote.outranks(Source.BOOK, T0)
    assert not quote.outranks(Source.BBO, T0)


@pytest.mark.parametrize(
    ("bid", "ask", "usable", "crossed"),
    [
        ((1.0, 3.0), (2.0, 1.0), True, False),
        ((2.0, 3.0), (2.0, 1.0), False, True),
        ((3.0, 3.0), (2.0, 1.0), False, True),
        ((nan, 0.0), (2.0, 1.0), False, False),
        ((1.0, 1.0), (nan, nan), False, False),
        ((1.0, 0.0), (2.0, 1.0), False, False),
        ((1.0, inf), (2.0, 1.0), False, False),
        ((1.0, 1.0), (inf, 1.0), False, False),
    ],
)
def test_quote_is_usable_with_both_sides_apart(
    bid: tuple[float, float], ask: tuple[float, float], usable: bool, crossed: bool
) -> None:
    quote = BestQuote(2_000)
    quote.update(T0, Source.BBO, *bid, *ask)
    assert (quote.usable, quote.crossed) == (usable, crossed)


def test_quote_is_stale_by_its_own_stamp() -> None:
    quote = BestQuote(2_000)
    quote.update(T0, Source.BBO, 1.0, 1.0, 2.0, 1.0)
    assert not quote.is_stale(T0 + 2_000 * MS)
    assert quote.is_stale(T0 + 2_000 * MS + 1)


def test_state_restores_what_follows_from_it() -> None:
    quote, other = BestQuote(2_000), BestQuote(2_000)
    quote.update(T0, Source.BOOK, 1.0, 1.0, 2.0, 1.0)
    other.load(quote.state())
    assert other.state() == quote.state()
    assert (other.mid, other.usable, other.crossed) == (1.5, True, False)
