from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fakes.asgi import answer_of, ask, scope

from hunter.status.metrics import exposition
from hunter.status.report import stopped_report
from hunter.status.shapes import StatusReport
from hunter.web import app
from hunter.web.app import LOGIN_BYTES_MAX, STATIC_DIR, Answers, static_files
from hunter.web.guard import Asked, Guard
from hunter.web.viewers import Viewers

TOKEN = "a-token-that-nobody-guesses"


class Place:
    """An application over a report that the test can change."""

    def __init__(self, token: str = TOKEN) -> None:
        self.report: StatusReport = stopped_report("lab", "1.2", "it is not running")
        self.guard = Guard("127.0.0.1", 8787, (), token)
        self.answers = Answers(lambda: self.report, Viewers([]), self.guard, STATIC_DIR)

    def get(self, path: str, **headers: str) -> Any:
        return ask(self.answers.app, path, **headers)


@pytest.fixture
def place() -> Place:
    return Place()


def test_page_and_its_files(place: Place) -> None:
    page = place.get("/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.body == (STATIC_DIR / "index.html").read_bytes()
    assert page.headers["cache-control"] == "no-cache"
    again = place.get("/", if_none_match=page.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert place.get("/static/index.html").body == page.body


@pytest.mark.parametrize(
    "path", ["/static/", "/static/nothing", "/static/../app.py", "/static//etc/passwd", "/nothing"]
)
def test_what_is_no_file_of_the_page_is_not_there(place: Place, path: str) -> None:
    assert place.get(path).status == 404


def test_static_files_have_types_and_stamps(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "vendor" / "b.svg").write_text("2")
    (tmp_path / "c.odd-name").write_text("1")
    found = static_files(tmp_path)
    assert {name: file.media_type for name, file in found.items()} == {
        "a.js": "text/javascript; charset=utf-8",
        "vendor/b.svg": "image/svg+xml",
        "c.odd-name": "application/octet-stream",
    }
    assert found["a.js"].etag == found["c.odd-name"].etag != found["vendor/b.svg"].etag


def test_status_is_the_report(place: Place) -> None:
    told = json.loads(place.get("/api/status").body)
    assert (told["state"], told["name"]) == ("stopped", "lab")


def test_metrics_are_of_the_report_and_made_once_for_it(place: Place) -> None:
    answer = place.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.body == exposition(place.report)
    place.report.name = "changed in place"
    assert place.get("/metrics").body == answer.body
    place.report = stopped_report("other", "1.2", "")
    assert b'name="other"' in place.get("/metrics").body


def test_ready_only_while_all_is_well(place: Place) -> None:
    answer = place.get("/readyz")
    assert answer.status == 503
    assert json.loads(answer.body) == {"state": "stopped", "reasons": ["it is not running"]}
    place.report.state = "running"
    assert place.get("/readyz").status == 200
    place.report.state = "degraded"
    assert place.get("/readyz").status == 503


def test_healthy_while_it_answers(place: Place) -> None:
    assert place.get("/healthz").body == b"ok\n"
    head = ask(place.answers.app, "/healthz", "HEAD")
    assert (head.status, head.headers["content-length"]) == (200, "3")


def login(place: Place, body: bytes, **headers: str) -> Any:
    return ask(place.answers.app, "/login", "POST", body, **headers)


def test_login_form_lets_the_browser_say_whose_page_it_is(place: Place) -> None:
    form = place.get("/login")
    assert b'method="post"' in form.body
    assert TOKEN.encode() not in form.body
    assert form.headers["referrer-policy"] == "same-origin"


def test_right_token_becomes_a_cookie(place: Place) -> None:
    answer = login(place, f"a=1&token={TOKEN}+".encode())
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("hunter-8787=")
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "secure" not in cookie.lower()
    behind_tls = login(place, f"token={TOKEN}".encode(), origin="https://hunter.example")
    assert "secure" in behind_tls.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "token", ["q2+/Yw0sU1p/9Zc4==", "correct horse battery", 'a;b,c"d\\e(f)g@h=']
)
def test_cookie_lets_in_whatever_the_token_is_made_of(token: str) -> None:
    place = Place(token)
    body = urlencode({"token": token}).encode()
    cookie = login(place, body).headers["set-cookie"].split(";")[0]
    proxied = {"host": ["127.0.0.1:8787"], "forwarded": ["for=a"]}
    assert place.guard.refusal(Asked("/", "GET", proxied, "")) is not None
    assert place.guard.refusal(Asked("/", "GET", proxied | {"cookie": [cookie]}, "")) is None


@pytest.mark.parametrize("body", [b"", b"token=", b"token=wrong", b"other=1", b"\xff\x00%"])
def test_wrong_token_is_told(place: Place, body: bytes) -> None:
    answer = login(place, body)
    assert (answer.status, b"not the token" in answer.body) == (401, True)
    assert "set-cookie" not in answer.headers


def test_form_that_is_too_long_is_not_read(place: Place) -> None:
    assert login(place, b"x" * (LOGIN_BYTES_MAX + 1)).status == 413


def test_form_that_breaks_off_is_nobodys_fault(place: Place) -> None:
    half = {"type": "http.disconnect"}
    assert answer_of(place.answers.app, scope("/login", "POST"), came=[half]).status == 400


def test_form_that_does_not_end_is_waited_for_a_while(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "LOGIN_WITHIN_S", 0.0)
    begun = {"type": "http.request", "body": b"tok", "more_body": True}
    answer = answer_of(place.answers.app, scope("/login", "POST"), came=[begun])
    assert (answer.status, answer.headers["connection"]) == (400, "close")


def test_login_asks_for_nothing_else(place: Place) -> None:
    assert answer_of(place.answers.app, scope("/login", "PUT")).status == 405
