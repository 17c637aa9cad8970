"""Wake-ups: none is lost, and none is sent to a reader that says that it is awake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from hunter.bus.sleep import SleepWord
from hunter.bus.sockets import WakeReceiver, WakeSender

PATIENCE_MS = 5_000


class Pair:
    """A reader and what wakes it; the reader says in `words` whether it sleeps."""

    def __init__(self, bus_dir: Path, stack: ExitStack) -> None:
        self.words = memoryview(bytearray(8)).cast("Q")
        self._dir, self._stack = bus_dir, stack
        self.receiver = WakeReceiver(bus_dir, "brain-0", SleepWord(self.words, 0))
        stack.enter_context(closing(self.receiver))
        self.blind = self.sender(None)  # tells the reader whatever that says
        self.seeing = self.sender(SleepWord(self.words, 0))
        assert self._connected(self.blind)

    def sender(self, sleep: SleepWord | None) -> WakeSender:
        made = WakeSender(self._dir, "brain-0", sleep)
        self._stack.enter_context(closing(made))
        return made

    def _connected(self, sender: WakeSender) -> bool:
        """Whether its wake-ups arrive; none is left over."""
        for _ in range(PATIENCE_MS // 10):
            sender.wake()
            if self.receiver.wait(10):
                while self.receiver.wait(50):
                    pass
                return True
        return False


@pytest.fixture
def pair(bus_dir: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(bus_dir, stack)


def test_each_wake_up_of_a_reader_that_waits_arrives(pair: Pair) -> None:
    """A short queue loses some: its sender learns too late that the reader has emptied it."""
    for _ in range(100):
        pair.blind.wake()
        assert pair.receiver.wait(PATIENCE_MS)


def test_reader_is_woken_by_a_sender_that_sees_it_asleep(pair: Pair) -> None:
    def tell() -> bool:  # at the very moment when the reader has said that it sleeps
        assert pair.words[0]
        pair.seeing.wake()
        return False

    assert any(pair.receiver.wait(10, tell) for _ in range(PATIENCE_MS // 10))
    assert not pair.words[0]


def test_reader_that_is_awake_is_told_nothing(pair: Pair) -> None:
    def tell() -> bool:
        pair.seeing.wake()
        return False

    assert any(pair.receiver.wait(10, tell) for _ in range(PATIENCE_MS // 10)), "connected"
    while pair.receiver.wait(50):
        pass
    for _ in range(100):
        pair.seeing.wake()
    assert not pair.receiver.wait(50), "it was awake when they came"


def test_reader_with_news_does_not_sleep(pair: Pair) -> None:
    assert pair.receiver.wait(3_600_000, lambda: True)
    assert not pair.words[0]


def test_reader_killed_asleep_leaves_a_word_that_its_successor_puts_right(bus_dir: Path) -> None:
    words = memoryview(bytearray(8)).cast("Q")
    SleepWord(words, 0).fall_asleep()
    with closing(WakeReceiver(bus_dir, "brain-0", SleepWord(words, 0))):
        assert not words[0]
