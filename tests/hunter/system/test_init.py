from __future__ import annotations

import pytest

import hunter.system
from hunter.system import _HOMES, instance, locks


def test_names_come_from_their_modules_when_they_are_asked_for() -> None:
    assert hunter.system.run is instance.run
    assert hunter.system.running_pid is locks.running_pid
    assert sorted(_HOMES) == sorted(hunter.system.__all__)


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match=r"module 'hunter.system' has no attribute 'zzz'"):
        getattr(hunter.system, "zzz")  # noqa: B009 - a name that no type checker knows
