"""Checkpoints of many instruments are made in pieces, each of a moment of its own: a brain killed
between any two turns, on a disk that comes and goes, makes the same signals of each instrument as
one that was never killed, and each once.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack

import msgspec
import pytest
from fakes.brain_rows import Row, random_rows
from fakes.brain_stage import Head, put
from fakes.full_disk import file_size_limit

from hunter.brain import actor as brain_actor
from hunter.brain.actor import RETRY_EVERY_NS, BrainActor
from hunter.brain.inputs import TradeRow
from hunter.config import Config
from hunter.signals.signal import encode_signal

COUNT = 12
ROWS = 700


def market(seed: int) -> list[Row]:
    """Without a hole in its trade ids, and over with its warm-up early."""
    found, trade_id = [], 1_000
    for row in random_rows(seed, ROWS, step_ms=200):
        if isinstance(row, TradeRow):
            trade_id += row.count
            row = row._replace(trade_id=trade_id)
        found.append(row)
    return found


MARKETS = [market(seed) for seed in range(COUNT)]


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Head]:
    monkeypatch.setattr(brain_actor, "CHECKPOINT_EVERY_ROWS", 60)
    monkeypatch.setattr(brain_actor, "CHECKPOINT_PARTS_PER_TURN", 2)
    monkeypatch.setattr(brain_actor, "ROWS_PER_TURN_MAX", 3)
    names = ",".join(f'"C{number:02}-USDT-SWAP"' for number in range(COUNT))
    made = Head("ring.capacity=1024", f"okx.instruments=[{names}]")
    yield made
    made.close()


def told(there: Head, config: Config | None = None) -> dict[str, list[bytes]]:
    """Signals by instrument, but for how late they came."""
    found = defaultdict(list)
    for signal in there.journal(config):
        same = msgspec.structs.replace(signal, latency_us=0.0)
        found[signal.instrument].append(encode_signal(same))
    return found


def turn(there: Head, actor: BrainActor) -> bool:
    """One turn; whether a checkpoint is under way after it."""
    actor.do_work(there.clock.now_ns)
    return bool(actor._saving)


class Killer:
    """What happens between two turns: rows, kills, a full disk and one with room again."""

    def __init__(self, there: Head, seed: int, disk: ExitStack) -> None:
        self._there, self._dice, self._disk = there, random.Random(seed), disk
        self._at = [0] * COUNT
        self._is_full = False
        self.kills_amid = 0
        self.actor = there.start()

    def carry_out(self) -> None:
        while any(at < ROWS for at in self._at):
            self._write(self._dice.randrange(1, 60))
            for _ in range(self._dice.randrange(4)):
                amid = turn(self._there, self.actor)
                if self._dice.random() < (0.3 if amid else 0.05):
                    self.kills_amid += amid
                    self._there.kill(self.actor)
                    self.actor = self._there.start()
            if self._dice.random() < 0.1:
                self._turn_disk()
        if self._is_full:
            self._turn_disk()

    def _write(self, row_count: int) -> None:
        for _ in range(row_count):
            index = self._dice.randrange(COUNT)
            if self._at[index] < ROWS:
                put(self._there.writer, MARKETS[index][self._at[index]], index)
                self._at[index] += 1
        self._there.writer.publish()

    def _turn_disk(self) -> None:
        """Of the journal: a checkpoint is smaller than it, once there are some signals."""
        self._is_full = not self._is_full
        if self._is_full:
            room = self._dice.randrange(2_000)
            self._disk.enter_context(file_size_limit(len(self._there.journal_bytes()) + room))
        else:
            self._disk.close()
            self._there.clock.now_ns += RETRY_EVERY_NS


@pytest.mark.parametrize("seed", range(3))
def test_brain_killed_amid_a_checkpoint_tells_of_each_instrument_what_it_would_have_told(
    there: Head, seed: int
) -> None:
    with ExitStack() as disk:
        killer = Killer(there, seed, disk)
        killer.carry_out()
    there.clock.now_ns += RETRY_EVERY_NS
    there.read(killer.actor)
    assert killer.kills_amid > 2
    whole = there.elsewhere("whole")
    other = there.start(whole)
    there.clock.now_ns += RETRY_EVERY_NS
    there.read(other)
    expected = told(there, whole)
    assert sum(map(len, expected.values())) > 100
    assert told(there) == expected
