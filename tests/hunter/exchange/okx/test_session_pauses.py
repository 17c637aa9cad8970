"""What counts as silence while the exchange lets a session ask for nothing (60014)."""

from __future__ import annotations

from fakes.okx_frames import TRADES, S, ack, opened, refusal

from hunter.exchange.okx.asks import SessionLimits
from hunter.exchange.okx.events import DataSilent


def test_silence_of_a_connection_that_may_not_ask_yet_is_no_silence() -> None:
    limits = SessionLimits(stale_after_ns=S, ping_after_ns=100 * S)
    session = opened(TRADES, limits=limits)
    for at_ns in (0, 2 * S):  # pauses of 1 and of 2 s
        session.receive(refusal("60014", "Requests too frequent"), at_ns)
    assert session.request_budget(2 * S).pause_ns == 2 * S
    assert not [e for e in session.advance(4 * S) if isinstance(e, DataSilent)]
    silent = [e for e in session.advance(5 * S) if isinstance(e, DataSilent)]
    assert silent, "from the end of the pause on it counts"


def test_silence_of_what_is_subscribed_counts_during_a_pause() -> None:
    session = opened(TRADES, limits=SessionLimits(stale_after_ns=S, ping_after_ns=100 * S))
    session.receive(ack(TRADES), 0)
    session.receive(refusal("60014", "Requests too frequent"), 0)
    assert [e for e in session.advance(S) if isinstance(e, DataSilent)]
