"""What stands in shared memory and in the runtime directory before the first actor is started, and
what is left after the last. The caller holds the instance lock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hunter.clock import SystemClock
from hunter.config import Config, remove_effective, save_effective
from hunter.errors import SegmentUnusable
from hunter.ring.adopt import adopt_or_create
from hunter.ring.layout import RingLayout
from hunter.ring.segment import make_private_dir, shared_dir
from hunter.runtime.runner import EFFECTIVE_CONFIG
from hunter.status import block
from hunter.status.page import page_bytes
from hunter.system.layouts import fitting_capacity, ring_layout, rings_bytes
from hunter.system.locks import take_lock
from hunter.system.orphans import end_orphans
from hunter.system.specs import child_specs
from hunter.system.wishes import forget_stopped
from supervisor.spec import ChildSpec

SIMULATED: Final = "simulator"
_DOCUMENT_BYTES_BASE: Final = 64 << 10
_DOCUMENT_BYTES_PER_FEED: Final = 512
# Of the runtime directory, and only names of ours: a user may keep other things in it. Not
# *.limits: what was asked of the exchange a moment ago counts after a restart too.
_SOCKETS_AND_LEASES: Final = ("control.ipc", "signals.ipc", "wake-*.ipc", "ring-*.lock")


@dataclass
class Prepared:
    """What stands before the first actor is started."""

    config: Config
    children: tuple[ChildSpec, ...]
    status: block.StatusBlock
    ring_ids: tuple[str, ...]
    rings: tuple[tuple[Path, RingLayout], ...]


def prepare(config: Config, log: logging.Logger, *, demo: bool) -> Prepared:
    """Make or adopt everything in shared memory.

    When that fails, what was there before stays (rings of a killed run are the market's record),
    and else nothing does.
    """
    directory = shared_dir(config.hunter.name, config.runtime_dir)
    with contextlib.ExitStack() as undo:
        if not directory.exists():
            undo.callback(shutil.rmtree, directory, ignore_errors=True)
        make_private_dir(directory)
        source = SIMULATED if demo else config.okx.public_url
        rings = tuple(
            (directory / f"ring-{shard}", ring_layout(config, shard, source))
            for shard in range(config.stream.shards)
        )
        children = child_specs(config, demo=demo)
        room_bytes = _room_bytes(directory) - pages_bytes(config, len(children))
        try:
            ring_ids = _adopt(rings, log)
        except SegmentUnusable as error:
            raise SegmentUnusable(f"{error}; {_advice(config, room_bytes)}") from error
        _remove_others(directory, {path for path, _ in rings})
        status = block.create(
            directory,
            config.hunter.name,
            [child.name for child in children],
            _document_bytes_max(config),
            SystemClock().wall_ns(),
        )
        save_effective(config, config.runtime_dir / EFFECTIVE_CONFIG)
        undo.pop_all()
    return Prepared(config, children, status, ring_ids, rings)


def pages_bytes(config: Config, actor_count: int) -> int:
    """What the status block takes of shared memory, about: a page each, and the supervisor's."""
    return (1 + actor_count) * page_bytes(_document_bytes_max(config))


def _document_bytes_max(config: Config) -> int:
    feeds = len(config.okx.instruments) * len(config.okx.channels)
    return _DOCUMENT_BYTES_BASE + _DOCUMENT_BYTES_PER_FEED * feeds


def _adopt(rings: tuple[tuple[Path, RingLayout], ...], log: logging.Logger) -> tuple[str, ...]:
    """Go on with each ring, or make it anew; their ids."""
    ring_ids = []
    for path, layout in rings:
        adopted = adopt_or_create(path, layout, SystemClock().wall_ns())
        state = "continues" if adopted.kept else f"is new ({adopted.reason})"
        log.info("%s %s: %s bytes", path.name, state, f"{layout.total_bytes:,}")
        ring_ids.append(adopted.ring_id)
    return tuple(ring_ids)


def _room_bytes(directory: Path) -> int:
    """How much may still be taken of the file system behind it."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def _advice(config: Config, room_bytes: int) -> str:
    """What to set, when the rings have no room."""
    wanted = f"all rings take {rings_bytes(config) / 2**20:.0f} MiB"
    capacity = fitting_capacity(config, room_bytes)
    if capacity is None:
        return f"{wanted}, and not even the smallest capacity fits: follow fewer instruments"
    return f"{wanted}; those of [ring] capacity = {capacity} would fit"


def _remove_others(directory: Path, ours: set[Path]) -> None:
    """Rings of a former run with more shards. What was put aside is evidence, and stays."""
    for stale in set(directory.glob("ring-*")) - ours:
        if stale.suffix != ".rejected":
            stale.unlink()


def remove_shared(config: Config) -> None:
    """After an orderly end: nothing in shared memory."""
    shutil.rmtree(shared_dir(config.hunter.name, config.runtime_dir), ignore_errors=True)


def clear_runtime_dir(config: Config) -> None:
    """After any end that we see: no socket, no lease, no configuration but the file's."""
    for path in _sockets_and_leases(config):
        with contextlib.suppress(OSError):  # somebody's folder of that name, say
            path.unlink()
    remove_effective(config.runtime_dir / EFFECTIVE_CONFIG)


def _sockets_and_leases(config: Config) -> list[Path]:
    found = (config.runtime_dir.glob(pattern) for pattern in _SOCKETS_AND_LEASES)
    return sorted(path for paths in found for path in paths)


def leftovers(config: Config) -> list[Path]:
    """What a run that did not end in order has left. The caller knows that none is running."""
    directory = shared_dir(config.hunter.name, config.runtime_dir)
    effective = config.runtime_dir / EFFECTIVE_CONFIG
    known = [path for path in (directory, effective) if path.exists()]
    return known + _sockets_and_leases(config)


def remove_leftovers(config: Config) -> bool:
    """Of an instance whose supervisor was killed; whether there was anything.

    Raises AlreadyRunning when the instance is up after all.
    """
    if not leftovers(config):
        return False
    lock = take_lock(config)
    end_orphans(config)
    remove_shared(config)
    clear_runtime_dir(config)
    forget_stopped(config)
    lock.release()
    return True
