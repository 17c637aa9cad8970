"""Signals out of a journal that the test writes, by a loop and by asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.actor_stage import SWAP, Stage
from fakes.signals import signal

from hunter.access import Instance, following, journal_signals
from hunter.signals import journal_reader
from hunter.signals.journal import Journal
from hunter.signals.signal import Signal

OTHER = "ETH-USDT-SWAP"
LIMIT_S = 10.0


def boundary(told: Signal) -> str:
    return told.id.rsplit("-", 1)[1]


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage('okx.instruments=["BTC-USDT-SWAP", "ETH-USDT-SWAP"]')
    made.make_rings()
    yield made
    made.close()


@pytest.fixture
def journal(stage: Stage) -> Iterator[Journal]:
    made = Journal(stage.config.data_dir / "signals")
    yield made
    made.close()


def test_signals_followed_come_once_each(
    stage: Stage, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(signal(1_000))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 1:
            journal.append(signal(1_000 * len(pauses)))

    monkeypatch.setattr(following.clock, "sleep_s", pause)
    told = journal_signals(stage.config, SWAP, 20, follow=True)
    found = [boundary(next(told)) for _ in range(4)]
    assert found == ["1000", "2000", "3000", "4000"]
    assert len(pauses) == 4, "it waits only when there is nothing"


def test_signals_that_come_between_the_two_looks_are_not_told_twice(
    stage: Stage, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The follower was there before the newest were read, so it sees some of them again."""
    journal.append(signal(1_000))
    last_signals = journal_reader.last_signals

    def look(*arguments: Any) -> list[Signal]:
        journal.append(signal(2_000))
        return last_signals(*arguments)

    monkeypatch.setattr(journal_reader, "last_signals", look)
    monkeypatch.setattr(following.clock, "sleep_s", lambda seconds: journal.append(signal(3_000)))
    told = journal_signals(stage.config, SWAP, 20, follow=True)
    found = [boundary(next(told)) for _ in range(3)]
    assert found == ["1000", "2000", "3000"]


async def taken(instance: Instance, count: int) -> list[str]:
    """The first signals that an asyncio program gets."""
    found: list[str] = []
    async for told in instance.signals_async(SWAP):
        found.append(boundary(told))
        if len(found) == count:
            break
    return found


def test_async_signals_come_once_each_as_they_are_decided(stage: Stage, journal: Journal) -> None:
    journal.append(signal(1_000))

    async def program() -> list[str]:
        with Instance(stage.config) as instance:
            taking = asyncio.create_task(taken(instance, 4))
            for boundary_ms in (2_000, 3_000, 4_000):
                await asyncio.sleep(1.5 * following.FOLLOW_EVERY_S)
                journal.append(signal(boundary_ms, OTHER))
                journal.append(signal(boundary_ms))
            return await asyncio.wait_for(taking, LIMIT_S)

    assert asyncio.run(program()) == ["1000", "2000", "3000", "4000"]


def test_async_signals_without_follow_end_with_the_newest(stage: Stage, journal: Journal) -> None:
    for boundary_ms in (1_000, 2_000, 3_000):
        journal.append(signal(boundary_ms))

    async def program() -> list[str]:
        with Instance(stage.config) as instance:
            told = instance.signals_async(SWAP, 2, follow=False)
            return [boundary(each) async for each in told]

    assert asyncio.run(program()) == ["2000", "3000"]


def test_async_signals_leave_the_loop_free_while_a_disk_does_not_answer(
    stage: Stage, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(signal(1_000))
    poll = journal_reader.JournalFollower.poll
    turns: list[int] = []

    def slow_poll(self: Any) -> list[Signal]:
        turns_before = len(turns)
        while len(turns) < turns_before + 20:  # the loop has to turn, or this never ends
            pass
        return poll(self)

    monkeypatch.setattr(journal_reader.JournalFollower, "poll", slow_poll)

    async def count() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    async def program() -> list[str]:
        counting = asyncio.create_task(count())
        with Instance(stage.config) as instance:
            taking = asyncio.create_task(taken(instance, 2))
            await asyncio.sleep(2 * following.FOLLOW_EVERY_S)  # it follows now
            journal.append(signal(2_000))
            found = await asyncio.wait_for(taking, LIMIT_S)
        counting.cancel()
        return found

    assert asyncio.run(program()) == ["1000", "2000"]


def test_async_signals_that_come_between_the_two_looks_are_not_told_twice(
    stage: Stage, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_signals = journal_reader.last_signals

    def look(*arguments: Any) -> list[Signal]:
        journal.append(signal(1_000))
        return last_signals(*arguments)

    monkeypatch.setattr(journal_reader, "last_signals", look)

    async def program() -> list[str]:
        with Instance(stage.config) as instance:
            taking = asyncio.create_task(taken(instance, 2))
            await asyncio.sleep(2 * following.FOLLOW_EVERY_S)
            journal.append(signal(2_000))
            return await asyncio.wait_for(taking, LIMIT_S)

    assert asyncio.run(program()) == ["1000", "2000"]


def test_async_signals_are_cancelled_cleanly_while_they_wait(
    stage: Stage, journal: Journal
) -> None:
    journal.append(signal(1_000))

    async def program() -> bool:
        with Instance(stage.config) as instance:
            taking = asyncio.create_task(taken(instance, 2))
            await asyncio.sleep(0.5 * following.FOLLOW_EVERY_S)
            taking.cancel()
            await asyncio.wait([taking], timeout=LIMIT_S)
            return taking.cancelled() and asyncio.all_tasks() == {asyncio.current_task()}

    assert asyncio.run(program())
