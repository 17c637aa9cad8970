"""Alerts by the real library apprise, to a real web server; its words stay out of the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from fakes.alert_server import AlertServer

from hunter.alerts.channels import Apprise, NotDelivered
from hunter.alerts.policy import Item, Message
from hunter.alerts.wording import Origin
from hunter.errors import ConfigError
from hunter.extras import has_extra

pytestmark = [
    pytest.mark.skipif(not has_extra("alerts"), reason="needs the extra alerts"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the library's own imports
]

ORIGIN = Origin("lab", "srv1")
ITEM = Item("disk", "/d", "critical", "the disk is full", False, 1, 0.0)
MESSAGE = Message("7-1", 1, "critical", (ITEM,))
SECRET = "dummy-way-51c0"


@pytest.fixture
def server() -> Iterator[AlertServer]:
    made = AlertServer()
    yield made
    made.close()


def test_message_arrives_and_a_refusal_tells_no_address(
    server: AlertServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    way = f"{server.url.replace('http:', 'json:')}/{SECRET}"
    apprise = Apprise(way, 1, ORIGIN)
    assert apprise.send(MESSAGE) == "told"
    (post,) = server.posts
    assert post.body["title"] == "hunter lab on srv1: critical"
    assert post.body["message"] == "- the disk is full"
    server.mood = "500"
    with pytest.raises(NotDelivered) as caught:
        apprise.send(MESSAGE)
    assert SECRET not in str(caught.value) + caplog.text


def test_address_that_apprise_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"line 1 is no address that apprise knows"):
        Apprise(f"nonsense://{SECRET}", 1, ORIGIN)
