"""What a session and a subscription may be, and what follows from what. Pure tables.

    session        CONNECTING --opened--> OPEN --notice--> CLOSING
                   OPEN, CLOSING --died--> FAILED (for good: the caller makes a new session)

    subscription   PENDING --ack--> ACKED --data--> LIVE --resubscribe--> RESYNC --snapshot--> LIVE
                   any --refused--> PARKED --resubscribe--> PENDING

Every pair of a state and an event is in its table; None marks a pair that only a mistake in our own
code can bring about. `session` is the only user.
"""

from __future__ import annotations

import enum
from typing import Final


class SessionState(enum.Enum):
    CONNECTING = "connecting"
    OPEN = "open"
    # The exchange announced its end; data still come.
    CLOSING = "closing"
    FAILED = "failed"


class SessionTrigger(enum.Enum):
    OPENED = "opened"
    NOTICE = "notice"
    DIED = "died"


class SubscriptionState(enum.Enum):
    # Asked for, or about to be; no answer yet.
    PENDING = "pending"
    ACKED = "acked"
    LIVE = "live"
    # Being unsubscribed and subscribed anew; until an ack or a snapshot, data are old.
    RESYNC = "resync"
    # Refused or never answered; asked for again once in a long while.
    PARKED = "parked"


class SubscriptionTrigger(enum.Enum):
    ACK = "ack"
    DATA = "data"
    SNAPSHOT = "snapshot"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    RESUBSCRIBE = "resubscribe"
    # Resubscribing was taken back before anything was sent.
    CANCELLED = "cancelled"


SESSION: Final[dict[tuple[SessionState, SessionTrigger], SessionState | None]] = {
    (SessionState.CONNECTING, SessionTrigger.OPENED): SessionState.OPEN,
    (SessionState.CONNECTING, SessionTrigger.NOTICE): None,
    (SessionState.CONNECTING, SessionTrigger.DIED): SessionState.FAILED,
    (SessionState.OPEN, SessionTrigger.OPENED): None,
    (SessionState.OPEN, SessionTrigger.NOTICE): SessionState.CLOSING,
    (SessionState.OPEN, SessionTrigger.DIED): SessionState.FAILED,
    (SessionState.CLOSING, SessionTrigger.OPENED): None,
    (SessionState.CLOSING, SessionTrigger.NOTICE): SessionState.CLOSING,
    (SessionState.CLOSING, SessionTrigger.DIED): SessionState.FAILED,
    (SessionState.FAILED, SessionTrigger.OPENED): None,
    (SessionState.FAILED, SessionTrigger.NOTICE): None,
    (SessionState.FAILED, SessionTrigger.DIED): None,
}

_S = SubscriptionState
_T = SubscriptionTrigger
SUBSCRIPTION: Final[dict[tuple[SubscriptionState, SubscriptionTrigger], SubscriptionState]] = {
    (_S.PENDING, _T.ACK): _S.ACKED,
    # Data may arrive before its ack (seen live on candle1m), and proves more.
    (_S.PENDING, _T.DATA): _S.LIVE,
    (_S.PENDING, _T.SNAPSHOT): _S.LIVE,
    (_S.PENDING, _T.REFUSED): _S.PARKED,
    (_S.PENDING, _T.UNANSWERED): _S.PARKED,
    (_S.PENDING, _T.RESUBSCRIBE): _S.PENDING,
    # A duplicated argument is acked again.
    (_S.ACKED, _T.ACK): _S.ACKED,
    (_S.ACKED, _T.DATA): _S.LIVE,
    (_S.ACKED, _T.SNAPSHOT): _S.LIVE,
    (_S.ACKED, _T.REFUSED): _S.PARKED,
    (_S.ACKED, _T.UNANSWERED): _S.ACKED,
    (_S.ACKED, _T.RESUBSCRIBE): _S.RESYNC,
    (_S.LIVE, _T.ACK): _S.LIVE,
    (_S.LIVE, _T.DATA): _S.LIVE,
    (_S.LIVE, _T.SNAPSHOT): _S.LIVE,
    (_S.LIVE, _T.REFUSED): _S.PARKED,
    (_S.LIVE, _T.UNANSWERED): _S.LIVE,
    (_S.LIVE, _T.RESUBSCRIBE): _S.RESYNC,
    (_S.RESYNC, _T.ACK): _S.ACKED,
    (_S.RESYNC, _T.DATA): _S.RESYNC,
    (_S.RESYNC, _T.SNAPSHOT): _S.LIVE,
    (_S.RESYNC, _T.REFUSED): _S.PARKED,
    (_S.RESYNC, _T.UNANSWERED): _S.PARKED,
    (_S.RESYNC, _T.RESUBSCRIBE): _S.RESYNC,
    (_S.PARKED, _T.ACK): _S.ACKED,
    # It streams after all.
    (_S.PARKED, _T.DATA): _S.LIVE,
    (_S.PARKED, _T.SNAPSHOT): _S.LIVE,
    (_S.PARKED, _T.REFUSED): _S.PARKED,
    (_S.PARKED, _T.UNANSWERED): _S.PARKED,
    (_S.PARKED, _T.RESUBSCRIBE): _S.PENDING,
    (_S.PENDING, _T.CANCELLED): _S.PENDING,
    (_S.ACKED, _T.CANCELLED): _S.ACKED,
    (_S.LIVE, _T.CANCELLED): _S.LIVE,
    (_S.RESYNC, _T.CANCELLED): _S.ACKED,
    (_S.PARKED, _T.CANCELLED): _S.PARKED,
}
