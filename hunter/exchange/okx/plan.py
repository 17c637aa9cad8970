"""Which subscriptions go over which connection. Pure: instruments and channels in, sockets out.

    public    one or more sockets; all public subscriptions of one instrument, and of its mate (the
              swap of a spot), are on the same one: so that their rows have one order, the same at
              each replay
    business  one or more of its own, if a channel needs it

A channel is left out for the instruments whose type has none of it. One argument may serve several
instruments (an index, an instrument type); it goes with the first of them. Sockets are filled
evenly, because the one that carries most falls behind first. Same arguments, same plan.

Called by the stream actor when it starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from hunter.exchange.okx.endpoints import (
    DEEP_BOOKS_MAX,
    SUBSCRIPTIONS_MAX,
    Argument,
    Endpoint,
    candle_bar,
    channel_traits,
    is_deep_book,
)
from hunter.exchange.okx.requests import Subscription
from hunter.market.instrument import group_leaders, instrument_type

SENTINEL_INSTRUMENT: Final = "BTC-USDT-SWAP"
_SENTINEL_CHANNELS: Final = {Endpoint.PUBLIC: "tickers", Endpoint.BUSINESS: "candle1m"}
# What pushes at least as often as the sentinel would: at every change of the best bid and offer on
# the public socket, at every trade on the business one.
_LIVELY: Final = {
    Endpoint.PUBLIC: frozenset(
        ["tickers", "bbo-tbt", "books", "books5", "books-l2-tbt", "books50-l2-tbt"]
    ),
    Endpoint.BUSINESS: frozenset(["trades-all"]),
}


class Socket(NamedTuple):
    """One connection. `sentinel` is subscribed besides `subscriptions`, on a market that never
    rests, so that silence means a dead connection; None where one of them tells as much."""

    endpoint: Endpoint
    subscriptions: tuple[Subscription, ...]
    sentinel: Subscription | None


class Plan(NamedTuple):
    """`served`: which of our instruments a subscription is about; () for the whole exchange."""

    sockets: tuple[Socket, ...]
    served: dict[Subscription, tuple[str, ...]]


class _Group(NamedTuple):
    """Subscriptions that belong on one socket."""

    subscriptions: tuple[Subscription, ...]
    deep_books: int


def make_plan(
    instruments: Iterable[str],
    channels: Iterable[str],
    sentinel_instrument: str = SENTINEL_INSTRUMENT,
) -> Plan:
    """Every channel for every instrument that can have it, each wanted subscription once."""
    wanted = tuple(dict.fromkeys(channels))
    groups: dict[Endpoint, list[_Group]] = {endpoint: [] for endpoint in Endpoint}
    served: dict[Subscription, list[str]] = {}
    general = [
        Subscription(channel, "")
        for channel in wanted
        if channel_traits(channel).argument is Argument.NOTHING
    ]
    for subscription in general:
        served[subscription] = []
        groups[channel_traits(subscription.channel).endpoint].append(_group([subscription]))
    for inst_ids in _with_mates(tuple(dict.fromkeys(instruments))):
        fresh: dict[Endpoint, list[Subscription]] = {endpoint: [] for endpoint in Endpoint}
        for inst_id, subscription in _wanted_of(inst_ids, wanted):
            if subscription not in served:
                served[subscription] = []
                fresh[channel_traits(subscription.channel).endpoint].append(subscription)
            served[subscription].append(inst_id)
        for endpoint, subscriptions in fresh.items():
            if subscriptions:
                groups[endpoint].append(_group(subscriptions))
    sockets = [
        _socket(endpoint, subscriptions, sentinel_instrument)
        for endpoint in Endpoint
        for subscriptions in _distribute(groups[endpoint])
    ]
    return Plan(tuple(sockets), {key: tuple(names) for key, names in served.items()})


def _with_mates(instruments: tuple[str, ...]) -> list[list[str]]:
    """Instruments group by group, groups in the order of their first."""
    found: dict[int, list[str]] = {}
    for inst_id, leader in zip(instruments, group_leaders(instruments), strict=True):
        found.setdefault(leader, []).append(inst_id)
    return list(found.values())


def _wanted_of(
    inst_ids: Iterable[str], channels: tuple[str, ...]
) -> Iterator[tuple[str, Subscription]]:
    for inst_id in inst_ids:
        for subscription in subscriptions_of(inst_id, channels):
            yield inst_id, subscription


def subscriptions_of(inst_id: str, channels: Iterable[str]) -> list[Subscription]:
    """What to subscribe for one instrument; channels its type does not have are left out."""
    kind = instrument_type(inst_id)
    arguments = {
        Argument.INSTRUMENT: inst_id,
        Argument.INDEX: index_of(inst_id),
        Argument.INSTRUMENT_TYPE: kind.value,
    }
    found = []
    for channel in channels:
        traits = channel_traits(channel)
        if kind in traits.types and traits.argument in arguments:
            found.append(Subscription(channel, arguments[traits.argument]))
    return found


def index_of(inst_id: str) -> str:
    """The index that an instrument follows: BTC-USD-241227-60000-C -> BTC-USD."""
    return "-".join(inst_id.split("-")[:2])


def _group(subscriptions: Sequence[Subscription]) -> _Group:
    deep_books = sum(is_deep_book(subscription.channel) for subscription in subscriptions)
    return _Group(tuple(subscriptions), deep_books)


def _distribute(groups: list[_Group]) -> list[list[Subscription]]:
    """Groups over as few sockets as the bounds allow, each to the one that carries least so far."""
    count = sum(len(group.subscriptions) for group in groups)
    deep_books = sum(group.deep_books for group in groups)
    # One place is the sentinel's.
    room = SUBSCRIPTIONS_MAX - 1
    socket_count = max(-(-count // room), -(-deep_books // DEEP_BOOKS_MAX))
    while True:
        sockets: list[list[Subscription]] = [[] for _ in range(socket_count)]
        books = [0] * socket_count
        for group in groups:
            fitting = [
                index
                for index in range(socket_count)
                if len(sockets[index]) + len(group.subscriptions) <= room
                and books[index] + group.deep_books <= DEEP_BOOKS_MAX
            ]
            if not fitting:
                break
            index = min(fitting, key=lambda index: len(sockets[index]))
            sockets[index] += group.subscriptions
            books[index] += group.deep_books
        else:
            return sockets
        # A socket for each group is always enough.
        assert socket_count < len(groups), groups
        socket_count += 1


def _socket(
    endpoint: Endpoint, subscriptions: list[Subscription], sentinel_instrument: str
) -> Socket:
    sentinel: Subscription | None = Subscription(_SENTINEL_CHANNELS[endpoint], sentinel_instrument)
    for channel, inst_id in subscriptions:
        if inst_id == sentinel_instrument and _is_lively(endpoint, channel):
            sentinel = None
    return Socket(endpoint, tuple(subscriptions), sentinel)


def _is_lively(endpoint: Endpoint, channel: str) -> bool:
    # All candles of an instrument are pushed at its trades, the longest as often as the shortest.
    if endpoint is Endpoint.BUSINESS and candle_bar(channel) is not None:
        return True
    return channel in _LIVELY[endpoint]
