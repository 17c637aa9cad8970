"""The ways to people: a webhook, Telegram, and whatever the library apprise knows. Here the secrets
are, and they stay: no text of an error or a log has them.

A channel is asked by the sender's thread, one message at a time, and may block for as long as its
limits of time allow.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from hunter.alerts.policy import Message
from hunter.alerts.post import PostAnswer, PostError, check_address, post_json
from hunter.alerts.wording import Origin, payload, text, title
from hunter.config import AlertsSection, read_secret
from hunter.errors import ConfigError, HunterError
from hunter.extras import expect_extra

TELEGRAM: Final = "https://api.telegram.org"
SECRET_CHARACTERS_MIN: Final = 6
"""Shorter pieces of an address are no secret, and are in every other word."""
_AGAIN: Final = frozenset((408, 425, 429))


class NotDelivered(HunterError):
    """`is_final`: the other side has refused it, and would again. `retry_after_s`: it asks for that
    much patience."""

    def __init__(self, text: str, *, is_final: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.is_final = is_final
        self.retry_after_s = retry_after_s


class AlertChannel(Protocol):
    """One way. `name` is what logs and the status call it."""

    name: str

    def send(self, message: Message) -> str:
        """Deliver it; what the other side said, in a word. Raises NotDelivered."""


class Redactor:
    """Takes secrets out of words, by their values."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {each for each in secrets if len(each) >= SECRET_CHARACTERS_MIN}
        self._secrets = sorted(found, key=len, reverse=True)

    def clean(self, words: str) -> str:
        for secret in self._secrets:
            words = words.replace(secret, "***")
        return words


class _CleanFormatter(logging.Formatter):
    def __init__(self, inner: logging.Formatter, redactor: Redactor) -> None:
        super().__init__()
        self._inner = inner
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.clean(self._inner.format(record))


def redact_logs(log: logging.Logger, redactor: Redactor) -> None:
    """From now on no line of `log`, its parents, or a library without a handler has a secret: they
    log what they ask for, and a traceback may quote it.
    """
    handlers = [] if logging.lastResort is None else [logging.lastResort]
    found: logging.Logger | None = log
    while found is not None:
        handlers += found.handlers
        found = found.parent
    for handler in handlers:
        inner = handler.formatter or logging.Formatter()
        handler.setFormatter(_CleanFormatter(inner, redactor))


class Webhook:
    """A POST of `wording.payload`; any 2xx is fine."""

    name = "webhook"

    def __init__(self, url: str, origin: Origin) -> None:
        self._url = check_address(url, "alerts.webhook")
        self._origin = origin

    def send(self, message: Message) -> str:
        body = msgspec.json.encode(payload(message, self._origin))
        answer = _post(self._url, body)
        if 200 <= answer.status < 300:
            return str(answer.status)
        raise _refused(answer, "")


class _TelegramParameters(msgspec.Struct, frozen=True):
    retry_after: float = 0.0


class _TelegramAnswer(msgspec.Struct, frozen=True):
    ok: bool = False
    description: str = ""
    parameters: _TelegramParameters = _TelegramParameters()


class Telegram:
    """The Bot API's sendMessage. `token` is a bot's, or for a Bot API server of one's own its whole
    address: https://HOST/botTOKEN. So who may name another server is who has the token, and no
    setting can send it elsewhere.
    """

    name = "telegram"

    def __init__(self, token: str, chat: str, origin: Origin) -> None:
        bot = token if "://" in token else f"{TELEGRAM}/bot{token}"
        if "/" in token and "://" not in token:
            raise ConfigError("alerts.telegram_token: the secret is no bot's token")
        self._url = check_address(bot, "alerts.telegram_token").rstrip("/") + "/sendMessage"
        self._chat = chat
        self._origin = origin

    def send(self, message: Message) -> str:
        said = {"chat_id": self._chat, "text": text(message, self._origin)}
        answer = _post(self._url, msgspec.json.encode(said))
        try:
            found = msgspec.json.decode(answer.body, type=_TelegramAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found = _TelegramAnswer()
        if answer.status == 200 and found.ok:
            return "200"
        waits_s = max(answer.retry_after_s, found.parameters.retry_after)
        raise _refused(answer._replace(retry_after_s=waits_s), found.description[:200])


class Apprise:
    """One of the services that the library apprise knows: line `number` of the addresses. Each is
    a way of its own, so that one that fails is tried again, and no other gets a message twice.
    """

    def __init__(self, address: str, number: int, origin: Origin) -> None:
        expect_extra("alerts", "alerts.apprise")
        import apprise

        for name in ("apprise", "urllib3"):  # they tell addresses, and what is in them
            logging.getLogger(name).addHandler(logging.NullHandler())
            logging.getLogger(name).propagate = False
        self.name = f"apprise-{number}"
        self._origin = origin
        self._target: Any = apprise.Apprise()
        if not self._target.add(address):
            raise ConfigError(f"alerts.apprise: line {number} is no address that apprise knows")

    def send(self, message: Message) -> str:
        head, body = title(message, self._origin), text(message, self._origin)
        if not self._target.notify(title=head, body=body.partition("\n")[2]):
            raise NotDelivered("its service did not take it, or did not answer")
        return "told"


def make_channels(
    section: AlertsSection, base_dir: Path, variables: Mapping[str, str], origin: Origin
) -> tuple[list[AlertChannel], Redactor]:
    """Those that are configured, with their secrets read. Raises ConfigError or MissingExtra."""
    channels: list[AlertChannel] = []
    secrets: list[str] = []

    def secret(reference: str) -> str:
        value = read_secret(reference, base_dir, variables)
        secrets.extend(_pieces(value))
        return value

    if section.webhook:
        channels.append(Webhook(secret(section.webhook), origin))
    if section.telegram_token:
        channels.append(Telegram(secret(section.telegram_token), section.telegram_chat, origin))
    if section.apprise:
        for number, line in enumerate(secret(section.apprise).splitlines(), 1):
            if line.strip():
                channels.append(Apprise(line.strip(), number, origin))
    return channels, Redactor(secrets)


def _pieces(value: str) -> list[str]:
    """A secret and the parts of it that somebody else may quote by themselves."""
    found = [value]
    for line in value.splitlines():
        found.append(line.strip())
        try:
            parts = urlsplit(line.strip())
        except ValueError:
            continue
        if parts.scheme:
            found += [parts.path, parts.query, parts.username or "", parts.password or ""]
            found += [*parts.path.split("/"), unquote(parts.password or "")]
            if parts.scheme not in ("http", "https"):
                found += parts.netloc.split("@")  # of apprise: there, too, it has tokens
            found += [value for _, value in parse_qsl(parts.query)]
    return found


def _post(url: str, body: bytes) -> PostAnswer:
    try:
        return post_json(url, body)
    except PostError as error:
        raise NotDelivered(str(error)) from None


def _refused(answer: PostAnswer, said: str) -> NotDelivered:
    """Whether it is worth another try: a server's own trouble passes, a wrong address does not."""
    is_final = 300 <= answer.status < 500 and answer.status not in _AGAIN
    words = f"HTTP {answer.status}" + (f": {said}" if said else "")
    return NotDelivered(words, is_final=is_final, retry_after_s=answer.retry_after_s)
