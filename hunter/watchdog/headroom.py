"""Whether what is finite is about to run out, before it does: room on the disk, memory of an actor.
Pure.

Each verdict has two limits, one to begin and one to be over, because a figure that plays about one
limit would be a new trouble each second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from hunter.status.documents import FactDocument
from hunter.watchdog.disk import Room

_MIB: Final = 1 << 20
MEMORY_SHARE_TOLD: Final = 0.90
MEMORY_SHARE_OVER: Final = 0.85
DISK_SHARE_OVER: Final = 1.1


class Headroom:
    """Of one instance. `disk_free_bytes`: 0 asks for none."""

    def __init__(self, memory_limit_bytes: int, disk_free_bytes: int) -> None:
        self._memory_limit_bytes = memory_limit_bytes
        self._disk_free_bytes = disk_free_bytes
        self._large: set[str] = set()
        self._full: set[str] = set()

    def memory(self, actor: str, private_bytes: int) -> FactDocument | None:
        """Of an actor that has so much memory to itself, 0 when it is not there."""
        share = MEMORY_SHARE_OVER if actor in self._large else MEMORY_SHARE_TOLD
        if private_bytes <= share * self._memory_limit_bytes:
            self._large.discard(actor)
            return None
        self._large.add(actor)
        text = (
            f"{actor} holds {private_bytes // _MIB} MB; above watchdog.memory_limit_mb ="
            f" {self._memory_limit_bytes // _MIB} it is restarted: raise that if the host has more"
        )
        return FactDocument("memory", actor, text)

    def disk(self, rooms: Iterable[Room], *, answers: bool, place: str) -> Iterator[FactDocument]:
        """Of all file systems; `answers`: False when they are silent, `place` is asked about."""
        if self._disk_free_bytes == 0:
            return
        if not answers:
            text = f"the disk where {place} is does not answer; is it one of a network?"
            yield FactDocument("disk", place, text)
            return
        for room in rooms:
            name = str(room.place)
            over = DISK_SHARE_OVER if name in self._full else 1.0
            if room.free_bytes >= over * self._disk_free_bytes:
                self._full.discard(name)
                continue
            self._full.add(name)
            text = (
                f"only {room.free_bytes // _MIB} MB are free where {name} is"
                f" (watchdog.disk_free_mb = {self._disk_free_bytes // _MIB}): remove old recordings"
                " or lower store.budget_mb, before signals wait for room"
            )
            yield FactDocument("disk", name, text)
