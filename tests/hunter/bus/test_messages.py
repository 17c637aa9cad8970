from __future__ import annotations

import msgspec
import pytest

from hunter.bus.messages import (
    SHAPE_VERSION,
    Answer,
    Describe,
    Message,
    RestartActor,
    StopActor,
    StopAll,
)

EXAMPLES = [
    RestartActor(actor="brain-0", reason="hang", pid=7),
    StopActor(actor="brain-0"),
    StopAll(),
    Describe(),
    Answer(ok=True, text="done"),
]


def test_every_message_has_an_example() -> None:
    assert {type(message) for message in EXAMPLES} == set(Message.__args__)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: type(m).__name__)
def test_message_is_frozen_and_carries_the_version(message: Message) -> None:
    assert message.version == SHAPE_VERSION
    with pytest.raises(AttributeError):
        message.version = 2  # type: ignore[misc]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: type(m).__name__)
def test_message_is_tagged_and_closed(message: Message) -> None:
    fields = msgspec.json.decode(msgspec.json.encode(message))
    assert fields["type"] == type(message).__name__
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields | {"stranger": 1}, Message)
    fields.pop("type")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, Message)


def test_a_verdict_is_about_anybody_unless_it_names_a_pid() -> None:
    assert RestartActor(actor="brain-0", reason="operator").pid == 0
