from __future__ import annotations

import json
from itertools import pairwise

import pytest
from fakes.okx_frames import (
    BOOKS,
    TICKERS,
    TRADES,
    S,
    ack,
    opened,
    push,
    refusal,
    run_to,
    sent,
    unknown_channel,
)

from hunter.exchange.okx.asks import SessionLimits
from hunter.exchange.okx.events import (
    Acked,
    Data,
    DataSilent,
    Event,
    ExchangeError,
    Refused,
)
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.session import OkxSession
from hunter.exchange.okx.states import SubscriptionState


def test_missing_ack_is_asked_for_again_for_that_argument_only() -> None:
    session = opened(TRADES, BOOKS)
    session.data_to_send()
    session.receive(ack(TRADES), 1 * S)
    session.receive(push(TRADES), 4 * S)
    session.advance(5 * S)
    assert sent(session) == [("subscribe", [BOOKS])]
    assert session.statistics().repeat_count == 1


def test_argument_that_is_never_answered_is_parked_after_the_last_request() -> None:
    session = opened(TRADES, BOOKS)
    session.receive(ack(TRADES), 0)
    events: list[Event] = []
    for second in range(1, 40):
        session.receive(push(TRADES), second * S)
        events += session.advance(second * S)
    assert events == [Refused(BOOKS, "", "no answer to 5 requests")]
    assert [op for op, _ in sent(session)] == ["subscribe"] * 5
    assert session.subscription_state(BOOKS) is SubscriptionState.PARKED


def test_refusal_of_a_single_request_is_told_by_its_id() -> None:
    session = opened(TRADES)
    assert session.receive(refusal("60018", "no.", "1"), 1) == [Refused(TRADES, "60018", "no.")]
    assert session.subscription_state(TRADES) is SubscriptionState.PARKED
    session.data_to_send()
    run_to(session, 4 * S)
    assert sent(session) == []


@pytest.mark.parametrize("space", ["", " "])
@pytest.mark.parametrize("request_id", [None, "1", "77"])
def test_refusal_in_a_batch_is_told_by_its_text(space: str, request_id: str | None) -> None:
    session = opened(TRADES, BOOKS, TICKERS)
    msg = unknown_channel(BOOKS).replace(",inst", f",{space}inst")
    events = session.receive(refusal("60018", msg, request_id), 1)
    assert events == [Refused(BOOKS, "60018", msg)]
    states = session.subscription_states()
    assert states[BOOKS] is SubscriptionState.PARKED
    assert states[TRADES] is states[TICKERS] is SubscriptionState.PENDING


@pytest.mark.parametrize("request_id", [None, "1"])
def test_refusal_that_names_nobody_is_probed_singly(request_id: str | None) -> None:
    session = opened(TRADES, BOOKS, TICKERS)
    session.data_to_send()
    session.receive(ack(TICKERS), 1)
    msg = 'Invalid request: {"op": "subscribe"}'
    assert session.receive(refusal("60012", msg, request_id), 2) == [ExchangeError("60012", msg)]
    assert sent(session) == [("subscribe", [TRADES]), ("subscribe", [BOOKS])]
    assert session.receive(ack(TRADES), 3) == [Acked(TRADES)]
    assert session.receive(refusal("60012", msg, "3"), 4) == [Refused(BOOKS, "60012", msg)]
    assert session.subscription_state(TRADES) is SubscriptionState.ACKED


def test_error_that_is_told_cannot_steer_a_terminal() -> None:
    session = opened(TRADES)
    assert session.receive(refusal("60018", "no.\n\x1b[2J", "1"), 1) == [
        Refused(TRADES, "60018", r"no.\x0a\x1b[2J")
    ]


def test_probing_is_not_repeated_for_every_error() -> None:
    session = opened(TRADES, BOOKS)
    session.data_to_send()
    for _ in range(10):
        session.receive(refusal("60013", "Invalid args"), 2)
    assert len(sent(session)) == 2


def test_refusal_of_a_stranger_parks_nobody() -> None:
    session = opened(TRADES, BOOKS)
    msg = unknown_channel(Subscription("candle1m", "X-Y"))
    assert session.receive(refusal("60018", msg), 1) == [ExchangeError("60018", msg)]
    assert SubscriptionState.PARKED not in session.subscription_states().values()


def test_other_errors_are_reported_and_park_nobody() -> None:
    session = opened(TRADES)
    error = ExchangeError("64007", "Internal error")
    assert session.receive(refusal("64007", "Internal error", "1"), 1) == [error]
    assert session.subscription_state(TRADES) is SubscriptionState.PENDING
    session.data_to_send()
    session.advance(5 * S)
    assert ("subscribe", [TRADES]) in sent(session)


def test_internal_error_is_asked_again_with_pauses_and_never_parks() -> None:
    session = opened(TRADES, limits=SessionLimits(stale_after_ns=10**6 * S))
    session.data_to_send()
    asked = []
    for second in range(600):
        session.receive(b"pong", second * S)
        session.advance(second * S)
        if ("subscribe", [TRADES]) in sent(session) or not asked:
            asked.append(second)
            request_id = str(session.statistics().request_count)
            session.receive(refusal("64007", "Internal error", request_id), second * S)
    gaps = [after - before for before, after in pairwise(asked)]
    assert gaps == [1, 2, 4, 8, 16, 32, *[60] * (len(gaps) - 6)]
    assert session.subscription_state(TRADES) is SubscriptionState.PENDING


def test_unknown_error_is_asked_again_and_parks_at_last() -> None:
    session = opened(TRADES, limits=SessionLimits(stale_after_ns=10**6 * S))
    events: list[Event] = []
    for second in range(60):
        session.receive(b"pong", second * S)
        events += session.advance(second * S)
        for _ in sent(session):
            request_id = str(session.statistics().request_count)
            session.receive(refusal("69999", "Novel error", request_id), second * S)
    assert events == [Refused(TRADES, "69999", "error 69999 to 5 requests")]
    assert session.subscription_state(TRADES) is SubscriptionState.PARKED


def test_error_about_one_request_postpones_no_other() -> None:
    session = opened(TRADES, BOOKS, limits=SessionLimits(request_bytes_max=140))
    assert len(session.data_to_send()) == 2
    session.receive(refusal("64007", "Internal error", "1"), 0)
    session.advance(S)
    assert sent(session) == [("subscribe", [TRADES])]


def test_parked_subscription_is_tried_again_every_ten_minutes() -> None:
    session = opened(TRADES, BOOKS, limits=SessionLimits(stale_after_ns=10**6 * S))
    session.receive(ack(BOOKS), 0)
    session.receive(refusal("60018", unknown_channel(TRADES)), 0)
    session.data_to_send()
    asked, events = [], []
    for second in range(1, 1_900):
        session.receive(push(BOOKS, "update"), second * S)
        events += session.advance(second * S)
        if sent(session):
            asked.append(second)
            if len(asked) == 3:
                events += session.receive(ack(TRADES), second * S)
            elif len(asked) == 1:
                events += session.receive(refusal("60018", "no.", "2"), second * S)
    # The second attempt is never answered: five seconds later the next ten minutes begin.
    assert asked == [600, 1_200, 1_805]
    assert events == [Acked(TRADES)]
    assert session.subscription_state(TRADES) is SubscriptionState.ACKED
    assert session.statistics().refused_count == 1


def test_parked_subscription_that_streams_is_not_tried_any_more() -> None:
    session = opened(TRADES, limits=SessionLimits(stale_after_ns=10**6 * S))
    session.receive(refusal("60018", "no.", "1"), 1)
    session.receive(push(TRADES), 2)
    session.data_to_send()
    run_to(session, 4 * S)
    for second in range(5, 700, 5):
        session.receive(push(TRADES), second * S)
        session.advance(second * S)
    assert sent(session) == []


def test_partly_acked_request_is_asked_again_for_the_rest() -> None:
    many = tuple(Subscription("trades", f"C{index}-USDT") for index in range(6))
    session = opened(*many)
    session.data_to_send()
    session.receive(ack(many[0]), S)
    session.receive(push(many[0]), 4 * S)
    session.advance(5 * S)
    assert sent(session) == [("subscribe", list(many[1:]))]


def test_unnamed_refusal_of_a_large_request_is_found_by_halves() -> None:
    many = tuple(Subscription("trades", f"C{index}-USDT") for index in range(64))
    session = opened(*many)
    refused: list[Event] = []
    frames, request_count = session.data_to_send(), 0
    while frames:
        request = json.loads(frames.pop(0))
        request_count += 1
        names = [argument["instId"] for argument in request["args"]]
        if "C41-USDT" in names:
            events = session.receive(refusal("60013", "Invalid args", request["id"]), S)
            refused += [event for event in events if isinstance(event, Refused)]
        else:
            for name in names:
                session.receive(ack(Subscription("trades", name)), S)
        frames += session.data_to_send()
    assert refused == [Refused(many[41], "60013", "Invalid args")]
    assert request_count == 1 + 2 * 6
    states = list(session.subscription_states().values())
    assert states.count(SubscriptionState.ACKED) == 63


def test_request_budget_is_told() -> None:
    session = opened(TRADES, limits=SessionLimits(requests_per_hour=10))
    assert session.request_budget(0) == (9, 10, 0, 0)
    session.receive(refusal("60014", "Requests too frequent"), 0)
    assert session.request_budget(S // 4) == (9, 10, 3 * S // 4, 1)
    assert session.request_budget(4_000 * S) == (10, 10, 0, 1)


def test_error_code_as_a_number_is_understood() -> None:
    session = opened(TRADES)
    frame = b'{"event":"error","code":60018,"msg":"m","id":1}'
    assert session.receive(frame, 1) == [Refused(TRADES, "60018", "m")]


def test_too_frequent_pauses_all_requests_longer_each_time() -> None:
    session = opened(TRADES)
    session.data_to_send()
    now_ns, pauses = 0, []
    for _ in range(8):
        session.receive(refusal("60014", "Requests too frequent"), now_ns)
        asked_ns = now_ns
        while not any(op == "subscribe" for op, _ in sent(session)):
            asked_ns += S // 2
            session.receive(b"pong", asked_ns)
            session.advance(asked_ns)
        pauses.append((asked_ns - now_ns) // S)
        now_ns = asked_ns
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert session.subscription_state(TRADES) is SubscriptionState.PENDING


def test_requests_of_an_hour_are_never_exceeded() -> None:
    limits = SessionLimits(requests_per_hour=3, asks_max=100, stale_after_ns=10**6 * S)
    session = opened(TRADES, limits=limits)
    times = []
    for second in range(2 * 3600):
        session.receive(b"pong", second * S)
        session.advance(second * S)
        times += [second] * len(sent(session))
    assert times == [0, 5, 10, 3600, 3605, 3610]


def test_resubscribe_unsubscribes_then_subscribes_and_waits_for_a_snapshot() -> None:
    session = opened(BOOKS, acked=True)
    session.receive(push(BOOKS, "snapshot"), 700 * S)
    assert session.resubscribe(BOOKS, 700 * S)
    assert sent(session) == [("unsubscribe", [BOOKS])]
    session.receive(push(BOOKS, "update"), 700 * S + 1)
    assert session.subscription_state(BOOKS) is SubscriptionState.RESYNC
    assert session.receive(ack(BOOKS), 700 * S + 2) == []
    assert session.subscription_state(BOOKS) is SubscriptionState.RESYNC
    assert session.receive(ack(BOOKS, "unsubscribe"), 700 * S + 3) == []
    assert sent(session) == [("subscribe", [BOOKS])]
    session.receive(push(BOOKS, "update"), 700 * S + 4)
    assert session.subscription_state(BOOKS) is SubscriptionState.RESYNC
    session.receive(push(BOOKS, "snapshot"), 700 * S + 5)
    assert session.subscription_state(BOOKS) is SubscriptionState.LIVE
    assert session.receive(ack(BOOKS), 700 * S + 6) == [Acked(BOOKS)]
    assert session.subscription_state(BOOKS) is SubscriptionState.LIVE


def test_snapshot_of_the_run_that_is_being_left_does_not_end_the_resync() -> None:
    session = opened(BOOKS, acked=True)
    session.resubscribe(BOOKS, 700 * S)
    session.receive(push(BOOKS, "snapshot"), 700 * S)
    assert session.subscription_state(BOOKS) is SubscriptionState.RESYNC
    session.receive(ack(BOOKS, "unsubscribe"), 700 * S)
    assert ("subscribe", [BOOKS]) in sent(session)


def test_resubscribe_without_a_snapshot_becomes_live_by_data_after_the_ack() -> None:
    session = opened(BOOKS, acked=True)
    session.resubscribe(BOOKS, 700 * S)
    session.receive(ack(BOOKS, "unsubscribe"), 700 * S)
    assert session.receive(ack(BOOKS), 700 * S) == [Acked(BOOKS)]
    assert session.subscription_state(BOOKS) is SubscriptionState.ACKED
    session.receive(push(BOOKS, "update"), 700 * S)
    assert session.subscription_state(BOOKS) is SubscriptionState.LIVE


def test_resubscribe_under_way_is_not_begun_again() -> None:
    session = opened(BOOKS)
    assert not session.resubscribe(BOOKS, 1)
    session.receive(ack(BOOKS), 1)
    assert session.resubscribe(BOOKS, 700 * S)
    assert not session.resubscribe(BOOKS, 700 * S)
    assert sent(session) == [("subscribe", [BOOKS]), ("unsubscribe", [BOOKS])]


def test_unsubscribe_that_is_refused_or_unanswered_is_followed_by_subscribe() -> None:
    for frame in (refusal("60018", unknown_channel(BOOKS)), None):
        session = opened(BOOKS, acked=True, limits=SessionLimits(asks_max=1))
        session.resubscribe(BOOKS, 700 * S)
        assert sent(session) == [("unsubscribe", [BOOKS])]
        if frame is not None:
            (event,) = session.receive(frame, 700 * S)
            assert isinstance(event, ExchangeError)
        else:
            session.receive(push(BOOKS, "update"), 705 * S)
            session.advance(705 * S)
            session.advance(705 * S)
        assert ("subscribe", [BOOKS]) in sent(session)
        assert session.subscription_state(BOOKS) is SubscriptionState.RESYNC


def test_repeated_resubscription_waits_longer_each_time_and_forgets() -> None:
    limits = SessionLimits(stale_after_ns=10**6 * S)
    session = opened(BOOKS, acked=True, limits=limits)
    now_ns, delays = 700 * S, []
    for _ in range(9):
        assert session.resubscribe(BOOKS, now_ns)
        asked_ns = now_ns
        while ("unsubscribe", [BOOKS]) not in sent(session):
            asked_ns += S
            session.receive(b"pong", asked_ns)
            session.advance(asked_ns)
        delays.append((asked_ns - now_ns) // S)
        session.receive(ack(BOOKS, "unsubscribe"), asked_ns)
        session.receive(push(BOOKS, "snapshot"), asked_ns)
        session.data_to_send()
        now_ns = asked_ns
    assert delays == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert session.resubscribe(BOOKS, now_ns + 601 * S)
    assert sent(session) == [("unsubscribe", [BOOKS])]


def test_unsubscribe_waits_until_the_subscribe_after_it_is_allowed_too() -> None:
    limits = SessionLimits(requests_per_hour=2, stale_after_ns=10**6 * S)
    session = opened(BOOKS, acked=True, limits=limits)
    session.receive(push(BOOKS, "snapshot"), 1 * S)
    assert session.resubscribe(BOOKS, 2 * S)
    assert sent(session) == []
    for second in range(3, 3_600, 4):
        session.receive(b"pong", second * S)
        session.advance(second * S)
        assert sent(session) == []
    assert session.subscription_state(BOOKS) is SubscriptionState.RESYNC
    session.advance(3_600 * S)
    assert sent(session) == [("unsubscribe", [BOOKS])]
    session.receive(ack(BOOKS, "unsubscribe"), 3_600 * S)
    assert sent(session) == [("subscribe", [BOOKS])]


@pytest.mark.parametrize("action", ["update", "snapshot"])
def test_resubscribe_that_was_not_sent_can_be_taken_back(action: str) -> None:
    session = opened(BOOKS, acked=True)
    assert not session.cancel_resubscribe(BOOKS)
    for _ in range(2):
        assert session.resubscribe(BOOKS, 0)
        session.receive(ack(BOOKS, "unsubscribe"), 0)
        session.receive(push(BOOKS, "snapshot"), 0)
        session.data_to_send()
        # The second time waits for a second.
        assert session.resubscribe(BOOKS, 0)
        session.receive(push(BOOKS, action), 0)
        assert session.subscription_state(BOOKS) is SubscriptionState.RESYNC
        assert session.cancel_resubscribe(BOOKS)
        assert session.subscription_state(BOOKS) is SubscriptionState.LIVE
        assert not session.cancel_resubscribe(BOOKS)
        run_to(session, 2 * S)
        assert sent(session) == []
        session = opened(BOOKS, acked=True)


def test_resubscribe_taken_back_does_not_make_the_next_one_wait_longer() -> None:
    session = opened(BOOKS, acked=True)
    for _ in range(2):
        session.resubscribe(BOOKS, 0)
        session.receive(ack(BOOKS, "unsubscribe"), 0)
        session.receive(ack(BOOKS), 0)
        session.data_to_send()
        for _ in range(9):
            assert session.resubscribe(BOOKS, 0)
            assert session.cancel_resubscribe(BOOKS)
            assert session.subscription_state(BOOKS) is SubscriptionState.ACKED
        assert session.resubscribe(BOOKS, 0)
        run_to(session, 1 * S)
        assert sent(session) == [("unsubscribe", [BOOKS])]
        session = opened(BOOKS, acked=True)


def test_resubscribe_that_was_sent_cannot_be_taken_back() -> None:
    session = opened(BOOKS, acked=True)
    session.resubscribe(BOOKS, 0)
    assert not session.cancel_resubscribe(BOOKS)
    session.receive(refusal("60014", "Requests too frequent"), 0)
    assert not session.cancel_resubscribe(BOOKS)
    session.receive(ack(BOOKS, "unsubscribe"), 0)
    assert not session.cancel_resubscribe(BOOKS)
    assert session.subscription_state(BOOKS) is SubscriptionState.RESYNC


def test_books_that_break_for_ever_leave_requests_for_one_that_breaks_once() -> None:
    books = tuple(Subscription("books", f"A{index}-USDT") for index in range(8))
    session = OkxSession(books, SessionLimits(stale_after_ns=10**6 * S))
    session.opened(0)
    breaks_s = {book: 7 * (index + 1) for index, book in enumerate(books[:-1])}
    least, back_after_s, broken_s = 480, [], 0
    for second in range(3 * 3_600):
        now_ns = second * S
        session.receive(b"pong", now_ns)
        session.advance(now_ns)
        for _ in range(2):
            answer(session, now_ns)
        live = {
            book
            for book, state in session.subscription_states().items()
            if state is SubscriptionState.LIVE
        }
        for book, at_s in breaks_s.items():
            if book in live and second >= at_s:
                session.resubscribe(book, now_ns)
                breaks_s[book] = second + 7
        least = min(least, session.request_budget(now_ns).requests_left)
        if broken_s and books[-1] in live:
            back_after_s.append(second - broken_s)
            broken_s = 0
        elif second % 1_200 == 1_199:
            session.resubscribe(books[-1], now_ns)
            broken_s = second
    assert least > 4
    assert len(back_after_s) == 8
    assert max(back_after_s) <= 60


def answer(session: OkxSession, now_ns: int) -> None:
    """The exchange answers everything, with a snapshot after each subscribe."""
    for operation, subscriptions in sent(session):
        for subscription in subscriptions:
            session.receive(ack(subscription, operation), now_ns)
            if operation == "subscribe":
                session.receive(push(subscription, "snapshot"), now_ns)


def test_parked_subscription_is_asked_for_again_on_demand() -> None:
    session = opened(TRADES)
    session.receive(refusal("60018", "no.", "1"), 1)
    session.data_to_send()
    assert session.advance(4 * S) == []
    assert session.resubscribe(TRADES, 700 * S)
    assert sent(session) == [("subscribe", [TRADES])]
    assert session.subscription_state(TRADES) is SubscriptionState.PENDING
    session.receive(ack(TRADES), 701 * S)
    assert session.subscription_state(TRADES) is SubscriptionState.ACKED


def test_parked_subscription_that_streams_after_all_is_live() -> None:
    session = opened(TRADES)
    session.receive(refusal("60018", "no.", "1"), 1)
    assert isinstance(session.receive(push(TRADES), 2)[0], Data)
    assert session.subscription_state(TRADES) is SubscriptionState.LIVE


def test_silence_begins_when_something_is_expected_again() -> None:
    session = opened(TRADES, limits=SessionLimits(stale_after_ns=10 * S))
    session.receive(refusal("60018", "no.", "1"), 1 * S)
    for second in range(2, 700, 3):
        session.receive(b"pong", second * S)
        assert session.advance(second * S) == []
    session.resubscribe(TRADES, 700 * S)
    assert not any(isinstance(event, DataSilent) for event in session.advance(705 * S))
    session.receive(b"pong", 706 * S)
    assert any(isinstance(event, DataSilent) for event in session.advance(710 * S + 1))


def test_many_subscriptions_are_batched_below_the_limit() -> None:
    many = tuple(Subscription("trades", f"C{index}-USDT") for index in range(50))
    session = opened(*many, limits=SessionLimits(request_bytes_max=1_000))
    frames = session.data_to_send()
    assert 1 < len(frames) < 10
    assert max(map(len, frames)) <= 1_000
    asked = [argument["instId"] for frame in frames for argument in json.loads(frame)["args"]]
    assert asked == [item.inst_id for item in many]
