"""bytes <-> message. An unknown tag, version or field is a typed error."""

from __future__ import annotations

import msgspec

from hunter.bus.messages import SHAPE_VERSION, Message
from hunter.errors import MalformedMessage

_decoder = msgspec.json.Decoder(Message)
_encoder = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    return _encoder.encode(message)


def decode(raw: bytes) -> Message:
    """Raises MalformedMessage."""
    try:
        message: Message = _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # the latter two: bytes that are no text, absurd nesting
        raise MalformedMessage(f"not a bus message: {error}") from None
    if message.version != SHAPE_VERSION:
        raise MalformedMessage(f"a bus message of version {message.version}, not {SHAPE_VERSION}")
    return message
