"""Signals become readable numbers, and the host program's own handlers come back."""

from __future__ import annotations

import os
import signal

import pytest

from supervisor.wakeup import SIGNALS, signal_descriptor


def test_a_signal_is_a_number_to_read(is_readable):
    with signal_descriptor() as descriptor:
        for number in (signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
            assert is_readable(descriptor)
            assert list(os.read(descriptor, 16)) == [number]
        with pytest.raises(BlockingIOError):
            os.read(descriptor, 16)


def test_handlers_are_the_former_ones_afterwards():
    before = [signal.getsignal(number) for number in SIGNALS]
    with signal_descriptor():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_terminals_end_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signal_descriptor() as descriptor:
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(BlockingIOError):
                os.read(descriptor, 16)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_flood_of_signals_blocks_nobody():
    with signal_descriptor() as descriptor:
        for _ in range(70_000):  # more than a pipe holds
            signal.raise_signal(signal.SIGCHLD)
        assert os.read(descriptor, 1)
