"""Whole recordings through a session, as a connection would bring them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from hunter.exchange.okx.events import Acked, Data
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.session import OkxSession
from hunter.exchange.okx.states import SubscriptionState

Frames = Callable[[str], list[bytes]]


@pytest.mark.parametrize(
    "name",
    [
        "okx-2022-cryptofeed/OKX.ws.1.0.gz",
        "okx-2022-cryptofeed/OKCOIN.ws.1.0.gz",
        "okx-2026-frames/books-btc-usdt.jsonl",
        "okx-2026-frames/ccxt-frames.jsonl",
    ],
)
def test_every_frame_of_a_recording_is_understood(captured_frames: Frames, name: str) -> None:
    frames = captured_frames(name)
    arguments = [json.loads(frame)["arg"] for frame in frames]
    wanted = {Subscription(arg["channel"], arg["instId"]) for arg in arguments}
    session = OkxSession(tuple(sorted(wanted)))
    session.opened(0)
    data_count = 0
    for now_ns, frame in enumerate(frames):
        (event,) = session.receive(frame, now_ns)
        assert isinstance(event, Data | Acked), frame
        if isinstance(event, Data):
            data_count += 1
            assert json.loads(bytes(event.payload)) == json.loads(frame)["data"]
    states = session.subscription_states()
    assert SubscriptionState.PENDING not in states.values()
    counts = session.statistics()
    assert (counts.frame_count, counts.data_count) == (len(frames), data_count)
    assert (counts.malformed_count, counts.unknown_count) == (0, 0)
