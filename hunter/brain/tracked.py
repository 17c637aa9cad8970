"""What the brain process follows: every group of a ring's instruments, with its checkpoint files.

Owned by the brain actor. A checkpoint is of all groups of a ring, each as it stood at a moment of
its own: no group's brains know of another's.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from itertools import compress
from operator import ne
from pathlib import Path
from typing import Final

import msgspec

from hunter.brain.checkpoint import CheckpointStore, EncodedCheckpoint
from hunter.brain.group import Member, TrackedGroup
from hunter.brain.load import Plugins, load_brain
from hunter.brain.protocol import StateError
from hunter.brain.settings import settings_of
from hunter.config import Config
from hunter.ring.adopt import open_ring
from hunter.ring.merge import GroupReader, MergedReader
from hunter.signals.rules import SignalRule

ARRIVALS_PER_LOOK: Final = 32


class RingTracked:
    """All instruments of one ring by their groups, with the ring's checkpoint files."""

    def __init__(self, path: Path, config: Config) -> None:
        self.segment, self.layout = open_ring(path)
        layout = self.layout
        self.store = CheckpointStore(config.data_dir / "checkpoints" / path.name)
        self.config_hash = _config_hash(config)
        self._config = config
        count = len(layout.instruments)
        first = 8 * layout.arrival_word(0)
        self._heads = self.segment.part(first, first + 8 * count)
        self._seen = b"\xff" * len(self._heads)  # no arrival number: the first look names all
        self._part_count = count
        self.groups = [self._make_group(members) for members in layout.members]
        self._pieces = self._look_in_pieces()

    def _make_group(self, members: tuple[int, ...]) -> TrackedGroup:
        """With fresh brains, at the beginning of the lanes."""
        layout, config = self.layout, self._config
        settings, plugins = settings_of(config.brain), Plugins.of(config.brain)
        made = []
        for index in members:
            name = layout.instruments[index]
            brain = load_brain(config.brain.kind, name, settings, Path(config.base_dir), plugins)
            made.append(Member(name, brain, SignalRule(layout.ring_id)))
        if len(members) == 1:
            return TrackedGroup(made, MergedReader(self.segment, layout, members[0]))
        return TrackedGroup(made, GroupReader(self.segment, layout, members))

    def restore(self) -> str:
        """Go on from the last checkpoint of this ring; returns what was done, in words.

        Whatever cannot be restored starts cold, at the oldest row that is still there; mates do so
        together.
        """
        checkpoint = self.store.load(self.config_hash, self.layout.ring_id)
        parts = checkpoint.groups if checkpoint else ()
        known = {part.members[0].instrument: part for part in parts if part.members}
        cold = []
        for number, members in enumerate(self.layout.members):
            group = self.groups[number]
            found = known.get(group.members[0].name)
            if found is not None and group.restore(found):
                continue
            if found is not None:
                self.groups[number] = group = self._make_group(members)
            cold += [member.name for member in group.members]
            group.reader.seek_oldest()
        self._pieces = self._look_in_pieces()
        return f"cold: {', '.join(cold)}" if cold else "restored from its checkpoint"

    def _look_in_pieces(self) -> list[tuple[int, int, _Words, list[TrackedGroup]]]:
        """Where pieces of the arrival heads begin and end, and whose heads they are."""
        owners = dict[int, TrackedGroup]()
        for members, group in zip(self.layout.members, self.groups, strict=True):
            owners |= dict.fromkeys(members, group)
        every = [owners[index] for index in range(len(owners))]
        return [
            (8 * start, 8 * (start + len(some)), _words(len(some)), some)
            for start in range(0, len(every), ARRIVALS_PER_LOOK)
            if (some := every[start : start + ARRIVALS_PER_LOOK])
        ]

    def changed(self) -> list[TrackedGroup]:
        """Groups with rows that were not there at the last look. The arrival heads lie side by
        side, so what is compared is bytes: all of them, then pieces, then the heads of the pieces
        that differ. Work is in the news, not in the number of instruments.
        """
        heads = bytes(self._heads)
        if heads == self._seen:
            return []
        before, self._seen = self._seen, heads
        found: list[TrackedGroup] = []
        for start, end, words, some in self._pieces:
            if heads[start:end] != before[start:end]:
                differ = map(ne, words(heads, start), words(before, start))
                found += compress(some, differ)
        return found if len(found) < 2 else list(dict.fromkeys(found))

    @property
    def has_news(self) -> bool:
        """Whether `changed` would name one."""
        return bytes(self._heads) != self._seen

    def begin_save(self) -> None:
        """A checkpoint is due; `save_some` makes it."""
        self._part_count = 0

    @property
    def is_saving(self) -> bool:
        return self._part_count < len(self.groups)

    def save_some(self, part_count_max: int) -> None:
        """Make at most so many of the parts that have changed, so that the loop never stands still
        for all groups at once. Parts need not be of one moment: each says how far it had read.
        Raises StateError, and then this checkpoint is given up.
        """
        while part_count_max and self.is_saving:
            group = self.groups[self._part_count]
            self._part_count += 1
            if not group.is_part_new:
                part_count_max -= 1
                try:
                    group.make_part()
                except StateError:
                    group.counted = None  # it counts that as an error
                    self._part_count = len(self.groups)
                    raise

    def write(self) -> None:
        """Write the parts as they were made last; `store` says whether it could be."""
        parts = tuple(group.part or group.make_part() for group in self.groups)
        self.store.save(EncodedCheckpoint(self.config_hash, self.layout.ring_id, parts))

    def save(self) -> None:
        """Write a checkpoint of all as it stands now. Raises StateError."""
        self.begin_save()
        self.save_some(len(self.groups))
        self.write()


_Words = Callable[[bytes, int], tuple[int, ...]]


def _words(count: int) -> _Words:
    return struct.Struct(f"<{count}Q").unpack_from


def _config_hash(config: Config) -> bytes:
    """Of everything that may shape a brain's state: all of [brain] but where its process runs."""
    section = msgspec.structs.replace(config.brain, cpus="", busy_poll_us=0)
    return hashlib.blake2s(msgspec.json.encode(section), digest_size=8).digest()
