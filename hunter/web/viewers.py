"""The pages that are open, and what each is sent.

A viewer has room for one round of messages. One that has not taken the last round when the next is
made is passed over, and gets a history, which is whole again, with the news when it is free: so
nobody waits for a slow one, nothing piles up, and no chart has a hole that it does not know of.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

VIEWERS_MAX: Final = 32
SEND_TIMEOUT_S: Final = 15.0
ASKED_LENGTH_MAX: Final = 1_024
_TRY_AGAIN_LATER: Final = 1_013
_TOO_BIG: Final = 1_009


class Show(msgspec.Struct, frozen=True, tag_field="type", tag="show"):
    """All that a page may say: which instrument it wants to see."""

    instrument: str


class Viewer:
    """One open page. `needs_history`: it has just come, chosen anew or been passed over."""

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self.needs_history = True
        self._round: tuple[str, ...] = ()
        self._has_round = asyncio.Event()

    @property
    def is_free(self) -> bool:
        return not self._round

    def give(self, messages: tuple[str, ...]) -> None:
        """A round for a viewer that is free."""
        assert self.is_free, "a viewer holds one round"
        self._round = messages
        self._has_round.set()

    async def send_rounds(self, websocket: WebSocket) -> None:
        """Until the other end is gone, or takes nothing for SEND_TIMEOUT_S."""
        while True:
            await self._has_round.wait()
            async with asyncio.timeout(SEND_TIMEOUT_S):
                for message in self._round:
                    await websocket.send_text(message)
            self._round = ()
            self._has_round.clear()


class Viewers:
    """All of them. `instruments`: those that there are."""

    def __init__(self, instruments: list[str]) -> None:
        self._instruments = instruments
        self.open: set[Viewer] = set()
        self.ignored = 0
        """Messages of pages that were no known wish."""
        self.passed_over = 0

    async def serve(self, websocket: WebSocket) -> None:
        """One WebSocket, from the handshake to its end."""
        await websocket.accept()
        if len(self.open) >= VIEWERS_MAX:
            await websocket.close(_TRY_AGAIN_LATER, f"{VIEWERS_MAX} pages are open already")
            return
        viewer = Viewer(self._instruments[0] if self._instruments else "")
        self.open.add(viewer)
        sending = asyncio.ensure_future(viewer.send_rounds(websocket))
        hearing = asyncio.ensure_future(self._hear(viewer, websocket))
        try:
            await asyncio.wait((sending, hearing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.open.discard(viewer)
            sending.cancel()
            hearing.cancel()
            ends = await asyncio.gather(sending, hearing, return_exceptions=True)
        for end in ends:
            # Those are how pages go away; anything else is ours and is told.
            if isinstance(end, Exception) and not isinstance(
                end, (WebSocketDisconnect, TimeoutError, OSError)
            ):
                raise end

    async def _hear(self, viewer: Viewer, websocket: WebSocket) -> None:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is not None and len(text) > ASKED_LENGTH_MAX:
                await websocket.close(_TOO_BIG)
                return
            wanted = wish(text)
            if wanted is None or wanted.instrument not in self._instruments:
                self.ignored += 1
                continue
            viewer.instrument = wanted.instrument
            viewer.needs_history = True


def wish(text: str | None) -> Show | None:
    """What a page has said; None if it is nothing that we know."""
    try:
        return msgspec.json.decode(text or "", type=Show)
    except (msgspec.MsgspecError, UnicodeError):
        return None
