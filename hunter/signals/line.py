"""A line of the journal: a signal's JSON object with a checksum as its last key.

    {"schema":1,"id":...,"latency_us":180.0,"crc32":1234567890}

The checksum is of the object without it. So a byte that has changed on the disk costs this one
line, and an altered id cannot pass for a later signal. A line without the key is believed as it
is: journals of former versions have none. Pure; writer and readers of the journal use it.
"""

from __future__ import annotations

import zlib
from typing import Final

from hunter.errors import MalformedMessage
from hunter.signals.signal import Signal, decode_signal, encode_signal

_KEY: Final = b',"crc32":'
_DIGITS_MAX: Final = len(str(2**32))


def encode_line(signal: Signal) -> bytes:
    """The line, with its end."""
    whole = encode_signal(signal)
    return b"%s%s%d}\n" % (whole[:-1], _KEY, zlib.crc32(whole))


def is_intact(line: bytes) -> bool:
    """Whether a line (without its end) is as it was written, as far as it says."""
    start = line.rfind(_KEY)
    if start < 0:
        return True
    digits = line[start + len(_KEY) : -1]
    if not (line.endswith(b"}") and digits.isdigit() and len(digits) <= _DIGITS_MAX):
        return False
    return int(digits) == zlib.crc32(b"}", zlib.crc32(line[:start]))


def decode_line(line: bytes) -> Signal:
    """The signal of one line, or MalformedMessage."""
    if not is_intact(line):
        raise MalformedMessage("not a signal: the line's checksum does not fit; it is passed over")
    return decode_signal(line)
