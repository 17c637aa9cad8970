"""Pages as the server sees them: sockets that the test plays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket

from hunter.web import viewers as viewers_module
from hunter.web.viewers import ASKED_LENGTH_MAX, VIEWERS_MAX, Show, Viewer, Viewers, wish

GONE: Message = {"type": "websocket.disconnect", "code": 1006}


class Page:
    """One open page. `sent` is what it got; while `takes` is clear it takes nothing."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self.takes = asyncio.Event()
        self.takes.set()
        self.said.put_nowait({"type": "websocket.connect"})

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.send":
            await self.takes.wait()
        self.sent.append(message)

    def say(self, **text: Any) -> None:
        self.said.put_nowait({"type": "websocket.receive", "text": json.dumps(text)})

    def open(self, viewers: Viewers) -> asyncio.Task[None]:
        socket = WebSocket({"type": "websocket"}, self.said.get, self.send)
        return asyncio.ensure_future(viewers.serve(socket))

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]


async def settled(condition: Callable[[], Any]) -> None:
    """Turn the loop until `condition` is true."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


def run(scene: Callable[[], Awaitable[None]]) -> None:
    async def play() -> None:
        async with asyncio.timeout(10):
            await scene()

    asyncio.run(play())


def test_page_comes_chooses_and_goes() -> None:
    async def scene() -> None:
        viewers, page = Viewers(["A", "B"]), Page()
        serving = page.open(viewers)
        await settled(lambda: viewers.open)
        (viewer,) = viewers.open
        assert (viewer.instrument, viewer.needs_history, viewer.is_free) == ("A", True, True)
        viewer.needs_history = False
        viewer.give(("one", "two"))
        assert not viewer.is_free
        await settled(lambda: viewer.is_free)
        assert page.texts == ["one", "two"]
        page.say(type="show", instrument="B")
        await settled(lambda: viewer.instrument == "B")
        assert viewer.needs_history
        page.said.put_nowait(GONE)
        await serving
        assert not viewers.open

    run(scene)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"show","instrument":"C"}',
        '{"type":"sell","instrument":"B"}',
        '{"type":"show"}',
        "[]",
        "",
        None,
    ],
)
def test_what_is_no_wish_is_ignored_and_counted(text: str | None) -> None:
    async def scene() -> None:
        viewers, page = Viewers(["A", "B"]), Page()
        serving = page.open(viewers)
        page.said.put_nowait({"type": "websocket.receive", "text": text, "bytes": b"x"})
        await settled(lambda: viewers.ignored)
        assert [viewer.instrument for viewer in viewers.open] == ["A"]
        page.said.put_nowait(GONE)
        await serving

    run(scene)


def test_page_that_says_too_much_is_closed() -> None:
    async def scene() -> None:
        viewers, page = Viewers(["A"]), Page()
        page.say(text="x" * ASKED_LENGTH_MAX)
        await page.open(viewers)
        assert page.sent[-1]["code"] == 1_009
        assert not viewers.open

    run(scene)


def test_one_page_too_many_is_told_to_come_later() -> None:
    async def scene() -> None:
        viewers = Viewers(["A"])
        pages = [Page() for _ in range(VIEWERS_MAX)]
        serving = [page.open(viewers) for page in pages]
        await settled(lambda: len(viewers.open) == VIEWERS_MAX)
        late = Page()
        await late.open(viewers)
        assert (late.sent[-1]["type"], late.sent[-1]["code"]) == ("websocket.close", 1_013)
        assert len(viewers.open) == VIEWERS_MAX
        for page in pages:
            page.said.put_nowait(GONE)
        await asyncio.gather(*serving)
        assert not viewers.open

    run(scene)


def test_page_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers_module, "SEND_TIMEOUT_S", 0.01)

    async def scene() -> None:
        viewers, page = Viewers(["A"]), Page()
        page.takes.clear()
        serving = page.open(viewers)
        await settled(lambda: viewers.open)
        (viewer,) = viewers.open
        viewer.give(("never taken",))
        await serving
        assert not viewers.open
        assert page.texts == []

    run(scene)


def test_page_that_is_gone_while_we_send_is_no_error() -> None:
    async def scene() -> None:
        viewers, page = Viewers(["A"]), Page()

        async def broken(message: Message) -> None:
            if message["type"] == "websocket.send":
                raise OSError("gone")

        page.send = broken  # type: ignore[method-assign]
        serving = page.open(viewers)
        await settled(lambda: viewers.open)
        next(iter(viewers.open)).give(("x",))
        await serving
        assert not viewers.open

    run(scene)


def test_fault_of_ours_is_not_hidden() -> None:
    async def scene() -> None:
        viewers, page = Viewers(["A"]), Page()
        serving = page.open(viewers)
        await settled(lambda: viewers.open)
        next(iter(viewers.open)).give((b"not a text",))  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await serving
        assert not viewers.open

    async def refusing(message: Message) -> None:
        if isinstance(message.get("text"), bytes):
            raise TypeError("bytes")

    original = Page.send
    Page.send = lambda self, message: refusing(message)  # type: ignore[method-assign, assignment, misc]
    try:
        run(scene)
    finally:
        Page.send = original  # type: ignore[method-assign]


def test_round_is_given_to_who_is_free() -> None:
    viewer = Viewer("A")
    viewer.give(("x",))
    with pytest.raises(AssertionError, match="one round"):
        viewer.give(("y",))


def test_wish() -> None:
    assert wish('{"type":"show","instrument":"B"}') == Show("B")
    assert wish('{"type":"show","instrument":7}') is None
