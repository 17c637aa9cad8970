from __future__ import annotations

import random
import threading
from collections.abc import Callable

from hunter.bus.sleep import SleepWord


def words() -> memoryview:
    return memoryview(bytearray(64)).cast("Q")


def test_word_says_whether_its_reader_sleeps_and_touches_no_other() -> None:
    shared = words()
    reader, writer = SleepWord(shared, 3), SleepWord(shared.toreadonly(), 3)
    assert not writer.is_asleep(), "a fresh page: whoever reads it first looks for news by itself"
    reader.fall_asleep()
    assert writer.is_asleep()
    assert sum(shared) == shared[3]
    reader.wake_up()
    assert not writer.is_asleep()
    assert sum(shared) == 0


def test_news_are_seen_by_the_second_look_or_the_sleeper_is_seen() -> None:
    """Both sides in every order of their steps: each stores first and looks then."""
    for seed in range(500):
        assert any(seen_by_both(random.Random(seed))), seed


def seen_by_both(dice: random.Random) -> tuple[bool, bool]:
    """Whether the reader saw the news, and the writer the sleeper, in one order of their steps."""
    shared, news, sleeper = words(), [], []
    reader, writer = SleepWord(shared, 0), SleepWord(shared, 0)
    sides: list[list[Callable[[], object]]] = [
        [reader.fall_asleep, lambda: news.append(bool(shared[1]))],
        [lambda: shared.__setitem__(1, 1), lambda: sleeper.append(writer.is_asleep())],
    ]
    while any(sides):
        dice.choice([side for side in sides if side]).pop(0)()
    return news[0], sleeper[0]


def test_no_news_are_lost_between_two_threads() -> None:
    shared, woken = words(), threading.Semaphore(0)
    reader, writer = SleepWord(shared, 0), SleepWord(shared, 0)
    overslept: list[int] = []
    count = 3_000

    def read() -> None:
        seen = 0
        while seen < count:
            reader.fall_asleep()
            if shared[1] == seen and not woken.acquire(timeout=5):
                overslept.append(seen)
            reader.wake_up()
            seen = shared[1]

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(1, count + 1):
        shared[1] = number
        if writer.is_asleep():
            woken.release()
    thread.join()
    assert not overslept
