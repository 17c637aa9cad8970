"""What goes into our log, and whom the server waits for; tests/hunter/web/test_actor.py runs it."""

from __future__ import annotations

import logging
from types import SimpleNamespace

from hunter.web.server import _is_ours, _waits


def test_only_our_own_faults_are_told() -> None:
    def said(text: str) -> bool:
        return _is_ours(logging.makeLogRecord({"msg": text}))

    assert said("Exception in ASGI application\n")
    assert not said("Invalid HTTP request received.")
    assert not said("Invalid UTF-8 sequence received from client.")


def test_who_has_asked_nothing_waits() -> None:
    asked = SimpleNamespace(cycle=SimpleNamespace(response_complete=False))
    answered = SimpleNamespace(cycle=SimpleNamespace(response_complete=True))
    assert _waits(SimpleNamespace(cycle=None))
    assert _waits(answered)
    assert not _waits(asked)
    assert not _waits(SimpleNamespace()), "a WebSocket"
