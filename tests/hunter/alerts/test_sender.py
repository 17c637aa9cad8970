from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from fakes.actor_stage import SkippingClock
from fakes.instance import wait_until

from hunter.alerts.channels import NotDelivered, Redactor
from hunter.alerts.policy import Message
from hunter.alerts.sender import AGE_NS_MAX, LANE_MESSAGES_MAX, PAUSE_S_MAX, Sender

SECRET = "hook-secret"


class Way:
    """A channel whose other side does as it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.got: list[str] = []
        self.errors: list[NotDelivered] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.began = threading.Event()

    def send(self, message: Message) -> str:
        self.began.set()
        self.may_go_on.wait(10)
        if self.errors:
            raise self.errors.pop(0)
        self.got.append(message.id)
        return f"took {SECRET}"


class Rig:
    def __init__(self) -> None:
        self.clock = SkippingClock()
        self.hook, self.bot = Way("hook"), Way("bot")
        self.sender = Sender([self.hook, self.bot], Redactor([SECRET]), self.clock)

    def put(self, *ids: str, age_ns: int = 0) -> None:
        for each in ids:
            message = Message(each, self.clock.wall_ns() - age_ns, "info", ())
            self.sender.put(message, ["hook", "bot"])

    def pass_pause(self) -> None:
        """Get to the next try; somebody has to wake the thread, whose own wait is real time."""
        self.clock.skip(PAUSE_S_MAX * 1000)
        with self.sender._news:
            self.sender._news.notify()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.hook.may_go_on.set()
    made.sender.close(5)
    assert not made.sender.is_alive


def test_messages_arrive_in_order_on_all_channels(rig: Rig) -> None:
    rig.put("1", "2")
    wait_until("both", lambda: rig.sender.sent == 4)
    assert rig.hook.got == rig.bot.got == ["1", "2"]
    outcomes = rig.sender.outcomes()
    assert {(one.message_id, one.channel, one.delivered, one.words) for one in outcomes} == {
        (message, channel, True, "took ***") for message in "12" for channel in ("hook", "bot")
    }
    assert rig.sender.outcomes() == []
    assert (rig.sender.waiting, rig.sender.failed, rig.sender.trouble) == (0, 0, "")


def test_channel_that_fails_is_tried_again_and_what_follows_waits_behind(rig: Rig) -> None:
    rig.hook.errors = [NotDelivered(f"no {SECRET}"), NotDelivered("no again")]
    rig.put("1", "2")
    wait_until("a try", lambda: rig.sender.failed == 1)
    wait_until("the other channel", lambda: rig.bot.got == ["1", "2"])
    assert (rig.hook.got, rig.sender.waiting) == ([], 2)
    assert rig.sender.trouble == "hook: no ***"
    rig.pass_pause()
    wait_until("another try", lambda: rig.sender.failed == 2)
    rig.pass_pause()
    wait_until("delivery", lambda: rig.hook.got == ["1", "2"])
    assert (rig.sender.trouble, rig.sender.dropped) == ("", 0)


def test_channel_that_asks_for_patience_gets_it(rig: Rig) -> None:
    rig.hook.errors = [NotDelivered("slowly", retry_after_s=300.0)]
    rig.put("1")
    wait_until("a try", lambda: rig.sender.failed == 1)
    rig.pass_pause()
    rig.put("2")
    wait_until("the other channel", lambda: rig.bot.got == ["1", "2"])
    assert rig.hook.got == []
    rig.clock.skip(300_000)
    rig.pass_pause()
    wait_until("delivery", lambda: rig.hook.got == ["1", "2"])


def test_message_that_is_refused_for_good_or_too_old_is_given_up(rig: Rig) -> None:
    rig.hook.errors = [NotDelivered("wrong address", is_final=True), NotDelivered("hangs")]
    rig.put("1")
    wait_until("the refusal", lambda: rig.sender.dropped == 1)
    assert rig.sender.trouble == "hook: wrong address"
    rig.put("2", age_ns=AGE_NS_MAX + 1)
    wait_until("the old one", lambda: rig.sender.dropped == 2)
    rig.put("3")
    wait_until("the third", lambda: rig.hook.got == ["3"])
    lost = [each for each in rig.sender.outcomes() if not each.delivered]
    assert [(each.message_id, each.words) for each in lost] == [
        ("1", "wrong address"),
        ("2", "hangs"),
    ]


def test_lane_that_is_full_loses_its_oldest_and_nobody_waits(rig: Rig) -> None:
    rig.hook.may_go_on.clear()
    ids = [str(number) for number in range(LANE_MESSAGES_MAX + 3)]
    rig.put(ids[0])
    rig.hook.began.wait(10)
    rig.put(*ids[1:])
    assert rig.sender.dropped >= 3
    dropped = [each.message_id for each in rig.sender.outcomes() if each.channel == "hook"]
    assert dropped == ["1", "2", "3"], "not the one that is on its way"
    rig.hook.may_go_on.set()
    wait_until("the rest", lambda: len(rig.hook.got) == LANE_MESSAGES_MAX)
    assert rig.hook.got[:2] == ["0", "4"]


def test_message_for_a_channel_that_is_gone_is_dropped(rig: Rig) -> None:
    rig.sender.put(Message("1", 1, "info", ()), ["pigeon"])
    assert rig.sender.dropped == 1
    assert rig.sender.outcomes()[0].words == "not configured any more"


def test_end_does_not_wait_for_one_that_hangs(rig: Rig) -> None:
    rig.hook.may_go_on.clear()
    rig.put("1")
    rig.hook.began.wait(10)
    rig.sender.close(0.05)
    assert rig.sender.is_alive
