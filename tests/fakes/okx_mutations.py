"""Broken OKX frames, from valid ones by seeded mutations."""

from __future__ import annotations

import json
import random
from typing import Any

from fakes.okx_frames import PUBLIC_ITEMS, ack, arg, refusal, unknown_channel

from hunter.exchange.okx.requests import Subscription

NAMES = ("BTC-USDT", "BTC-USDT-SWAP")
SUBSCRIPTIONS = (
    *(
        Subscription(channel, name)
        for name in NAMES
        for channel in ("trades", "tickers", "books", "books5", "bbo-tbt")
    ),
    Subscription("trades-all", "BTC-USDT"),
    Subscription("candle1m", "BTC-USDT-SWAP"),
    Subscription("mark-price", "BTC-USDT-SWAP"),
    Subscription("funding-rate", "BTC-USDT-SWAP"),
    Subscription("open-interest", "BTC-USDT-SWAP"),
    Subscription("index-tickers", "BTC-USDT"),
    Subscription("liquidation-orders", "SWAP"),
    Subscription("instruments", "SPOT"),
    Subscription("status", ""),
)
TICKER = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "last": "63921",
    "lastSz": "0.4",
    "askPx": "63921.1",
    "askSz": "1871.75",
    "bidPx": "",
    "bidSz": "",
    "open24h": "64297.6",
    "high24h": "64466",
    "low24h": "63162.7",
    "volCcy24h": "73998.8786",
    "vol24h": "7399887.86",
    "ts": "1786540471710",
}
CODES = ("60012", "60013", "60014", "60018", "64007", "64008", "63999", "0", "")
TEXTS = (
    *("", "0", "-1", "1e400", "-1e400", "nan", "inf", "1_0", " 1", "1 ", "0x10", "1e-400", "+1"),
    *("9" * 30, "9" * 5_000, "x" * 5_000, "\u0661\u0662", "\0", "\ud7ff", "true", "null", "-0"),
    *("BTC-USDT", "snapshot", "update", "buy", "1786540436090", "99999999999999"),
)
ODDITIES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**40),
    *(0.5, -0.0, 1e308, float("nan"), float("inf"), [], {}, [[]], [{}], [None], {"": {}}),
    *([["1", "1", "0", "1"]], ["1", "2"], [[["1"]]], {"channel": "trades"}),
)


class Mutator:
    """`frame()` is the next input: a valid frame, possibly out of its order, or a broken one."""

    def __init__(self, generator: random.Random) -> None:
        self._random = generator
        # By instrument: the last id of its book, and of its matches.
        self._seq_ids = dict.fromkeys(NAMES, 1_000)
        self._trade_ids = dict.fromkeys(NAMES, 1_000)
        self._ts_ms = 1_786_540_436_090
        self._last = b"pong"
        self._mutations = (
            *(self._changed_value,) * 6,
            *(self._flipped, self._cut, self._spliced, self._inserted, self._repeated) * 2,
            *(self._duplicate_key, self._missing_key, self._raw_number),
        )

    def frame(self) -> bytes:
        draw = self._random.random()
        if draw < 0.3:
            frame = self.valid()
        elif draw < 0.9995:
            frame = self._random.choice(self._mutations)(self.valid())
        else:
            frame = self._bomb()
        self._last = frame[:5_000]
        return frame

    def valid(self) -> bytes:
        draw = self._random.random()
        subscription = self._random.choice(SUBSCRIPTIONS)
        if draw < 0.8:
            return self._push(subscription)
        if draw < 0.86:
            return ack(subscription, self._random.choice(("subscribe", "unsubscribe")))
        if draw < 0.93:
            msg = self._random.choice((unknown_channel(subscription), "Invalid request", ""))
            request_id = self._random.choice((None, str(self._random.randrange(1, 40))))
            return refusal(self._random.choice(CODES), msg, request_id)
        other = ({"event": "notice", "code": "64008", "msg": "soon"}, {"event": "novel"}, {}, [], 5)
        return self._random.choice((b"pong", b"", json.dumps(self._random.choice(other)).encode()))

    def _push(self, subscription: Subscription) -> bytes:
        frame: dict[str, Any] = {"arg": arg(subscription)}
        channel = subscription.channel
        if channel == "books":
            frame["action"] = self._random.choices(("update", "snapshot"), (5, 1))[0]
        frame["data"] = [self._item(subscription, frame.get("action", ""))]
        if self._random.random() < 0.02:
            frame["data"] = frame["data"] * 2
        return json.dumps(frame, separators=(",", ":")).encode()

    def _item(self, subscription: Subscription, action: str) -> Any:
        self._ts_ms += self._random.randrange(200)
        channel, name = subscription
        if channel in ("trades", "trades-all"):
            return self._trade(name)
        if channel == "tickers":
            return TICKER
        if channel == "books":
            return self._book(name, action)
        if channel in ("books5", "bbo-tbt"):
            return self._top(name, 5 if channel == "books5" else 1)
        return PUBLIC_ITEMS[channel]

    def _trade(self, name: str) -> dict[str, Any]:
        count = self._random.choice((1, 1, 1, 2, 30))
        # Mostly the next match; now and then a hole, a duplicate or a restart of the ids.
        last = self._trade_ids[name]
        step = self._random.choices((count, count + 5, 0, 40 - last), (90, 4, 5, 1))[0]
        self._trade_ids[name] = last + step
        return {
            "instId": name,
            "tradeId": str(last + step),
            "px": f"{self._random.randrange(9_990, 10_010)}",
            "sz": "0.5",
            "side": self._random.choice(("buy", "sell")),
            "ts": str(self._ts_ms),
            "count": str(count),
            "source": "0",
            "seqId": self._seq_ids[name],
        }

    def _book(self, name: str, action: str) -> dict[str, Any]:
        # The chain holds mostly; else a gap, a keep-alive or a reset.
        before = self._seq_ids[name]
        after = max(before + self._random.choices((3, 0, -500), (90, 9, 1))[0], 1)
        self._seq_ids[name] = after
        if self._random.random() < 0.03:
            before += 7
        changed = self._levels(10_000, 5), self._levels(9_990, 5)
        return {
            "asks": changed[0],
            "bids": changed[1] if before != after else [],
            "ts": str(self._ts_ms),
            "seqId": after,
            "prevSeqId": -1 if action == "snapshot" else before,
            "checksum": self._random.choices((0, 12_345), (49, 1))[0],
        }

    def _top(self, name: str, level_count: int) -> dict[str, Any]:
        return {
            "asks": self._levels(10_000, level_count),
            "bids": self._levels(9_990, level_count),
            "ts": str(self._ts_ms),
            "seqId": self._seq_ids[name],
        }

    def _levels(self, low: int, level_count: int) -> list[list[str]]:
        count = self._random.randrange(level_count + 1)
        return [
            [str(self._random.randrange(low, low + 10)), self._random.choice("0123"), "0", "1"]
            for _ in range(count)
        ]

    def _changed_value(self, frame: bytes) -> bytes:
        """JSON of the same shape with one or more values of another kind."""
        try:
            document = json.loads(frame)
        except ValueError:
            return self._flipped(frame)
        for _ in range(self._random.choice((1, 1, 1, 2, 5))):
            document = self._changed(document)
        return json.dumps(document, separators=(",", ":")).encode("utf-8", "surrogatepass")

    def _changed(self, value: Any) -> Any:
        """One place within `value`, found from the top, holds something else."""
        if isinstance(value, dict) and value and self._random.random() < 0.93:
            key = self._random.choice(list(value))
            return {**value, key: self._changed(value[key])}
        if isinstance(value, list) and value and self._random.random() < 0.93:
            index = self._random.randrange(len(value))
            return [*value[:index], self._changed(value[index]), *value[index + 1 :]]
        draw = self._random.random()
        if draw < 0.45:
            return self._random.choice(TEXTS)
        if draw < 0.9:
            return self._random.choice(ODDITIES)
        if draw < 0.95:
            return [value] * self._random.randrange(1, 50)
        nested: Any = value
        for _ in range(self._random.randrange(1, 200)):
            nested = [nested]
        return nested

    def _flipped(self, frame: bytes) -> bytes:
        changed = bytearray(frame or b"x")
        for _ in range(self._random.choice((1, 1, 2, 8))):
            changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        return bytes(changed)

    def _cut(self, frame: bytes) -> bytes:
        return frame[: self._random.randrange(len(frame) + 1)]

    def _spliced(self, frame: bytes) -> bytes:
        """The beginning of one frame and the end of another."""
        here = self._random.randrange(len(frame) + 1)
        there = self._random.randrange(len(self._last) + 1)
        return frame[:here] + self._last[there:]

    def _inserted(self, frame: bytes) -> bytes:
        at = self._random.randrange(len(frame) + 1)
        return frame[:at] + self._random.randbytes(self._random.randrange(1, 9)) + frame[at:]

    def _repeated(self, frame: bytes) -> bytes:
        start = self._random.randrange(len(frame) + 1)
        end = self._random.randrange(start, len(frame) + 1)
        return frame[:end] + frame[start:end] * self._random.randrange(1, 4) + frame[end:]

    def _duplicate_key(self, frame: bytes) -> bytes:
        """A key a second time, before or after its value, with another value."""
        value = self._odd_json()
        at = frame.find(b'":', self._random.randrange(len(frame) + 1))
        begin = frame.rfind(b'"', 0, max(at, 0))
        if at < 0 or begin < 0:
            return frame + value
        return frame[:begin] + frame[begin : at + 2] + value + b"," + frame[begin:]

    def _missing_key(self, frame: bytes) -> bytes:
        at = frame.find(b'":', self._random.randrange(len(frame) + 1))
        begin = frame.rfind(b'"', 0, max(at, 0))
        if at < 0 or begin < 0:
            return frame[1:]
        return frame[: begin + 1] + b"_" + frame[begin + 1 :]

    def _raw_number(self, frame: bytes) -> bytes:
        """A string as a bare number, which JSON allows to be of any length."""
        at = frame.find(b':"', self._random.randrange(len(frame) + 1))
        end = frame.find(b'"', at + 2)
        if at < 0 or end < 0:
            return frame + b" "
        numbers = (frame[at + 2 : end], b"NaN", b"Infinity", b"1e400", b"-0", b"9" * 400, b"01")
        return frame[: at + 1] + self._random.choice(numbers) + frame[end + 1 :]

    def _odd_json(self) -> bytes:
        odd = self._random.choice(ODDITIES + TEXTS)
        return json.dumps(odd).encode("utf-8", "surrogatepass")

    def _bomb(self) -> bytes:
        head = b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":'
        size = self._random.choice((2_000, 20_000, 100_000))
        opening, closing = self._random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"", b"")))
        if opening:
            tail = self._random.choice((b"1" + closing * size, b""))
            return self._random.choice((head, b"")) + opening * size + tail
        return head + b'[{"px":' + b"9" * size + b"}]}"
