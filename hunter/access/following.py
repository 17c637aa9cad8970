"""Signals out of the journal files, which are the record: there also when nothing runs, and across
every restart. Both forms look again each `FOLLOW_EVERY_S`; who needs a signal sooner subscribes to
the brain's copies (examples/subscribe.py) and still has the journal for what a socket may drop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Final

from hunter import clock
from hunter.config import Config

if TYPE_CHECKING:
    from hunter.signals.signal import Signal

FOLLOW_EVERY_S: Final = 0.1


def journal_signals(
    config: Config, instrument: str | None, row_count: int, *, follow: bool
) -> Iterator[Signal]:
    """The newest signals, oldest first; with `follow`, then each new one, for ever."""
    # Late: most who import this package want to see the status, and at once.
    from hunter.signals.journal_reader import JournalFollower, last_signals

    directory = config.data_dir / "signals"
    follower = JournalFollower(directory, instrument) if follow else None
    shown = last_signals(directory, row_count, instrument)
    yield from shown
    known = {signal.id for signal in shown}  # what came between the two looks is in both
    while follower is not None:
        fresh = follower.poll()
        yield from (signal for signal in fresh if signal.id not in known)
        if not fresh:
            clock.sleep_s(FOLLOW_EVERY_S)


async def journal_signals_async(
    config: Config, instrument: str | None, row_count: int, *, follow: bool
) -> AsyncGenerator[Signal, None]:
    """The same for asyncio. Files are read in a thread, at most one block at a time: the loop never
    waits for a disk. Ends at once when cancelled or closed; it holds nothing open in between.
    """
    import asyncio

    from hunter.signals.journal_reader import JournalFollower, last_signals

    directory = config.data_dir / "signals"
    follower = await asyncio.to_thread(JournalFollower, directory, instrument) if follow else None
    shown = await asyncio.to_thread(last_signals, directory, row_count, instrument)
    for signal in shown:
        yield signal
    known = {signal.id for signal in shown}
    while follower is not None:
        fresh = await asyncio.to_thread(follower.poll)
        for signal in fresh:
            if signal.id not in known:
                yield signal
        if not fresh:
            await asyncio.sleep(FOLLOW_EVERY_S)
