"""Frames of an OKX connection as the exchange sends them, and a session to feed them to."""

from __future__ import annotations

import json
from typing import Any

from hunter.exchange.okx.asks import SessionLimits
from hunter.exchange.okx.events import Event
from hunter.exchange.okx.requests import Subscription, argument
from hunter.exchange.okx.session import OkxSession

S = 1_000_000_000
TRADES = Subscription("trades", "BTC-USDT")
BOOKS = Subscription("books", "BTC-USDT")
TICKERS = Subscription("tickers", "BTC-USDT")
NOTICE = (
    b'{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service '
    b'upgrade. Please reconnect.","connId":"a4d3ae55"}'
)

# One item of `data` of each channel beside trades, tickers and books, in the exchange's own form.
PUBLIC_ITEMS: dict[str, Any] = {
    "mark-price": {
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "markPx": "83679.8",
        "ts": "1790369003540",
    },
    "index-tickers": {
        "instId": "BTC-USDT",
        "idxPx": "83700.1",
        "high24h": "84100.5",
        "low24h": "82000",
        "open24h": "82500",
        "sodUtc0": "83000",
        "sodUtc8": "83100",
        "ts": "1790369003540",
    },
    "funding-rate": {
        "formulaType": "withRate",
        "fundingRate": "0.0000263463215391",
        "fundingTime": "1790380800000",
        "impactValue": "20000.0000000000000000",
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "interestRate": "0.0001000000000000",
        "maxFundingRate": "0.00375",
        "method": "current_period",
        "minFundingRate": "-0.00375",
        "nextFundingRate": "",
        "nextFundingTime": "1790409600000",
        "premium": "-0.0004010920207754",
        "prevFundingTime": "1790352000000",
        "settFundingRate": "0.0000341625964238",
        "settState": "settled",
        "ts": "1790369003540",
    },
    "open-interest": {
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "oi": "3185878.69",
        "oiCcy": "31858.79",
        "oiUsd": "2054002894.90",
        "ts": "1790369003540",
    },
    "liquidation-orders": {
        "details": [
            {
                "bkLoss": "0",
                "bkPx": "0.007831",
                "ccy": "",
                "posSide": "short",
                "side": "buy",
                "sz": "13",
                "ts": "1692266434010",
            }
        ],
        "instFamily": "IOST-USDT",
        "instId": "IOST-USDT-SWAP",
        "instType": "SWAP",
        "uly": "IOST-USDT",
    },
    "candle1m": [
        "1786540440000",
        "63913.0",
        "63951.8",
        "63913.0",
        "63951.8",
        "1803.61",
        "18.0361",
        "1153203.99426000",
        "0",
    ],
    "instruments": {
        "baseCcy": "BTC",
        "ctMult": "",
        "ctType": "",
        "ctVal": "",
        "ctValCcy": "",
        "expTime": "",
        "instFamily": "",
        "instId": "BTC-USDT",
        "instIdCode": None,
        "instType": "SPOT",
        "listTime": "1606468572000",
        "lotSz": "0.00000001",
        "minSz": "0.00001",
        "quoteCcy": "USDT",
        "settleCcy": "",
        "state": "live",
        "tickSz": "0.1",
        "upcChg": [{"param": "tickSz", "newValue": "0.0001", "effTime": "1704876947000"}],
    },
    "status": {
        "begin": "1764666600000",
        "end": "1764667800000",
        "env": "1",
        "href": "",
        "maintType": "1",
        "preOpenBegin": "",
        "scheDesc": "",
        "serviceType": "11",
        "state": "completed",
        "system": "unified",
        "title": "Upgrade of the trading system",
        "ts": "1764667948527",
    },
}


def arg(subscription: Subscription) -> dict[str, str]:
    return argument(subscription)


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
