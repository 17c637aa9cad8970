from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from fakes.instance import wait_until
from hypothesis import given
from hypothesis import strategies as st

from hunter.watchdog.silence import STARVED_MAX, Cpu, Silence, read_cpu

MS = 1_000_000
NOW = 50_000 * MS


class Account:
    """One actor's silence, looked at every 100 ms (and as much later as is said)."""

    def __init__(self) -> None:
        self.silence = Silence(hang_after_ms=1_000)
        self.now_ns = NOW

    def look(self, cpu: Cpu | None = None, beat: int = 1, late_ms: int = 0) -> float:
        self.now_ns += (100 + late_ms) * MS
        return self.silence.excused_ms("brain-0", beat, self.now_ns, late_ms, cpu)


def asleep(ran_ms: int = 0, waited_ms: int = 0) -> Cpu:
    return Cpu(False, ran_ms * MS, waited_ms * MS)


def awake(ran_ms: int = 0, waited_ms: int = 0) -> Cpu:
    return Cpu(True, ran_ms * MS, waited_ms * MS)


def test_actor_that_sleeps_through_its_beats_has_no_excuse() -> None:
    account = Account()
    assert [account.look(asleep()) for _ in range(20)] == [0.0] * 20


def test_actor_that_spins_has_no_excuse() -> None:
    account = Account()
    assert [account.look(awake(ran_ms=100 * n)) for n in range(20)] == [0.0] * 20


def test_actor_that_could_run_and_was_not_let_is_excused() -> None:
    account = Account()
    assert [account.look(awake()) for _ in range(4)] == [0.0, 100.0, 200.0, 300.0]


def test_actor_that_got_a_part_is_excused_for_the_rest() -> None:
    account = Account()
    account.look(awake())
    assert account.look(awake(ran_ms=30)) == 70.0
    assert account.look(asleep(ran_ms=40, waited_ms=120)) == 170.0, "never more than the time"
    assert account.look(asleep(ran_ms=40, waited_ms=125)) == 175.0


def test_time_that_the_watchdog_was_away_counts_until_the_next_beat() -> None:
    account = Account()
    account.look(asleep())
    assert account.look(asleep(), late_ms=60_000) == 60_000.0
    assert account.look(asleep()) == 60_000.0, "the host was suspended: it has to wake up first"
    assert account.look(asleep(), beat=2) == 0.0
    assert account.look(awake(), beat=2) == 0.0
    assert account.look(awake(), beat=2, late_ms=500) == 600.0, "not counted for both"


def test_waiting_for_a_processor_is_not_believed_for_ever() -> None:
    account = Account()
    excused = [account.look(awake()) for _ in range(300)]
    assert excused[-1] == STARVED_MAX * 1_000


def test_actor_that_cannot_be_looked_at_has_no_excuse() -> None:
    account = Account()
    looks = [None, awake(), None, awake(), awake()]
    assert [account.look(cpu) for cpu in looks] == [0.0, 0.0, 0.0, 0.0, 100.0]


def test_silence_is_the_beat_of_the_last_look() -> None:
    account = Account()
    assert not account.silence.is_silent("brain-0", 1)
    account.look()
    assert account.silence.is_silent("brain-0", 1)
    assert not account.silence.is_silent("brain-0", 2)
    assert not account.silence.is_silent("stream-0", 1)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 120), st.integers(0, 120), st.integers(0, 400))
    )
)
def test_excuse_never_exceeds_the_time_that_passed(
    looks: list[tuple[bool, int, int, int]],
) -> None:
    account = Account()
    account.look(asleep())
    ran_ms = waited_ms = 0
    before = 0.0
    for runnable, ran, waited, late_ms in looks:
        ran_ms, waited_ms = ran_ms + ran, waited_ms + waited
        excused = account.look(Cpu(runnable, ran_ms * MS, waited_ms * MS), late_ms=late_ms)
        assert before <= excused <= before + 100 + late_ms
        before = excused


def test_cpu_of_a_real_process_tells_running_from_sleeping() -> None:
    spin = "import sys; sys.stdin.readline()\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE) as process:
        try:
            wait_until("sleep", lambda: (c := read_cpu(process.pid)) and not c.is_runnable)
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
            first = wait_until("work", lambda: (c := read_cpu(process.pid)) and c.is_runnable and c)
            wait_until("more of it", lambda: (read_cpu(process.pid) or first).ran_ns > first.ran_ns)
            os.kill(process.pid, signal.SIGSTOP)
            wait_until("a stop", lambda: not (read_cpu(process.pid) or first).is_runnable)
        finally:
            process.kill()
    assert read_cpu(process.pid) is None


@pytest.mark.parametrize("text", [b"", b"1 2"])
def test_cpu_that_the_kernel_does_not_tell_is_none(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda _: text)
    assert read_cpu(1) is None
