"""What a connection may be, and why it may have ended."""

from __future__ import annotations

import enum


class Phase(enum.Enum):
    """Of a connection's life. CLOSED is final: make a new object for the next attempt."""

    RESOLVING = "resolving"
    WAITING = "waiting"
    CONNECTING = "connecting"
    TUNNELLING = "tunnelling"
    SECURING = "securing"
    HANDSHAKE = "handshake"
    OPEN = "open"
    CLOSED = "closed"


class Failure(enum.Enum):
    """Why a connection ended. All are tried again; what differs is when, and what is said."""

    LOST = "lost"
    ABORTED = "aborted"  # by us: no pong, no data, replaced, stopped
    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    PROXY = "proxy"
    CERTIFICATE = "certificate"
    REFUSED = "refused"  # the handshake was answered, but not with 101
    RATE_LIMITED = "rate limited"
    TIMEOUT = "timeout"  # of the opening, or of a message that did not end
    OVERSIZED = "oversized"
    PING_UNHEARD = "ping unheard"
