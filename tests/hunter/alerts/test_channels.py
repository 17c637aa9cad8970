from __future__ import annotations

import io
import logging
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.alert_server import AlertServer

from hunter.alerts import channels
from hunter.alerts.channels import (
    TELEGRAM,
    Apprise,
    NotDelivered,
    Redactor,
    Telegram,
    Webhook,
    make_channels,
    redact_logs,
)
from hunter.alerts.policy import Item, Message
from hunter.alerts.wording import Origin, payload, text
from hunter.config import AlertsSection
from hunter.errors import ConfigError

ORIGIN = Origin("lab", "srv1")
ITEM = Item("disk", "/d", "critical", "the disk is full", False, 1, 0.0)
MESSAGE = Message("7-1", 1, "critical", (ITEM,))
TOKEN = "123456:dummy-token"


def test_webhook_posts_the_payload(server: AlertServer) -> None:
    assert Webhook(f"{server.url}/hook-secret", ORIGIN).send(MESSAGE) == "200"
    assert server.bodies("/hook-secret") == [payload(MESSAGE, ORIGIN)]


@pytest.mark.parametrize(
    ("mood", "is_final"), [("500", False), ("503", False), ("429", False), ("408", False),
                           ("404", True), ("401", True), ("redirect", True), ("close", False)],
)  # fmt: skip
def test_what_a_server_may_take_later_is_no_refusal(
    server: AlertServer, mood: str, is_final: bool
) -> None:
    server.mood, server.headers = mood, {"Retry-After": "9"}
    with pytest.raises(NotDelivered) as caught:
        Webhook(f"{server.url}/hook-secret", ORIGIN).send(MESSAGE)
    assert caught.value.is_final == is_final
    assert caught.value.retry_after_s == (0.0 if mood == "close" else 9.0)
    assert "hook-secret" not in str(caught.value)


def test_telegram_gets_the_words_by_its_bot(server: AlertServer) -> None:
    assert Telegram(f"{server.url}/bot{TOKEN}", "-100", ORIGIN).send(MESSAGE) == "200"
    (post,) = server.posts
    assert post.path == f"/bot{TOKEN}/sendMessage"
    assert post.body == {"chat_id": "-100", "text": text(MESSAGE, ORIGIN)}


def test_plain_token_goes_to_telegram_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def post(url: str, body: bytes) -> Any:
        del body
        asked.append(url)
        raise channels.PostError("no network")

    monkeypatch.setattr(channels, "post_json", post)
    with pytest.raises(NotDelivered, match="no network"):
        Telegram(TOKEN, "5", ORIGIN).send(MESSAGE)
    assert asked == [f"{TELEGRAM}/bot{TOKEN}/sendMessage"]


def test_telegram_says_why_it_refuses_and_how_long_to_wait(server: AlertServer) -> None:
    bot = Telegram(f"{server.url}/bot{TOKEN}", "5", ORIGIN)
    server.mood, server.answer = "429", {"ok": False, "parameters": {"retry_after": 31}}
    with pytest.raises(NotDelivered) as caught:
        bot.send(MESSAGE)
    assert (caught.value.is_final, caught.value.retry_after_s) == (False, 31.0)
    server.mood, server.answer = "401", {"ok": False, "description": "Unauthorized"}
    with pytest.raises(NotDelivered, match=r"^HTTP 401: Unauthorized$"):
        bot.send(MESSAGE)
    server.mood, server.answer = "ok", {"ok": False, "description": "chat not found"}
    with pytest.raises(NotDelivered, match="chat not found"):
        bot.send(MESSAGE)


@pytest.mark.parametrize("bad", ["a/b", "a b", "http://"])
def test_secret_that_is_no_token_is_refused_and_not_repeated(bad: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Telegram(bad, "5", ORIGIN)
    assert bad not in str(caught.value).replace("http://.", "").replace("https:// or http://", "")


def test_redactor_takes_out_values_the_longest_first() -> None:
    clean = Redactor(["secret-part", "the-secret-part", "abc"]).clean
    assert clean("x the-secret-part y secret-part abc") == "x *** y *** abc"


def test_log_lines_and_tracebacks_have_no_secret_whoever_wrote_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root, lines = logging.Logger("root"), io.StringIO()
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler(lines))
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    root.addHandler(handler)
    log = logging.Logger("alerts")
    log.parent = root
    redact_logs(log, Redactor([TOKEN]))
    log.warning("asks %s", TOKEN)
    try:
        int(TOKEN)
    except ValueError:
        root.exception("unexpected")
    logging.Logger("a library").warning("got %s", TOKEN)
    said = lines.getvalue()
    assert said.startswith("WARNING asks ***\nERROR unexpected\n")
    assert "ValueError: invalid literal for int() with base 10: '***'" in said
    assert said.endswith("got ***\n")
    assert TOKEN not in said


def test_channels_are_made_of_what_is_configured(tmp_path: Path, server: AlertServer) -> None:
    file = tmp_path / "hook"
    file.write_text(f"https://me:pass-word@host/services/{TOKEN}?key=query-secret\n")
    file.chmod(0o600)
    section = AlertsSection(webhook="file:hook", telegram_token="env:BOT", telegram_chat="5")
    made, redactor = make_channels(section, tmp_path, {"BOT": "999:bot-token"}, ORIGIN)
    assert [channel.name for channel in made] == ["webhook", "telegram"]
    for secret in (TOKEN, "pass-word", "query-secret", "999:bot-token", file.read_text().strip()):
        assert redactor.clean(f"<{secret}>") == "<***>"
    assert make_channels(AlertsSection(), tmp_path, {}, ORIGIN)[0] == []


class Service:
    """What hunter uses of the library apprise."""

    told: list[tuple[str, str, str]]
    deaf: set[str]

    def __init__(self) -> None:
        self._address = ""

    def add(self, address: str) -> bool:
        self._address = address
        return "://" in address

    def notify(self, title: str, body: str) -> bool:
        logging.getLogger("apprise").warning("%s did not work", self._address)
        type(self).told.append((self._address, title, body))
        return self._address not in type(self).deaf


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Service]]:
    module = types.ModuleType("apprise")
    module.Apprise = Service  # type: ignore[attr-defined]
    Service.told, Service.deaf = [], set()
    monkeypatch.setitem(sys.modules, "apprise", module)
    monkeypatch.setattr(channels, "expect_extra", lambda *_: None)
    yield Service
    for name in ("apprise", "urllib3"):
        logging.getLogger(name).propagate = True


def test_apprise_is_asked_for_each_address_and_its_log_is_silent(
    service: type[Service], caplog: pytest.LogCaptureFixture
) -> None:
    mail, chat = Apprise("mail://a", 1, ORIGIN), Apprise("chat://b", 2, ORIGIN)
    assert (mail.name, chat.name) == ("apprise-1", "apprise-2")
    assert mail.send(MESSAGE) == chat.send(MESSAGE) == "told"
    assert service.told[0] == (
        "mail://a", "hunter lab on srv1: critical", "- the disk is full"
    )  # fmt: skip
    service.deaf = {"chat://b"}
    with pytest.raises(NotDelivered, match=r"did not take it") as caught:
        chat.send(MESSAGE)
    assert not caught.value.is_final, "it is tried again, and the other one is not"
    assert mail.send(MESSAGE) == "told"
    assert "chat://" not in caplog.text
    with pytest.raises(ConfigError, match=r"^alerts.apprise: line 2 is no address"):
        Apprise("nonsense", 2, ORIGIN)


def test_apprise_addresses_are_lines_of_a_secret(service: type[Service], tmp_path: Path) -> None:
    del service
    section = AlertsSection(apprise="env:WAYS")
    made, redactor = make_channels(
        section, tmp_path, {"WAYS": "mail://a-b\n\n chat://me@c-token/d\n"}, ORIGIN
    )
    assert [channel.name for channel in made] == ["apprise-1", "apprise-3"]
    assert [channel.send(MESSAGE) for channel in made] == ["told", "told"]
    assert redactor.clean("chat://me@c-token/d, or c-token") == "***, or ***"
