from __future__ import annotations

from hunter.status.metrics import exposition
from hunter.status.report import stopped_report


def test_stopped_instance_is_down() -> None:
    assert b"hunter_up 0.0\n" in exposition(stopped_report("default", "1", "it is not running"))
