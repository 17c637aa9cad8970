"""Frames the client sends. Pure: bytes out, no socket; `session` decides when."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from hunter.exchange.okx.endpoints import (
    PING_FRAME,
    REQUEST_BYTES_MAX,
    REQUEST_ID_LENGTH_MAX,
    Argument,
    channel_traits,
)

PING: Final = PING_FRAME


class Operation(enum.StrEnum):
    """OKX's `op`."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


class Subscription(NamedTuple):
    """One argument of a request.

    `inst_id` is an instrument, or for a channel by index the index ("BTC-USDT"), for one by
    instrument type the type ("SWAP"), or "" for a channel that takes none of them.
    """

    channel: str
    inst_id: str


class SubscriptionRequest(NamedTuple):
    """One frame to send; its answers carry `request_id` and one of `subscriptions` each."""

    request_id: str
    operation: Operation
    subscriptions: tuple[Subscription, ...]
    frame: bytes


def argument(subscription: Subscription) -> dict[str, str]:
    """The `arg` object of a subscription, as the exchange repeats it in acks and data."""
    kind = channel_traits(subscription.channel).argument
    if kind is Argument.NOTHING:
        return {"channel": subscription.channel}
    return {"channel": subscription.channel, kind.key: subscription.inst_id}


def requests(
    operation: Operation,
    subscriptions: Iterable[Subscription],
    next_id: Callable[[], str],
    frame_bytes_max: int = REQUEST_BYTES_MAX,
) -> list[SubscriptionRequest]:
    """As few requests as the length limit allows, each with an id of its own."""
    # Room for {"id":"...","op":"unsubscribe","args":[]} around the arguments.
    head_bytes = 45 + REQUEST_ID_LENGTH_MAX
    batches: list[list[Subscription]] = []
    room = 0
    for subscription in subscriptions:
        size = len(msgspec.json.encode(argument(subscription))) + 1
        assert head_bytes + size <= frame_bytes_max, subscription
        if not batches or size > room:
            batches.append([])
            room = frame_bytes_max - head_bytes
        batches[-1].append(subscription)
        room -= size
    return [_request(operation, batch, next_id()) for batch in batches]


def _request(
    operation: Operation, subscriptions: Sequence[Subscription], request_id: str
) -> SubscriptionRequest:
    assert request_id.isalnum(), request_id
    assert request_id.isascii(), request_id
    assert len(request_id) <= REQUEST_ID_LENGTH_MAX, request_id
    frame = msgspec.json.encode(
        {
            "id": request_id,
            "op": operation.value,
            "args": [argument(subscription) for subscription in subscriptions],
        }
    )
    return SubscriptionRequest(request_id, operation, tuple(subscriptions), frame)
