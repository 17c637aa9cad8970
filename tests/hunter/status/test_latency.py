from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.ring import segment
from hunter.ring.segment import Segment
from hunter.status.histogram import VALUE_MAX, Histogram, index_of
from hunter.status.latency import (
    LATENCY_WORDS,
    STAGES_OF,
    TURN_EVERY_NS,
    Latencies,
    Stage,
    StageCounts,
    added,
)
from hunter.status.page import Page, page_bytes

OFFSET = 4096
SIZE_BYTES = page_bytes(1000)
STAGE = Stage.RECEIVE_TO_RING

RECORDS_AND_TURNS_FOR_EVER = """
import sys
from pathlib import Path
from hunter.ring import segment
from hunter.status import latency
from hunter.status.page import Page
shared = segment.attach(Path(sys.argv[1]), writable=True)
kept = latency.Latencies(Page(shared, 4096, int(sys.argv[2])))
print("ready", flush=True)
now_ns = 0
while True:
    now_ns += latency.TURN_EVERY_NS
    for value in range(200):
        kept.record(1, value * value * value)
    kept.turn(now_ns)
"""


@pytest.fixture
def shared(shm_dir: Path) -> Iterator[Segment]:
    size_bytes = OFFSET + SIZE_BYTES + 4096
    with segment.create(shm_dir / "status", size_bytes, lambda view: None) as made:
        yield made


@pytest.fixture
def kept(shared: Segment) -> Latencies:
    return Latencies(Page(shared, OFFSET, SIZE_BYTES))


def test_stage_counts_apart_from_the_other_of_its_page(kept: Latencies) -> None:
    kept.record(Stage.EXCHANGE_TO_RECEIVE, 1000, 5)
    kept.record(Stage.RECEIVE_TO_RING, 20, 2)
    for stage, value, count in ((STAGE, 20, 2), (Stage.EXCHANGE_TO_RECEIVE, 1000, 5)):
        found = kept.counts(stage)
        assert sum(found.every) == sum(found.recent) == found.every[index_of(value)] == count


def test_every_stage_has_a_page_of_its_own_or_another_place_in_it() -> None:
    assert sorted(stage for stages in STAGES_OF.values() for stage in stages) == sorted(Stage)
    assert all({stage % 2 for stage in stages} == {0, 1} for stages in STAGES_OF.values())


@given(st.lists(st.integers(-100, 1 << 70), max_size=100))
def test_values_are_counted_as_in_a_histogram(values: list[int]) -> None:
    page = _PageInMemory()
    kept, model = Latencies(page), Histogram()
    for value in values:
        kept.record(STAGE, value)
        model.record(value)
    assert kept.counts(STAGE).every == model.counts.tolist()


class _PageInMemory:
    def __init__(self) -> None:
        self.words = memoryview(bytearray(8 * LATENCY_WORDS)).cast("Q")
        self.latency_word = 0


def test_page_keeps_its_documents_and_its_neighbours(shared: Segment) -> None:
    page = Page(shared, OFFSET, SIZE_BYTES)
    kept = Latencies(page)
    page.write_document(b"a" * page.document_bytes_max)
    page.write_document(b"b" * page.document_bytes_max)
    for turn in range(1, 8):
        for stage in (0, 1):
            kept.record(stage, 0, turn)
            kept.record(stage, VALUE_MAX, turn)
        kept.turn(turn * TURN_EVERY_NS)
    assert page.read_document() == b"b" * page.document_bytes_max
    assert bytes(shared.view[:OFFSET]) == bytes(OFFSET)
    assert bytes(shared.view[OFFSET + SIZE_BYTES :]) == bytes(4096)
    page.write_document(b"c" * page.document_bytes_max)
    assert sum(kept.counts(0).every) == sum(kept.counts(1).every) == 2 * sum(range(1, 8))


def test_recent_is_of_the_last_two_minutes_at_most(kept: Latencies) -> None:
    for minute in range(10):
        kept.turn(1 + minute * TURN_EVERY_NS)
        kept.record(STAGE, 10**minute, 1 + minute)
        counts = kept.counts(STAGE)
        assert sum(counts.every) == sum(range(1, minute + 2))
        wanted = 1 + minute + (minute if minute else 0)
        assert sum(counts.recent) == wanted
        assert kept.recent_since_ns() == 1 + max(0, minute - 1) * TURN_EVERY_NS
        assert counts.percentiles(1.0)[0] == pytest.approx(10**minute, rel=1 / 16)


def test_turn_before_its_time_is_none(kept: Latencies) -> None:
    kept.turn(5)
    kept.record(STAGE, 7)
    for now_ns in (6, TURN_EVERY_NS, TURN_EVERY_NS + 4):
        kept.turn(now_ns)
        assert kept.recent_since_ns() == 5
        assert sum(kept.counts(STAGE).recent) == 1


def test_nothing_recorded_is_zeros(kept: Latencies) -> None:
    assert kept.counts(STAGE).percentiles(0.5, 0.99, 0.999) == [0.0, 0.0, 0.0]
    assert kept.recent_since_ns() == 0


def test_next_process_goes_on_counting(kept: Latencies, shared: Segment) -> None:
    kept.turn(1)
    kept.record(STAGE, 100, 3)
    successor = Latencies(Page(shared, OFFSET, SIZE_BYTES))
    successor.turn(2)
    successor.record(STAGE, 100, 4)
    assert kept.counts(STAGE).every[index_of(100)] == 7


@pytest.mark.parametrize("written_words", [0, 1, 500, 960, 961, 1900, 1920])
def test_writer_killed_in_a_turn_leaves_the_former_marks(
    kept: Latencies, shared: Segment, written_words: int
) -> None:
    for minute in range(5):
        kept.turn(1 + minute * TURN_EVERY_NS)
        kept.record(STAGE, 1000, 10)
        kept.record(Stage.EXCHANGE_TO_RECEIVE, 1000, 10)
    before, scratch = kept.counts(STAGE), bytes(shared.view)
    kept.turn(1 + 5 * TURN_EVERY_NS)
    after = bytes(shared.view)
    changed = [at for at in range(0, len(after), 8) if after[at : at + 8] != scratch[at : at + 8]]
    # Undo all but the first stores; turns, which lies first, is stored last.
    turns, *rest = changed
    for at in [turns, *rest[min(written_words, len(rest)) :]]:
        shared.view[at : at + 8] = scratch[at : at + 8]
    assert kept.counts(STAGE) == before


@pytest.mark.system
def test_reader_never_sees_nonsense_beside_a_writer_that_turns_all_the_time(
    kept: Latencies, shared: Segment
) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", RECORDS_AND_TURNS_FOR_EVER, str(shared.path), str(SIZE_BYTES)],
        stdout=subprocess.PIPE,
    )
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        total, edges, last = 0, (99, 10_000, VALUE_MAX - 1), [0, 0, 0]
        for _ in range(1000):
            counts = kept.counts(STAGE)
            assert sum(counts.every) >= total
            total = sum(counts.every)
            found = counts.cumulative(edges)
            assert all(now >= then for now, then in zip(found, last, strict=True))
            last = found
            assert all(0 <= part <= whole for whole, part in zip(*counts, strict=True))
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert total > 200
    assert writer.stdout is not None
    writer.stdout.close()


def test_damaged_memory_is_read_without_a_fall(kept: Latencies, shared: Segment) -> None:
    generator = random.Random(5)
    base = Page(shared, OFFSET, SIZE_BYTES).latency_word * 8
    shared.view[base : OFFSET + SIZE_BYTES] = generator.randbytes(8 * LATENCY_WORDS)
    counts = kept.counts(STAGE)
    assert min(counts.recent) >= 0
    assert len(counts.percentiles(0.5, 0.999)) == 2


def test_cumulative_counts_what_is_at_most_the_edge(kept: Latencies) -> None:
    for value in (5, 900, 1000, 1023, 1024, 5000):
        kept.record(STAGE, value)
    counts = kept.counts(STAGE)
    assert counts.cumulative([4, 5, 1023, 1024, 10**9]) == [0, 1, 4, 4, 6]
    assert counts.sum_ns == pytest.approx(5 + 900 + 1000 + 1023 + 1024 + 5000, rel=1 / 32)


def test_shards_are_added_up() -> None:
    found = added([StageCounts([1, 2], [0, 1]), StageCounts([10, 20], [3, 4])])
    assert found == ([11, 22], [3, 5])
