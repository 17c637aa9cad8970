"""The errors say what to do next."""

from __future__ import annotations

import pytest

from supervisor.errors import LockHeld, SpawnError, SpecError, SupervisorError


@pytest.mark.parametrize("error", [SpecError, SpawnError, LockHeld])
def test_every_error_is_a_supervisor_error(error):
    assert issubclass(error, SupervisorError)


def test_lock_held_names_the_file_and_the_holder():
    error = LockHeld("run/lock", 42)
    assert (error.path, error.pid) == ("run/lock", 42)
    assert "run/lock" in str(error)
    assert "pid 42" in str(error)


def test_lock_held_by_one_that_has_not_said_who_it_is():
    assert "another process" in str(LockHeld("run/lock", 0))
