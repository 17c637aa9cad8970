"""RestQueue with a real worker; requests are answered by the test, the limits are the real ones."""

from __future__ import annotations

import fcntl
import json
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hunter.errors import MalformedMessage
from hunter.exchange.okx.asks import NEVER_NS
from hunter.exchange.okx.rest import (
    RateLimited,
    RestError,
    Unavailable,
    answer_data,
    books_path,
    history_trades_path,
    instruments_path,
    parse_trades_answer,
    time_path,
    trades_path,
)
from hunter.stream import rest_client
from hunter.stream.limits import BUSY_RETRY_NS, LIMITS, RateLimiter
from hunter.stream.rest_client import HttpAnswer
from hunter.stream.rest_queue import WORKER_FULL_RETRY_NS, Fetched, RestQueue
from hunter.stream.worker import QUEUED_MAX, Result, Worker

S = 1_000_000_000
NOW = 10**13
TRADES, BOOK, TIME = trades_path("BTC-USDT", 1), books_path("BTC-USDT"), time_path()
OLDER, INSTRUMENTS = history_trades_path("BTC-USDT", 5), instruments_path("SPOT")
EMPTY = b'{"code":"0","msg":"","data":[]}'


class Desk:
    """A queue whose requests wait at the gate, when it is closed, and are noted in order."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.worker = Worker()
        self.limiter = RateLimiter(home / "run" / "server.limits")
        self.queue = RestQueue("http://rest.invalid", self.worker, self.limiter)
        self.gate = threading.Event()
        self.gate.set()
        self.fetched: list[str] = []
        self.options: list[Any] = []
        self.answer: HttpAnswer | OSError = HttpAnswer(200, EMPTY)
        monkeypatch.setattr(rest_client, "get", self._get)

    def _get(self, base_url: str, path: str, *options: Any) -> HttpAnswer:
        assert base_url == "http://rest.invalid"
        self.fetched.append(path)
        self.options.append(options)
        assert self.gate.wait(10)
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer

    def collect(self, count: int) -> list[Result]:
        found: list[Result] = []
        while len(found) < count:
            assert select.select([self.worker.fileno()], [], [], 10)[0]
            found += self.worker.results()
        return found

    def drain(self, now_ns: int) -> list[Any]:
        """Whatever may go at `now_ns`, one after the other: what was asked, in that order."""
        done: list[Any] = []
        while True:
            before = self.queue.waiting_count
            self.queue.step(now_ns)
            count = before - self.queue.waiting_count
            if not count:
                return done
            done += [result.key for result in self.collect(count)]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = Desk(tmp_path, monkeypatch)
    yield made
    made.gate.set()
    made.limiter.close()


def test_question_is_answered(desk: Desk) -> None:
    desk.queue.ask("what", TRADES)
    assert desk.queue.next_deadline_ns() <= NOW
    desk.queue.step(NOW)
    (result,) = desk.collect(1)
    assert result.key == "what"
    assert desk.queue.open(result, parse_trades_answer, NOW) == []
    assert (desk.fetched, desk.options) == ([TRADES], [("", False)])
    assert desk.queue.next_deadline_ns() == NEVER_NS
    assert (desk.queue.waiting_count, desk.queue.in_flight_count) == (0, 0)


def test_proxy_and_demo_market_are_passed_on(desk: Desk) -> None:
    queue = RestQueue(
        "http://rest.invalid", desk.worker, desk.limiter, proxy="http://p:1", simulated=True
    )
    queue.ask("what", TIME)
    queue.step(NOW)
    desk.collect(1)
    assert desk.options == [("http://p:1", True)]


def test_nobody_is_refused_only_put_off(desk: Desk) -> None:
    for number in range(30):
        desk.queue.ask(number, OLDER)
    limit = LIMITS["history-trades"]
    assert desk.drain(NOW) == list(range(int(limit.burst)))
    assert desk.queue.waiting_count == 30 - int(limit.burst)
    due_ns = desk.queue.next_deadline_ns()
    assert NOW < due_ns <= NOW + S / limit.rate_per_s + 1
    assert desk.drain(due_ns - 2) == []
    assert desk.drain(due_ns) == [int(limit.burst)]
    now_ns, later = due_ns, []
    while desk.queue.waiting_count:
        now_ns = desk.queue.next_deadline_ns()
        later += desk.drain(now_ns)
    assert later == list(range(int(limit.burst) + 1, 30))
    assert now_ns - NOW == pytest.approx((30 - limit.burst) / limit.rate_per_s * S, rel=1e-3)


def test_limit_that_waits_holds_up_no_other(desk: Desk) -> None:
    for number in range(5):
        desk.queue.ask(("time", number), TIME)
    for number in range(5):
        desk.queue.ask(("book", number), BOOK)
    done = desk.drain(NOW)
    assert [key for key in done if key[0] == "book"] == [("book", number) for number in range(5)]
    assert [key for key in done if key[0] == "time"] == [("time", 0), ("time", 1)]


def test_urgent_ones_come_first(desk: Desk) -> None:
    desk.gate.clear()
    for number in range(2):
        desk.queue.ask(("early", number), INSTRUMENTS)
    desk.queue.step(NOW)
    desk.queue.ask("a", TRADES)
    desk.queue.ask("b", TRADES)
    desk.queue.ask("c", BOOK)
    desk.queue.ask("d", BOOK, urgent=True)
    desk.queue.ask("e", BOOK, urgent=True)
    desk.gate.set()
    desk.collect(2)
    order = []
    desk.worker.thread_count = 1
    while desk.queue.waiting_count:
        desk.queue.step(NOW)
        order += [result.key for result in desk.collect(1)]
    # a limit's urgent ones take its other ones along: no limit waits for another
    assert order[:2] == ["d", "e"]
    assert sorted(order[2:]) == ["a", "b", "c"]
    assert order.index("a") < order.index("b")


def test_no_more_leave_than_the_worker_can_send(desk: Desk) -> None:
    """A request that waited in the worker would leave later than it was counted."""
    desk.gate.clear()
    for number in range(10):
        desk.queue.ask(number, TRADES)
    desk.queue.step(NOW)
    assert (desk.queue.in_flight_count, desk.queue.waiting_count) == (2, 8)
    assert desk.queue.next_deadline_ns() == NEVER_NS, "its answer wakes the loop"
    state = next(item for item in desk.limiter.states(NOW) if item.name == "trades")
    assert state.tokens == LIMITS["trades"].burst - 2
    desk.gate.set()
    desk.collect(2)
    assert desk.queue.next_deadline_ns() <= NOW


def test_answer_that_nobody_opens_frees_its_place(desk: Desk) -> None:
    desk.answer = OSError("reset")
    for number in range(6):
        desk.queue.ask(number, TRADES)
    assert len(desk.drain(NOW)) == 6


def test_worker_filled_by_others_is_tried_again_soon(desk: Desk) -> None:
    desk.gate.clear()
    entered = threading.Semaphore(0)
    for _ in range(desk.worker.thread_count):
        desk.worker.submit("other", lambda: entered.release() or desk.gate.wait(10))  # type: ignore[func-returns-value]
        assert entered.acquire(timeout=10)
    while desk.worker.submit("other", lambda: desk.gate.wait(10)):
        pass
    desk.queue.ask("first", TRADES)
    desk.queue.ask("second", TRADES)
    desk.queue.step(NOW)
    assert desk.queue.waiting_count == 2
    assert desk.queue.next_deadline_ns() == NOW + WORKER_FULL_RETRY_NS
    desk.queue.ask("urgent", TRADES, urgent=True)
    desk.gate.set()
    desk.collect(QUEUED_MAX + desk.worker.thread_count)
    desk.worker.thread_count = 1
    assert desk.drain(NOW + WORKER_FULL_RETRY_NS) == ["urgent", "first", "second"]


def test_lock_held_by_another_puts_off_for_a_moment(desk: Desk, tmp_path: Path) -> None:
    desk.queue.ask("what", TRADES)
    with (tmp_path / "run" / "server.limits").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        desk.queue.step(NOW)
    assert desk.queue.next_deadline_ns() == NOW + BUSY_RETRY_NS
    assert desk.drain(NOW + BUSY_RETRY_NS) == ["what"]


def refusal(status: int, code: str) -> HttpAnswer:
    return HttpAnswer(status, json.dumps({"code": code, "msg": "no", "data": []}).encode())


@pytest.mark.parametrize(
    ("answer", "error", "slower"),
    [
        (refusal(429, "50011"), RateLimited, True),
        (refusal(200, "50011"), RateLimited, True),
        (HttpAnswer(403, b"<html>blocked</html>"), RestError, True),
        (refusal(503, "50001"), Unavailable, False),
        (refusal(400, "51001"), RestError, False),
        (HttpAnswer(200, b"{"), MalformedMessage, False),
        (OSError("no route"), OSError, False),
    ],
)
def test_refusals_are_raised_and_too_many_slows_the_limit(
    desk: Desk, answer: HttpAnswer | OSError, error: type[Exception], slower: bool
) -> None:
    desk.answer = answer
    desk.queue.ask("first", BOOK)
    desk.queue.step(NOW)
    (result,) = desk.collect(1)
    with pytest.raises(error):
        desk.queue.open(result, answer_data, NOW)
    limited = {state.name: state.limited for state in desk.limiter.states(NOW)}
    assert limited == dict.fromkeys(LIMITS, 0) | {"books": int(slower)}
    desk.queue.ask("second", BOOK)
    desk.queue.ask("other", TRADES)
    assert sorted(desk.drain(NOW)) == (["other"] if slower else ["other", "second"])
    if slower:
        assert desk.queue.next_deadline_ns() == NOW + S + 1
        assert desk.drain(NOW + S + 1) == ["second"]


def test_answer_counts_for_the_limit_it_was_asked_under(desk: Desk) -> None:
    fetched = Fetched("time", refusal(429, "50011"))
    with pytest.raises(RateLimited):
        desk.queue.open(Result("what", fetched, None), answer_data, NOW)
    limited = [state.name for state in desk.limiter.states(NOW) if state.limited]
    assert limited == ["time"]


def test_path_without_a_known_limit_is_a_mistake_of_the_caller(desk: Desk) -> None:
    with pytest.raises(KeyError):
        desk.queue.ask("what", "/api/v5/account/balance")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    asked=st.lists(
        st.tuples(st.sampled_from([TRADES, OLDER, BOOK, TIME, INSTRUMENTS]), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_everybody_is_served_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    asked: list[tuple[str, bool]],
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"), monkeypatch)
    desk.worker.thread_count = 1
    for number, (path, urgent) in enumerate(asked):
        desk.queue.ask(number, path, urgent)
    now_ns, done = NOW, []
    while desk.queue.waiting_count:
        done += desk.drain(now_ns)
        now_ns = max(now_ns, min(desk.queue.next_deadline_ns(), now_ns + 5 * S))
    assert sorted(done) == list(range(len(asked)))
    key: Callable[[int], tuple[bool, int]] = lambda number: (not asked[number][1], number)  # noqa: E731
    for path in {path for path, _ in asked}:
        mine = [number for number in done if asked[number][0] == path]
        assert mine == sorted(mine, key=key)
    desk.limiter.close()
