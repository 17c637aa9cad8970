"""The page as an actor. Its event loop runs inside `wait`, as the simulator's does: so the beat is
the same thread's work, and a page that hangs is seen to hang.

Everything it says comes from shared memory, read-only, at the lowest priority: nobody waits for it,
and without it all goes on.
"""

from __future__ import annotations

import asyncio
from typing import Final

from hunter.runtime.actor import Context
from hunter.status.documents import WebDocument
from hunter.status.page import ActorState
from hunter.web.access_token import page_token
from hunter.web.app import STATIC_DIR, Answers
from hunter.web.gate import Gate
from hunter.web.guard import Guard, bracketed, is_wildcard
from hunter.web.listening import listen
from hunter.web.server import PageServer
from hunter.web.snapshot import Snapshots
from hunter.web.viewers import Viewers

NEWS_EVERY_NS: Final = 200_000_000
LOOK_EVERY_NS: Final = 1_000_000_000
LATENCY_EVERY_NS: Final = 1_000_000_000


class WebActor:
    """Serves the page, and tells those who have it open what is new."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._log = context.log
        self._loop = asyncio.new_event_loop()
        self._snapshots = Snapshots(context.config, context.shared_dir, context.clock)
        self._viewers = Viewers(self._snapshots.instruments)
        self._server: PageServer | None = None
        self._gate: Gate | None = None
        self._url = ""
        self._news_due_ns = 0
        self._look_due_ns = 0
        self._latency_due_ns = 0

    def on_start(self, now_ns: int) -> None:
        del now_ns
        web = self._context.config.web
        token = page_token(self._context.config)
        listening = listen(web.host, web.port)
        port = listening.getsockname()[1]
        if port != web.port:
            self._log.warning("port %d is taken, so the page is on %d", web.port, port)
        guard = Guard(web.host, port, web.allowed_hosts, token)
        answers = Answers(self._snapshots.report, self._viewers, guard, STATIC_DIR)
        self._gate = Gate(answers.app, guard)
        self._server = PageServer(self._gate, listening, self._log)
        self._loop.run_until_complete(self._server.start())
        host = "localhost" if is_wildcard(web.host) else bracketed(web.host)
        self._url = f"http://{host}:{port}/"
        self._log.info("page: %s", self._url)
        if guard.always_asks:
            self._log.info(
                "whoever opens it needs the token in %s", self._context.config.token_path
            )

    def do_work(self, now_ns: int) -> int:
        assert self._server is not None, "on_start comes first"
        self._server.check()
        done = 0
        if now_ns >= self._look_due_ns:
            self._look_due_ns = now_ns + LOOK_EVERY_NS
            self._snapshots.look()
            if not self._viewers.open:
                self._snapshots.forget_news()
            self._server.let_go()
            done += 1
        if self._viewers.open and now_ns >= self._news_due_ns:
            is_late = now_ns - self._news_due_ns > NEWS_EVERY_NS
            self._news_due_ns = (now_ns if is_late else self._news_due_ns) + NEWS_EVERY_NS
            self._tell(now_ns)
            done += 1
        return done

    def wait(self, timeout_ms: int) -> None:
        self._loop.run_until_complete(asyncio.sleep(timeout_ms / 1000))

    def on_stop(self) -> None:
        if self._server is not None:
            self._loop.run_until_complete(self._server.stop())
        self._loop.close()
        self._snapshots.close()

    def state(self) -> ActorState:
        return ActorState.READY

    def document(self) -> WebDocument:
        gate = self._gate
        return WebDocument(
            self._url,
            len(self._viewers.open),
            gate.requests if gate else 0,
            gate.refused if gate else 0,
        )

    def _tell(self, now_ns: int) -> None:
        """One round for everybody who has taken the one before. Who has come, or has been passed
        over, gets a history before the news: so also a slow one sees how it is, not only was.
        """
        viewers = self._viewers.open
        waiting = {each.instrument for each in viewers if each.needs_history and each.is_free}
        histories = {name: self._snapshots.history(name) for name in waiting}
        messages = self._snapshots.news({viewer.instrument for viewer in viewers})
        latency: tuple[str, ...] = ()
        if now_ns >= self._latency_due_ns:
            self._latency_due_ns = now_ns + LATENCY_EVERY_NS
            latency = (self._snapshots.latency(),)
        for viewer in viewers:
            if viewer.is_free:
                past = (histories[viewer.instrument],) if viewer.needs_history else ()
                viewer.needs_history = False
                viewer.give((*past, messages[viewer.instrument], *latency))
            elif not viewer.needs_history:
                viewer.needs_history = True
                self._viewers.passed_over += 1
