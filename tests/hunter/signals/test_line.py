from __future__ import annotations

import json
import zlib
from collections.abc import Callable

import pytest

from hunter.errors import MalformedMessage
from hunter.signals.line import decode_line, encode_line, is_intact
from hunter.signals.signal import Signal, encode_signal

Make = Callable[..., Signal]


def test_line_is_the_signals_object_with_its_checksum_last(make_signal: Make) -> None:
    signal = make_signal(1_000)
    line = encode_line(signal)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    values = json.loads(line)
    assert values.pop("crc32") == zlib.crc32(encode_signal(signal))
    assert values == json.loads(encode_signal(signal))
    assert decode_line(line[:-1]) == signal


def test_line_of_a_former_version_is_believed(make_signal: Make) -> None:
    signal = make_signal(1_000)
    assert decode_line(encode_signal(signal)) == signal


def test_line_altered_at_any_byte_is_no_signal_or_the_same_one(make_signal: Make) -> None:
    signal = make_signal(1_000)
    line = encode_line(signal)[:-1]
    for at in range(len(line)):
        for bit in range(8):
            altered = bytearray(line)
            altered[at] ^= 1 << bit
            try:
                found = decode_line(bytes(altered))
            except MalformedMessage:
                continue
            assert found == signal, "only the checksum's own name may be hit without harm"
            assert at > len(line) - 22


@pytest.mark.parametrize(
    "end", [b"", b"}", b"12", b"x}", b"1}", b"-1}", b"1" * 5_000 + b"}", b"\xb2}"]
)
def test_checksum_that_is_none_does_not_fit(make_signal: Make, end: bytes) -> None:
    line = encode_signal(make_signal(1))[:-1] + b',"crc32":' + end
    assert not is_intact(line)
    with pytest.raises(MalformedMessage, match="checksum"):
        decode_line(line)


def test_feature_called_like_the_checksum_is_a_feature(make_signal: Make) -> None:
    signal = make_signal(1, features={"a": 1.0, "crc32": 2.0})
    assert decode_line(encode_line(signal)[:-1]) == signal
