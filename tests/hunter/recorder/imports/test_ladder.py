"""A book of an import against the plain dictionaries it stands for."""

from __future__ import annotations

import random

from hunter.exchange.okx.rows import BookLevel
from hunter.recorder.imports.ladder import ImportedBook, differences


def test_random_updates_leave_the_levels_that_a_dictionary_has() -> None:
    dice, book = random.Random(3), ImportedBook()
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    for step in range(2_000):
        news = [(dice.randrange(40) / 2, float(dice.randrange(3))) for _ in range(3)]
        levels = [BookLevel(price, size) for price, size in news]
        if step % 500 == 499:
            bids, asks = {}, {}
            book.replace(levels, levels)
        else:
            book.update(levels, levels)
        for side in (bids, asks):
            side.update(news)
            for price in [price for price, size in side.items() if not size]:
                del side[price]
        assert book.bids.top(5) == dict(sorted(bids.items(), reverse=True)[:5])
        assert book.asks.top(5) == dict(sorted(asks.items())[:5])
        best = (max(bids), bids[max(bids)]) if bids else (0.0, 0.0)
        assert book.bids.best() == best
        assert book.quote()[:2] == best


def test_differences_turn_one_top_into_the_other() -> None:
    before, after = {1.0: 1.0, 2.0: 2.0, 3.0: 3.0}, {2.0: 5.0, 3.0: 3.0, 4.0: 4.0}
    changed = differences(before, after)
    assert sorted(changed) == [(1.0, 0.0), (2.0, 5.0), (4.0, 4.0)]
    assert differences(after, after) == []
