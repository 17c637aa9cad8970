from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.actor_stage import SWAP
from fakes.web_stage import OTHER, WebStage, made_signal

from hunter.access import Instance
from hunter.signals.journal import Journal
from hunter.web.market_view import MarketView
from hunter.web.signal_shelf import KEPT_MAX, SignalShelf, SignalView


class Shelf:
    def __init__(self, stage: WebStage, instance: Instance, journal: Journal) -> None:
        self.journal = journal
        self.shelf = SignalShelf(stage.config.data_dir / "signals")
        self.swap, self.other = MarketView(instance, SWAP), MarketView(instance, OTHER)


@pytest.fixture
def there(web_stage: WebStage) -> Iterator[Shelf]:
    journal = web_stage.journal()
    with Instance(web_stage.config) as instance:
        yield Shelf(web_stage, instance, journal)
    journal.close()


def test_old_signals_are_there_at_once_and_are_no_news(there: Shelf) -> None:
    there.journal.append(made_signal(3))
    there.journal.append(made_signal(4, instrument=OTHER))
    there.shelf.poll()
    assert there.shelf.newest(there.swap) == [
        SignalView(3_000, "up", 0.75, 0.0, 5_000, "because", None)
    ]
    assert [view.at_ms for view in there.shelf.newest(there.other)] == [4_000]
    assert there.shelf.news(there.swap) == []


def test_new_signals_are_news_once(there: Shelf) -> None:
    there.shelf.poll()
    there.journal.append(made_signal(3))
    there.shelf.poll()
    assert [view.at_ms for view in there.shelf.news(there.swap)] == [3_000]
    assert there.shelf.news(there.other) == []
    there.shelf.poll()
    assert there.shelf.news(there.swap) == []
    assert [view.at_ms for view in there.shelf.newest(there.swap)] == [3_000]


def test_signal_stands_at_its_trade(there: Shelf, web_stage: WebStage) -> None:
    web_stage.trades(1.0, 1.0)  # received 5 ms after the exchange's stamp
    there.journal.append(made_signal(3, trade_sequence=2))
    there.journal.append(made_signal(4, trade_sequence=9))  # the ring has none such
    there.shelf.poll()
    placed, unplaced = there.shelf.newest(there.swap)
    assert (placed.at_ms, placed.price) == (2_995, 102.0)
    assert (unplaced.at_ms, unplaced.price) == (4_000, None)
    assert there.shelf.newest(there.swap)[0].at_ms == 2_995, "moved once"


def test_signal_of_another_ring_is_not_put_at_a_trade_of_this_one(
    there: Shelf, web_stage: WebStage
) -> None:
    web_stage.trades(*[1.0] * 5)  # a ring of after a stop and a start: numbered from 1 again
    there.journal.append(made_signal(4, trade_sequence=5))  # decided before that was received
    there.shelf.poll()
    (signal,) = there.shelf.newest(there.swap)
    assert (signal.at_ms, signal.price) == (4_000, None)


def test_kept_signals_are_limited(there: Shelf) -> None:
    for at_s in range(KEPT_MAX + 5):
        there.journal.append(made_signal(at_s))
    there.shelf.poll()
    kept = there.shelf.newest(there.swap)
    assert (len(kept), kept[0].at_ms) == (KEPT_MAX, 5_000)
    for at_s in range(500, 503):
        there.journal.append(made_signal(at_s))
    there.shelf.poll()
    assert len(there.shelf.newest(there.swap)) == KEPT_MAX


def test_no_journal_no_signals(there: Shelf, web_stage: WebStage) -> None:
    shelf = SignalShelf(web_stage.home / "nowhere")
    shelf.poll()
    shelf.poll()
    assert shelf.newest(there.swap) == []
