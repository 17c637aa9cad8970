"""docs/reference/alerts.md: what can be told, and how a webhook gets it."""

from __future__ import annotations

_HEAD = """# Alerts

`[alerts]` sends a message when something goes wrong and another when it is over.
[Alert to Telegram or a webhook](../how-to/alerts.md) sets it up; the keys stand in
[configuration](configuration.md#alerts).
"""


def page() -> str:
    return _HEAD
