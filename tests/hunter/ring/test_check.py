from __future__ import annotations

import random
from zlib import crc32

import pytest
from fakes.ring_rows import facts

from hunter.ring.check import ROWS_PER_CALL_MAX, are_sound
from hunter.ring.rows import BODIES, ROW_BYTES, SEALS, Kind


def packed(kind: Kind, sequence: int) -> bytes:
    """A row as its writer stores it."""
    body = BODIES[kind].pack(sequence, sequence + 7, *facts(kind, sequence))
    return SEALS[kind].pack(body, crc32(body))


def flipped(rows: bytes, bit: int) -> bytearray:
    changed = bytearray(rows)
    changed[bit >> 3] ^= 1 << (bit & 7)
    return changed


@pytest.mark.parametrize("kind", Kind)
def test_every_single_flipped_bit_of_a_row_is_found(kind: Kind) -> None:
    row, size = packed(kind, 12_345), ROW_BYTES[kind]
    assert are_sound(row, size)
    missed = [bit for bit in range(8 * size) if are_sound(flipped(row, bit), size)]
    assert missed == [], "the bits of the check itself are among them"


@pytest.mark.parametrize("kind", [Kind.TRADE, Kind.BBO, Kind.BOOK])
def test_every_single_flipped_bit_of_a_batch_is_found(kind: Kind) -> None:
    rows, size = b"".join(packed(kind, sequence) for sequence in range(1, 6)), ROW_BYTES[kind]
    assert are_sound(rows, size)
    assert not any(are_sound(flipped(rows, bit), size) for bit in range(8 * len(rows)))


@pytest.mark.parametrize(
    "count", [0, 1, 2, ROWS_PER_CALL_MAX, ROWS_PER_CALL_MAX + 1, 3 * ROWS_PER_CALL_MAX - 1]
)
def test_any_number_of_sound_rows_is_sound_and_one_damaged_row_is_not(count: int) -> None:
    size = ROW_BYTES[Kind.TRADE]
    rows = b"".join(packed(Kind.TRADE, sequence) for sequence in range(1, count + 1))
    assert are_sound(rows, size)
    assert are_sound(memoryview(bytearray(rows)), size)
    dice = random.Random(count)
    for _ in range(50 if count else 0):
        assert not are_sound(flipped(rows, dice.randrange(8 * len(rows))), size)


@pytest.mark.parametrize("kind", Kind)
def test_slot_that_was_never_written_is_no_row(kind: Kind) -> None:
    size = ROW_BYTES[kind]
    assert not are_sound(bytes(size), size)
    assert not are_sound(bytes(7 * size), size)
    assert not are_sound(packed(kind, 1) + bytes(size), size)


def test_half_of_one_row_and_half_of_another_are_no_row() -> None:
    for kind in Kind:
        size = ROW_BYTES[kind]
        one, other = packed(kind, 3), packed(kind, 4)
        assert not are_sound(one[: size // 2] + other[size // 2 :], size)
