"""Checkpoints of a brain process: how far it read and what it knew, for every group of instruments.

    file    magic 8s | version u4 | generation u8 | body length u4 | body | crc32 u4 of all before
    body    msgpack: config hash, ring id, groups (arrival, instruments (name, positions, brain,
            rule, whether rows are missing after `arrival`))

Two files, NAME.0 and NAME.1, written in turn, each under a temporary name and renamed: a death at
any instruction leaves at least the generation before. They are not written through to the disk:
what a checkpoint speaks of is a ring, and a host that crashes takes that with it. `load` takes the
newest whole file made for the same configuration and ring; a damaged or foreign one is counted and
passed over. One writer per path.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path

import msgspec

from hunter.files import private_opener

MAGIC = b"HUNTBRN\0"
VERSION = 4
FILE_BYTES_MAX = 64 * 1024 * 1024

_HEADER = struct.Struct("<8sIQI")
_CRC = struct.Struct("<I")
assert _HEADER.size == 24
assert _CRC.size == 4


class InstrumentCheckpoint(msgspec.Struct, frozen=True, array_like=True):
    """One instrument: `positions` are the lanes' cursors; with a `gap`, rows before them went by
    unread and `brain` does not know it yet.
    """

    instrument: str
    positions: tuple[int, int, int, int]
    brain: bytes
    rule: bytes
    gap: bool
    newest: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Trade id, the quote's seq id, the ticker's stamp and the book's seq id of the newest rows in
    `brain`, by which a recording knows them; 0 where there is none, or none is known."""


class GroupCheckpoint(msgspec.Struct, frozen=True, array_like=True):
    """Instruments whose brains know of each other, at one moment: the group's rows up to `arrival`
    are in them.
    """

    arrival: int
    members: tuple[InstrumentCheckpoint, ...]


class Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """A brain process; each group at a moment of its own."""

    config_hash: bytes
    ring_id: str
    groups: tuple[GroupCheckpoint, ...]


class EncodedCheckpoint(msgspec.Struct, frozen=True, array_like=True):
    """The same in the file, of groups that `encode_part` has encoded: what did not change since the
    last one costs nothing.
    """

    config_hash: bytes
    ring_id: str
    groups: tuple[msgspec.Raw, ...]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Checkpoint)


def encode_part(part: GroupCheckpoint) -> msgspec.Raw:
    """For an EncodedCheckpoint."""
    return msgspec.Raw(_ENCODER.encode(part))


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Of whatever configuration and ring; None when it is no whole checkpoint of this version."""
    return CheckpointStore.read(path)[1]


class CheckpointStore:
    """The two files beside `path`. The counters are for the status page."""

    def __init__(self, path: Path) -> None:
        self._paths = (
            path.with_name(path.name + ".0"),
            path.with_name(path.name + ".1"),
        )
        self._temporary = path.with_name(path.name + ".tmp")
        self._generation = max((self.read(p)[0] for p in self._paths), default=0)
        self.damaged = 0
        """Files that were torn, altered or of another version."""
        self.foreign = 0
        """Whole files of another configuration or ring."""
        self.write_errors = 0
        self.size_bytes = 0
        """Of the file written last."""
        self.trouble = ""
        """Why the last one could not be written; "" when it could."""

    def save(self, checkpoint: Checkpoint | EncodedCheckpoint) -> bool:
        """Write the next generation. False when the disk refuses, or when it is larger than `load`
        would take: counted, the old ones stay.
        """
        generation = self._generation + 1
        body = _ENCODER.encode(checkpoint)
        whole = _HEADER.pack(MAGIC, VERSION, generation, len(body)) + body
        whole += _CRC.pack(zlib.crc32(whole))
        if len(whole) > FILE_BYTES_MAX:
            self.write_errors += 1
            self.trouble = (
                f"it would be {len(whole)} bytes, limit {FILE_BYTES_MAX};"
                " make the brain's snapshot() smaller"
            )
            return False
        try:
            self._write(whole)
            os.replace(self._temporary, self._paths[generation % 2])
        except OSError as error:
            self.write_errors += 1
            self.trouble = error.strerror or str(error)
            with contextlib.suppress(OSError):  # a full disk needs the bytes of the half one
                self._temporary.unlink(missing_ok=True)
            return False
        self.trouble = ""
        self.size_bytes = len(whole)
        self._generation = generation
        return True

    def _write(self, whole: bytes) -> None:
        self._temporary.parent.mkdir(parents=True, exist_ok=True)
        with open(self._temporary, "wb", opener=private_opener) as file:
            file.write(whole)

    def load(self, config_hash: bytes, ring_id: str) -> Checkpoint | None:
        """The newest checkpoint that fits, or None: start cold."""
        found = [self.read(path) for path in self._paths if path.exists()]
        self.damaged += sum(checkpoint is None for _, checkpoint in found)
        for _, checkpoint in sorted(found, key=lambda item: -item[0]):
            if checkpoint is None:
                continue
            if (checkpoint.config_hash, checkpoint.ring_id) != (config_hash, ring_id):
                self.foreign += 1
                continue
            return checkpoint
        return None

    @staticmethod
    def read(path: Path) -> tuple[int, Checkpoint | None]:
        """(generation, content); generation 0 and None for what is no whole checkpoint."""
        try:
            with path.open("rb") as file:
                whole = file.read(FILE_BYTES_MAX + 1)
        except OSError:
            return 0, None
        if not _HEADER.size + _CRC.size <= len(whole) <= FILE_BYTES_MAX:
            return 0, None
        magic, version, generation, length = _HEADER.unpack_from(whole)
        body = whole[_HEADER.size : -_CRC.size]
        sound = zlib.crc32(whole[: -_CRC.size]) == _CRC.unpack_from(whole, len(whole) - 4)[0]
        if magic != MAGIC or version != VERSION or length != len(body) or not sound:
            return 0, None
        try:
            return generation, _DECODER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return 0, None
