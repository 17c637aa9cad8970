"""The back-off, simulated: what a server sees of a client that is refused again and again."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hunter.config import StreamSection
from hunter.stream.reconnect import FIRST_RETRY_MS_MAX, ReconnectBackoff

MS = 1_000_000
seeds = st.integers(0, 2**32)


def backoff(seed: int, **settings: int) -> ReconnectBackoff:
    return ReconnectBackoff(StreamSection(**settings), random.Random(seed))


def attempts(made: ReconnectBackoff, count: int, life_ms: float = 0.0) -> list[float]:
    """Times (ms) of `count` attempts, each of which lives so long and brings data in between."""
    now_ms, times = 0.0, []
    for _ in range(count):
        times.append(now_ms)
        if life_ms:
            made.data_received(int(now_ms * MS))
            now_ms += life_ms
            made.data_received(int(now_ms * MS))
        now_ms += made.next_delay_ms(int(now_ms * MS))
    return times


@given(seed=seeds, life_ms=st.floats(0, 900), minimum_ms=st.integers(1_000, 5_000))
def test_backoff_of_accept_then_close_keeps_within_three_connects_a_second(
    seed: int, life_ms: float, minimum_ms: int
) -> None:
    times = attempts(backoff(seed, backoff_min_ms=minimum_ms), 30, life_ms)
    for index in range(3, len(times)):
        assert times[index] - times[index - 3] >= 1_000, times[: index + 1]


@given(seed=seeds)
def test_backoff_grows_to_its_limit_and_stays_jittered(seed: int) -> None:
    made = backoff(seed, backoff_min_ms=1_000, backoff_max_ms=30_000)
    delays = [made.next_delay_ms(0) for _ in range(40)]
    assert delays[0] <= FIRST_RETRY_MS_MAX
    for index, delay in enumerate(delays[1:]):
        ceiling = min(1_000 * 2**index, 30_000)
        assert ceiling / 2 <= delay <= ceiling
    assert len(set(delays)) == len(delays), "no two alike: processes must not come back in step"


@given(seed=seeds, outage_s=st.floats(0, 5))
def test_backoff_of_an_outage_is_at_most_one_attempt_in_15_s_after_a_minute(
    seed: int, outage_s: float
) -> None:
    """With the default settings, however long each attempt takes; and never much less often."""
    made, now_ms, times = backoff(seed), 0.0, []
    while now_ms < 3_600_000:
        times.append(now_ms)
        now_ms += outage_s * 1_000
        now_ms += made.next_delay_ms(int(now_ms * MS))
    later = [at_ms for at_ms in times if at_ms > 60_000]
    for before, after in pairwise(later):
        assert after - before >= 15_000
        assert after - before <= 30_000 + outage_s * 1_000
    assert len(later) <= 3_600 / 15


def test_backoff_of_many_failures_does_not_overflow() -> None:
    made = backoff(1)
    made.failures = 10_000
    assert made.next_delay_ms(0) <= 30_000


@given(seed=seeds)
def test_backoff_is_reset_by_stable_data_only(seed: int) -> None:
    made = backoff(seed, stable_after_ms=30_000)
    for _ in range(5):
        made.next_delay_ms(0)
    made.data_received(0)
    made.data_received(29_999 * MS)
    assert made.failures == 5
    made.data_received(30_000 * MS)
    assert made.failures == 0
    assert made.next_delay_ms(30_001 * MS) <= FIRST_RETRY_MS_MAX


@given(seed=seeds)
def test_backoff_of_a_long_connection_without_data_is_not_reset(seed: int) -> None:
    made = backoff(seed)
    for _ in range(5):
        made.next_delay_ms(0)
    assert made.next_delay_ms(3_600_000 * MS) >= 8_000


def test_backoff_each_connection_proves_itself_anew() -> None:
    """Data of the connection before do not count for the next one."""
    made = backoff(1, stable_after_ms=1_000)
    made.data_received(0)
    made.next_delay_ms(1 * MS)
    made.data_received(5_000 * MS)
    made.data_received(5_001 * MS)
    assert made.failures == 1
    assert made.next_delay_ms(5_002 * MS) >= 500


def test_backoff_after_stable_data_that_ended_long_ago_starts_small() -> None:
    made = backoff(1, stable_after_ms=1_000)
    made.next_delay_ms(0)
    made.next_delay_ms(0)
    made.data_received(0)
    assert made.next_delay_ms(2_000 * MS) <= FIRST_RETRY_MS_MAX
    assert made.failures == 1
