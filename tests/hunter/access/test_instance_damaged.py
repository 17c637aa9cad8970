"""Shared memory with flipped bits: whoever reads it answers or says so by a typed error."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import msgspec
import pytest
from fakes.actor_stage import SWAP, Stage
from fakes.ring_rows import put

from hunter.access import Instance
from hunter.cli.status import text
from hunter.errors import HunterError
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.status.block import FILE_NAME, SUPERVISOR
from hunter.status.documents import (
    BrainDocument,
    ChildDocument,
    FeedDocument,
    StreamDocument,
    SupervisorDocument,
)
from hunter.status.page import ActorState, process_start_ticks

NOW_NS = 1_790_000_000_000_000_000
ROUNDS = 300


@pytest.fixture
def stage() -> Iterator[Stage]:
    """An instance that looks alive: every page says that it is this very process."""
    made = Stage("ring.capacity=64")
    made.make_rings()
    writer = RingWriter(made.ring_path(), NOW_NS)
    for sequence in range(1, 151):
        put(writer, 0, Kind.TRADE, sequence)
        put(writer, 0, Kind.BOOK, sequence)
    writer.publish()
    writer.close()
    for page in made.status.pages.values():
        page.store("pid", os.getpid())
        page.store("process_start", process_start_ticks(os.getpid()))
        page.store("state", ActorState.READY)
        page.store("beat_monotonic_ns", made.clock.monotonic_ns())
    children = tuple(
        ChildDocument(f"{role}-0", role, "ready", os.getpid()) for role in ("stream", "brain")
    )
    made.show(SUPERVISOR, SupervisorDocument("running", "1", children))
    made.show("stream-0", StreamDocument(feeds=(FeedDocument(SWAP, "trades", "live", 7),)))
    made.show("brain-0", BrainDocument(decisions=3))
    yield made
    made.close()


def look(stage: Stage) -> None:
    """All that a command line looks at."""
    with Instance(stage.config) as instance:
        report = instance.status()
        msgspec.json.encode(report)
        text(report)
        instance.is_written(SWAP)
        for kind in (Kind.TRADE, Kind.BOOK):
            assert len(instance.lane(SWAP, kind).last_rows(1_000)) <= 64
            assert len(instance.lane(SWAP, kind).last(1_000)) <= 64


def flip(whole: bytearray, generator: random.Random, end: int) -> None:
    """Damage up to eight places: single bits, whole words, runs of zeros or ones."""
    for _ in range(generator.randint(1, 8)):
        at = generator.randrange(end)
        match generator.randrange(4):
            case 0:
                whole[at] ^= 1 << generator.randrange(8)
            case 1:
                whole[at & ~7 : (at & ~7) + 8] = generator.randbytes(8)
            case 2:
                whole[at : at + 16] = b"\xff" * len(whole[at : at + 16])
            case 3:
                whole[at : at + 16] = bytes(len(whole[at : at + 16]))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("name", "end"),
    # The header, then a header and the heads of the pages; header, names and heads of the lanes.
    [(FILE_NAME, 0x200), (FILE_NAME, 0x1300), ("ring-0", 0x1000), ("ring-0", 0x3000)],
)
def test_damaged_shared_memory_is_answered_or_refused_in_words(
    stage: Stage, name: str, end: int, seed: int
) -> None:
    path = stage.shared / name
    sound = path.read_bytes()
    generator = random.Random(seed)
    refused = 0
    for number in range(ROUNDS):
        whole = bytearray(sound)
        flip(whole, generator, min(end, len(whole)))
        path.write_bytes(whole)
        try:
            look(stage)
        except HunterError:
            refused += 1
        except BaseException:
            print(f"{name}, seed {seed}, round {number}")
            raise
    path.write_bytes(sound)
    look(stage)
    if name == "ring-0" and end == 0x1000:
        assert refused, "a damaged header is not believed"


@pytest.mark.parametrize("size", [0, 1, 4_095, 4_096, 5_000])
@pytest.mark.parametrize("name", [FILE_NAME, "ring-0"])
def test_shared_memory_that_was_cut_off_is_refused_in_words(
    stage: Stage, name: str, size: int
) -> None:
    path = stage.shared / name
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(HunterError):
        look(stage)


def test_document_of_absurd_depth_is_none(stage: Stage) -> None:
    stage.status.pages[SUPERVISOR].write_document(b'{"x":' + b"[" * 10_000)
    look(stage)
