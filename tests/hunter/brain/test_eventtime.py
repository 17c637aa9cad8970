from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hunter.brain.eventtime import GLITCH_NS, RUN_LENGTH, EventClock

S = 1_000_000_000
START = 1_700_000_000 * S


def started() -> EventClock:
    clock = EventClock()
    clock.advance(START, START)
    return clock


@given(st.lists(st.integers(-200 * S, 200 * S), min_size=1, max_size=40))
def test_clock_never_goes_back_and_never_past_the_newest_stamp(offsets: list[int]) -> None:
    clock, seen, newest = EventClock(), 0, 0
    for offset in offsets:
        newest = max(newest, START + offset)
        now = clock.advance(START + offset, START + offset)
        assert seen <= now <= newest
        assert now == clock.now_ns
        seen = now


def test_stamp_that_lags_leaves_time_where_it_is() -> None:
    clock = started()
    assert clock.advance(START - S, START + S) == START


def test_lone_stamp_far_ahead_is_applied_at_the_time_before() -> None:
    clock = started()
    assert clock.advance(START + GLITCH_NS + 1, START) == START
    assert clock.advance(START + S, START) == START + S
    assert clock.advance(START + S + GLITCH_NS + 1, START) == START + S
    assert clock.glitches == 2


def test_lone_stamps_between_good_ones_are_never_believed() -> None:
    clock = started()
    for second in range(1, 20):
        clock.advance(START + 3_600 * S, START)
        assert clock.advance(START + second * S, START) == START + second * S


def test_stamp_just_inside_the_limit_is_believed_at_once() -> None:
    assert started().advance(START + GLITCH_NS, START) == START + GLITCH_NS


def test_run_of_stamps_far_ahead_moves_time_to_the_smallest() -> None:
    clock = started()
    stamps = [START + 300 * S + i * S for i in (2, 0, 1)]
    seen = [clock.advance(stamp, stamp) for stamp in stamps]
    assert len(stamps) == RUN_LENGTH
    assert seen == [START, START, START + 300 * S]


def test_first_stamp_far_ahead_of_reception_does_not_stop_the_clock() -> None:
    clock = EventClock()
    assert clock.advance(START + 10**18, START) == START
    assert clock.glitches == 1
    assert clock.advance(START + S, START + S) == START + S


def test_first_stamp_of_an_old_recording_is_the_start() -> None:
    clock = EventClock()
    assert clock.advance(START - 10**17, START) == START - 10**17
    assert clock.start_ns == START - 10**17


def test_reception_at_another_speed_changes_nothing() -> None:
    stamps = [START, START + S, START + 200 * S, START + 201 * S, START + 202 * S, START + 203 * S]
    live, replay = EventClock(), EventClock()
    seen = [live.advance(s, s) for s in stamps]
    assert [replay.advance(s, START + 10**17) for s in stamps] == seen


def test_state_in_the_middle_of_a_run_continues_it() -> None:
    clock, other = started(), EventClock()
    for stamp in (START + 300 * S, START + 299 * S):
        clock.advance(stamp, stamp)
    other.load(clock.state())
    assert other.advance(START + 301 * S, 0) == clock.advance(START + 301 * S, 0) == START + 299 * S
