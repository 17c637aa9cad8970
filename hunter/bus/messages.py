"""Every message on the bus: frozen, tagged, closed, with the version of their shape."""

from __future__ import annotations

from typing import Final

import msgspec

SHAPE_VERSION: Final = 2


class _Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    version: int = SHAPE_VERSION


class RestartActor(_Message, frozen=True, kw_only=True):
    """Ask the supervisor to restart an actor by name. `reason`: operator|hang|memory|stalled.

    A verdict names the `pid` it is about, so that it cannot hit the successor; 0: whoever.
    """

    actor: str
    reason: str
    pid: int = 0


class StopActor(_Message, frozen=True, kw_only=True):
    """Ask the supervisor to stop an actor by name; it stays down until it is restarted by name."""

    actor: str


class StopAll(_Message, frozen=True):
    """Ask the supervisor to stop everything in order, itself last."""


class Describe(_Message, frozen=True):
    """Ask the supervisor whether it answers at all."""


class Answer(_Message, frozen=True, kw_only=True):
    """The supervisor's answer: done or not, and why, in words. `leaving_pid` is the process that
    goes before a wish about its actor is fulfilled; 0: none goes.
    """

    ok: bool
    text: str
    leaving_pid: int = 0


Command = RestartActor | StopActor | StopAll | Describe
Message = Command | Answer
