"""The page of a running instance, as browsers, scrapers and strangers meet it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from fakes.instance import HunterInstance, temporary_home, wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from hunter.system import free_port

pytestmark = pytest.mark.system

SWAP, SPOT = "BTC-USDT-SWAP", "ETH-USDT"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Site:
    """An instance that shows its page."""

    def __init__(self, instance: HunterInstance, port: int) -> None:
        self.instance, self.port = instance, port

    def ask(self, path: str, method: str = "GET", body: str = "", **headers: str) -> Answer:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            line.request(method, path, body or None, given)
            answer = line.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())
        finally:
            line.close()

    def is_up(self) -> bool:
        try:
            return self.ask("/healthz").status == 200
        except OSError:
            return False

    def open(self, **headers: str) -> ClientConnection:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"ws://127.0.0.1:{self.port}/ws"
        return connect(url, additional_headers=given, proxy=None)

    def refused(self, **headers: str) -> int:
        """Of a WebSocket: the status that it was refused with."""
        with pytest.raises(InvalidStatus) as refused:
            self.open(**headers)
        return refused.value.response.status_code

    def metrics(self, **headers: str) -> dict[str, float]:
        """By name and labels, as they are written."""
        lines = self.ask("/metrics", **headers).body.decode().splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
        return {name: float(value) for name, value in pairs}

    def status(self) -> Any:
        return json.loads(self.ask("/api/status").body)

    def pid(self, name: str) -> int:
        found = [actor["pid"] for actor in self.status()["actors"] if actor["name"] == name]
        return int(found[0])


def started(home: Any, port: int, *settings: str) -> Site:
    both = f'okx.instruments=["{SWAP}", "{SPOT}"]'
    instance = HunterInstance(home, [both, "web.enabled=true", f"web.port={port}", *settings], None)
    instance.start("--demo")
    return Site(instance, port)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with temporary_home() as home:
        made = started(home, free_port())
        try:
            yield made
        finally:
            made.instance.stop()


def told(page: ClientConnection, kind: str, **having: Any) -> Any:
    """The next message of a kind, with these values."""
    for _ in range(300):
        message = json.loads(page.recv(timeout=10))
        if message["type"] == kind and having.items() <= message.items():
            return message
    raise AssertionError(f"no {kind} message with {having}")


def test_page_is_there_and_says_what_the_command_line_says(site: Site) -> None:
    assert f"page: http://127.0.0.1:{site.port}/\n" in site.instance.log("web")
    wait_until("ready", lambda: site.ask("/readyz").status == 200)
    page = site.ask("/")
    assert page.status == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    shown, said = site.status(), site.instance.status()
    assert shown.keys() == said.keys()
    for name in ("state", "name", "version", "pid", "reasons"):
        assert shown[name] == said[name], name
    assert [actor["pid"] for actor in shown["actors"]] == [a["pid"] for a in said["actors"]]
    assert said["web"]["url"] == f"http://127.0.0.1:{site.port}/"


def test_page_shows_a_live_market_and_changes_instruments(site: Site) -> None:
    with site.open(origin=f"http://localhost:{site.port}") as page:
        history = told(page, "history")
        assert (history["instruments"], history["instrument"]) == ([SWAP, SPOT], SWAP)
        seen = len(history["price"]["t_ms"])
        trades = [told(page, "now") for _ in range(10)]
        assert seen + sum(len(now["price"]["t_ms"]) for now in trades) > 0
        now = told(page, "now")
        assert now["status"]["state"] == "running"
        assert now["book"]["valid"] is True
        assert now["quote"]["bid"] < now["quote"]["ask"]
        assert -1 <= now["imbalance"] <= 1
        stages = told(page, "latency")["stages"]
        assert sum(stages["receive_to_ring"]["counts"]) > 0
        page.send(json.dumps({"type": "show", "instrument": SPOT}))
        assert told(page, "history", instrument=SPOT)["cvd_unit"] == "ETH"
        told(page, "now", instrument=SPOT)
    wait_until("nobody looks", lambda: not site.status()["web"]["viewers"])


def test_strangers_are_refused(site: Site) -> None:
    assert site.ask("/", Host="evil.example").status == 421
    assert site.ask("/", Host=f"evil.example:{site.port}").status == 421
    assert site.ask("/api/status", Origin="http://evil.example").status == 403
    assert site.ask("/api/status", Origin="null").status == 403
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert site.ask("/api/status", method).status == 405
    assert site.refused(origin="http://evil.example") == 403
    assert site.refused(origin=f"http://evil.example:{site.port}") == 403
    assert site.ask("/ws").status in (404, 426)
    assert site.ask("/static/../app.py").status == 404
    wait_until("all are counted", lambda: site.metrics()["hunter_web_refused_total"] >= 10)
    assert "WARNING" not in site.instance.log("web")
    assert "ERROR" not in site.instance.log("web")


def trades_total(metrics: dict[str, float]) -> float:
    return sum(
        value
        for name, value in metrics.items()
        if re.match('hunter_feed_messages_total.*channel="trades"', name)
    )


def test_counters_of_a_killed_process_stay(site: Site) -> None:
    before = site.metrics()
    assert trades_total(before) > 0
    pid = site.pid("stream-0")
    with site.open() as page:
        told(page, "now")
        os.kill(pid, signal.SIGKILL)
        turns: list[Any] = []
        events: list[Any] = []
        while {"died", "restarted"} - {turn["what"] for turn in turns}:
            now = told(page, "now")
            turns += now["timeline"]
            events += now["events"]
            after = site.metrics()
            assert trades_total(after) >= trades_total(before)
            rows = "hunter_ring_rows_total"
            for name, value in before.items():
                if name.startswith((rows, "hunter_brain_decisions", "hunter_latency_seconds_c")):
                    assert after[name] >= value, name
    assert {turn["actor"] for turn in turns} == {"stream-0"}
    assert [event for event in events if event["kind"] == "actor"]
    exits = 'hunter_actor_exits_total{actor="stream-0"'
    assert [name for name, value in site.metrics().items() if name.startswith(exits) and value]
    wait_until("it streams again", lambda: trades_total(site.metrics()) > trades_total(before))


def test_not_ready_while_the_stream_is_stopped(site: Site) -> None:
    site.instance.command("stop", "stream-0")
    wait_until("not ready", lambda: site.ask("/readyz").status == 503)
    said = json.loads(site.ask("/readyz").body)
    assert said["state"] == "degraded"
    assert any("hunter restart stream-0" in reason for reason in said["reasons"])
    metrics = site.metrics()
    assert metrics['hunter_state{state="degraded"}'] == 1
    assert metrics['hunter_actor_up{actor="stream-0",role="stream"}'] == 0
    assert metrics["hunter_reasons"] == len(said["reasons"])
    assert site.is_up()
    site.instance.command("restart", "stream-0")
    wait_until("ready", lambda: site.ask("/readyz").status == 200)


def test_killed_page_is_back_at_the_same_place_and_disturbed_nobody(site: Site) -> None:
    others = {name: site.pid(name) for name in ("stream-0", "brain-0", "watchdog")}
    pid = site.pid("web")
    with site.open() as page:
        told(page, "now")
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            told(page, "never")
    wait_until("it is back", site.is_up)
    with site.open() as again:
        assert [turn["actor"] for turn in told(again, "history")["timeline"]][-1] == "web"
    assert {name: site.pid(name) for name in others} == others
    site.instance.command("restart", "web")
    wait_until("it is back", site.is_up)


def test_beyond_loopback_everybody_needs_the_token() -> None:
    with temporary_home() as home:
        site = started(home, free_port(), 'web.host="0.0.0.0"')
        try:
            path = site.instance.config.token_path
            assert path.stat().st_mode & 0o777 == 0o600
            token = path.read_text().strip()
            assert site.is_up()
            for page in ("/metrics", "/api/status", "/", "/readyz", "/static/index.html"):
                assert site.ask(page).status == 401, page
                assert site.ask(page, authorization=f"Bearer {token}x").status == 401, page
                assert site.ask(page, authorization=f"Bearer {token}").status != 401, page
            login = site.ask("/", accept="text/html")
            assert (login.status, login.headers["location"]) == (303, "/login")
            form = {"content_type": "application/x-www-form-urlencoded"}
            assert site.ask("/login", "POST", "token=wrong", **form).status == 401
            in_ = site.ask("/login", "POST", f"token={token}", **form)
            assert in_.status == 303
            cookie = in_.headers["set-cookie"].split(";")[0]
            assert site.ask("/", cookie=cookie).status == 200
            assert site.refused() == 401
            assert site.refused(cookie=cookie, origin="http://evil.example") == 403
            for way in ({"cookie": cookie}, {"authorization": f"Bearer {token}"}):
                with site.open(**way) as page_:
                    told(page_, "history")
            logs = [file.read_text() for file in site.instance.config.log_dir.iterdir()]
            assert not [text for text in logs if token in text]
        finally:
            site.instance.stop()
