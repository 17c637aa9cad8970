"""Links of one process: the right path of the server, and what they share."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from fakes.actor_stage import Stage

from hunter.exchange.okx.endpoints import Endpoint
from hunter.exchange.okx.plan import Socket
from hunter.exchange.okx.requests import Subscription
from hunter.stream.linkmaker import LinkMaker
from hunter.stream.worker import Worker

TRADES = Subscription("trades", "BTC-USDT")
SENTINEL = Subscription("tickers", "BTC-USDT-SWAP")


@pytest.fixture
def maker(stage: Callable[..., Stage]) -> Iterator[LinkMaker]:
    there = stage(
        'okx.public_url="ws://127.0.0.1:1/ws/v5/public"',
        'okx.rest_url="http://127.0.0.1:1"',
        "okx.proxy=http://proxy:3128",
    )
    made = LinkMaker(there.config, Worker(thread_count=1), random.Random(1))
    yield made
    made.close()


@pytest.mark.parametrize("endpoint", list(Endpoint))
def test_link_is_to_the_path_of_its_socket(maker: LinkMaker, endpoint: Endpoint) -> None:
    target = maker.new(Socket(endpoint, (TRADES,), SENTINEL)).target
    assert target.url == f"ws://127.0.0.1:1/ws/v5/{endpoint.value}"
    assert target[1:] == ((TRADES,), SENTINEL, "http://proxy:3128")


def test_one_server_has_one_set_of_limits_however_it_is_named(maker: LinkMaker) -> None:
    limiter = maker.limiter("ws://127.0.0.1:1/ws/v5/public")
    assert maker.limiter("http://127.0.0.1:1") is limiter
    limiter.limited("connects", 1)
    shown = {item.name: item for item in maker.limits(2)}
    assert (shown["connects"].server, shown["connects"].limited) == ("127.0.0.1:1", 1)
    assert "history-trades" in shown
