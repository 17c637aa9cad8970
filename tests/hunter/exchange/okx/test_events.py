from __future__ import annotations

import msgspec
import pytest

from hunter.exchange.okx.events import Acked, Data, DataSilent
from hunter.exchange.okx.requests import Subscription


def test_data_name_their_channel_and_instrument() -> None:
    data = Data(Subscription("books", "BTC-USDT"), "update", msgspec.Raw(b"[]"))
    assert (data.channel, data.inst_id) == ("books", "BTC-USDT")
    with pytest.raises(AttributeError):
        data.action = "snapshot"  # type: ignore[misc]


def test_events_are_values() -> None:
    subscription = Subscription("books", "BTC-USDT")
    assert Acked(subscription) == Acked(Subscription("books", "BTC-USDT"))
    assert DataSilent((subscription,), 1, True) != DataSilent((subscription,), 1, False)
