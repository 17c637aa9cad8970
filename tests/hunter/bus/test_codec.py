from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.bus import codec
from hunter.bus.messages import Answer, Describe, Message, RestartActor, StopAll
from hunter.errors import MalformedMessage

texts = st.text(st.characters(exclude_categories=["Cs"]))
messages = st.one_of(
    st.builds(RestartActor, actor=texts, reason=texts, pid=st.integers(0, 2**31)),
    st.just(StopAll()),
    st.just(Describe()),
    st.builds(Answer, ok=st.booleans(), text=texts),
)


@given(messages)
def test_message_round_trip(message: Message) -> None:
    assert codec.decode(codec.encode(message)) == message


@given(st.one_of(st.binary(), texts.map(str.encode)), messages, st.integers(0, 200))
def test_arbitrary_bytes_are_malformed_and_nothing_worse(
    raw: bytes, message: Message, at: int
) -> None:
    with pytest.raises(MalformedMessage):
        codec.decode(raw)
    whole = codec.encode(message)
    with contextlib.suppress(MalformedMessage):
        codec.decode(whole[:at] + raw + whole[at + len(raw) :])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b'{"type":"Dance"}',
        b'{"type":"StopAll","stranger":1}',
        b'{"type":"RestartActor","reason":"hang"}',
        b'{"type":"RestartActor","actor":1,"reason":"hang"}',
        b'{"type":"StopAll"',
        b'{"nested":' + b"[" * 100_000,
        b'{"type":' + b"[" * 100_000,
        b'{"type":"StopActor","actor":"\xff"}',
        b'{"type":"StopActor","\xff":"a"}',
        b'{"type":"\xff"}',
    ],
)
def test_what_is_no_message_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedMessage, match="not a bus message"):
        codec.decode(raw)


def test_other_version_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="version 1, not 2"):
        codec.decode(b'{"type":"StopAll","version":1}')
