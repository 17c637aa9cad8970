"""docs/reference/alerts.md: what is told, and the JSON that a webhook gets, made by the code."""

from __future__ import annotations

import msgspec

from docs.generators.text import code, paragraphs, table
from hunter.alerts import policy, wording
from hunter.alerts.policy import TOLD_KINDS, Item, Message
from hunter.alerts.wording import Origin

_HEAD = """# Alerts

`[alerts]` sends a message when something goes wrong and another when it is over.
[Be told by Telegram or a webhook](../how-to/alerts.md) sets it up; the keys stand in
[configuration](configuration.md#alerts).
"""
# What each kind is about; a kind without words here fails the test of this page.
KINDS = {
    "degraded": "the instance is not `running`, with its reasons",
    "takeover": "a standby took the writing over",
    "lost": "matches that neither the feed nor REST could supply",
    "parked": "a process or an instrument is parked",
    "disk": "too little room where the data are, or no answer from the disk",
    "memory": "a process is near its limit",
    "drift": "a market has left what the brain learnt",
    "signal_journal": "signals, or the brain's checkpoint, cannot be written",
    "instance": "the supervisor of the former run was killed",
}
_FIELDS = {
    "schema": "1; another number is another shape",
    "id": "of the message: the same each time it is tried",
    "name": "of the instance",
    "host": "where it runs",
    "at_ns": "wall time, ns since the epoch",
    "at": "the same, for people",
    "severity": "`info`, `warning` or `critical`: the worst of its changes",
    "title": "one line",
    "held_back": "messages that were not sent since the one before",
    "changes": "what there is to tell",
    "text": "the whole in words, as Slack and Mattermost take it",
    "content": "the same, as Discord does",
}
_SAMPLE_NS = 1_795_435_200_000_000_000


def page() -> str:
    kinds = sorted(TOLD_KINDS | {"instance"})
    rows = [[code(kind), KINDS.get(kind, "")] for kind in kinds]
    made = wording.payload(sample(), Origin("default", "srv1"))
    fields = [[code(name), _FIELDS.get(name, "")] for name in made]
    shown = msgspec.json.format(msgspec.json.encode(made), indent=2).decode()
    return "\n".join(
        [
            _HEAD,
            "## What is told\n",
            table(["kind", "what"], rows),
            "## When\n",
            paragraphs(policy.__doc__) + "\n",
            "## What a webhook gets\n",
            "A POST of `application/json`; any answer of 200 to 299 is a delivery.\n",
            f"```json\n{shown}\n```\n",
            table(["field", "what"], fields),
        ]
    )


def sample() -> Message:
    """A stream that was killed, as an example."""
    item = Item(
        kind="degraded",
        subject="default",
        severity="warning",
        text="default is degraded: stream-0 is starting after signal 9",
        is_over=False,
        began_ns=_SAMPLE_NS,
        lasted_s=12.0,
    )
    return Message(
        id="default-1795435212",
        at_ns=_SAMPLE_NS + 12_000_000_000,
        severity="warning",
        items=(item,),
    )
