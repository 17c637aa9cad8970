"""What can be made to go wrong on purpose: one table of names, and the faults armed now.

A fault is armed for one connection or for all, for a number of uses, for a time, or until it is
cleared. Connections ask at the moment in question; nothing here touches a socket. What becomes of
the bytes is in `tampering`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hunter.errors import ConfigError

FOREVER: Final = -1
STALE_MATCHES: Final = 20
_LASTS_S_MAX: Final = 86_400.0


class Code(NamedTuple):
    """What the parameter `code` of a fault means, and the values it may have."""

    meaning: str
    default: int
    ranges: tuple[tuple[int, int], ...]

    def allows(self, value: int) -> bool:
        return any(low <= value <= high for low, high in self.ranges)

    def describe(self) -> str:
        spans = " ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in self.ranges)
        return f"{self.meaning}: {spans}, {self.default} unless given"


class FaultKind(NamedTuple):
    """`moment`: when it is asked for. `frames`: which pushes it concerns. `lines`: the lines of the
    fault matrix (issue 3, X1 to X28) that it stands for.
    """

    moment: str
    lines: str
    meaning: str
    frames: str = "any"
    code: Code | None = None


# 1004 to 1006 and 1015 may not be sent (RFC 6455 7.4.1).
_CLOSE = Code("close code", 1001, ((1000, 1003), (1007, 1014), (3000, 4999)))
_ANY, _TRADES, _BOOKS, _UPDATES = "any", "trades", "books", "updates"
FAULTS: Final = {
    "refuse": FaultKind("connect", "X2 X28", "the connection is reset before a byte is answered"),
    "hang": FaultKind("connect", "X11", "TCP is accepted, the handshake never answered"),
    "http": FaultKind(
        "connect",
        "X8",
        "the handshake is answered with an HTTP status",
        code=Code("HTTP status", 429, ((403, 403), (429, 429), (500, 503))),
    ),
    "accept_then_close": FaultKind(
        "connect", "X1 X26", "the handshake succeeds, then a close with `code`", code=_CLOSE
    ),
    "deaf": FaultKind("receive", "X5 X7", "nothing the client sends is answered"),
    "error": FaultKind(
        "receive",
        "X7 X8",
        "the request is answered with an error, nothing is done",
        code=Code("error code", 60014, ((60000, 64999),)),
    ),
    "partial_ack": FaultKind("subscribe", "X7", "only the first argument is acked and subscribed"),
    "no_ack": FaultKind("subscribe", "X7", "subscribed, but never acked"),
    "no_snapshot": FaultKind("subscribe", "X20", "books starts without its snapshot"),
    "data_before_ack": FaultKind("subscribe", "X7", "initial pushes go out before the acks"),
    "mute": FaultKind("push", "X5 X6 X25", "acks and pongs, but no data"),
    "drop_trades": FaultKind("push", "X23", "trades frames are left out", _TRADES),
    "drop_book": FaultKind("push", "X19", "books updates are left out: the chain breaks", _UPDATES),
    "wrong_checksum": FaultKind(
        "push", "X21", "books frames have a checksum that does not fit", _BOOKS
    ),
    "orphan_delete": FaultKind(
        "push", "X24", "books updates delete a price that never was", _UPDATES
    ),
    "crossed": FaultKind("push", "X24", "a books update crosses the book", _UPDATES),
    "wrong_book": FaultKind(
        "push",
        "X24",
        "a best price in a books update has another size; the seqIds are right",
        _UPDATES,
    ),
    "heartbeat": FaultKind("push", "X19", "after it, a books update without change", _UPDATES),
    "resnapshot": FaultKind("push", "X19", "after it, the whole book anew: prevSeqId -1", _UPDATES),
    "reordered": FaultKind("push", "X10", "keys come in another order, with one nobody knows"),
    "conflict": FaultKind("push", "X22", "the trades frame again with another price", _TRADES),
    "duplicate": FaultKind("push", "X22", "the trades frame twice", _TRADES),
    "swap": FaultKind("push", "X22", "the trades frame goes out after the next one", _TRADES),
    "late": FaultKind(
        "push",
        "X22",
        "the trades frame goes out late, what follows does not wait",
        _TRADES,
        Code("milliseconds", 1000, ((1, 60_000),)),
    ),
    "garbage": FaultKind("push", "X14", "before it, a frame that is not JSON"),
    "binary": FaultKind("push", "X14", "before it, a binary frame"),
    "empty": FaultKind("push", "X14", "before it, an empty frame"),
    "bad_utf8": FaultKind("push", "X14", "before it, a text frame that is not UTF-8"),
    "bomb": FaultKind(
        "push",
        "X15",
        "before it, in turn: 100,000 nested lists, a number of a million digits, NaN, 1e400, "
        "doubled keys, wrong types, a negative price, a size of zero",
        _TRADES,
    ),
    "giant": FaultKind(
        "push",
        "X4 X16",
        "before it, a huge text frame",
        code=Code("KiB", 6144, ((1, 65_536),)),
    ),
    "chatter": FaultKind("push", "X10", "before it, in turn: events and channels nobody knows"),
    "trickle": FaultKind(
        "push",
        "X17",
        "the frame leaves byte by byte, and everything behind it waits",
        code=Code("milliseconds a byte", 100, ((1, 10_000),)),
    ),
    "delay": FaultKind(
        "push",
        "X25",
        "everything leaves late, in order; one use a write",
        code=Code("milliseconds", 300, ((1, 60_000),)),
    ),
    "rest_unavailable": FaultKind("rest", "X23 X28", "REST answers 503 with code 50001"),
    "rest_throttled": FaultKind("rest", "X8", "REST answers 429 with code 50011"),
    "rest_stale": FaultKind("rest", "X23", "REST trades leave out the newest 20 matches"),
    "rest_missing": FaultKind(
        "rest",
        "X23",
        "the newest matches of now are never served by REST",
        code=Code("matches", 10, ((1, 100_000),)),
    ),
    "close": FaultKind("now", "X1 X3 X4", "the connection is closed", code=_CLOSE),
    "abort": FaultKind("now", "X2", "the connection is reset"),
    "fin": FaultKind("now", "X2", "the connection ends without a close frame"),
    "freeze": FaultKind(
        "now", "X5", "the connection stays, and nothing is read or written any more"
    ),
    "notice": FaultKind("now", "X9", "notice 64008 is sent"),
    "seq_reset": FaultKind("market", "X19", "the seqIds fall back once, as after maintenance"),
    "burst": FaultKind(
        "market", "X18", "trades at once", code=Code("trades", 1000, ((1, 100_000),))
    ),
    "suspend": FaultKind("market", "X27", "no data any more; REST and channel instruments say so"),
    "delist": FaultKind(
        "market", "X27", "like suspend, and subscribing to it is refused with 60018"
    ),
    "resume": FaultKind("market", "X27", "a suspended or delisted instrument is live again"),
    "maintenance": FaultKind(
        "market",
        "X9",
        "channel status announces one",
        code=Code("seconds from now", 60, ((0, 86_400),)),
    ),
}


@dataclass(slots=True)
class Fault:
    """One armed fault; `left` counts down to 0, or stays FOREVER. With `lasts_ns` it ends by
    itself.

    `conn_id`: `*`, a connId, `#2` for the second WebSocket accepted, `first` or `last` for the
    oldest or newest that is open when the fault is armed.
    """

    name: str
    conn_id: str = "*"
    inst_id: str = "*"
    code: int = 0
    left: int = FOREVER
    lasts_ns: int = 0
    ends_ns: int = field(default=0, compare=False)

    def describe(self) -> dict[str, str | int]:
        return {
            "name": self.name,
            "conn": self.conn_id,
            "instId": self.inst_id,
            "code": self.code,
            "left": self.left,
        }

    def concerns(self, conn_id: str, inst_id: str) -> bool:
        return self.conn_id in ("*", conn_id) and self.inst_id in ("*", inst_id)


def make_fault(name: str, code: int | None = None) -> Fault:
    """A fault whose name and code fit the table; raises ConfigError."""
    if name not in FAULTS:
        raise ConfigError(f"no fault named {name!r}; one of: {', '.join(FAULTS)}")
    parameter = FAULTS[name].code
    if parameter is None:
        if code is not None:
            raise ConfigError(f"fault {name} takes no code; leave it out")
        return Fault(name)
    if code is not None and not parameter.allows(code):
        raise ConfigError(f"code {code} does not fit {name}; it is {parameter.describe()}")
    return Fault(name, code=parameter.default if code is None else code)


def parse_fault(query: Mapping[str, str]) -> Fault:
    """From `name=drop_trades&count=3&conn=a4d3ae55&instId=BTC-USDT-SWAP&lasts_s=5`."""
    try:
        count = int(query.get("count", FOREVER))
        code = int(query["code"]) if "code" in query else None
        lasts_s = float(query.get("lasts_s", 0))
    except ValueError as error:
        raise ConfigError(f"count, code and lasts_s are numbers: {error}") from error
    if count != FOREVER and count < 1:
        raise ConfigError("count is at least 1; leave it out for until cleared")
    if not 0 <= lasts_s <= _LASTS_S_MAX:
        raise ConfigError(f"lasts_s is within 0 and {_LASTS_S_MAX:.0f}; 0 is until cleared")
    fault = make_fault(query.get("name", ""), code)
    fault.conn_id, fault.inst_id = query.get("conn", "*"), query.get("instId", "*")
    fault.left, fault.lasts_ns = count, int(lasts_s * 1e9)
    return fault


def fault_lines() -> list[str]:
    """The table for people."""
    lines = []
    for name, kind in FAULTS.items():
        meaning = kind.meaning + (f" (code: {kind.code.describe()})" if kind.code else "")
        lines.append(f"{name:18}{kind.moment:10}{kind.lines:12}{meaning}")
    return lines


class Faults:
    """The armed faults, asked in the order they were armed."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self.fired: dict[str, int] = {}

    def arm(self, fault: Fault, now_ns: int = 0) -> None:
        if fault.lasts_ns:
            fault.ends_ns = now_ns + fault.lasts_ns
        self.armed.append(fault)

    def clear(self, name: str = "") -> None:
        """Clear one fault by name, or all."""
        self.armed = [fault for fault in self.armed if name and fault.name != name]

    def expire(self, now_ns: int) -> None:
        """Forget those whose time is over."""
        if self.armed:
            self.armed = [f for f in self.armed if not f.ends_ns or f.ends_ns > now_ns]

    def find(self, name: str, conn_id: str, inst_id: str = "*") -> Fault | None:
        """The armed fault that applies here, not used by that."""
        for fault in self.armed:
            if fault.name == name and fault.concerns(conn_id, inst_id):
                return fault
        return None

    def use(self, fault: Fault) -> None:
        if fault.left != FOREVER:
            fault.left -= 1
            if fault.left == 0:
                self.armed.remove(fault)
        self.note(fault.name)

    def note(self, name: str) -> None:
        self.fired[name] = self.fired.get(name, 0) + 1

    def take(self, name: str, conn_id: str, inst_id: str = "*") -> Fault | None:
        """`find` and `use`."""
        fault = self.find(name, conn_id, inst_id)
        if fault is not None:
            self.use(fault)
        return fault
