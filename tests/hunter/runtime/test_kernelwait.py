from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from hunter.runtime.kernelwait import AT_ONCE_NS, LATE_NS, KernelWait

MS = 1_000_000
ASKED = 50 * MS


def test_first_read_counts_from_the_opening() -> None:
    assert KernelWait(100).read(350, 10, drained=True) == 250


def test_read_counts_from_the_one_that_drained_the_socket() -> None:
    wait = KernelWait(0)
    wait.read(1000, 10, drained=True)
    assert wait.read(1700, 10, drained=True) == 700


def test_read_that_found_nothing_shows_an_empty_socket_and_no_wait() -> None:
    wait = KernelWait(0)
    assert wait.read(1000, 0, drained=True) == 0
    assert wait.read(1300, 10, drained=True) == 300


def test_what_ended_a_sleep_has_just_come() -> None:
    wait = KernelWait(0)
    wait.waited(10 * MS, 40 * MS, ASKED, readable=True)
    assert wait.read(40 * MS + 5000, 10, drained=True) == 5000


def test_wait_that_was_over_at_once_dates_back_to_the_last_empty_socket() -> None:
    wait = KernelWait(0)
    wait.read(1 * MS, 10, drained=True)
    wait.waited(9 * MS, 9 * MS + AT_ONCE_NS, ASKED, readable=True)
    assert wait.read(10 * MS, 10, drained=True) == 9 * MS


def test_stand_still_in_a_wait_dates_back_to_the_last_empty_socket() -> None:
    wait = KernelWait(0)
    wait.read(10 * MS, 0, drained=True)
    wait.waited(10 * MS, 510 * MS, ASKED, readable=True)  # stopped, and continued half a second on
    assert wait.read(510 * MS, 10, drained=True) == 500 * MS


def test_wait_that_is_late_by_the_timers_grain_is_no_stand_still() -> None:
    wait = KernelWait(0)
    wait.waited(10 * MS, 60 * MS + LATE_NS, ASKED, readable=True)
    assert wait.read(60 * MS + LATE_NS, 10, drained=True) == 0


def test_socket_that_did_not_end_a_wait_is_empty_at_its_end() -> None:
    wait = KernelWait(0)
    wait.waited(10 * MS, 400 * MS, ASKED, readable=False)
    assert wait.read(401 * MS, 10, drained=True) == 1 * MS


def test_what_was_left_unread_goes_on_waiting() -> None:
    wait = KernelWait(0)
    assert wait.read(100, 64, drained=False) == 100
    wait.waited(200, 200 + 5 * MS, ASKED, readable=True)  # it did not come in this wait
    assert wait.read(6 * MS, 64, drained=True) == 6 * MS
    assert wait.read(6 * MS + 70, 64, drained=True) == 70


def test_new_connection_has_no_past() -> None:
    wait = KernelWait(0)
    wait.read(100, 64, drained=False)
    wait.opened(5 * MS)
    assert wait.read(6 * MS, 64, drained=True) == 1 * MS


def test_long_burst_waits_no_longer_than_a_buffer_of_it() -> None:
    wait = KernelWait(0, buffer_bytes_max=640)
    found = [wait.read(1000 * number, 64, drained=False) for number in range(1, 101)]
    assert found[:10] == [1000 * number for number in range(1, 11)]
    # 640 bytes are ten reads, and the bound is remembered to within a part of the buffer.
    assert set(found[12:]) <= {10_000, 11_000}


def test_memory_of_a_burst_is_fixed() -> None:
    wait = KernelWait(0, buffer_bytes_max=6400)
    for number in range(10_000):
        wait.read(number, 1, drained=False)
    assert len(wait._reads) <= 66


def test_clock_that_stands_makes_no_negative_wait() -> None:
    wait = KernelWait(1000)
    assert wait.read(900, 10, drained=True) == 0


# What comes, and how the process behaves, at random against a buffer that knows the truth.
steps = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "work", "read", "wait", "stop"]), st.integers(1, 200 * MS)
    ),
    max_size=60,
)


@given(steps, st.integers(1, 20))
def test_no_byte_has_waited_longer_than_is_said(moves: list[tuple[str, int]], room: int) -> None:
    buffer_max = 30
    arrived: deque[int] = deque()
    now = 0
    wait = KernelWait(now, buffer_max)
    for move, span in moves:
        if move == "arrive":
            arrived.extend([now] * min(span % 7 + 1, buffer_max - len(arrived)))
        elif move == "work":
            now += span
        elif move == "stop":  # within a wait; what came in it woke nobody
            began, now = now, now + ASKED + LATE_NS + span
            if len(arrived) < buffer_max:
                arrived.append(began + span)
            wait.waited(began, now, ASKED, readable=bool(arrived))
        elif move == "wait":
            began = now
            if arrived:
                now += AT_ONCE_NS // 2
            elif span % 3:  # something comes in the wait, and wakes us
                now += AT_ONCE_NS + span % ASKED
                arrived.append(now)
            else:
                now += ASKED
            wait.waited(began, now, ASKED, readable=bool(arrived))
        else:
            count = min(room, len(arrived))
            oldest = arrived[0] if arrived else now
            for _ in range(count):
                arrived.popleft()
            said = wait.read(now, count, drained=count < room)
            assert said >= (now - oldest if count else 0)
