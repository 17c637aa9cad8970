from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.endpoints import (
    CANDLE_BARS,
    CHANNELS,
    DEEP_BOOKS_MAX,
    SUBSCRIPTIONS_MAX,
    Argument,
    Endpoint,
    channel_traits,
    is_deep_book,
)
from hunter.exchange.okx.plan import Plan, index_of, make_plan, subscriptions_of
from hunter.exchange.okx.requests import Subscription
from hunter.market.instrument import instrument_type, mate_of

SWAP, SPOT = "BTC-USDT-SWAP", "BTC-USDT"
FUTURE, OPTION = "BTC-USD-261225", "BTC-USD-261225-60000-C"


def all_subscriptions(plan: Plan) -> list[Subscription]:
    return [item for socket in plan.sockets for item in socket.subscriptions]


def test_default_set_fits_one_socket_without_a_sentinel() -> None:
    plan = make_plan([SWAP], ["trades", "tickers", "books", "bbo-tbt"])
    (socket,) = plan.sockets
    assert socket.endpoint is Endpoint.PUBLIC
    assert [item.channel for item in socket.subscriptions] == [
        "trades",
        "tickers",
        "books",
        "bbo-tbt",
    ]
    assert socket.sentinel is None
    assert set(plan.served.values()) == {(SWAP,)}


def test_business_channels_have_a_socket_of_their_own() -> None:
    plan = make_plan([SPOT], ["trades", "trades-all", "candle1m"])
    public, business = plan.sockets
    assert public.subscriptions == (Subscription("trades", SPOT),)
    assert business.endpoint is Endpoint.BUSINESS
    assert business.subscriptions == (
        Subscription("trades-all", SPOT),
        Subscription("candle1m", SPOT),
    )


def test_business_channels_alone_need_no_public_socket() -> None:
    (socket,) = make_plan([SPOT], ["candle1m"]).sockets
    assert socket.endpoint is Endpoint.BUSINESS


@pytest.mark.parametrize(
    ("instrument", "channels"),
    [
        (SPOT, {"trades", "mark-price", "index-tickers", "instruments", "status"}),
        (
            FUTURE,
            {
                *("trades", "mark-price", "index-tickers", "instruments", "status"),
                *("open-interest", "liquidation-orders"),
            },
        ),
        (
            OPTION,
            {"trades", "mark-price", "index-tickers", "instruments", "status", "open-interest"},
        ),
    ],
)
def test_channel_its_type_lacks_is_left_out(instrument: str, channels: set[str]) -> None:
    wanted = [*channels, "funding-rate", "open-interest", "liquidation-orders"]
    plan = make_plan([instrument], wanted)
    assert {item.channel for item in all_subscriptions(plan)} == channels


def test_index_is_asked_for_once_and_serves_its_instruments() -> None:
    plan = make_plan([SWAP, SPOT, FUTURE, OPTION], ["index-tickers"])
    assert plan.served == {
        Subscription("index-tickers", "BTC-USDT"): (SWAP, SPOT),
        Subscription("index-tickers", "BTC-USD"): (FUTURE, OPTION),
    }
    assert all_subscriptions(plan) == list(plan.served)


def test_type_and_exchange_wide_channels_are_asked_for_once() -> None:
    plan = make_plan(
        [SWAP, SPOT, "ETH-USDT-SWAP", "ETH-USDT"], ["liquidation-orders", "instruments", "status"]
    )
    assert plan.served == {
        Subscription("status", ""): (),
        Subscription("liquidation-orders", "SWAP"): (SWAP, "ETH-USDT-SWAP"),
        Subscription("instruments", "SWAP"): (SWAP, "ETH-USDT-SWAP"),
        Subscription("instruments", "SPOT"): (SPOT, "ETH-USDT"),
    }
    assert len(plan.sockets) == 1


@pytest.mark.parametrize(
    ("channels", "public", "business"),
    [
        (["trades"], Subscription("tickers", SWAP), None),
        (["tickers"], None, None),
        (["books5"], None, None),
        (["mark-price"], Subscription("tickers", SWAP), None),
        (["tickers", "candle4H"], None, None),
        (["tickers", "trades-all"], None, None),
        (["tickers", "mark-price-candle1m"], None, Subscription("candle1m", SWAP)),
    ],
)
def test_sentinel_is_left_out_where_something_as_lively_is_subscribed(
    channels: list[str], public: Subscription | None, business: Subscription | None
) -> None:
    sentinels = {socket.endpoint: socket.sentinel for socket in make_plan([SWAP], channels).sockets}
    assert sentinels[Endpoint.PUBLIC] == public
    assert sentinels.get(Endpoint.BUSINESS) == business


def test_each_socket_without_the_sentinels_instrument_has_a_sentinel() -> None:
    names = [SWAP, *(f"C{index}-USDT" for index in range(100))]
    plan = make_plan(names, ["tickers", "books", "candle1m"], "ETH-USDT")
    assert [socket.sentinel for socket in plan.sockets] == [
        *[Subscription("tickers", "ETH-USDT")] * 4,
        Subscription("candle1m", "ETH-USDT"),
    ]


def test_books_are_spread_evenly_over_the_fewest_sockets() -> None:
    plan = make_plan([f"C{index}-USDT" for index in range(60)], ["trades", "books"])
    assert [len(socket.subscriptions) for socket in plan.sockets] == [40, 40, 40]


def test_two_books_an_instrument_may_need_more_sockets_than_the_sum_tells() -> None:
    # 29 is odd: no socket can take 15 pairs of books.
    plan = make_plan([f"C{index}-USDT" for index in range(29)], ["books", "books-l2-tbt"])
    assert [len(socket.subscriptions) for socket in plan.sockets] == [20, 20, 18]


def test_mates_share_a_socket_wherever_they_are_named() -> None:
    bases = [f"C{index}-USDT" for index in range(40)]
    plan = make_plan([*bases, *(f"{base}-SWAP" for base in bases)], ["trades", "books"])
    assert [len(socket.subscriptions) for socket in plan.sockets] == [56, 52, 52]
    for socket in plan.sockets:
        names = {item.inst_id for item in socket.subscriptions}
        assert {str(mate_of(name)) for name in names} == names


def test_nothing_wanted_is_no_socket() -> None:
    assert make_plan([], ["trades"]) == Plan((), {})
    assert make_plan([SPOT], []) == Plan((), {})
    assert make_plan([SPOT], ["funding-rate"]) == Plan((), {})


def test_index_of_an_instrument_is_its_base_and_quote() -> None:
    assert {index_of(name) for name in (SWAP, SPOT)} == {"BTC-USDT"}
    assert {index_of(name) for name in (FUTURE, OPTION)} == {"BTC-USD"}


BASES = [f"C{index}" for index in range(40)]
INSTRUMENTS = st.builds(
    lambda base, form: f"{base}-{form}",
    st.sampled_from(BASES),
    st.sampled_from(["USDT", "USDT-SWAP", "USD-261225", "USD-261225-60000-C"]),
)
NAMES = st.sampled_from([*CHANNELS, *CANDLE_BARS, "books-rpi", "mark-price-candle1m"])


@given(
    instruments=st.lists(INSTRUMENTS, max_size=160),
    channels=st.lists(NAMES, max_size=50),
    sentinel=st.sampled_from(["BTC-USDT-SWAP", "C1-USDT-SWAP"]),
)
def test_everything_wanted_is_served_once_within_the_bounds(
    instruments: list[str], channels: list[str], sentinel: str
) -> None:
    plan = make_plan(instruments, channels, sentinel)
    ours = set(instruments)
    # Every wanted (channel, instrument) is served by exactly one subscription, and nothing else.
    served = Counter((item.channel, name) for item, names in plan.served.items() for name in names)
    wanted = {
        (channel, name)
        for channel in channels
        for name in ours
        if instrument_type(name) in channel_traits(channel).types
        and channel_traits(channel).argument is not Argument.NOTHING
    }
    assert set(served) == wanted
    assert set(served.values()) <= {1}
    # Every subscription is on exactly one socket, and on one of its endpoint.
    everywhere = Counter(all_subscriptions(plan))
    assert set(everywhere) == set(plan.served)
    assert set(everywhere.values()) <= {1}
    places: dict[str, set[int]] = {}
    for index, socket in enumerate(plan.sockets):
        assert {channel_traits(item.channel).endpoint for item in socket.subscriptions} == {
            socket.endpoint
        }
        books = sum(is_deep_book(item.channel) for item in socket.subscriptions)
        assert books <= DEEP_BOOKS_MAX < 30
        count = len(socket.subscriptions) + (socket.sentinel is not None)
        assert len(socket.subscriptions) >= 1
        assert count <= SUBSCRIPTIONS_MAX
        assert socket.sentinel not in socket.subscriptions
        if socket.endpoint is Endpoint.PUBLIC:
            for item in socket.subscriptions:
                if channel_traits(item.channel).argument is Argument.INSTRUMENT:
                    places.setdefault(item.inst_id, set()).add(index)
    assert all(len(sockets) == 1 for sockets in places.values())
    assert all(places[name] == places.get(str(mate_of(name)), places[name]) for name in places)
    assert make_plan(instruments, channels, sentinel) == plan


@given(instrument=INSTRUMENTS, channels=st.lists(NAMES, unique=True))
def test_subscriptions_of_one_instrument_keep_the_order_of_channels(
    instrument: str, channels: list[str]
) -> None:
    found = [item.channel for item in subscriptions_of(instrument, channels)]
    assert found == [name for name in channels if name in found]
