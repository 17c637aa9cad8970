"""The table of verdicts, row by row and as a property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.watchdog.liveness import Limits, Look, Verdict, judge

MS = 1_000_000
LIMITS = Limits(hang_after_ms=1_000, memory_limit_bytes=100)
NOW = 10_000 * MS


def look(
    silent_ms: float = 0,
    rss: int = 50,
    alive: bool = True,
    spoken: bool = False,
    stalled: bool = False,
) -> Look:
    return Look(alive, spoken, NOW - int(silent_ms * MS), rss, stalled)


@pytest.mark.parametrize(
    ("seen", "overslept_ms", "verdict"),
    [
        (look(), 0, Verdict.FINE),
        (look(silent_ms=1_000), 0, Verdict.FINE),
        (look(silent_ms=1_001), 0, Verdict.HANG),
        (look(silent_ms=1_001), 1, Verdict.FINE),
        (look(silent_ms=61_000), 60_500, Verdict.FINE),
        (look(silent_ms=61_000), 59_000, Verdict.HANG),
        (look(stalled=True), 0, Verdict.STALLED),
        (look(stalled=True, spoken=True), 0, Verdict.WAIT),
        (look(stalled=True, silent_ms=2_000), 0, Verdict.HANG),
        (look(rss=100), 0, Verdict.FINE),
        (look(rss=101), 0, Verdict.MEMORY),
        (look(silent_ms=2_000, rss=101), 0, Verdict.HANG),
        (look(silent_ms=2_000, alive=False), 0, Verdict.WAIT),
        (look(silent_ms=2_000, spoken=True), 0, Verdict.WAIT),
        (look(rss=101, spoken=True), 0, Verdict.WAIT),
    ],
)
def test_judge_table(seen: Look, overslept_ms: float, verdict: Verdict) -> None:
    assert judge(seen, LIMITS, NOW, overslept_ms) is verdict


@given(
    silent_ms=st.floats(0, 1e6),
    overslept_ms=st.floats(0, 1e6),
    rss=st.integers(0, 200),
    spoken=st.booleans(),
)
def test_judge_never_restarts_what_beats_within_its_limits(
    silent_ms: float, overslept_ms: float, rss: int, spoken: bool
) -> None:
    verdict = judge(look(silent_ms, rss, spoken=spoken), LIMITS, NOW, overslept_ms)
    if spoken:
        assert verdict is Verdict.WAIT
    elif verdict is Verdict.HANG:
        assert silent_ms > LIMITS.hang_after_ms + overslept_ms - 1e-3
    elif verdict is Verdict.MEMORY:
        assert rss > LIMITS.memory_limit_bytes
