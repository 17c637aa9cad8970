"""Blocking calls off the loop: name look-ups and REST requests.

Two daemon threads take calls from a bounded queue; results come back through an eventfd, so that
the loop sleeps on them as on any socket. A call that hangs holds up at most its thread, never the
process's end.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, Final, NamedTuple

THREADS: Final = 2
QUEUED_MAX: Final = 256


class Result(NamedTuple):
    """Of one call: `value`, or the `error` it raised."""

    key: object
    value: Any
    error: OSError | None


class Worker:
    """`submit` calls, poll `fileno()`, collect `results()`.

    Calls may raise OSError, ValueError and HTTPException; all come back as an OSError.
    """

    def __init__(self, thread_count: int = THREADS) -> None:
        self.thread_count = thread_count
        self._calls: queue.Queue[tuple[object, Callable[[], Any]]] = queue.Queue(QUEUED_MAX)
        self._done: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        for number in range(thread_count):
            threading.Thread(target=self._serve, name=f"worker-{number}", daemon=True).start()

    def submit(self, key: object, call: Callable[[], Any]) -> bool:
        """Queue a call; False when the queue is full (ask again later)."""
        try:
            self._calls.put_nowait((key, call))
        except queue.Full:
            return False
        return True

    def fileno(self) -> int:
        return self._bell

    def results(self) -> list[Result]:
        """What is done since the last call of this."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        found: list[Result] = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._done.get_nowait())
        return found

    def _serve(self) -> None:
        while True:
            key, call = self._calls.get()
            try:
                result = Result(key, call(), None)
            except OSError as error:
                result = Result(key, None, error)
            except (HTTPException, ValueError) as error:
                # half an HTTP answer, a host name that is none: no reason to lose the thread
                result = Result(key, None, OSError(f"{type(error).__name__}: {error}"))
            self._done.put(result)
            os.eventfd_write(self._bell, 1)
