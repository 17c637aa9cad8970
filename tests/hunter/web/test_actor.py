"""The page's actor: a real server in the turns of the runner's loop."""

from __future__ import annotations

import json
import logging
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakes.actor_stage import SWAP, run_until, turn
from fakes.web_stage import OTHER, WebStage, made_signal
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from hunter.errors import HunterError
from hunter.status.page import ActorState
from hunter.system import free_port
from hunter.web import server
from hunter.web.actor import WebActor
from hunter.web.viewers import Viewer


class Place:
    """The actor on its stage, and clients in threads of their own while its loop turns."""

    def __init__(self, *settings: str) -> None:
        self.port = free_port()
        self.stage = WebStage(f"web.port={self.port}", *settings)
        self.actor = WebActor(self.stage.context("web"))
        self.actor.on_start(self.stage.clock.monotonic_ns())

    def during(self, doing: Callable[[], Any]) -> Any:
        """What `doing`, which may block, comes to while the loop turns."""
        found: list[Any] = []
        client = threading.Thread(target=lambda: found.append(doing()), daemon=True)
        client.start()
        run_until(self.actor, self.stage.clock, "the client", lambda: not client.is_alive())
        return found[0]

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        def ask() -> tuple[int, bytes]:
            url = f"http://127.0.0.1:{self.port}{path}"
            request = urllib.request.Request(url, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read()

        found: tuple[int, bytes] = self.during(ask)
        return found

    def turn_until(self, what: str, condition: Callable[[], Any]) -> None:
        run_until(self.actor, self.stage.clock, what, condition)

    def close(self) -> None:
        self.actor.on_stop()
        self.stage.close()


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.close()


def test_page_is_served_and_its_document_says_where(place: Place) -> None:
    url = f"http://127.0.0.1:{place.port}/"
    assert place.actor.state() is ActorState.READY
    assert place.actor.document().url == url
    assert place.stage.log.having(f"INFO page: {url}")
    assert place.get("/healthz") == (200, b"ok\n")
    assert place.get("/", Host="evil.example")[0] == 421
    assert json.loads(place.get("/api/status")[1])["name"] == "default"
    document = place.actor.document()
    assert (document.requests, document.refused, document.viewers) == (3, 1, 0)
    assert not place.stage.log.having("token")


def test_viewer_is_told_what_is_new_and_may_choose(place: Place) -> None:
    place.stage.trades(1.0)

    def look() -> list[Any]:
        with connect(f"ws://127.0.0.1:{place.port}/ws") as page:
            told = [json.loads(page.recv(timeout=10))]
            for instrument in (SWAP, OTHER):
                page.send(json.dumps({"type": "show", "instrument": instrument}))
                while (told[-1]["type"], told[-1].get("instrument")) != ("now", instrument):
                    told.append(json.loads(page.recv(timeout=10)))
            return told

    told = place.during(look)
    assert [told[0]["type"], told[0]["instrument"]] == ["history", SWAP]
    assert told[0]["price"]["price"] == [101.0]
    kinds = [each["type"] for each in told if each.get("instrument") == OTHER]
    assert [kinds[0], kinds[-1]] == ["history", "now"]
    place.turn_until("the page is closed", lambda: not place.actor.document().viewers)
    assert not place.stage.log.having("WARNING")
    assert not place.stage.log.having("ERROR")


def test_latency_comes_too(place: Place) -> None:
    def look() -> Any:
        with connect(f"ws://127.0.0.1:{place.port}/ws") as page:
            while True:
                told = json.loads(page.recv(timeout=10))
                if told["type"] == "latency":
                    return told["stages"]

    assert "receive_to_ring" in place.during(look)


def test_viewer_who_was_passed_over_gets_a_history(place: Place) -> None:
    clock, viewer = place.stage.clock, Viewer(SWAP)
    place.actor._viewers.open.add(viewer)

    def kinds_of_next_round() -> list[str]:
        clock.skip(250)
        place.actor.do_work(clock.monotonic_ns())
        return [json.loads(text)["type"] for text in viewer._round]

    def take() -> None:
        viewer._round = ()

    first = kinds_of_next_round()
    assert first == ["history", "now", "latency"]
    assert kinds_of_next_round() == first, "it has not taken that yet"
    assert (viewer.needs_history, place.actor._viewers.passed_over) == (True, 1)
    assert kinds_of_next_round() == first
    assert place.actor._viewers.passed_over == 1, "once for each time that it falls behind"
    take()
    assert kinds_of_next_round()[:2] == ["history", "now"], "how it was, and how it is"
    take()
    assert kinds_of_next_round()[0] == "now"
    place.actor._viewers.open.clear()


def test_who_comes_late_misses_nothing_and_has_nothing_twice(place: Place) -> None:
    clock, journal = place.stage.clock, place.stage.journal()
    early, late = Viewer(SWAP), Viewer(SWAP)
    heard: dict[Viewer, list[Any]] = {early: [], late: []}

    def next_round(number: int) -> None:
        place.stage.trades(1.0)
        journal.append(made_signal(number))
        clock.skip(250)
        place.actor.do_work(clock.monotonic_ns())
        for viewer in place.actor._viewers.open:
            heard[viewer] += map(json.loads, viewer._round)
            viewer._round = ()

    place.actor._viewers.open.add(early)
    for number in range(1, 4):
        next_round(number)
    place.actor._viewers.open.add(late)
    for number in range(4, 6):
        next_round(number)
    place.actor._viewers.open.clear()
    journal.close()
    for told in heard.values():
        markets = [each for each in told if each["type"] != "latency"]
        assert [time for each in markets for time in each["price"]["t_ms"]] == [
            1_000, 2_000, 3_000, 4_000, 5_000,
        ]  # fmt: skip
        at_s = [signal["at_ms"] // 1_000 for each in markets for signal in each["signals"]]
        assert at_s == [1, 2, 3, 4, 5]


def test_what_happened_while_nobody_looked_is_history(place: Place) -> None:
    place.stage.die("brain-0", 50)
    place.actor.do_work(place.stage.clock.monotonic_ns())
    viewer = Viewer(SWAP)
    place.actor._viewers.open.add(viewer)
    place.actor.do_work(place.stage.clock.monotonic_ns())
    history, now = (json.loads(text) for text in viewer._round[:2])
    place.actor._viewers.open.clear()
    assert [turn["actor"] for turn in history["timeline"]] == ["brain-0"]
    assert now["timeline"] == []


def test_page_that_changes_its_mind_all_the_time_costs_a_history_a_round(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, viewer, made = place.stage.clock, Viewer(SWAP), []
    monkeypatch.setattr(place.actor._snapshots, "history", lambda name: made.append(name) or "{}")
    place.actor._viewers.open.add(viewer)
    for _ in range(30):
        viewer.needs_history, viewer._round = True, ()
        clock.skip(10)
        place.actor.do_work(clock.monotonic_ns())
    place.actor._viewers.open.clear()
    assert 0 < len(made) <= 3


def test_another_sites_page_gets_no_socket(place: Place) -> None:
    def look() -> int:
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{place.port}/ws", origin="http://evil.example")  # type: ignore[arg-type]
        return refused.value.response.status_code

    assert place.during(look) == 403


def test_page_that_talks_too_much_is_closed(place: Place) -> None:
    def look() -> int | None:
        with connect(f"ws://127.0.0.1:{place.port}/ws") as page:
            page.send("x" * 5_000)
            try:
                while page.recv(timeout=10):
                    pass
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 0

    assert place.during(look) == 1_009


def test_what_clients_do_wrong_is_not_in_our_log(place: Place) -> None:
    def garble() -> bytes:
        with socket.create_connection(("127.0.0.1", place.port), timeout=10) as peer:
            peer.sendall(b"GARBAGE\r\n\r\n")
            return peer.recv(100)

    assert place.during(garble).startswith(b"HTTP/1.1 400")
    assert [line for line in place.stage.log.lines if not line.startswith("INFO")] == []


def test_who_says_nothing_is_let_go(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_WITHIN_S", 1)

    def wait() -> bytes:
        with socket.create_connection(("127.0.0.1", place.port), timeout=10) as peer:
            peer.sendall(b"GET / HT")
            try:
                return peer.recv(100)
            except ConnectionResetError:
                return b""

    skipping = threading.Event()

    def wait_and_tell() -> bytes:
        try:
            return wait()
        finally:
            skipping.set()

    found: list[bytes] = []
    client = threading.Thread(target=lambda: found.append(wait_and_tell()), daemon=True)
    client.start()
    while not skipping.is_set():
        turn(place.actor, place.stage.clock)
        place.stage.clock.skip(200)
    client.join(10)
    assert found == [b""]


def test_who_only_asks_and_takes_no_answer_is_let_go(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "UNSENT_BYTES_MAX", 256 << 10)
    upgrade = (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{place.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    pings = (b"\x89\xfd\0\0\0\0" + b"x" * 125) * 64

    def ask_on() -> int:
        """What could be sent until we were let go."""
        sent_bytes = 0
        with socket.create_connection(("127.0.0.1", place.port), timeout=10) as peer:
            peer.sendall(upgrade.encode())
            assert peer.recv(12) == b"HTTP/1.1 101"
            while sent_bytes < 1 << 30:
                try:
                    sent_bytes += peer.send(pings)
                except ConnectionError:
                    break
        return sent_bytes

    assert 256 << 10 < place.during(ask_on) < 1 << 30


def test_elsewhere_the_token_is_asked_for_and_where_it_is_is_told() -> None:
    place = Place('web.host="0.0.0.0"')
    try:
        assert place.actor.document().url == f"http://localhost:{place.port}/"
        path = place.stage.config.token_path
        assert place.stage.log.having(f"needs the token in {path}")
        assert place.get("/healthz")[0] == 200
        assert place.get("/metrics")[0] == 401
        token = path.read_text().strip()
        assert place.get("/metrics", Authorization=f"Bearer {token}")[0] == 200
        assert not place.stage.log.having(token)
    finally:
        place.close()


def test_next_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stage = WebStage(f"web.port={port}")
        try:
            actor = WebActor(stage.context("web"))
            actor.on_start(0)
            assert stage.log.having(f"WARNING port {port} is taken, so the page is on ")
            assert actor.document().url != f"http://127.0.0.1:{port}/"
            actor.on_stop()
        finally:
            stage.close()


def test_end_of_the_server_ends_the_actor(place: Place) -> None:
    assert place.actor._server is not None
    place.actor._server._server.should_exit = True
    with pytest.raises(HunterError, match="ended by itself"):
        place.turn_until("it is told", lambda: False)


def test_actor_that_was_never_started_can_stop(web_stage: WebStage) -> None:
    actor = WebActor(web_stage.context("web"))
    assert actor.document().url == ""
    actor.on_stop()


def test_port_that_cannot_be_had_is_an_error_with_a_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        stage = WebStage(f"web.port={taken.getsockname()[1]}", 'web.host="0.0.0.0"')
        try:
            actor = WebActor(stage.context("web"))
            with pytest.raises(HunterError, match=r"\[web\] port"):
                actor.on_start(0)
            actor.on_stop()
        finally:
            stage.close()


@pytest.fixture(autouse=True)
def own_uvicorn_log() -> Iterator[None]:
    yield
    logger = logging.getLogger("uvicorn.error")
    logger.handlers, logger.filters, logger.propagate = [], [], True
