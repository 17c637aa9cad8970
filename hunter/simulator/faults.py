"""What can be made to go wrong on purpose: one table of names, and the faults armed now.

A fault is armed for one connection (its connId) or for all (`*`), for a number of uses or until it
is cleared. Connections ask at the moment in question; nothing here touches a socket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from hunter.errors import ConfigError
from hunter.simulator.frames import Push, wire_text

FOREVER: Final = -1

# name: when it is asked for, and what happens
FAULTS: Final = {
    "refuse": ("connect", "the connection is reset before a byte is answered"),
    "accept_then_close": ("connect", "the handshake succeeds, then a close with `code`"),
    "mute": ("push", "acks and pongs, but no data"),
    "drop_trades": ("push", "trades frames are left out"),
    "drop_book": ("push", "books updates are left out: the seqId chain breaks"),
    "wrong_checksum": ("push", "books frames carry a checksum that does not fit"),
    "garbage": ("push", "a frame that is not JSON goes out before the push"),
    "no_snapshot": ("subscribe", "books starts without its snapshot"),
    "data_before_ack": ("subscribe", "initial pushes go out before the acks"),
    "deaf": ("receive", "nothing the client sends is answered"),
    "orphan_delete": ("push", "books updates also delete a price that never was"),
    "reordered": ("push", "keys come in another order, with one nobody knows"),
    "rest_unavailable": ("rest", "REST answers 503 with code 50001"),
    "rest_throttled": ("rest", "REST answers 429 with code 50011"),
    "rest_stale": ("rest", "REST trades leave out the newest 20 matches"),
    "seq_reset": ("market", "the synthetic seqIds fall back once, as after maintenance"),
    "close": ("now", "the connection is closed with `code`"),
    "abort": ("now", "the connection is reset"),
    "notice": ("now", "notice 64008 is sent"),
}

_CHECKSUM = re.compile(rb'"checksum":-?\d+')
STALE_MATCHES: Final = 20
GARBAGE: Final = wire_text(b'{"arg":{"channel":"trades"')


def _wrong_checksum(text: bytes) -> bytes:
    return _CHECKSUM.sub(b'"checksum":123456789', text)


def _orphan_delete(text: bytes) -> bytes:
    frame = msgspec.json.decode(text)
    if frame["action"] == "update":
        frame["data"][0]["asks"].append(["987654321", "0", "0", "0"])
    return msgspec.json.encode(frame)


def _reordered(text: bytes) -> bytes:
    frame = msgspec.json.decode(text)
    row = {"newField": {"of": ["a", "later", "version"]}}
    row.update(reversed(frame.pop("data")[0].items()))
    return msgspec.json.encode({"data": [row], **frame})


_BOOK_EDITS: Final = {"wrong_checksum": _wrong_checksum, "orphan_delete": _orphan_delete}


class Fault:
    """One armed fault; `left` counts down to 0, or stays FOREVER."""

    def __init__(self, name: str, conn_id: str, inst_id: str, code: int, left: int) -> None:
        self.name = name
        self.conn_id = conn_id
        self.inst_id = inst_id
        self.code = code
        self.left = left

    def describe(self) -> dict[str, str | int]:
        return {
            "name": self.name,
            "conn": self.conn_id,
            "instId": self.inst_id,
            "code": self.code,
            "left": self.left,
        }


def parse_fault(query: Mapping[str, str]) -> Fault:
    """From `name=drop_trades&count=3&conn=a4d3ae55&instId=BTC-USDT-SWAP&code=1001`."""
    name = query.get("name", "")
    if name not in FAULTS:
        raise ConfigError(f"no fault named {name!r}; one of: {', '.join(FAULTS)}")
    try:
        count, code = int(query.get("count", FOREVER)), int(query.get("code", 1001))
    except ValueError as error:
        raise ConfigError(f"count and code are whole numbers: {error}") from error
    if count != FOREVER and count < 1:
        raise ConfigError("count is at least 1; leave it out for until cleared")
    if not 1000 <= code <= 4999:
        raise ConfigError("code is a close code, 1000 to 4999")
    return Fault(name, query.get("conn", "*"), query.get("instId", "*"), code, count)


class Faults:
    """The armed faults, asked in the order they were armed."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self.fired: dict[str, int] = {}

    def arm(self, fault: Fault) -> None:
        self.armed.append(fault)

    def clear(self, name: str = "") -> None:
        """Clear one fault by name, or all."""
        self.armed = [fault for fault in self.armed if name and fault.name != name]

    def take(self, name: str, conn_id: str, inst_id: str = "*") -> Fault | None:
        """The armed fault that applies here, used once; None when there is none."""
        for fault in self.armed:
            if (
                fault.name == name
                and fault.conn_id in ("*", conn_id)
                and (fault.inst_id == "*" or fault.inst_id == inst_id)
            ):
                if fault.left != FOREVER:
                    fault.left -= 1
                    if fault.left == 0:
                        self.armed.remove(fault)
                self.fired[name] = self.fired.get(name, 0) + 1
                return fault
        return None

    def alter(self, conn_id: str, push: Push, wire: bytes) -> bytes:
        """The bytes this connection gets for `push`; none at all when it is left out."""
        if self.take("mute", conn_id, push.inst_id):
            return b""
        if push.channel == "trades" and self.take("drop_trades", conn_id, push.inst_id):
            return b""
        if push.channel == "books":
            if b'"update"' in push.text and self.take("drop_book", conn_id, push.inst_id):
                return b""
            for name, edit in _BOOK_EDITS.items():
                if self.take(name, conn_id, push.inst_id):
                    wire = wire_text(edit(push.text))
        if self.take("reordered", conn_id, push.inst_id):
            wire = wire_text(_reordered(push.text))
        if self.take("garbage", conn_id, push.inst_id):
            wire = GARBAGE + wire
        return wire
