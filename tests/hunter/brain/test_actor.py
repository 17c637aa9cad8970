"""BrainActor over a real ring, journal and bus; a kill is an object that is never asked to stop."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec
import pytest
import zmq
from fakes.actor_stage import SWAP
from fakes.brain_rows import random_rows
from fakes.brain_stage import Head, put
from fakes.instance import wait_until

from hunter.brain.actor import (
    CHECKPOINT_BYTES_PER_S,
    CHECKPOINT_EVERY_NS,
    LATENCY_WINDOW_NS,
    RETRY_EVERY_NS,
    BrainActor,
)
from hunter.brain.checkpoint import (
    Checkpoint,
    CheckpointStore,
    GroupCheckpoint,
    InstrumentCheckpoint,
)
from hunter.brain.inputs import TradeRow
from hunter.bus.sockets import WakeSender
from hunter.clock import SystemClock
from hunter.errors import SegmentError
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.signals.signal import Signal
from hunter.status.documents import BrainDocument
from hunter.status.latency import Stage
from hunter.status.page import ActorState

OTHER = "ETH-USDT-SWAP"


def told(signals: list[Signal]) -> list[Signal]:
    """What a restart must not change."""
    return [msgspec.structs.replace(signal, latency_us=0.0) for signal in signals]


ROWS = random_rows(seed=11, row_count=3_600)


def test_brain_turns_rows_into_decisions_journal_and_bus(head: Callable[..., Head]) -> None:
    there = head()
    actor = there.start()
    assert actor.state() is ActorState.READY
    assert not actor.document().warm
    listener = zmq.Context.instance().socket(zmq.SUB)
    listener.setsockopt(zmq.SUBSCRIBE, b"")
    listener.connect(f"ipc://{there.stage.config.runtime_dir}/signals.ipc")
    try:
        heard = b""
        for start in range(0, len(ROWS), 20):
            there.write(ROWS[start : start + 20])
            there.read(actor)
            if not heard and there.journal() and listener.poll(10):
                heard = listener.recv()
    finally:
        listener.close(0)
    journal = there.journal()
    document = actor.document()
    assert document.warm
    assert document.inputs.trades + document.inputs.books > 0
    counted = msgspec.structs.asdict(document.inputs)
    assert sum(counted.values()) == len(ROWS)
    assert document.decisions > document.signals == len(journal) > 0
    assert document.lapped == document.journal_errors == 0
    assert len({signal.id for signal in journal}) == len(journal)
    name, _, text = heard.partition(b" ")
    assert name.decode() == SWAP
    assert msgspec.json.decode(text, type=Signal) in journal


def test_brain_restarted_from_its_checkpoint_tells_each_signal_once_and_the_same(
    head: Callable[..., Head],
) -> None:
    there = head()
    first = there.start()
    there.write(ROWS[:2_000])
    there.read(first)
    there.clock.skip(CHECKPOINT_EVERY_NS / 1e6)
    first.do_work(there.clock.now_ns)
    assert there.checkpoints()
    there.write(ROWS[2_000:2_800])
    there.read(first)
    before = len(there.journal())
    # killed here: journal and bus have what the checkpoint has not
    second = there.start()
    assert second.document().note == "restored from its checkpoint"
    assert there.read(second) == 800, "the rows since the checkpoint, once more"
    assert len(there.journal()) == before
    assert second._journal.repeated > 0
    there.write(ROWS[2_800:])
    there.read(second)
    whole = there.elsewhere("whole")
    there.read(there.start(whole))
    assert told(there.journal()) == told(there.journal(whole))
    assert len(there.journal()) > before


@pytest.mark.parametrize("cut", [0, 1, 700, 1_999, 3_599])
def test_brain_stopped_in_order_goes_on_anywhere(head: Callable[..., Head], cut: int) -> None:
    there = head()
    first = there.start()
    there.write(ROWS[:cut])
    there.read(first)
    first.on_stop()
    there.actors.remove(first)
    second = there.start()
    there.write(ROWS[cut:])
    assert there.read(second) == len(ROWS) - cut
    whole = there.elsewhere("whole")
    there.read(there.start(whole))
    assert told(there.journal()) == told(there.journal(whole))


def test_brain_counts_how_old_rows_are_but_not_those_from_before_its_start(
    head: Callable[..., Head],
) -> None:
    there = head()
    actor = there.start()
    counts = actor._context.latencies.counts
    there.write(ROWS[:100])
    there.read(actor)
    assert sum(counts(Stage.RECEIVE_TO_BRAIN).every) == 0, "received years ago"
    now_ns = there.clock.now_ns
    there.write([row._replace(received_ts_ns=now_ns) for row in ROWS[100:150]])
    there.clock.skip(2)
    there.read(actor)
    found = counts(Stage.RECEIVE_TO_BRAIN)
    assert sum(found.every) == 50
    assert found.percentiles(0.5)[0] == pytest.approx(2_000_000, rel=1 / 16)


def test_brain_goes_on_counting_signals(head: Callable[..., Head]) -> None:
    there = head()
    there.stage.show("brain-0", BrainDocument(signals=41))
    actor = there.start()
    assert actor.document().signals == 41
    there.write(ROWS)
    there.read(actor)
    assert actor.document().signals == 41 + len(there.journal())


def test_large_checkpoints_come_less_often(head: Callable[..., Head]) -> None:
    there = head()
    actor = there.start()
    for second in range(12):
        there.write(ROWS[second * 10 : second * 10 + 10])
        there.clock.skip(CHECKPOINT_EVERY_NS / 1e6)
        there.read(actor)
        actor._rings[0].store.size_bytes = 5 * CHECKPOINT_BYTES_PER_S
    written = max(CheckpointStore.read(path)[0] for path in there.checkpoints())
    assert written == 4, "two at once, before any was large, then one in 5 s"


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_brain_with_damaged_checkpoints_starts_cold_and_repeats_nothing(
    head: Callable[..., Head], damage: bytes | None
) -> None:
    there = head()
    first = there.start()
    there.write(ROWS[:2_500])
    there.read(first)
    for skip in (1, 2):
        there.clock.skip(CHECKPOINT_EVERY_NS / 1e6)
        there.write(ROWS[2_500 + skip : 2_501 + skip])
        there.read(first)
    assert len(there.checkpoints()) == 2
    for path in there.checkpoints():
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole if damage is None else damage)
    journal = there.journal()
    second = there.start()
    assert second.document().note == f"cold: {SWAP}"
    there.read(second)
    assert there.journal() == journal


def test_brain_starts_cold_what_its_checkpoint_does_not_fit(head: Callable[..., Head]) -> None:
    there = head('okx.instruments=["BTC-USDT-SWAP", "ETH-USDT-SWAP"]')
    there.write(ROWS[:500])
    first = there.start()
    there.read(first)
    first._rings[0].save()
    (ring,) = first._rings
    store = CheckpointStore(there.stage.config.data_dir / "checkpoints" / "ring-0")
    kept = store.load(ring.config_hash, ring.layout.ring_id)
    assert kept is not None
    ours, others = kept.groups
    (good,) = ours.members

    def saved(*groups: GroupCheckpoint) -> None:
        store.save(Checkpoint(kept.config_hash, kept.ring_id, groups))

    bad = InstrumentCheckpoint(SWAP, (1, 1, 1, 1), b"not a state", good.rule, False)
    saved(GroupCheckpoint(5, (bad,)), others)
    second = there.start()
    assert second.document().note == f"cold: {SWAP}"
    assert there.read(second) == 500, "from the oldest row on"
    bad = InstrumentCheckpoint(SWAP, (1, 1, 1, 1), good.brain, b"not a rule", False)
    saved(GroupCheckpoint(5, (bad,)))
    saved(GroupCheckpoint(5, (bad,)))
    third = there.start()
    assert third.document().note == f"cold: {SWAP}, {OTHER}"


def test_brain_of_other_settings_starts_cold(head: Callable[..., Head]) -> None:
    there = head()
    first = there.start()
    there.write(ROWS[:500])
    there.read(first)
    first._rings[0].save()
    section = msgspec.structs.replace(there.stage.config.brain, horizon_ms=1_000)
    other = msgspec.structs.replace(there.stage.config, brain=section)
    assert there.start(other).document().note == f"cold: {SWAP}"


def test_brain_that_is_lapped_counts_it_and_goes_on(head: Callable[..., Head]) -> None:
    there = head("ring.capacity=64")
    actor = there.start()
    there.write(ROWS[:1_000])
    read = there.read(actor)
    assert actor.document().lapped == 1_000 - read > 0
    assert there.stage.log.having("rows went by unread; raise ring.capacity")
    there.write(ROWS[1_000:1_010])
    assert there.read(actor) == 10


def test_brain_told_that_the_book_is_invalid_says_flat_and_why(head: Callable[..., Head]) -> None:
    there = head()
    actor = there.start()
    cut = next_cut(there, actor)
    direction = there.journal()[-1].direction
    assert direction in ("up", "down")
    gone = [row for row in ROWS[cut:] if isinstance(row, TradeRow)]
    there.writer.put_book(0, ROWS[cut].received_ts_ns, 9, ROWS[cut].exchange_ts_ns, None)
    there.write(gone[:40])
    there.read(actor)
    last = there.journal()[-1]
    assert last.direction == "flat"
    assert "book" in last.reason
    assert not last.quality.book_valid


def next_cut(there: Head, actor: BrainActor) -> int:
    """Rows written and read until the newest signal says a direction."""
    for cut in range(2_000, len(ROWS), 10):
        there.write(ROWS[cut - 10 if cut > 2_000 else 0 : cut])
        there.read(actor)
        if there.journal() and there.journal()[-1].direction != "flat":
            return cut
    raise AssertionError("no direction was told")


def test_brain_sleeps_until_it_is_woken(head: Callable[..., Head]) -> None:
    there = head()
    actor = there.start()
    clock = SystemClock()
    sender = WakeSender(there.stage.config.runtime_dir, "brain-0")
    try:
        started_ns = clock.monotonic_ns()
        while not actor._wake.wait(10):
            sender.wake()
            assert clock.monotonic_ns() - started_ns < 10_000_000_000
        sender.wake()
        started_ns = clock.monotonic_ns()
        actor.wait(10_000)
        assert clock.monotonic_ns() - started_ns < 5_000_000_000
    finally:
        sender.close()


def test_brain_reads_every_ring(head: Callable[..., Head]) -> None:
    there = head('okx.instruments=["BTC-USDT-SWAP", "ETH-USDT-SWAP"]', "stream.shards=2")
    actor = there.start()
    second = RingWriter(there.stage.ring_path(1), there.clock.now_ns)
    try:
        there.write(ROWS[:100])
        for row in ROWS[:50]:
            put(second, row)
        second.publish()
    finally:
        second.close()
    assert there.read(actor) == 150
    assert [item.name for ring in actor._rings for item in ring.groups] == [SWAP, OTHER]


def test_brain_whose_checkpoint_cannot_be_written_says_so_and_goes_on(
    head: Callable[..., Head],
) -> None:
    there = head()
    actor = there.start()
    there.stage.config.data_dir.mkdir(exist_ok=True)
    (there.stage.config.data_dir / "checkpoints").write_text("in the way")
    there.write(ROWS[:100])
    there.read(actor)
    there.clock.skip(CHECKPOINT_EVERY_NS / 1e6)
    actor.do_work(there.clock.now_ns)
    for _ in range(2):
        there.write(ROWS[100:150])
        there.read(actor)
        there.clock.skip(CHECKPOINT_EVERY_NS / 1e6)
        actor.do_work(there.clock.now_ns)
    said = there.stage.log.having("checkpoint not written: ")
    assert said == ["WARNING checkpoint not written: File exists; tried again until it can be"]
    assert actor.document().checkpoint_trouble == "File exists"
    (there.stage.config.data_dir / "checkpoints").unlink()
    there.write(ROWS[150:200])
    there.read(actor)
    there.clock.skip(CHECKPOINT_EVERY_NS / 1e6)
    actor.do_work(there.clock.now_ns)
    assert there.stage.log.having("checkpoint is written again")
    assert actor.document().checkpoint_trouble == ""


def test_brain_whose_journal_does_not_get_through_to_the_disk_says_so_in_its_own_words(
    head: Callable[..., Head], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = head()
    actor = there.start()

    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", refuse)
    there.write(ROWS)
    there.read(actor)
    wait_until("the trouble", lambda: actor.document().write_through_trouble)
    for _ in range(3):
        there.clock.skip(RETRY_EVERY_NS / 1e6)
        actor.do_work(there.clock.now_ns)
    document = actor.document()
    assert (document.journal_trouble, document.journal_waiting) == ("", 0)
    assert document.write_through_trouble == "Input/output error"
    said = "journal not written through to the disk"
    assert there.stage.log.having("journal not") == [
        f"WARNING {said}: Input/output error; tried again until it can be"
    ]
    actor.on_stop()
    there.actors.remove(actor)
    assert there.stage.log.having(f"{said} at the end: Input/output error")


@pytest.mark.parametrize("shard", [0, 1])
def test_brain_says_of_its_checkpoints_once_that_one_of_two_cannot_be_written(
    head: Callable[..., Head], shard: int
) -> None:
    there = head('okx.instruments=["BTC-USDT-SWAP", "ETH-USDT-SWAP"]', "stream.shards=2")
    actor = there.start()
    in_the_way = there.stage.config.data_dir / "checkpoints" / f"ring-{shard}.tmp"
    in_the_way.mkdir(parents=True)
    for at in range(0, 300, 100):
        there.write(ROWS[at : at + 100])
        there.read(actor)
        there.save(actor)
        assert actor.document().checkpoint_trouble == "Is a directory"
    assert len(there.stage.log.having("checkpoint")) == 1
    in_the_way.rmdir()
    there.save(actor)
    assert actor.document().checkpoint_trouble == ""
    assert len(there.stage.log.having("checkpoint is written again")) == 1


def test_brain_in_a_quiet_market_tries_a_checkpoint_again_once_a_second(
    head: Callable[..., Head], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = head()
    actor = there.start()
    in_the_way = there.stage.config.data_dir / "checkpoints" / "ring-0.tmp"
    in_the_way.mkdir(parents=True)
    monkeypatch.setattr("hunter.brain.actor.CHECKPOINT_EVERY_ROWS", 50)
    there.write(ROWS[:100])
    there.read(actor)
    for _ in range(10):
        actor.do_work(there.clock.now_ns)
    (ring,) = actor._rings
    assert ring.store.write_errors == 1, "not on each turn"
    there.clock.skip(CHECKPOINT_EVERY_NS / 1e6)
    actor.do_work(there.clock.now_ns)
    assert ring.store.write_errors == 2
    in_the_way.rmdir()
    there.clock.skip(CHECKPOINT_EVERY_NS / 1e6)
    actor.do_work(there.clock.now_ns)
    assert actor.document().checkpoint_trouble == ""
    assert len(there.checkpoints()) == 1
    there.clock.skip(CHECKPOINT_EVERY_NS / 1e6)
    actor.do_work(there.clock.now_ns)
    assert len(there.checkpoints()) == 1, "nothing new to keep"


SPEECHLESS = """
class Brain:
    def on_trades(self, batch): pass
    def on_book(self, book): pass
    def on_ticker(self, ticker): pass
    def decide(self, now_ns): return None
    def snapshot(self): raise RuntimeError("no words")
    def restore(self, state): pass
"""


def test_brain_of_a_user_that_cannot_say_its_state_runs_on(head: Callable[..., Head]) -> None:
    there = head("brain.kind=speechless_brain:Brain")
    (there.stage.home / "speechless_brain.py").write_text(SPEECHLESS)
    actor = there.start()
    there.write(ROWS[:100])
    there.read(actor)
    there.clock.skip(CHECKPOINT_EVERY_NS / 1e6)
    actor.do_work(there.clock.now_ns)
    assert there.stage.log.having("checkpoint not written: ")
    there.write(ROWS[100:200])
    assert there.read(actor) == 100


def test_brain_forgets_old_latencies(head: Callable[..., Head]) -> None:
    there = head()
    actor = there.start()
    there.write(ROWS)
    there.read(actor)
    count = actor._latency_us.total
    assert count > 10
    assert actor.document().latency_us.p50 > 0
    there.clock.skip(LATENCY_WINDOW_NS / 1e6)
    actor.do_work(there.clock.now_ns)
    assert actor._latency_us.total < count


def test_brain_on_a_ring_that_went_back_ends(head: Callable[..., Head]) -> None:
    there = head()
    actor = there.start()
    there.write(ROWS[:100])
    there.read(actor)
    with segment.attach(there.stage.ring_path(), writable=True) as shared:
        layout = RingLayout.read_header(shared.view)
        shared.words[layout.intent_word(0, Kind.TRADE) + 1] = 1
        shared.words[layout.arrival_word(0)] += 1
    with pytest.raises(SegmentError, match="BTC-USDT-SWAP: the ring's head went back"):
        there.read(actor)


def test_brain_without_a_ring_ends(head: Callable[..., Head]) -> None:
    there = head()
    there.stage.ring_path().unlink()
    with pytest.raises(SegmentError):
        there.start()
