from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from hunter.brain import checkpoint as module
from hunter.brain.checkpoint import (
    Checkpoint,
    CheckpointStore,
    GroupCheckpoint,
    InstrumentCheckpoint,
)

HASH, RING = b"\x01" * 8, "0011aabb"


def made(arrival: int, ring_id: str = RING, config_hash: bytes = HASH) -> Checkpoint:
    one = InstrumentCheckpoint("BTC-USDT", (1, 2, 3, arrival), b"\x00state\xff", b"+", False)
    return Checkpoint(config_hash, ring_id, (GroupCheckpoint(arrival, (one,)),))


def saved(path: Path, *arrivals: int) -> None:
    store = CheckpointStore(path)
    for arrival in arrivals:
        assert store.save(made(arrival))


def test_newest_checkpoint_is_loaded_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "brain-0"
    saved(path, 10, 20, 30)
    assert CheckpointStore(path).load(HASH, RING) == made(30)
    assert sorted(p.name for p in path.parent.iterdir()) == ["brain-0.0", "brain-0.1"]
    assert (path.with_name("brain-0.1").stat().st_mode & 0o777) == 0o600


def test_generations_go_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "brain-0"
    for arrival in (1, 2, 3):
        saved(path, arrival)
    assert CheckpointStore(path).load(HASH, RING) == made(3)


def test_nothing_saved_is_none_and_no_damage(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "brain-0")
    assert store.load(HASH, RING) is None
    assert (store.damaged, store.foreign) == (0, 0)


def newest(path: Path) -> Path:
    return max((path.with_name(path.name + end) for end in (".0", ".1")), key=_generation)


def _generation(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[12:20], "little")


def test_file_torn_or_altered_at_any_byte_gives_the_generation_before(tmp_path: Path) -> None:
    path = tmp_path / "brain-0"
    saved(path, 10, 20)
    victim = newest(path)
    whole = victim.read_bytes()
    for at in range(len(whole)):
        altered = bytearray(whole)
        altered[at] ^= 0x20
        for damaged in (whole[:at], bytes(altered)):
            victim.write_bytes(damaged)
            store = CheckpointStore(path)
            assert store.load(HASH, RING) == made(10)
            assert store.damaged == 1


def test_both_damaged_is_none_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "brain-0"
    saved(path, 10, 20)
    for end in (".0", ".1"):
        path.with_name(path.name + end).write_bytes(b"junk")
    store = CheckpointStore(path)
    assert store.load(HASH, RING) is None
    assert store.damaged == 2
    assert store.save(made(5))
    assert CheckpointStore(path).load(HASH, RING) == made(5)


@pytest.mark.parametrize(("config_hash", "ring_id"), [(b"\x02" * 8, RING), (HASH, "ffff")])
def test_checkpoint_of_other_configuration_or_ring_is_not_used(
    tmp_path: Path, config_hash: bytes, ring_id: str
) -> None:
    path = tmp_path / "brain-0"
    saved(path, 10, 20)
    store = CheckpointStore(path)
    assert store.load(config_hash, ring_id) is None
    assert (store.damaged, store.foreign) == (0, 2)


def test_sound_frame_with_another_content_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "brain-0"
    saved(path, 10)
    monkeypatch.setattr(module, "_ENCODER", _Wrong())
    saved(path, 20)
    store = CheckpointStore(path)
    assert store.load(HASH, RING) == made(10)
    assert store.damaged == 1


class _Wrong:
    def encode(self, _: object) -> bytes:
        return b"\x93\x01\x02\x03"


def test_disk_that_refuses_is_counted_and_leaves_the_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "brain-0"
    saved(path, 10)
    store = CheckpointStore(path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # The kernel cuts the write short and then refuses, as on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (40, before[1]))
        assert not store.save(made(20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert store.write_errors == 1
    assert store.trouble == "File too large"
    assert [p.name for p in path.parent.iterdir()] == ["brain-0.1"], "no half one fills the disk"
    assert CheckpointStore(path).load(HASH, RING) == made(10)
    assert store.save(made(30))
    assert store.trouble == ""
    assert CheckpointStore(path).load(HASH, RING) == made(30)


def test_checkpoint_that_no_load_would_take_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "brain-0"
    saved(path, 9, 10)
    size = newest(path).stat().st_size
    store = CheckpointStore(path)
    monkeypatch.setattr(module, "FILE_BYTES_MAX", size - 1)
    assert not store.save(made(20))
    assert store.write_errors == 1
    assert store.trouble == (
        f"it would be {size} bytes, limit {size - 1}; make the brain's snapshot() smaller"
    )
    monkeypatch.setattr(module, "FILE_BYTES_MAX", size)
    assert CheckpointStore(path).load(HASH, RING) == made(10), "the one before is still there"
    assert store.save(made(20))
    assert store.trouble == ""
    assert CheckpointStore(path).load(HASH, RING) == made(20), "just as large as it may be"


def test_half_written_temporary_file_of_a_killed_writer_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "brain-0"
    saved(path, 10)
    path.with_name("brain-0.tmp").write_bytes(b"half")
    assert CheckpointStore(path).load(HASH, RING) == made(10)
    saved(path, 20)
    assert CheckpointStore(path).load(HASH, RING) == made(20)
