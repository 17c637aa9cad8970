"""One client's conversation, without a socket: text in, answers and subscriptions out.

Messages and codes follow websocket/subscribe and websocket/public error codes; wordings are those
of live frames where one is known. What exists is asked of the `serves` given in.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from hunter.simulator.channels import CHANNELS, LOGIN_CHANNELS, Key, key_of
from hunter.simulator.usage import Meter

_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_HOUR_NS: Final = 3600 * 1_000_000_000
_encode = msgspec.json.Encoder().encode

WRONG_CHANNEL: Final = (
    "Wrong URL or channel:{channel},instId:{inst_id} doesn't exist. "
    "Please use the correct URL, channel and parameters referring to API document."
)
TIER_TOO_LOW: Final = "Your trading fee tier doesn't meet the requirement to access this channel"
# Wordings of the errors that the fault `error` may give (websocket/public error codes).
ERRORS: Final = {
    60013: "Invalid args",
    60014: "Requests too frequent.",
    60018: "Wrong URL or channel doesn't exist. Please use the correct URL, channel and "
    "parameters referring to API document.",
    63999: "Login failed due to internal error. Please try again later.",
    64007: "Operation failed due to internal error. Please try again later.",
}
CLOSE_IDLE: Final = (4004, "No data received in 30s")
CLOSE_SLOW: Final = (4005, "Buffer is full, cannot write data")
NOTICE: Final = "The connection will soon be closed for a service upgrade. Please reconnect."


class SessionReply(NamedTuple):
    """`texts` in order; then the initial pushes of `added`. `removed` gets nothing any more;
    `left_out` arguments got no answer.
    """

    texts: list[bytes]
    added: list[Key]
    removed: list[Key]
    left_out: int = 0


class Session:
    """State of one connection on /ws/v5/`path`. Owned by its connection."""

    def __init__(
        self,
        path: str,
        conn_id: str,
        serves: Callable[[Key], bool],
        now_ns: int,
        requests_per_hour_max: int | None = 480,
    ) -> None:
        self.path = path
        self.conn_id = conn_id
        self.subscriptions: set[Key] = set()
        self.active_ns = now_ns
        self.requests = Meter(_HOUR_NS)  # all of them, the refused ones too
        self._serves = serves
        self._is_logged_in = False
        self._requests_max = requests_per_hour_max
        self._admitted: deque[int] = deque()

    def receive(self, text: str, now_ns: int, args_max: int | None = None) -> SessionReply:
        """Answer one text frame. To subscribe, arguments beyond `args_max` are as
        if never sent.
        """
        self.active_ns = now_ns
        if text == "ping":
            return SessionReply([b"pong"], [], [])
        self.requests.note(now_ns)
        request, request_id = _decode(text)
        if request is None:
            return self._error(None, "60012", f"Invalid request: {text[:1024]}")
        if request.get("id") is not None and request_id is None:
            return self._error(None, "60033", "Parameter id error")
        operation, args = request.get("op"), request.get("args")
        if not isinstance(operation, str) or not isinstance(args, list):
            return self._error(request_id, "60012", f"Invalid request: {text[:1024]}")
        if operation not in ("subscribe", "unsubscribe", "login"):
            return self._error(request_id, "60019", f"Invalid op: {operation[:64]}")
        if self._is_over_budget(now_ns):
            return self._error(request_id, "60014", "Requests too frequent.")
        if operation == "login":
            return self._login(request_id, args)
        if not args:
            return self._error(request_id, "60013", "Invalid args: empty")
        left_out = 0
        if args_max is not None and operation == "subscribe":
            left_out = max(0, len(args) - args_max)
            args = args[:args_max]
        return self._arguments(operation, request_id, args)._replace(left_out=left_out)

    def refuse(self, text: str, code: int, now_ns: int) -> bytes:
        """One error to a whole request, whatever it asks."""
        self.active_ns = now_ns
        self.requests.note(now_ns)
        message = ERRORS.get(code, "Operation failed")
        if code == 60012:
            message = f"Invalid request: {text[:1024]}"
        return self._error_text(_decode(text)[1], str(code), message)

    def is_idle(self, now_ns: int, timeout_ns: int) -> bool:
        """Nothing received and nothing pushed for too long."""
        return now_ns - self.active_ns >= timeout_ns

    def notice(self) -> bytes:
        return _encode({"event": "notice", "code": "64008", "msg": NOTICE, "connId": self.conn_id})

    def _arguments(self, operation: str, request_id: str | None, args: list[Any]) -> SessionReply:
        reply = SessionReply([], [], [])
        for arg in args:
            reply.texts.append(self._argument(operation, request_id, arg, reply))
        return reply

    def _argument(
        self, operation: str, request_id: str | None, arg: Any, reply: SessionReply
    ) -> bytes:
        """One argument; its subscription goes into `reply`. Returns the answer to it."""
        channel = arg.get("channel") if isinstance(arg, dict) else None
        if not isinstance(channel, str):
            shown = _encode(arg).decode()[:256]
            return self._error_text(request_id, "60013", f"Invalid args: {shown}")
        served, key = CHANNELS.get(channel), key_of(channel, arg)
        if self.path == "public" and channel in LOGIN_CHANNELS:
            if self._is_logged_in:
                return self._error_text(request_id, "64003", TIER_TOO_LOW)
            return self._error_text(request_id, "60011", "Please log in")
        is_here = served is not None and served.path == self.path
        if key is None or not is_here or not self._serves(key):
            subject = next((str(value) for name, value in arg.items() if name != "channel"), "")
            message = WRONG_CHANNEL.format(channel=channel[:64], inst_id=subject[:64])
            return self._error_text(request_id, "60018", message)
        if operation == "subscribe":
            # A repeated argument is acked again, without a second initial push.
            if key not in self.subscriptions:
                self.subscriptions.add(key)
                reply.added.append(key)
        elif key in self.subscriptions:
            self.subscriptions.discard(key)
            reply.removed.append(key)
        return _encode(
            _with_id(request_id, {"event": operation, "arg": arg, "connId": self.conn_id})
        )

    def _login(self, request_id: str | None, args: list[Any]) -> SessionReply:
        names = ("apiKey", "passphrase", "timestamp", "sign")
        first = args[0] if args else None
        if not isinstance(first, dict) or not all(first.get(name) for name in names):
            return self._error(request_id, "60009", "Login failed.")
        self._is_logged_in = True
        answer = {"event": "login", "code": "0", "msg": "", "connId": self.conn_id}
        return SessionReply([_encode(_with_id(request_id, answer))], [], [])

    def _is_over_budget(self, now_ns: int) -> bool:
        """480 requests an hour and connection; pings and the number of arguments do not count."""
        if self._requests_max is None:
            return False
        while self._admitted and now_ns - self._admitted[0] >= _HOUR_NS:
            self._admitted.popleft()
        if len(self._admitted) >= self._requests_max:
            return True
        self._admitted.append(now_ns)
        return False

    def _error(self, request_id: str | None, code: str, message: str) -> SessionReply:
        return SessionReply([self._error_text(request_id, code, message)], [], [])

    def _error_text(self, request_id: str | None, code: str, message: str) -> bytes:
        answer = {"event": "error", "msg": message, "code": code, "connId": self.conn_id}
        return _encode(_with_id(request_id, answer))


def _decode(text: str) -> tuple[dict[str, Any] | None, str | None]:
    """(request, its id); no id where there is none that may be echoed."""
    try:
        request = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, None
    if not isinstance(request, dict):
        return None, None
    request_id = request.get("id")
    is_good = isinstance(request_id, str) and _ID.fullmatch(request_id)
    return request, request_id if is_good else None


def _with_id(request_id: str | None, answer: dict[str, Any]) -> dict[str, Any]:
    return answer if request_id is None else {"id": request_id, **answer}
