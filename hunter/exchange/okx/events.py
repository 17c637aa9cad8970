"""What `OkxSession` tells its caller, and its counts. Frozen; nothing here is an exception.

Only `Data` proves that the market is being received: a pong, an ack and a notice do not.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from hunter.exchange.okx.requests import Subscription


class Data(msgspec.Struct, frozen=True, gc=False):
    """A push. `payload` is a view into the frame: parse it before the frame's buffer is reused.

    `action` is "snapshot" or "update" for incremental books, else "".
    """

    subscription: Subscription
    action: str
    payload: msgspec.Raw

    @property
    def channel(self) -> str:
        return self.subscription.channel

    @property
    def inst_id(self) -> str:
        return self.subscription.inst_id


class Acked(NamedTuple):
    """A subscription was confirmed; its data may have come before."""

    subscription: Subscription


class Refused(NamedTuple):
    """This one subscription is parked. `code` is "" when it was never answered.

    Told when it is parked, not again when a later attempt fails as well.
    """

    subscription: Subscription
    code: str
    msg: str


class ExchangeError(NamedTuple):
    """An error that parks nothing: asked again later, or not about a subscription of ours."""

    code: str
    msg: str


class Notice(NamedTuple):
    """64008: the exchange will close this connection in about a minute. Open the next one now."""

    code: str
    msg: str


class Malformed(NamedTuple):
    """A frame that is no JSON of the known form; dropped."""

    reason: str


class Unknown(NamedTuple):
    """A frame we have no use for: a new event, or data nobody asked for. Dropped.

    Told once for each kind of event and each channel; `unknown_count` counts all.
    """

    what: str


class PongReceived(NamedTuple):
    """Answer to our ping."""

    round_trip_ns: int


class DataSilent(NamedTuple):
    """No data for too long, repeated for as long as it lasts.

    `whole_connection`: nothing at all for `stale_after_ns`; abort and connect anew. Otherwise the
    others go on and only these subscriptions are beyond what their channel promises; resubscribe.
    `sentinel`: a subscription of a market that never rests, if one was silent too.
    """

    subscriptions: tuple[Subscription, ...]
    silence_ns: int
    whole_connection: bool
    sentinel: Subscription | None = None


class Dead(NamedTuple):
    """The connection is of no more use: abort it (no polite close) and connect anew."""

    reason: str


Event = (
    Data
    | Acked
    | Refused
    | ExchangeError
    | Notice
    | Malformed
    | Unknown
    | PongReceived
    | DataSilent
    | Dead
)


class SessionStatistics(msgspec.Struct, frozen=True):
    """Counts since the session was made."""

    frame_count: int
    frame_bytes: int
    data_count: int
    ping_count: int
    pong_count: int
    ack_count: int
    refused_count: int
    error_count: int
    notice_count: int
    malformed_count: int
    unknown_count: int
    silence_count: int
    request_count: int
    repeat_count: int
