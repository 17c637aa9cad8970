"""The check that closes every row: the CRC-32 of the bytes before it, stored little-endian.

A row with its check is a codeword: the CRC-32 of the whole has one value, whatever the row holds.
CRC being affine, the same is true of several such rows one after the other, whose CRC-32 follows
from their number alone. So one call proves a whole batch: any single flipped bit changes it, and
any other damage goes unseen once in four thousand million times. Used by readers and by whoever
takes a ring over; the writer makes the checks.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate, repeat
from typing import Final
from zlib import crc32

from hunter.ring.rows import CHECK_BYTES

ROWS_PER_CALL_MAX: Final = 256


@cache
def _expected(row_bytes: int) -> tuple[int, ...]:
    """The CRC-32 of 0, 1, 2 ... sound rows."""
    body = bytes(row_bytes - CHECK_BYTES)
    row = body + crc32(body).to_bytes(CHECK_BYTES, "little")
    rows = repeat(row, ROWS_PER_CALL_MAX)
    return tuple(accumulate(rows, lambda before, row: crc32(row, before), initial=0))


def are_sound(rows: bytes | bytearray | memoryview, row_bytes: int) -> bool:
    """Whether each of the rows is as it was put."""
    expected = _expected(row_bytes)
    count = len(rows) // row_bytes
    if count <= ROWS_PER_CALL_MAX:
        return crc32(rows) == expected[count]
    step, view = ROWS_PER_CALL_MAX * row_bytes, memoryview(rows)
    return all(
        crc32(view[start : start + step]) == expected[min(count, ROWS_PER_CALL_MAX)]
        for start, count in zip(
            range(0, len(rows), step), range(count, 0, -ROWS_PER_CALL_MAX), strict=True
        )
    )
