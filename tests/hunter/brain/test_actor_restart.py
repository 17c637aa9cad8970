"""The warm brain: killed at any row, with a torn journal or an old checkpoint, on a full disk or
lapped, it makes the same signals as if it had never been killed, and each once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.actor_stage import SWAP
from fakes.brain_rows import Row, random_rows
from fakes.brain_stage import Head, put
from fakes.full_disk import file_size_limit

from hunter.brain.actor import RETRY_EVERY_NS, BrainActor
from hunter.brain.checkpoint import CheckpointStore
from hunter.brain.flow import FlowBrain
from hunter.brain.inputs import BookRow, TradeRow
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.rows import ROW_BYTES, Kind
from hunter.signals.journal_reader import journal_path


def chained(rows: list[Row]) -> list[Row]:
    """The same market without a hole in its trade ids."""
    found, trade_id = [], 1_000
    for row in rows:
        if isinstance(row, TradeRow):
            trade_id += row.count
            row = row._replace(trade_id=trade_id)
        found.append(row)
    return found


ROWS = chained(random_rows(seed=12, row_count=2_600))


def never_killed(there: Head) -> bytes:
    """The journal of a brain that reads the whole ring in one go."""
    whole = there.elsewhere("whole")
    there.read(there.start(whole))
    return there.journal_bytes(whole)


class Disk:
    """What is done to the files of a brain that was killed. `sizes`: the journal's size at each
    checkpoint, by generation: a kill cannot have torn what was written before the one in use.
    """

    def __init__(self, there: Head, dice: random.Random) -> None:
        self._there = there
        self._dice = dice
        self.sizes: dict[int, int] = {0: 0}

    @property
    def journal(self) -> Path:
        return journal_path(self._there.stage.config.data_dir / "signals", 1)

    def sound(self) -> dict[int, Path]:
        """Checkpoints that can be read, by generation."""
        found = {CheckpointStore.read(path)[0]: path for path in self._there.checkpoints()}
        found.pop(0, None)
        return found

    def save(self, actor: BrainActor) -> None:
        before = [path.read_bytes() for path in self._there.checkpoints()]
        self._there.save(actor)
        if [path.read_bytes() for path in self._there.checkpoints()] != before:
            self.sizes[max(self.sound())] = self.journal.stat().st_size

    def tear(self) -> None:
        """The newest checkpoint, the end of the journal, both or none."""
        sound = self.sound()
        if self._dice.random() < 0.4 and sound:
            generation = max(sound)
            newest = sound.pop(generation)
            del self.sizes[generation]
            whole = newest.read_bytes()
            newest.write_bytes(whole[: self._dice.randrange(len(whole))])
        if self._dice.random() < 0.7:
            kept = self.sizes[max(sound, default=0)]
            whole = self.journal.read_bytes()
            self.journal.write_bytes(whole[: self._dice.randint(kept, len(whole))])
            if self._dice.random() < 0.5:
                with self.journal.open("ab") as file:
                    file.write(self._dice.choice((b"\0" * 300, b'{"id":"', b"\xff\xfe\n")))


@pytest.mark.parametrize("seed", range(8))
def test_brain_killed_at_any_rows_leaves_the_journal_of_one_that_was_not(
    head: Callable[..., Head], seed: int
) -> None:
    print("seed", seed)
    dice, there = random.Random(seed), head()
    disk = Disk(there, dice)
    actor, at, kills = there.start(), 0, 0
    while at < len(ROWS):
        until = at + dice.choice((1, 7, 40, 200))
        there.write(ROWS[at:until])
        at = until
        there.read(actor)
        what = dice.random()
        if what < 0.35:
            disk.save(actor)
        elif what < 0.6:
            there.kill(actor)
            disk.tear()
            actor, kills = there.start(), kills + 1
            there.read(actor)
    assert kills > 2
    expected = never_killed(there)
    assert expected.count(b"\n") > 20
    assert there.journal_bytes() == expected


def test_r10_signals_that_a_full_disk_refuses_are_written_when_there_is_room(
    head: Callable[..., Head],
) -> None:
    there = head()
    actor = there.start()
    there.write(ROWS[:1_800])
    there.read(actor)
    there.save(actor)
    kept = [path.read_bytes() for path in there.checkpoints()]
    with file_size_limit(len(there.journal_bytes()) + 100):
        there.write(ROWS[1_800:])
        assert there.read(actor) == len(ROWS) - 1_800, "the brain goes on"
        there.save(actor)
        document = actor.document()
        assert document.journal_waiting > 3
        assert document.journal_trouble in ("No space left on device", "File too large")
    assert [path.read_bytes() for path in there.checkpoints()] == kept, "none beyond the journal"
    assert len(there.stage.log.having("journal not written")) == 1
    there.clock.skip(RETRY_EVERY_NS / 1e6)
    actor.do_work(there.clock.now_ns)
    there.clock.skip(-RETRY_EVERY_NS / 1e6)
    document = actor.document()
    assert (document.journal_waiting, document.journal_trouble, document.journal_lost) == (0, "", 0)
    assert document.signals == len(there.journal())
    assert there.stage.log.having("journal is written again")
    assert there.journal_bytes() == never_killed(there)


def test_r10_brain_killed_while_the_disk_is_full_tells_each_signal_once(
    head: Callable[..., Head],
) -> None:
    there = head()
    actor = there.start()
    there.write(ROWS[:1_800])
    there.read(actor)
    there.save(actor)
    with file_size_limit(len(there.journal_bytes()) + 1_000):
        for at in range(1_800, 2_200, 100):
            there.write(ROWS[at : at + 100])
            there.read(actor)
            there.save(actor)
        assert actor.document().journal_waiting
        there.kill(actor)
        actor = there.start()
        there.read(actor)
        assert actor.document().journal_waiting
        there.save(actor)
        there.kill(actor)
    actor = there.start()
    there.write(ROWS[2_200:])
    there.read(actor)
    assert there.journal_bytes() == never_killed(there)


def test_r10_brain_stopped_in_order_while_the_disk_is_full_says_what_is_missing(
    head: Callable[..., Head],
) -> None:
    there = head()
    actor = there.start()
    there.write(ROWS[:1_800])
    there.read(actor)
    there.save(actor)
    before = there.journal_bytes()
    kept = [path.read_bytes() for path in there.checkpoints()]
    with file_size_limit(len(before)):
        there.write(ROWS[1_800:])
        there.read(actor)
        waiting = actor.document().journal_waiting
        actor.on_stop()
        there.actors.remove(actor)
    assert there.stage.log.having(f"journal: {waiting} signals could not be written")
    assert [path.read_bytes() for path in there.checkpoints()] == kept
    there.read(there.start())
    assert there.journal_bytes() == never_killed(there), "the ring was still there"


def gaps(actor: BrainActor, index: int = 0) -> int:
    (ring,) = actor._rings
    brain = ring.groups[index].members[0].brain
    assert isinstance(brain, FlowBrain)
    return brain._intake.quality(0, 0).gaps_in_window


def test_r3_brain_that_was_down_too_long_goes_on_with_a_gap_counted_and_declared(
    head: Callable[..., Head],
) -> None:
    there = head("ring.capacity=256")
    actor = there.start()
    for at in range(0, 600, 50):
        there.write(ROWS[at : at + 50])
        there.read(actor)
    assert (gaps(actor), actor.document().lapped) == (0, 0)
    there.save(actor)
    there.kill(actor)
    there.write(ROWS[600:1_600])
    actor = there.start()
    assert actor.document().note == "restored from its checkpoint"
    there.save(actor)
    read = there.read(actor)
    assert read + actor.document().lapped == 1_000
    assert actor.document().lapped > 0
    assert gaps(actor) == 1, "one gap, whatever else shows it"
    assert there.stage.log.having("rows went by unread")


def test_r3_gap_in_books_alone_is_declared_too(head: Callable[..., Head]) -> None:
    """The chain of trades does not show it."""
    there = head("ring.capacity=256")
    actor = there.start()
    there.write(ROWS[:200])
    there.read(actor)
    assert gaps(actor) == 0
    books: list[Row] = [row for row in ROWS if isinstance(row, BookRow)]
    there.write(books[:150])
    there.read(actor)
    assert actor.document().lapped > 0
    assert gaps(actor) == 1


def test_r3_gap_of_a_quiet_instrument_stops_no_checkpoint_and_is_told_after_a_restart(
    head: Callable[..., Head],
) -> None:
    there = head('okx.instruments=["BTC-USDT-SWAP", "ETH-USDT-SWAP"]')
    actor = there.start()
    there.write(ROWS[:200])
    for row in ROWS[:20]:
        put(there.writer, row, 1)
    there.writer.publish()
    assert there.read(actor) == 220
    there.writer.put_trade(1, 5, (9_000, ROWS[20].exchange_ts_ns, 1.0, 1.0, 1, 1))
    there.writer.publish()
    layout = there.writer.layout
    last = there.writer.lanes.position(1, Kind.TRADE) - 1
    with segment.attach(there.stage.ring_path(), writable=True) as shared:
        start = layout.lane_offset(1, Kind.TRADE) + last * ROW_BYTES[Kind.TRADE]
        shared.view[start + 30] ^= 1
    assert there.read(actor) == 0
    assert actor.document().damaged == 1
    there.save(actor)
    kept = there.checkpoints()
    there.write(ROWS[200:300])
    there.read(actor)
    there.save(actor)
    assert len(there.checkpoints()) == len(kept) + 1, "the busy one goes on"
    there.kill(actor)
    actor = there.start()
    assert actor.document().note == "restored from its checkpoint"
    assert there.read(actor) == 0
    assert actor._rings[0].groups[1].members[0].gap
    for row in ROWS[21:30]:
        put(there.writer, row, 1)
    there.writer.publish()
    there.read(actor)
    assert (gaps(actor, 0), gaps(actor, 1)) == (0, 1)
    assert actor.document().damaged == 0, "it was counted before"


def test_r18_journal_copied_from_a_running_host_is_gone_on_with(
    head: Callable[..., Head],
) -> None:
    """A host's crash: the ring is gone, some pages of the journal were never written."""
    there = head()
    actor = there.start()
    there.write(ROWS)
    there.read(actor)
    there.save(actor)
    whole = there.journal_bytes()
    ids = [signal.id for signal in there.journal()]
    other = head()
    directory = other.stage.config.data_dir
    for at in (0, 1, len(whole) // 2, len(whole) - 3):
        copies = {
            "cut": whole[:at],
            "zeros at the end": whole[:at] + b"\0" * (len(whole) - at),
            "a block of zeros": whole[:at] + b"\0" * 4_096 + whole[at + 4_096 :],
        }
        for copy in copies.values():
            (directory / "signals").mkdir(parents=True, exist_ok=True)
            journal_path(directory / "signals", 1).write_bytes(copy)
            (directory / "checkpoints").mkdir(exist_ok=True)
            for path in there.checkpoints():
                (directory / "checkpoints" / path.name).write_bytes(path.read_bytes()[: at + 1])
            before = [signal.id for signal in other.journal()]
            actor = other.start()
            assert actor.document().note == f"cold: {SWAP}"
            if not at:
                other.write(ROWS[:2_200])
            other.read(actor)
            other.kill(actor)
            after = [signal.id for signal in other.journal()]
            assert set(before) <= set(ids)
            assert after[: len(before)] == before
            assert len(after) > len(before)
            assert len(set(after)) == len(after)


def test_r6_row_damaged_in_memory_is_a_gap_and_is_said(head: Callable[..., Head]) -> None:
    there = head()
    actor = there.start()
    there.write(ROWS[:100])
    with segment.attach(there.stage.ring_path(), writable=True) as shared:
        layout = RingLayout.read_header(shared.view)
        shared.view[layout.lane_offset(0, Kind.BBO) + 30] ^= 1
    assert there.read(actor) == 99
    assert gaps(actor) == 1
    assert actor.document().damaged == 1
    assert there.stage.log.having(f"{SWAP}: left out 1 damaged rows of the ring")
