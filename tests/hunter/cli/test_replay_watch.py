"""When a replay is over: everything read, or nothing moves any more."""

from __future__ import annotations

import io
import signal
from typing import Any

import pytest

from hunter.cli import replay_watch
from hunter.cli.progress import PLAIN_EVERY_NS, Progress
from hunter.cli.replay_watch import ReplayWatch, Standing, standing
from hunter.clock import SystemClock
from hunter.simulator.actor import ExchangeDocument
from hunter.status import block
from hunter.status.documents import BrainDocument, BrainInputs, encode

WHOLE = Standing(
    sent=9, is_over=True, received=9, written=8, read=8, lost=0, is_filling=False
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "is_complete"),
    [
        ({}, True),
        ({"received": 10}, True),  # a snapshot came twice
        ({"is_over": False}, False),
        ({"received": 8}, False),
        ({"read": 7}, False),
        ({"is_filling": True}, False),
    ],
)
def test_complete_is_sent_received_written_and_read(
    change: dict[str, Any], is_complete: bool
) -> None:
    values = {name: getattr(WHOLE, name) for name in WHOLE.__slots__}
    assert Standing(**(values | change)).is_complete(9) is is_complete


class Played:
    """An instance that seems to play a recording, and a watch over it."""

    def __init__(self, shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown = shown
        self.exchange = ExchangeDocument(1, 3, is_over=True)
        shown.up()
        monkeypatch.setattr(block, "attach", self._attach(block.attach))
        self.screen = io.StringIO()
        self.killed: list[int] = []
        monkeypatch.setattr(replay_watch.os, "kill", lambda _, number: self.killed.append(number))
        self.watch = ReplayWatch(shown.config, 3, Progress(self.screen, 0))

    def _attach(self, original: Any) -> Any:
        """The stage has no page of an exchange: show one."""

        class Page:
            read_document = staticmethod(lambda: encode(self.exchange))

        def attach(directory: Any, **options: Any) -> Any:
            found = original(directory, **options)
            found.pages["exchange"] = Page()
            return found

        return attach

    def stand(self, messages: int, rows_read: int, state: str = "live") -> None:
        self.shown.show_feed(state, lost=0)
        feed = self.shown.stage.status.pages["stream-0"].read_document()
        text = feed.replace(b'"messages":1234', b'"messages":%d' % messages)
        self.shown.stage.status.pages["stream-0"].write_document(text)
        self.shown.stage.show("brain-0", BrainDocument(BrainInputs(trades=rows_read), 9, 3))

    def run(self) -> None:
        self.watch.start()
        assert self.watch._thread is not None
        self.watch._thread.join(10)
        self.watch.finish()


@pytest.fixture
def played(shown: Any, monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(shown, monkeypatch)


def test_watch_ends_its_process_politely_when_everything_was_read(played: Played) -> None:
    played.shown.put_trades(1, 2)
    played.stand(3, 2)
    played.shown.put_signal(1_000, "up")
    played.shown.put_signal(2_000, "flat")
    played.run()
    assert played.killed == [signal.SIGTERM]
    assert played.watch.is_settled
    assert played.watch.directions == {"up": 1, "flat": 1}
    assert played.watch.last == Standing(3, True, 3, 2, 2, 0, False)
    assert played.watch.report is not None


def test_watch_ends_when_nothing_moves_any_more(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_watch, "SETTLED_AFTER_NS", 1)
    played.stand(2, 0)
    played.run()
    assert played.killed
    assert played.watch.is_settled
    assert played.watch.last is not None
    assert played.watch.last.received == 2


def test_watch_shows_how_far_it_is(played: Played) -> None:
    played.exchange = ExchangeDocument(1, 3)
    played.stand(2, 0)
    played.watch._progress = Progress(played.screen, -PLAIN_EVERY_NS)
    played.watch.start()
    end_ns = SystemClock().monotonic_ns() + 10_000_000_000
    while not played.screen.getvalue() and SystemClock().monotonic_ns() < end_ns:
        played.watch._done.wait(0.01)
    played.watch.finish()
    assert played.screen.getvalue().startswith("67%  2 of 3 frames (")
    assert not played.watch.is_settled
    assert not played.killed


def test_hole_that_is_being_filled_keeps_a_replay_going(played: Played) -> None:
    played.stand(3, 0, "resync")
    instance = replay_watch.Instance(played.shown.config)
    try:
        assert standing(instance.status(), played.exchange, 0).is_filling
        assert not standing(instance.status(), None, 0).is_over
    finally:
        instance.close()


def test_watch_that_was_never_started_can_be_finished(played: Played) -> None:
    played.watch.finish()
    assert played.watch.last is None
