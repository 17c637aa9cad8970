"""Books asked of REST: one request at a time, and again only after a while."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.actor_stage import LogLines

from hunter.exchange.okx.rows import BookAction, BookUpdate
from hunter.stream.parts import Fetch
from hunter.stream.seeds import AGAIN_NS, BookSeeds
from hunter.stream.worker import Result

NAME = "BTC-USDT"
BODY = (
    b'{"code":"0","msg":"","data":[{"asks":[["101","1","0","1"]],"bids":[["100","1","0","1"]],'
    b'"ts":"1790000000000","seqId":7}]}'
)


class Desk:
    """In the place of the REST queue."""

    def __init__(self) -> None:
        self.asked: list[tuple[Fetch, str]] = []

    def ask(self, what: Fetch, path: str, urgent: bool = False) -> None:
        assert urgent
        self.asked.append((what, path))

    def open(self, result: Result, parse: Callable[[int, bytes], Any], now_ns: int) -> Any:
        if result.error is not None:
            raise result.error
        return parse(200, result.value)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def log() -> LogLines:
    return LogLines()


@pytest.fixture
def seeds(desk: Desk, log: LogLines) -> BookSeeds:
    logger = logging.Logger("stream-0")
    logger.addHandler(log)
    parts: Any = SimpleNamespace(rest=desk, context=SimpleNamespace(log=logger))
    return BookSeeds(parts, "seed", 3, 9)


def test_book_is_asked_for_once_until_the_answer(seeds: BookSeeds, desk: Desk) -> None:
    for now_ns in (1, 2, 10**12):
        seeds.want(NAME, now_ns)
    assert desk.asked == [(Fetch("seed", NAME, 3, 9), f"/api/v5/market/books?instId={NAME}&sz=400")]


def test_answer_is_a_snapshot_and_the_next_question_waits(seeds: BookSeeds, desk: Desk) -> None:
    seeds.want(NAME, 1)
    book = seeds.open(Result(desk.asked[0][0], BODY, None), 100)
    assert isinstance(book, BookUpdate)
    assert (book.action, book.seq_id) == (BookAction.SNAPSHOT, 7)
    seeds.want(NAME, 100 + AGAIN_NS - 1)
    assert len(desk.asked) == 1
    seeds.want(NAME, 100 + AGAIN_NS)
    assert len(desk.asked) == 2


def test_refusal_is_said_and_asked_again_later(seeds: BookSeeds, desk: Desk, log: LogLines) -> None:
    seeds.want(NAME, 1)
    assert seeds.open(Result(desk.asked[0][0], None, OSError("no")), 100) is None
    assert log.lines == ["WARNING REST book of BTC-USDT failed: no"]
    seeds.want(NAME, 100 + AGAIN_NS)
    assert len(desk.asked) == 2
