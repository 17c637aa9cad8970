"""What the faults of moment `push` make of one frame on its way to one connection.

Edits change the frame, others put something before it or change when it goes. The exchange's own
state and ledger are never touched: the truth stays the truth. Owned by the exchange.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec

from hunter.simulator.channels import argument
from hunter.simulator.decimals import decimal_text, decimal_units
from hunter.simulator.faults import FAULTS, Fault, Faults
from hunter.simulator.frames import BookChange, Push, book_text, wire_binary, wire_text
from hunter.simulator.state import SimulatedBook

_encode = msgspec.json.Encoder().encode
_CHECKSUM = re.compile(rb'"checksum":-?\d+')
_TRADE_CHANNELS: Final = frozenset({"trades", "trades-all"})
# Beyond every price of the simulated market, and not its anchor's multiple.
_FAR_PRICE: Final = "987654321"
_NESTING: Final = 100_000
_DIGITS: Final = 1_000_000

BINARY: Final = wire_binary(bytes(range(16)))
EMPTY: Final = wire_text(b"")
BAD_UTF8: Final = wire_text(b'{"event":"\xc3\x28\xff\xfe"}')
GARBAGE: Final = wire_text(b'{"arg":{"channel":"trades"')

_CHATTER: Final = tuple(
    map(
        _encode,
        (
            {
                "event": "channel-conn-count",
                "channel": "trades",
                "connCount": "1",
                "connId": "a4d3ae55",
            },
            {"event": "something-new", "msg": "of a later version"},
            {"arg": {"channel": "channel-of-tomorrow", "instId": "BTC-USDT"}, "data": [{"a": "1"}]},
            {"arg": {"channel": "trades", "instId": "NEVER-ASKED"}, "data": [{"instId": "x"}]},
            {"hello": ["world"]},
        ),
    )
)


class Outgoing(NamedTuple):
    """One frame and when it goes: after a while on its own, or slowly with all behind it."""

    wire: bytes
    late_ms: int = 0
    ms_per_byte: int = 0


class Tampering:
    """Holds the frames that `swap` keeps back."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._held: dict[tuple[str, str, str], bytes] = {}

    @property
    def is_idle(self) -> bool:
        return not self._faults.armed and not self._held

    def forget(self, conn_id: str) -> None:
        """The connection is gone."""
        for key in [key for key in self._held if key[0] == conn_id]:
            del self._held[key]

    def alter(self, conn_id: str, push: Push, wire: bytes, book: SimulatedBook) -> list[Outgoing]:
        """What this connection gets for `push`, whose frame is `wire`; maybe nothing."""
        found = _Applying(self._faults, conn_id, push)
        if found.take("mute") or found.take("drop_trades") or found.take("drop_book"):
            return []
        text = push.text
        for name, edit in _EDITS.items():
            if found.has(name):
                edited = edit(text, push, book)
                if edited is not None and found.take(name):
                    text, wire = edited, wire_text(edited)
        before = [
            Outgoing(make(push, fault, self._faults.fired[name] - 1))
            for name, make in _BEFORE.items()
            if (fault := found.take(name))
        ]
        items = self._timed(found, conn_id, push, Outgoing(wire))
        return before + items + self._books_after(found, push, book)

    def _timed(self, found: _Applying, conn_id: str, push: Push, item: Outgoing) -> list[Outgoing]:
        key = (conn_id, push.channel, push.inst_id)
        if push.channel in _TRADE_CHANNELS and key not in self._held and found.take("swap"):
            self._held[key] = item.wire
            return []
        if fault := found.take("trickle"):
            item = item._replace(ms_per_byte=fault.code)
        if fault := found.take("late"):
            item = item._replace(late_ms=fault.code)
        items = [item]
        if found.take("duplicate"):
            items.append(item)
        # The first one counts, so it has to be the true one.
        if not item.late_ms and found.take("conflict"):
            items.append(Outgoing(wire_text(_conflicting(push.text))))
        if push.channel in _TRADE_CHANNELS and key in self._held:
            items.append(Outgoing(self._held.pop(key)))
        return items

    def _books_after(self, found: _Applying, push: Push, book: SimulatedBook) -> list[Outgoing]:
        change, texts = push.body, []
        if not isinstance(change, BookChange):
            return []
        ids = (change.ts_ms, change.seq_id)
        if found.take("heartbeat"):
            texts.append(book_text(push.inst_id, BookChange(False, [], [], *ids, change.seq_id)))
        # A state that is ahead would make a snapshot that the next update does not follow.
        if book.seq_id == change.seq_id and found.take("resnapshot"):
            bids, asks = book.sides(400)
            texts.append(book_text(push.inst_id, BookChange(True, bids, asks, *ids, -1)))
        return [Outgoing(wire_text(text)) for text in texts]


class _Applying:
    """The armed faults that concern one push to one connection."""

    def __init__(self, faults: Faults, conn_id: str, push: Push) -> None:
        self._faults = faults
        self._conn_id = conn_id
        self._inst_id = push.inst_id
        frames = {"any"}
        if push.channel in _TRADE_CHANNELS:
            frames.add("trades")
        elif push.channel == "books":
            frames.add("books")
            if b'"update"' in push.text:
                frames.add("updates")
        self._names = {f.name for f in faults.armed if FAULTS[f.name].frames in frames}

    def has(self, name: str) -> bool:
        return name in self._names and (
            self._faults.find(name, self._conn_id, self._inst_id) is not None
        )

    def take(self, name: str) -> Fault | None:
        if name not in self._names:
            return None
        return self._faults.take(name, self._conn_id, self._inst_id)


def _wrong_checksum(text: bytes, push: Push, book: SimulatedBook) -> bytes | None:
    del push, book
    return _CHECKSUM.sub(b'"checksum":123456789', text)


def _orphan_delete(text: bytes, push: Push, book: SimulatedBook) -> bytes | None:
    del push, book
    frame = msgspec.json.decode(text)
    frame["data"][0]["asks"].append([_FAR_PRICE, "0", "0", "0"])
    return _encode(frame)


def _crossed(text: bytes, push: Push, book: SimulatedBook) -> bytes | None:
    """A bid above every ask, which no later update takes away."""
    del push, book
    frame = msgspec.json.decode(text)
    frame["data"][0]["bids"].insert(0, [_FAR_PRICE, "1", "0", "1"])
    return _encode(frame)


def _wrong_book(text: bytes, push: Push, book: SimulatedBook) -> bytes | None:
    """Only where a best price is among the changes: elsewhere nobody could ever see it."""
    del push
    frame = msgspec.json.decode(text)
    for name, side, best in (("bids", book.bids, max), ("asks", book.asks, min)):
        price = best(side, key=float, default="")
        for level in frame["data"][0][name]:
            if level[0] == price and level[1] != "0":
                units, decimals = decimal_units(level[1])
                level[1] = decimal_text(units * 2 + 1, decimals)
                return _encode(frame)
    return None


def _reordered(text: bytes, push: Push, book: SimulatedBook) -> bytes | None:
    del push, book
    frame = msgspec.json.decode(text)
    first, *others = frame.pop("data")
    if not isinstance(first, dict):
        return None  # a candle is a list: its order is its meaning
    row: dict[str, Any] = {"newField": {"of": ["a", "later", "version"]}}
    row.update(reversed(first.items()))
    return _encode({"data": [row, *others], **frame})


_EDITS: Final[dict[str, Callable[[bytes, Push, SimulatedBook], bytes | None]]] = {
    "wrong_checksum": _wrong_checksum,
    "orphan_delete": _orphan_delete,
    "crossed": _crossed,
    "wrong_book": _wrong_book,
    "reordered": _reordered,
}


def _conflicting(text: bytes) -> bytes:
    frame = msgspec.json.decode(text)
    row = frame["data"][0]
    units, decimals = decimal_units(row["px"])
    row["px"] = decimal_text(units + 1, decimals)
    return _encode(frame)


@cache
def _giant(kib: int) -> bytes:
    return wire_text(_encode({"event": "padding", "msg": "x" * (kib << 10)}))


def _bomb(push: Push, turn: int) -> bytes:
    """None of these is a trade: a client that takes one for it has failed. Doubled keys are the
    exception, since JSON does not forbid them: there the last ones are the frame's own.
    """
    row = msgspec.json.decode(push.text)["data"][0]
    doubled = b'[{"px":"0","sz":"0",' + _encode(row)[1:] + b"]"
    # An id far ahead, so that what is believed by mistake shows.
    row["tradeId"] = str(int(row["tradeId"]) + 1_000_000)
    texts: list[Callable[[], bytes]] = [
        lambda: b"[" * _NESTING + b"]" * _NESTING,
        lambda: _encode([{**row, "px": msgspec.Raw(b"1" * _DIGITS)}]),
        lambda: _encode([{**row, "px": msgspec.Raw(b"NaN")}]),
        lambda: _encode([{**row, "px": msgspec.Raw(b"1e400")}]),
        lambda: doubled,
        lambda: _encode([{**row, "px": {"of": [None, True]}}]),
        lambda: _encode([{**row, "px": "-1"}]),
        lambda: _encode([{**row, "sz": "0"}]),
    ]
    return wire_text(_data(push, texts[turn % len(texts)]()))


def _data(push: Push, data: bytes) -> bytes:
    arg = _encode(argument((push.channel, push.inst_id)))
    return b'{"arg":' + arg + b',"data":' + data + b"}"


_BEFORE: Final[dict[str, Callable[[Push, Fault, int], bytes]]] = {
    "garbage": lambda *_: GARBAGE,
    "binary": lambda *_: BINARY,
    "empty": lambda *_: EMPTY,
    "bad_utf8": lambda *_: BAD_UTF8,
    "bomb": lambda push, _, turn: _bomb(push, turn),
    "giant": lambda _push, fault, _turn: _giant(fault.code),
    "chatter": lambda _push, _fault, turn: wire_text(_CHATTER[turn % len(_CHATTER)]),
}
