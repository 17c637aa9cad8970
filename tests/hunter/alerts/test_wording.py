from __future__ import annotations

from typing import Any

import msgspec

from hunter.alerts.policy import Item, Message
from hunter.alerts.wording import CONTENT_MAX, Origin, payload, text, title

ORIGIN = Origin("lab", "srv1")
AT_NS = 1_790_000_000_000_000_000


def item(words: str = "a is wrong", **other: Any) -> Item:
    values: dict[str, Any] = {
        "kind": "degraded", "subject": "lab", "severity": "warning", "is_over": False,
        "began_ns": AT_NS, "lasted_s": 0.0,
    }  # fmt: skip
    return Item(text=words, **(values | other))


def message(*items: Item, held_back: int = 0) -> Message:
    return Message("7-1", AT_NS, "warning", items, held_back)


def test_a_message_says_who_speaks_how_grave_it_is_and_each_thing_on_a_line() -> None:
    said = message(
        item("/d is full", lasted_s=12.4),
        item("BTC: 3 lost"),
        item("brain-0 is parked", is_over=True, lasted_s=600.0),
        item("x", is_over=True, lasted_s=10_000.0),
        held_back=2,
    )
    assert text(said, ORIGIN).splitlines() == [
        "hunter lab on srv1: warning",
        "- /d is full (for 12 s now)",
        "- BTC: 3 lost",
        "- resolved after 10 min: brain-0 is parked",
        "- resolved after 2.8 h: x",
        "- 2 more were held back",
    ]


def test_message_of_ends_alone_is_called_resolved() -> None:
    assert title(message(item(is_over=True)), ORIGIN) == "hunter lab on srv1: resolved"


def test_payload_is_the_documented_json() -> None:
    said = msgspec.json.decode(msgspec.json.encode(payload(message(item()), ORIGIN)))
    words = "hunter lab on srv1: warning\n- a is wrong"
    assert said == {
        "schema": 1, "id": "7-1", "name": "lab", "host": "srv1", "at_ns": AT_NS,
        "at": "2026-09-21T14:13:20.000Z", "severity": "warning",
        "title": "hunter lab on srv1: warning", "held_back": 0, "text": words, "content": words,
        "changes": [
            {"kind": "degraded", "subject": "lab", "severity": "warning", "text": "a is wrong",
             "is_over": False, "began_ns": AT_NS, "lasted_s": 0.0},
        ],
    }  # fmt: skip


def test_long_words_are_cut_to_what_the_services_take() -> None:
    said = text(message(*[item("x" * 5_000)] * 20), ORIGIN)
    assert len(said) == CONTENT_MAX
    assert said.endswith("...")
