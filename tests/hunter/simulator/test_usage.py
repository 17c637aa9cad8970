"""Events in a sliding window, against the plain definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hunter.simulator.usage import Meter


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 30))
def test_most_is_the_fullest_window(gaps: list[int], window: int) -> None:
    meter, times, now = Meter(window), [], 0
    for gap in gaps:
        now += gap
        times.append(now)
        assert meter.note(now) == sum(now - window < t <= now for t in times)
    assert meter.total == len(times)
    assert meter.most == max((sum(t - window < u <= t for u in times) for t in times), default=0)
