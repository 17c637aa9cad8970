from __future__ import annotations

import pytest
from fakes.okx_frames import (
    BOOKS,
    NOTICE,
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
from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.asks import NEVER_NS, SessionLimits
from hunter.exchange.okx.events import (
    Acked,
    Data,
    DataSilent,
    Dead,
    Malformed,
    Notice,
    PongReceived,
    Unknown,
)
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.session import OkxSession
from hunter.exchange.okx.states import SessionState, SubscriptionState


def test_session_waits_for_the_handshake() -> None:
    session = OkxSession((TRADES,))
    assert session.state is SessionState.CONNECTING
    assert (session.data_to_send(), session.next_deadline_ns()) == ([], NEVER_NS)
    assert session.advance(10**18) == []
    with pytest.raises(AssertionError):
        session.receive(b"pong", 0)


def test_opened_session_asks_for_everything_in_one_request() -> None:
    session = opened()
    assert sent(session) == [("subscribe", [TRADES, BOOKS])]
    assert session.data_to_send() == []
    assert session.state is SessionState.OPEN
    assert set(session.subscription_states().values()) == {SubscriptionState.PENDING}


def test_opening_twice_is_a_programmer_error() -> None:
    with pytest.raises(AssertionError):
        opened().opened(1)


def test_each_argument_is_acked_for_itself() -> None:
    session = opened()
    assert session.receive(ack(TRADES), 1) == [Acked(TRADES)]
    assert session.subscription_state(TRADES) is SubscriptionState.ACKED
    assert session.subscription_state(BOOKS) is SubscriptionState.PENDING
    assert session.connection_id == "a4d3ae55"
    assert session.statistics().ack_count == 1


def test_data_are_passed_on_undecoded() -> None:
    session = opened(acked=True)
    (event,) = session.receive(push(BOOKS, "snapshot"), 5)
    assert isinstance(event, Data)
    assert (event.channel, event.inst_id, event.action) == ("books", "BTC-USDT", "snapshot")
    assert event.subscription is BOOKS
    assert bytes(event.payload) == b'[{"x": 1}]'
    assert session.subscription_state(BOOKS) is SubscriptionState.LIVE
    assert session.last_data_ns == 5


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_frame_may_be_any_buffer(kind: type) -> None:
    session = opened(acked=True)
    (event,) = session.receive(kind(push(TRADES)), 5)
    assert isinstance(event, Data)
    assert session.receive(kind(b"pong"), 6) == [PongReceived(0)]


def test_data_before_its_ack_are_data_and_end_the_asking() -> None:
    session = opened(TRADES)
    session.data_to_send()
    (event,) = session.receive(push(TRADES), 1)
    assert isinstance(event, Data)
    assert session.subscription_state(TRADES) is SubscriptionState.LIVE
    assert session.receive(ack(TRADES), 2) == [Acked(TRADES)]
    assert session.subscription_state(TRADES) is SubscriptionState.LIVE
    run_to(session, 4 * S)
    assert sent(session) == []


def test_data_nobody_asked_for_are_counted() -> None:
    session = opened(acked=True)
    (event,) = session.receive(push(TICKERS), 1)
    assert isinstance(event, Unknown)
    assert "tickers" in event.what
    assert session.last_data_ns == 0
    assert session.statistics().unknown_count == 1


def test_channel_by_instrument_type_is_found_by_its_type() -> None:
    liquidations = Subscription("liquidation-orders", "SWAP")
    session = opened(liquidations)
    frame = b'{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[]}'
    (event,) = session.receive(frame, 1)
    assert isinstance(event, Data)
    assert event.subscription == liquidations


@pytest.mark.parametrize(
    "frame",
    [
        b'{"event":"channel-conn-count","channel":"orders","connCount":"2","connId":"abcd1234"}',
        b'{"event":"login","code":"0","msg":""}',
        b'{"event":"subscribe","arg":{"channel":"other","instId":"X"}}',
        b'{"event":"subscribe"}',
        b'{"table":"spot/depth5","data":[{}]}',
        b"{}",
    ],
)
def test_unknown_frames_are_counted_and_harmless(frame: bytes) -> None:
    session = opened(acked=True)
    (event,) = session.receive(frame, 1)
    assert isinstance(event, Unknown)
    assert session.state is SessionState.OPEN


def test_unknown_events_are_told_once_a_kind_and_all_counted() -> None:
    session = opened(acked=True)
    frame = (
        b'{"event":"channel-conn-count","channel":"orders","connCount":"%d","connId":"abcd1234"}'
    )
    told = [session.receive(frame % count, count) for count in range(1, 6)]
    assert told == [[Unknown("event channel-conn-count")], [], [], [], []]
    assert session.receive(push(Subscription("new", "A-B")), 9) != []
    assert session.receive(push(Subscription("new", "C-D")), 9) == []
    assert session.statistics().unknown_count == 7


def test_kinds_of_unknown_events_are_bounded() -> None:
    session = opened(acked=True)
    told = [session.receive(b'{"event":"e%d"}' % kind, kind) for kind in range(1_000)]
    assert sum(map(len, told)) == 32
    assert session.statistics().unknown_count == 1_000


def test_data_by_type_that_nobody_asked_for_are_named_by_it() -> None:
    session = opened(acked=True)
    (event,) = session.receive(b'{"arg":{"channel":"instruments","instType":"SWAP"},"data":[]}', 1)
    assert event == Unknown("data of instruments SWAP, not asked for")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"pon",
        b"[]",
        b"5",
        b"null",
        b'{"arg":5}',
        b'{"event":[]}',
        b"\xff",
        b"\0",
        b"\0" * 5_000,
        b"[" * 100_000,
    ],
)
def test_malformed_frames_are_counted_and_harmless(frame: bytes) -> None:
    session = opened(acked=True)
    (event,) = session.receive(frame, 1)
    assert isinstance(event, Malformed)
    assert event.reason
    assert session.statistics().malformed_count == 1
    assert isinstance(session.receive(push(TRADES), 2)[0], Data)


def test_too_many_malformed_frames_within_a_minute_end_the_session() -> None:
    session = opened(acked=True, limits=SessionLimits(malformed_per_minute_max=3))
    for second in (0, 30, 59, 61):
        events = session.receive(b"x", second * S)
        assert [type(event) for event in events] == [Malformed]
    events = session.receive(b"x", 62 * S)
    assert [type(event) for event in events] == [Malformed, Dead]
    assert session.state is SessionState.FAILED


def test_ping_is_sent_after_silence_of_any_frame_and_its_pong_is_no_data() -> None:
    session = opened(TRADES, acked=True)
    session.receive(push(TRADES), 1 * S)
    assert session.next_deadline_ns() == 6 * S
    assert session.advance(6 * S - 1) == []
    assert session.advance(6 * S) == []
    assert sent(session) == [("ping", [])]
    assert session.receive(b"pong", 6 * S + 40) == [PongReceived(40)]
    assert session.last_data_ns == 1 * S
    assert session.next_deadline_ns() == 11 * S + 40


def test_missing_pong_ends_the_session_even_if_data_come() -> None:
    session = opened(TRADES, acked=True)
    session.advance(5 * S)
    session.data_to_send()
    session.receive(push(TRADES), 7 * S)
    assert session.advance(10 * S) == [Dead("no pong in time")]
    assert session.state is SessionState.FAILED
    assert session.next_deadline_ns() == NEVER_NS
    assert session.receive(push(TRADES), 11 * S) == []
    assert session.advance(12 * S) == []


def test_silent_connection_is_reported_although_pongs_come() -> None:
    limits = SessionLimits(stale_after_ns=12 * S)
    session = opened(TRADES, BOOKS, limits=limits, acked=True)
    session.receive(push(TRADES), 1 * S)
    found = []
    for second in range(1, 26):
        found += [(second, event) for event in session.advance(second * S)]
        if session.data_to_send():
            session.receive(b"pong", second * S)
    assert found == [
        (13, DataSilent((TRADES, BOOKS), 12 * S, True)),
        (25, DataSilent((TRADES, BOOKS), 24 * S, True)),
    ]
    session.receive(push(TRADES), 26 * S)
    assert session.advance(27 * S) == []
    assert session.statistics().silence_count == 2


def test_session_that_expects_nothing_is_never_silent() -> None:
    session = OkxSession((), SessionLimits(stale_after_ns=1 * S))
    session.opened(0)
    assert session.data_to_send() == []
    assert session.advance(2 * S) == []
    assert session.next_deadline_ns() == 5 * S


def test_single_channel_beyond_its_promise_is_reported_while_others_go_on() -> None:
    session = opened(TRADES, BOOKS, acked=True)
    session.receive(push(BOOKS, "snapshot"), 1 * S)
    found = []
    for second in range(2, 2_000):
        session.receive(push(TRADES), second * S)
        found += [(second, event) for event in session.advance(second * S)]
    assert found == [
        (91, DataSilent((BOOKS,), 90 * S, False)),
        (271, DataSilent((BOOKS,), 270 * S, False)),
        (631, DataSilent((BOOKS,), 630 * S, False)),
        (1_231, DataSilent((BOOKS,), 1_230 * S, False)),
        (1_831, DataSilent((BOOKS,), 1_830 * S, False)),
    ]
    session.receive(push(BOOKS), 2_000 * S)
    again = []
    for second in range(2_001, 2_200):
        session.receive(push(TRADES), second * S)
        again += [second for _ in session.advance(second * S)]
    assert again == [2_090], "data end the doubt"


def test_notice_announces_the_end_and_data_still_come() -> None:
    session = opened(acked=True)
    (event,) = session.receive(NOTICE, 1)
    assert isinstance(event, Notice)
    assert event.code == "64008"
    assert session.state is SessionState.CLOSING
    assert isinstance(session.receive(push(TRADES), 2)[0], Data)
    session.receive(NOTICE, 3)
    assert session.statistics().notice_count == 2


def test_other_notice_leaves_the_session_open() -> None:
    session = opened(acked=True)
    assert session.receive(b'{"event":"notice","code":"64999"}', 1) == [Notice("64999", "")]
    assert session.state is SessionState.OPEN


def test_statistics_are_a_record_that_does_not_change() -> None:
    session = opened(acked=True)
    before = session.statistics()
    frame = push(TRADES)
    session.receive(frame, 1)
    after = session.statistics()
    assert (before.data_count, after.data_count) == (0, 1)
    assert after.frame_bytes - before.frame_bytes == len(frame)
    with pytest.raises(AttributeError):
        after.data_count = 5  # type: ignore[misc]


FRAMES = [
    push(TRADES),
    push(BOOKS, "snapshot"),
    push(BOOKS, "update"),
    push(TICKERS),
    ack(TRADES),
    ack(BOOKS),
    ack(BOOKS, "unsubscribe"),
    ack(TICKERS),
    b"pong",
    b"x",
    NOTICE,
    refusal("60014", "Requests too frequent"),
    refusal("60012", "Invalid request"),
    refusal("60018", unknown_channel(BOOKS), "1"),
    refusal("60018", unknown_channel(TRADES)),
    refusal("50000", ""),
    b"{}",
]
STEPS = st.lists(
    st.tuples(
        st.integers(0, 20 * S),
        st.one_of(st.sampled_from(FRAMES), st.sampled_from([TRADES, BOOKS]), st.none()),
    ),
    max_size=60,
)


@given(STEPS)
def test_no_order_of_events_stalls_or_floods_the_session(
    steps: list[tuple[int, bytes | Subscription | None]],
) -> None:
    limits = SessionLimits(requests_per_hour=40)
    session = opened(TRADES, BOOKS, limits=limits)
    now_ns, requests = 0, [0] * len(session.data_to_send())
    for elapsed_ns, step in steps:
        until_ns = now_ns + elapsed_ns
        run_to(session, until_ns)
        now_ns = until_ns
        if isinstance(step, Subscription):
            session.resubscribe(step, now_ns)
        elif step is not None:
            session.receive(step, now_ns)
        requests += [now_ns for op, _ in sent(session) if op != "ping"]
        assert session.next_deadline_ns() >= now_ns or session.advance(now_ns) is not None
        hour = [at for at in requests if at > now_ns - 3600 * S]
        assert len(hour) <= 40
        for state in session.subscription_states().values():
            # Whoever waits for an answer has a deadline that will ask again.
            if state is SubscriptionState.PENDING and session.state is not SessionState.FAILED:
                assert session.next_deadline_ns() < NEVER_NS
