"""A message as people read it and as programs do. Pure.

The JSON of a webhook (`payload`) is an interface; every number's unit is in its name:
    {"schema": 1, "id": "...", "name": "default", "host": "...", "at_ns": 1, "at": "2026-...Z",
     "severity": "info|warning|critical", "title": "...", "held_back": 0,
     "changes": [{"kind": "degraded|takeover|lost|parked|disk|memory|drift|signal_journal|instance",
                  "subject": "...", "severity": "...", "text": "...", "is_over": false,
                  "began_ns": 1, "lasted_s": 12.0}],
     "text": "...", "content": "..."}
`text` is the whole in words, as Slack and Mattermost take it, `content` the same, as Discord does.
`id` is the same each time a message is tried: whoever has it already has got it twice.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from hunter.alerts.policy import Item, Message
from hunter.clock import utc_text

SCHEMA: Final = 1
LINE_MAX: Final = 400
CONTENT_MAX: Final = 1_900
"""Discord takes 2,000 characters, Telegram 4,096."""


class Origin(NamedTuple):
    """Who speaks: the instance's name and the host's."""

    name: str
    host: str


def title(message: Message, origin: Origin) -> str:
    """`hunter default on srv1: critical`; one line."""
    over = sum(item.is_over for item in message.items)
    what = "resolved" if over == len(message.items) else message.severity
    return f"hunter {origin.name} on {origin.host}: {what}"


def text(message: Message, origin: Origin) -> str:
    """The title, and a line for each thing there is to tell."""
    lines = [title(message, origin), *(_line(item) for item in message.items)]
    if message.held_back:
        lines.append(f"- {message.held_back} more were held back")
    return _cut("\n".join(lines), CONTENT_MAX)


def payload(message: Message, origin: Origin) -> dict[str, Any]:
    """What a webhook gets."""
    words = text(message, origin)
    return {
        "schema": SCHEMA,
        "id": message.id,
        "name": origin.name,
        "host": origin.host,
        "at_ns": message.at_ns,
        "at": utc_text(message.at_ns),
        "severity": message.severity,
        "title": title(message, origin),
        "held_back": message.held_back,
        "changes": msgspec.to_builtins(list(message.items)),
        "text": words,
        "content": words,
    }


def _line(item: Item) -> str:
    if item.is_over:
        line = f"- resolved after {_duration(item.lasted_s)}: {item.text}"
    elif item.lasted_s >= 1.0:
        line = f"- {item.text} (for {_duration(item.lasted_s)} now)"
    else:
        line = f"- {item.text}"
    return _cut(line, LINE_MAX)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"


def _cut(words: str, limit: int) -> str:
    return words if len(words) <= limit else words[: limit - 3] + "..."
