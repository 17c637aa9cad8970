from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.ring_rows import NOW_NS, Feeder, make_ring, ring_layout

from hunter.errors import SegmentError, SegmentUnusable
from hunter.ring import layout as layout_module
from hunter.ring import segment
from hunter.ring.adopt import adopt_or_create, check_heads, last_row
from hunter.ring.layout import RingLayout, capacities_of
from hunter.ring.reader import LaneReader
from hunter.ring.rows import ROW_BYTES, Kind
from hunter.ring.writer import LastTrade

WANTED = ring_layout(created_wall_ns=0)
LATER_NS = NOW_NS + 1
EVERY_LANE = dict.fromkeys(Kind, 16)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def poke(path: Path, word: int, value: int) -> None:
    with segment.attach(path, writable=True) as damaged:
        damaged.words[word] = value


@pytest.fixture
def used_ring(feeder: Feeder, ring_path: Path) -> Path:
    """A ring with six rows in each lane of the first instrument, none in the second's."""
    for kind in Kind:
        feeder.put(0, kind, 6)
    feeder.publish()
    return ring_path


def test_first_start_makes_an_empty_ring(shm_dir: Path) -> None:
    adopted = adopt_or_create(shm_dir / "ring-0", WANTED, NOW_NS)
    assert adopted == (f"{NOW_NS:016x}", False, "first start")
    with segment.attach(shm_dir / "ring-0") as found:
        layout = RingLayout.read_header(found.view)
        assert replace(layout, created_wall_ns=0) == WANTED
        assert last_row(found, layout, 0, Kind.TRADE) is None


def test_next_start_keeps_the_rows(used_ring: Path, layout: RingLayout) -> None:
    adopted = adopt_or_create(used_ring, WANTED, LATER_NS)
    assert adopted == (layout.ring_id, True, "kept")
    with segment.attach(used_ring) as found:
        for kind in Kind:
            rows = LaneReader(found, layout, 0, kind).last(99)
            assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_rows_begun_by_a_killed_writer_do_not_matter(used_ring: Path, feeder: Feeder) -> None:
    feeder.put(0, Kind.TRADE, 3)  # never published
    assert adopt_or_create(used_ring, WANTED, LATER_NS).kept


@pytest.mark.parametrize(
    "wanted",
    [
        replace(WANTED, instruments=("BTC-USDT-SWAP",), groups=()),
        replace(WANTED, instruments=WANTED.instruments[::-1]),
        replace(WANTED, capacities=capacities_of(EVERY_LANE | {Kind.TRADE: 32})),
        replace(WANTED, capacities=capacities_of(EVERY_LANE | {Kind.CANDLE: 32})),
        replace(WANTED, capacities=capacities_of(EVERY_LANE | {Kind.BBO: 0})),
        replace(WANTED, capacities=capacities_of(EVERY_LANE | {Kind.MARK: 0})),
        replace(WANTED, source=8),
    ],
    ids=[
        "instruments",
        "order",
        "capacity",
        "candles",
        "channel",
        "mark-price",
        "source",
    ],
)
def test_other_configuration_makes_a_new_ring(used_ring: Path, wanted: RingLayout) -> None:
    adopted = adopt_or_create(used_ring, wanted, LATER_NS)
    assert not adopted.kept
    assert "configuration" in adopted.reason
    assert names(used_ring.parent) == ["ring-0"], "a sound ring is no evidence of anything"
    with segment.attach(used_ring) as found:
        assert replace(RingLayout.read_header(found.view), created_wall_ns=0) == wanted


def flip(path: Path, layout: RingLayout) -> None:
    raw = bytearray(path.read_bytes())
    raw[0x020] ^= 1
    path.write_bytes(raw)


def truncate(path: Path, layout: RingLayout) -> None:
    os.truncate(path, layout.total_bytes - 4096)


def cut_to_nothing(path: Path, layout: RingLayout) -> None:
    os.truncate(path, 0)


def replace_by_text(path: Path, layout: RingLayout) -> None:
    path.write_bytes(b"not a ring" * 1000)


def move_head(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(0, Kind.BOOK) + 1, 5000)


def move_head_of_the_empty(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(1, Kind.TRADE) + 1, 1)


def move_head_of_the_last_kind(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(0, Kind.CANDLE) + 1, 5000)


def leap_intent(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(0, Kind.TRADE), 6 + 16 // 2 + 1)


def drop_intent(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(0, Kind.TRADE), 5)


def leap_intent_of_the_last_kind(path: Path, layout: RingLayout) -> None:
    poke(path, layout.intent_word(0, Kind.CANDLE), 6 + 16 // 2 + 1)


def leap_arrival(path: Path, layout: RingLayout) -> None:
    poke(path, layout.arrival_word(0), 6 * len(Kind) + 1)


@pytest.mark.parametrize(
    "damage",
    [
        flip, truncate, cut_to_nothing, replace_by_text, move_head, move_head_of_the_empty,
        move_head_of_the_last_kind, leap_intent, leap_intent_of_the_last_kind, drop_intent,
        leap_arrival,
    ],
)  # fmt: skip
def test_damaged_ring_is_put_aside(
    used_ring: Path, layout: RingLayout, damage: Callable[[Path, RingLayout], None]
) -> None:
    damage(used_ring, layout)
    evidence = used_ring.read_bytes()
    adopted = adopt_or_create(used_ring, WANTED, LATER_NS)
    assert not adopted.kept
    assert adopted.reason
    assert names(used_ring.parent) == ["ring-0", "ring-0.rejected"]
    assert used_ring.with_name("ring-0.rejected").read_bytes() == evidence
    assert adopt_or_create(used_ring, WANTED, LATER_NS).kept


def test_ring_of_another_version_or_boot_is_put_aside(
    shm_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shm_dir / "ring-0"
    for name, value in (("VERSION", 9), ("boot_id", lambda: bytes(range(16)))):
        with monkeypatch.context() as patch:
            patch.setattr(layout_module, name, value)
            make_ring(path, ring_layout())
        assert not adopt_or_create(path, WANTED, LATER_NS).kept
        assert names(shm_dir) == ["ring-0", "ring-0.rejected"], "one generation of evidence"


def test_no_room_is_unusable_and_leaves_no_file(
    shm_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(SegmentUnusable):
        adopt_or_create(shm_dir / "ring-0", WANTED, NOW_NS)
    assert names(shm_dir) == []


def test_check_heads_names_the_lane(used_ring: Path, layout: RingLayout) -> None:
    with segment.attach(used_ring) as found:
        check_heads(found, layout)
    move_head(used_ring, layout)
    with (
        segment.attach(used_ring) as found,
        pytest.raises(SegmentError, match=r"head of BTC-USDT-SWAP book"),
    ):
        check_heads(found, layout)


def test_last_row_is_the_newest_published(used_ring: Path, layout: RingLayout) -> None:
    with segment.attach(used_ring) as found:
        row = last_row(found, layout, 0, Kind.TRADE)
        assert row is not None
        assert row[0] == 6
        assert last_row(found, layout, 1, Kind.TRADE) is None


def test_arrival_head_is_sound_when_its_row_is_of_any_kind(
    shm_dir: Path, layout: RingLayout
) -> None:
    for kind in Kind:
        path = make_ring(shm_dir / "ring-0", layout)
        feeder = Feeder(path)
        feeder.put(0, kind)
        feeder.publish()
        feeder.close()
        assert adopt_or_create(path, WANTED, LATER_NS).kept, kind
        path.unlink()


def test_lanes_that_no_channel_feeds_are_sound(shm_dir: Path) -> None:
    wanted = ring_layout(kinds=(Kind.TRADE,), created_wall_ns=0)
    adopt_or_create(shm_dir / "ring-0", wanted, NOW_NS)
    assert adopt_or_create(shm_dir / "ring-0", wanted, LATER_NS).kept


def spoil(path: Path, layout: RingLayout, kind: Kind, *positions: int) -> None:
    with segment.attach(path, writable=True) as damaged:
        for position in positions:
            slot = position & (layout.capacities[kind] - 1)
            damaged.view[layout.lane_offset(0, kind) + slot * ROW_BYTES[kind] + 17] ^= 4


@pytest.mark.parametrize("kind", Kind)
def test_r6_ring_whose_newest_rows_are_damaged_goes_on_from_the_sound_one_before(
    used_ring: Path, layout: RingLayout, kind: Kind
) -> None:
    spoil(used_ring, layout, kind, 4, 5)
    assert adopt_or_create(used_ring, WANTED, LATER_NS).kept
    heir = Feeder(used_ring)
    with segment.attach(used_ring) as found:
        row = last_row(found, layout, 0, kind)
        assert row is not None
        assert row[0] == 4
        heir.put(0, kind, 3)
        heir.publish()
        reader = LaneReader(found, layout, 0, kind)
        assert [row[0] for row in reader.poll()] == [1, 2, 3, 4, 7, 8, 9]
        assert reader.damaged == 2
    heir.close()


def test_r6_heir_resumes_trades_from_the_newest_sound_one(
    used_ring: Path, layout: RingLayout
) -> None:
    """So the chain misses what the damaged rows covered, and fetches it like any other hole."""
    spoil(used_ring, layout, Kind.TRADE, 5)
    heir = Feeder(used_ring)
    assert heir.writer.last_trade(0) == LastTrade(trade_id=55, exchange_ts_ns=27)
    heir.close()


def test_r6_arrival_numbers_of_damaged_rows_are_not_given_again(
    shm_dir: Path, layout: RingLayout
) -> None:
    path = make_ring(shm_dir / "ring-0", layout)
    first = Feeder(path)
    first.put(0, Kind.TRADE, 2)
    first.put(0, Kind.BOOK, 3)
    first.publish()
    first.close()
    # killed after the heads, before the arrival head
    poke(path, layout.arrival_word(0), 1)
    spoil(path, layout, Kind.BOOK, 1, 2)
    assert adopt_or_create(path, WANTED, LATER_NS).kept
    heir = Feeder(path)
    heir.put(0, Kind.TRADE)
    heir.publish()
    with segment.attach(path) as found:
        assert [row[1] for row in LaneReader(found, layout, 0, Kind.TRADE).poll()] == [1, 2, 6]
        assert [row[1] for row in LaneReader(found, layout, 0, Kind.BOOK).poll()] == [3]
    heir.close()


@pytest.fixture
def pair_ring(shm_dir: Path) -> tuple[Path, RingLayout]:
    """Numbers 1 to 5: 1 and 4 in one instrument, 2, 3 and 5 in its mate; all heads are stored."""
    layout = replace(ring_layout(), groups=(0, 0))
    path = make_ring(shm_dir / "pair", layout)
    feeder = Feeder(path)
    for index in (0, 1, 1, 0, 1):
        feeder.put(index, Kind.TRADE)
    feeder.publish()
    feeder.close()
    return path, layout


@pytest.mark.parametrize(("heads", "is_kept"), [((0, 0), True), ((5, 5), True), ((6, 0), False)])
def test_arrival_heads_of_mates_are_held_against_the_newest_row_of_both(
    pair_ring: tuple[Path, RingLayout], heads: tuple[int, int], is_kept: bool
) -> None:
    path, layout = pair_ring
    for index, head in enumerate(heads):
        poke(path, layout.arrival_word(index), head)
    adopted = adopt_or_create(path, replace(layout, created_wall_ns=0), LATER_NS)
    assert adopted.kept == is_kept
    assert is_kept or adopted.reason == "damaged: arrival head of BTC-USDT-SWAP names no row"


def test_heir_goes_on_with_the_numbers_of_both_mates(pair_ring: tuple[Path, RingLayout]) -> None:
    path, layout = pair_ring
    for index in (0, 1):  # killed after the heads, before the arrival heads
        poke(path, layout.arrival_word(index), 1)
    with segment.attach(path, writable=True) as damaged:  # number 5
        damaged.view[layout.lane_offset(1, Kind.TRADE) + 2 * ROW_BYTES[Kind.TRADE] + 17] ^= 4
    heir = Feeder(path)
    heir.put(0, Kind.TRADE)
    heir.publish()
    with segment.attach(path) as found:
        rows = [LaneReader(found, layout, index, Kind.TRADE).poll() for index in (0, 1)]
        assert [[row[1] for row in some] for some in rows] == [[1, 4, 6], [2, 3]]
        words = [found.words[layout.arrival_word(index)] for index in (0, 1)]
        assert words == [6, 5], "what was published before counts for both"
    heir.close()


def test_other_groups_are_another_configuration(pair_ring: tuple[Path, RingLayout]) -> None:
    path, layout = pair_ring
    wanted = replace(layout, created_wall_ns=0, groups=(0, 1))
    adopted = adopt_or_create(path, wanted, LATER_NS)
    assert (adopted.kept, "configuration" in adopted.reason) == (False, True)


def test_r6_lane_without_any_sound_row_is_put_aside(used_ring: Path, layout: RingLayout) -> None:
    spoil(used_ring, layout, Kind.MARK, *range(6))
    adopted = adopt_or_create(used_ring, WANTED, LATER_NS)
    assert adopted.reason == "damaged: head of BTC-USDT-SWAP mark names no row"
    assert names(used_ring.parent) == ["ring-0", "ring-0.rejected"]


def make_directory(path: Path) -> None:
    path.mkdir()
    (path / "something").write_text("in it")


def make_foreign(path: Path) -> None:
    make_ring(path, ring_layout())
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(path, 4_242, 4_242)


def make_whole_header_of_a_cut_file(path: Path) -> None:
    make_ring(path, ring_layout())
    os.truncate(path, 4096)


def make_another_version(path: Path) -> None:
    make_ring(path, ring_layout())
    raw = bytearray(path.read_bytes())
    raw[8:12] = (2).to_bytes(4, "little")
    path.write_bytes(raw)


def make_without_rights(path: Path) -> None:
    path.write_bytes(bytes(8192))
    path.chmod(0)


@pytest.mark.parametrize(
    "make",
    [
        make_directory, make_foreign, make_whole_header_of_a_cut_file, make_another_version,
        make_without_rights,
        lambda path: os.mkfifo(path),
        lambda path: path.symlink_to("/etc/passwd"),
        lambda path: path.symlink_to("/nowhere/at/all"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(bytes(8192)),
        lambda path: path.write_bytes(b"HUNTRING" * 1000),
    ],
)  # fmt: skip
def test_r5_whatever_lies_in_the_place_of_a_ring_is_never_taken_for_one(
    shm_dir: Path, make: Callable[[Path], object]
) -> None:
    path = shm_dir / "ring-0"
    for _ in range(2):  # the second time, evidence of any sort is there already
        make(path)
        assert not adopt_or_create(path, WANTED, LATER_NS).kept
        assert adopt_or_create(path, WANTED, LATER_NS).kept
        assert set(names(shm_dir)) <= {"ring-0", "ring-0.rejected"}
        with segment.attach(path) as found:
            RingLayout.read_header(found.view)
        path.unlink()
    make_directory(path)
    adopt_or_create(path, WANTED, LATER_NS)
    path.unlink()
    path.write_bytes(b"no ring")
    adopt_or_create(path, WANTED, LATER_NS)
    assert path.with_name("ring-0.rejected").read_bytes() == b"no ring"


@pytest.mark.parametrize("before", ["nothing", "another configuration", "damaged", "half-made"])
@pytest.mark.parametrize(
    "step", ["os.open", "os.posix_fallocate", "mmap.mmap", "os.rename", "write_header"]
)
def test_r5_start_killed_while_it_makes_a_ring_leaves_a_whole_one_or_none(
    shm_dir: Path, monkeypatch: pytest.MonkeyPatch, before: str, step: str
) -> None:
    path = shm_dir / "ring-0"
    if before == "another configuration":
        make_ring(path, ring_layout(8))
    elif before == "damaged":
        path.write_bytes(bytes(100_000))
    elif before == "half-made":
        path.with_name(".ring-0.1.new").write_bytes(b"half")
    for done in (False, True):
        pid = os.fork()
        if not pid:
            die_at(step, monkeypatch, done=done)
            with contextlib.suppress(BaseException):
                adopt_or_create(path, WANTED, LATER_NS)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        if path.exists() and before != "damaged":
            with segment.attach(path) as found:
                RingLayout.read_header(found.view)
    adopt_or_create(path, WANTED, LATER_NS)
    assert adopt_or_create(path, WANTED, LATER_NS).kept
    assert set(names(shm_dir)) <= {"ring-0", "ring-0.rejected"}


def die_at(step: str, patch: pytest.MonkeyPatch, *, done: bool) -> None:
    """SIGKILL to ourselves before or after the first call of a function of the way."""
    owner: object = RingLayout
    if "." in step:
        module, _, step = step.partition(".")
        owner = {"os": os, "mmap": segment.mmap}[module]
    real = getattr(owner, step)

    def deadly(*arguments: object, **named: object) -> None:
        if done:
            real(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    patch.setattr(owner, step, deadly)


def test_r5_evidence_gives_way_to_work(shm_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shm_dir / "ring-0"
    path.write_bytes(b"no ring")
    fallocate = os.posix_fallocate

    def short(descriptor: int, start: int, length: int) -> None:
        if path.with_name("ring-0.rejected").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        fallocate(descriptor, start, length)

    monkeypatch.setattr(os, "posix_fallocate", short)
    assert not adopt_or_create(path, WANTED, LATER_NS).kept
    assert names(shm_dir) == ["ring-0"]
