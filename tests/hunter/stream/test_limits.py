"""RateLimiter: no window ever holds more than OKX allows, whoever asks and whatever was killed."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.clock import SystemClock
from hunter.stream.limits import (
    BUSY_RETRY_NS,
    CONNECTS,
    FACTOR_MIN,
    HOLD_NS_MAX,
    HOLD_NS_MIN,
    LIMITS,
    RECOVERY_NS,
    SLOT_BYTES,
    Bucket,
    RateLimiter,
    boot_number,
    fresh,
    host_limits_dir,
    limiter_path,
    pack_slot,
    unpack_slot,
)

S = 1_000_000_000
NOW = 1_000 * S
ONE = LIMITS[CONNECTS]
# What leaves evenly may arrive in a bunch: connections of so much more than a second arrive in one.
JITTER_NS = 100_000_000

limits = st.sampled_from(sorted(LIMITS))
gaps = st.one_of(st.integers(0, S // 5), st.integers(0, 3 * S), st.just(0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "server.limits"


@pytest.fixture
def limiter(path: Path) -> Iterator[RateLimiter]:
    made = RateLimiter(path)
    yield made
    made.close()


def most_in_window(times_ns: list[int], window_ns: int) -> int:
    times_ns = sorted(times_ns)
    return max(
        sum(1 for other in times_ns[index:] if other - at_ns <= window_ns)
        for index, at_ns in enumerate(times_ns)
    )


# The arithmetic


def test_every_limit_fits_its_window() -> None:
    for limit in LIMITS.values():
        window_s = (limit.window_ns + JITTER_NS) / S
        assert limit.burst + limit.rate_per_s * window_s < limit.count_max + 1, limit.name
        assert limit.burst >= 1


@given(limits, st.lists(st.tuples(gaps, st.sampled_from("ttttttttl")), min_size=1, max_size=200))
def test_no_window_of_any_schedule_holds_more(name: str, calls: list[tuple[int, str]]) -> None:
    limit, bucket, now_ns, taken = LIMITS[name], fresh(LIMITS[name], NOW), NOW, []
    for gap_ns, call in calls:
        now_ns += gap_ns
        if call == "l":
            bucket.slow_down(limit, now_ns)
        elif bucket.take(limit, now_ns) == 0:
            taken.append(now_ns)
    if taken:
        assert most_in_window(taken, limit.window_ns + JITTER_NS) <= limit.count_max


@given(limits, st.integers(0, 3))
def test_those_who_wait_as_told_get_the_full_rate(name: str, limited: int) -> None:
    """Nobody is told to wait longer than needed, nor in vain."""
    limit, bucket, now_ns = LIMITS[name], fresh(LIMITS[name], NOW), NOW
    for _ in range(limited):
        bucket.slow_down(limit, now_ns)
        now_ns = bucket.held_ns
    taken: list[int] = []
    vain = 0
    while len(taken) < 40:
        wait_ns = bucket.take(limit, now_ns)
        if not wait_ns:
            taken.append(now_ns)
            vain = 0
        else:
            vain += 1
            assert vain <= 2, "the time told is the time that is enough"
            now_ns += wait_ns
    assert most_in_window(taken, limit.window_ns + JITTER_NS) <= limit.count_max
    if not limited:
        assert taken[-1] - NOW <= (40 - limit.burst) / limit.rate_per_s * S + 1_000


@given(st.lists(st.tuples(gaps, st.integers(0, JITTER_NS)), min_size=1, max_size=60))
def test_clocks_read_a_little_earlier_give_nothing(calls: list[tuple[int, int]]) -> None:
    """Times come out of order when one process reads the clock and another is first at the lock."""
    bucket, taken, now_ns = fresh(ONE, NOW), [], NOW
    for gap_ns, late_ns in calls:
        now_ns += gap_ns
        if bucket.take(ONE, now_ns - late_ns) == 0:
            taken.append(now_ns)
    if taken:
        assert most_in_window(taken, S) <= 3


def test_time_going_back_and_forth_is_no_source_of_tokens() -> None:
    bucket = fresh(ONE, NOW)
    granted = [bucket.take(ONE, NOW - number % 2 * JITTER_NS) == 0 for number in range(1_000)]
    assert sum(granted) == 2


def test_two_connections_go_at_once_and_the_third_waits() -> None:
    bucket = fresh(ONE, NOW)
    assert [bucket.take(ONE, NOW) for _ in range(2)] == [0, 0]
    wait_ns = bucket.take(ONE, NOW)
    assert 0.5 * S < wait_ns < 0.6 * S
    assert bucket.take(ONE, NOW + wait_ns) == 0
    assert bucket.waits == 1


def test_too_many_holds_for_a_second_and_halves_the_rate() -> None:
    bucket = fresh(ONE, NOW)
    bucket.slow_down(ONE, NOW)
    assert bucket.take(ONE, NOW) == HOLD_NS_MIN + 1
    assert bucket.take(ONE, NOW + HOLD_NS_MIN - 1) > 0
    assert bucket.take(ONE, NOW + HOLD_NS_MIN) == 0, "one goes at once, to see whether it is over"
    assert bucket.factor == 0.5
    assert bucket.take(ONE, NOW + HOLD_NS_MIN) == pytest.approx(S / (1.78 / 2), abs=2)


def test_answers_to_what_was_sent_before_the_hold_count_once() -> None:
    bucket = fresh(ONE, NOW)
    for _ in range(5):
        bucket.slow_down(ONE, NOW)
    assert (bucket.factor, bucket.hold_ns, bucket.limited) == (0.5, HOLD_NS_MIN, 5)


def test_too_many_again_and_again_holds_longer_up_to_a_minute() -> None:
    bucket, now_ns, holds = fresh(ONE, NOW), NOW, []
    for _ in range(9):
        bucket.slow_down(ONE, now_ns)
        holds.append(bucket.hold_ns // S)
        now_ns = bucket.held_ns
    assert holds == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert bucket.factor == FACTOR_MIN
    assert bucket.hold_ns == HOLD_NS_MAX


def test_the_rate_recovers_within_a_minute_of_the_holds_end() -> None:
    bucket = fresh(ONE, NOW)
    bucket.slow_down(ONE, NOW)
    bucket.advance(ONE, NOW + HOLD_NS_MIN)
    assert bucket.factor == 0.5
    bucket.advance(ONE, NOW + HOLD_NS_MIN + RECOVERY_NS // 4)
    assert bucket.factor == pytest.approx(0.75)
    assert bucket.hold_ns == HOLD_NS_MIN, "not forgotten while it still is slow"
    bucket.advance(ONE, NOW + HOLD_NS_MIN + RECOVERY_NS // 2)
    assert (bucket.factor, bucket.hold_ns) == (1.0, 0)


# The file


def test_other_limits_are_not_touched(limiter: RateLimiter) -> None:
    while limiter.reserve(CONNECTS, NOW) == 0:
        pass
    limiter.limited("time", NOW)
    assert limiter.reserve("books", NOW) == 0
    states = {state.name: state for state in limiter.states(NOW)}
    assert set(states) == {"connects", "trades", "history-trades", "books", "instruments", "time"}
    assert (states["connects"].waits, states["connects"].limited) == (1, 0)
    assert (states["time"].waits, states["time"].limited) == (0, 1)
    assert states["time"].rate_per_s == states["time"].rate_per_s_max / 2
    assert (states["books"].tokens, states["trades"].tokens) == (7.0, 20.0)


def test_looking_at_the_states_changes_nothing(limiter: RateLimiter, path: Path) -> None:
    limiter.reserve(CONNECTS, NOW)
    before = path.read_bytes()
    limiter.states(NOW + S)
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_restarted_process_goes_on_where_the_killed_one_was(path: Path) -> None:
    for _ in range(2):
        limiter = RateLimiter(path)
        assert limiter.reserve(CONNECTS, NOW) == 0
        limiter.close()
    limiter = RateLimiter(path)
    assert limiter.reserve(CONNECTS, NOW) > 0
    limiter.close()


def test_times_later_than_now_are_void(path: Path) -> None:
    limiter = RateLimiter(path)
    while limiter.reserve(CONNECTS, NOW) == 0:
        pass
    assert limiter.reserve(CONNECTS, 5 * S) == 0
    limiter.close()


def test_a_slot_of_another_boot_is_void() -> None:
    bucket = Bucket(0.0, NOW, 0.5, 0, 0, 7, 8)
    raw = pack_slot(bucket, ONE, boot=1)
    assert unpack_slot(raw, ONE, 1, NOW) == bucket
    assert unpack_slot(raw, ONE, 2, NOW) == fresh(ONE, NOW)
    assert unpack_slot(raw, LIMITS["time"], 1, NOW) == fresh(LIMITS["time"], NOW)
    assert boot_number() == boot_number() != 0


def test_a_host_that_does_not_tell_its_boot_has_number_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: Path) -> bytes:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert boot_number() == 0


@given(st.data())
def test_a_torn_slot_is_a_fresh_bucket(data: st.DataObject) -> None:
    """A write that was cut anywhere leaves the former bytes behind it."""
    before = pack_slot(Bucket(0.25, NOW), ONE, 1)
    after = pack_slot(Bucket(1.25, NOW + S, 0.5, NOW, S, 1, 2), ONE, 1)
    cut = data.draw(st.integers(0, SLOT_BYTES))
    found = unpack_slot(after[:cut] + before[cut:], ONE, 1, NOW)
    whole = [unpack_slot(raw, ONE, 1, NOW) for raw in (before, after)]
    assert found in (*whole, fresh(ONE, NOW))


@given(st.binary(max_size=500))
def test_a_foreign_file_is_fresh_buckets(junk: bytes) -> None:
    assert unpack_slot(junk[:SLOT_BYTES], ONE, 1, NOW) == fresh(ONE, NOW)


@pytest.mark.parametrize("junk", [b"", b"junk", b"\xff" * 4_096])
def test_a_damaged_file_works(path: Path, junk: bytes) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o700)
    path.write_bytes(junk)
    limiter = RateLimiter(path)
    assert [limiter.reserve(CONNECTS, NOW) > 0 for _ in range(3)] == [False, False, True]
    limiter.close()


def test_a_full_disk_leaves_a_limit_of_this_process(
    limiter: RateLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    assert [limiter.reserve(CONNECTS, NOW) > 0 for _ in range(3)] == [False, False, True]
    monkeypatch.setattr(os, "pwrite", real)
    assert limiter.reserve(CONNECTS, NOW) > 0
    assert limiter.reserve(CONNECTS, NOW + 10 * S) == 0


def test_a_file_that_cannot_be_read_is_no_crash(
    limiter: RateLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    assert limiter.reserve(CONNECTS, NOW) == 0


def test_a_lock_held_by_another_is_asked_again_soon(limiter: RateLimiter, path: Path) -> None:
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert limiter.reserve(CONNECTS, NOW) == BUSY_RETRY_NS
        limiter.limited(CONNECTS, NOW)
        assert limiter.states(NOW)[0].limited == 0
    assert limiter.reserve(CONNECTS, NOW) > 0, "what was said meanwhile is not forgotten"
    assert limiter.states(NOW)[0].limited == 1


_HAMMER = """
import json, sys
from pathlib import Path
from hunter.clock import SystemClock
from hunter.stream.limits import RateLimiter
limiter, clock, taken = RateLimiter(Path(sys.argv[1])), SystemClock(), []
print("up", flush=True)
end_ns = clock.monotonic_ns() + int(sys.argv[2])
while (now_ns := clock.monotonic_ns()) < end_ns:
    if limiter.reserve(sys.argv[3], now_ns) == 0:
        taken.append(now_ns)
print(json.dumps(taken))
"""


@pytest.mark.parametrize("name", [CONNECTS, "history-trades"])
def test_two_processes_at_once_share_one_limit(path: Path, name: str) -> None:
    started_ns = SystemClock().monotonic_ns()
    both = [
        subprocess.Popen(
            [sys.executable, "-c", _HAMMER, str(path), str(3 * S), name],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=30)[0] for process in both]
    each = [json.loads(output.splitlines()[1]) for output in outputs]
    taken = each[0] + each[1]
    limit = LIMITS[name]
    passed_s = (SystemClock().monotonic_ns() - started_ns) / S
    assert most_in_window(taken, limit.window_ns + JITTER_NS) <= limit.count_max
    assert limit.burst + 2.5 * limit.rate_per_s <= len(taken) + 1, "and it is used"
    assert len(taken) <= limit.burst + passed_s * limit.rate_per_s


def test_a_process_killed_in_between_leaves_the_limit_in_force(path: Path) -> None:
    taken: list[int] = []
    limiter, clock = RateLimiter(path), SystemClock()
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _HAMMER, str(path), str(30 * S), CONNECTS],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.kill()
        process.communicate()
        now_ns = clock.monotonic_ns()
        if limiter.reserve(CONNECTS, now_ns) == 0:
            taken.append(now_ns)
    state = limiter.states(clock.monotonic_ns())[0]
    limiter.close()
    assert state.tokens < ONE.burst
    assert len(taken) <= 3


@pytest.mark.parametrize(
    ("url", "is_shared"),
    [
        ("wss://ws.okx.com:8443/ws/v5/public", True),
        ("ws://127.0.0.1:8790/ws/v5/public", False),
        ("ws://localhost:8790/ws/v5/public", False),
        ("ws://[::1]:8790/ws/v5/public", False),
    ],
)
def test_servers_elsewhere_are_everybodys(tmp_path: Path, url: str, is_shared: bool) -> None:
    path = limiter_path(url, tmp_path / "run")
    assert path.parent == (host_limits_dir() if is_shared else tmp_path / "run")


def test_shared_limits_do_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    url, found = "wss://ws.okx.com:8443/ws/v5/public", set()
    for runtime_dir in ("/run/user/1000", "/elsewhere", None):
        if runtime_dir is None:
            monkeypatch.delenv("XDG_RUNTIME_DIR")
        else:
            monkeypatch.setenv("XDG_RUNTIME_DIR", runtime_dir)
            monkeypatch.setenv("TMPDIR", runtime_dir)
        found.add(limiter_path(url, Path("/run") / str(runtime_dir)))
    assert len(found) == 1
    assert found.pop().parent == Path(f"/tmp/hunter-{os.getuid()}")


def test_each_server_has_limits_of_its_own() -> None:
    here = Path("/run")
    one, two, again = (
        limiter_path(f"wss://{host}/ws", here) for host in ("a.example", "b.example", "a.example")
    )
    assert one == again != two
