"""Frames of an OKX connection as the exchange sends them, and a session to feed them to."""

from __future__ import annotations

import json
from typing import Any

from hunter.exchange.okx.asks import SessionLimits
from hunter.exchange.okx.events import Event
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.session import OkxSession

S = 1_000_000_000
TRADES = Subscription("trades", "BTC-USDT")
BOOKS = Subscription("books", "BTC-USDT")
TICKERS = Subscription("tickers", "BTC-USDT")
NOTICE = (
    b'{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service '
    b'upgrade. Please reconnect.","connId":"a4d3ae55"}'
)


def arg(subscription: Subscription) -> dict[str, str]:
    return {"channel": subscription.channel, "instId": subscription.inst_id}


def ack(subscription: Subscription, event: str = "subscribe") -> bytes:
    return json.dumps({"event": event, "arg": arg(subscription), "connId": "a4d3ae55"}).encode()


def push(subscription: Subscription, action: str | None = None) -> bytes:
    frame: dict[str, Any] = {"arg": arg(subscription), "data": [{"x": 1}]}
    if action is not None:
        frame["action"] = action
    return json.dumps(frame).encode()


def refusal(code: str, msg: str, request_id: str | None = None) -> bytes:
    frame = {"event": "error", "msg": msg, "code": code, "connId": "e1f69f02"}
    if request_id is not None:
        frame["id"] = request_id
    return json.dumps(frame).encode()


def unknown_channel(subscription: Subscription) -> str:
    """As seen live in 2026."""
    return (
        f"Subscribe failed, wrong URL or channel:{subscription.channel},instId:"
        f"{subscription.inst_id} doesn't exist. Please use the correct URL, channel and parameters "
        "referring to API document."
    )


def sent(session: OkxSession) -> list[tuple[str, list[Subscription]]]:
    """Requests since the last look, as (op, arguments); a ping as ("ping", [])."""
    found = []
    for frame in session.data_to_send():
        if frame == b"ping":
            found.append(("ping", []))
            continue
        request = json.loads(frame)
        found.append(
            (request["op"], [Subscription(a["channel"], a["instId"]) for a in request["args"]])
        )
    return found


def opened(
    *subscriptions: Subscription, limits: SessionLimits | None = None, acked: bool = False
) -> OkxSession:
    session = OkxSession(subscriptions or (TRADES, BOOKS), limits)
    session.opened(0)
    if acked:
        session.data_to_send()
        for subscription in subscriptions or (TRADES, BOOKS):
            session.receive(ack(subscription), 0)
    return session


def run_to(session: OkxSession, until_ns: int) -> list[tuple[int, Event]]:
    """Advance exactly at every deadline up to a time."""
    found = []
    for _ in range(10_000):
        now_ns = session.next_deadline_ns()
        if now_ns > until_ns:
            return found
        found += [(now_ns, event) for event in session.advance(now_ns)]
    raise AssertionError("the session's deadline does not move")
