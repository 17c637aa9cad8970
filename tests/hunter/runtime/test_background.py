"""A process of its own that stands back, as the kernel shows it afterwards."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hunter.runtime import background
from hunter.runtime.background import TURN_NS

NICE = 10
SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}
PROGRAM = """
import json, os, sys
from hunter.runtime import background
from hunter.runtime.background import stand_back
if sys.argv[2] == "vax":
    background.platform.machine = lambda: "vax"
if sys.argv[2] == "idle":
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
stand_back(int(sys.argv[1]))
print(json.dumps([os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)]), flush=True)
sys.stdin.read()
"""


def stood_back(nice: int, policy: str = "other") -> tuple[int, int, str, int | None]:
    """Its nice, policy, the weight of its group, and the length of its turns in ns."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(nice), policy],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        told: list[Any] = json.loads(process.stdout.readline())
        try:
            group = Path(f"/proc/{process.pid}/autogroup").read_text().strip()
        except OSError:
            group = ""
        return told[0], told[1], group, turn_ns(process.pid)


def turn_ns(pid: int) -> int | None:
    """None: this kernel does not say."""
    number = SCHED_GETATTR.get(platform.machine())
    if number is None:
        return None
    attributes = ctypes.create_string_buffer(48)
    if ctypes.CDLL(None).syscall(ctypes.c_long(number), pid, attributes, 48, 0):
        return None
    runtime_ns: int = struct.unpack("=IIQiIQQQ", attributes.raw)[5]
    return runtime_ns or None


def test_process_stands_back_within_its_session_and_with_it() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    nice, policy, group, turn = stood_back(NICE)
    assert nice == min(19, before + NICE)
    assert policy == os.SCHED_BATCH, "never takes the core from one who has it"
    if group:
        assert group.endswith(f" nice {NICE}")
    if turn is not None:
        assert turn == TURN_NS


def test_process_that_need_not_is_as_before() -> None:
    nice, policy, group, turn = stood_back(0)
    assert (nice, policy) == (os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0))
    assert not group or group.endswith(" nice 0")
    assert turn != TURN_NS


def test_policy_that_was_chosen_for_it_stays() -> None:
    assert stood_back(NICE, "idle")[1] == os.SCHED_IDLE


def test_group_is_asked_again_when_the_kernel_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        asked = 0

        def write_text(self, text: str) -> None:
            self.asked += 1
            if self.asked < 3:
                raise BlockingIOError(11, text)

    pauses: list[float] = []
    busy = Busy()
    monkeypatch.setattr(background, "_AUTOGROUP", busy)
    monkeypatch.setattr(background.clock, "sleep_s", pauses.append)
    background._weigh_group(NICE)
    assert (busy.asked, len(pauses)) == (3, 2)
    busy.asked = -1_000
    background._weigh_group(NICE)
    assert busy.asked < 0, "not for ever"


def test_machine_of_an_unknown_kind_still_takes_the_core_from_nobody() -> None:
    nice, policy, _, turn = stood_back(NICE, "vax")
    assert (nice, policy) == (min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE), os.SCHED_BATCH)
    assert turn != TURN_NS


def test_host_without_groups_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(background, "_AUTOGROUP", tmp_path / "none" / "autogroup")
    background._weigh_group(NICE)
