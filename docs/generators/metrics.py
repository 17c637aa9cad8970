"""docs/reference/metrics.md: the families that /metrics has, from the table that makes them."""

from __future__ import annotations

from docs.generators.text import code, table
from hunter.status import metrics

_HEAD = """# Metrics

`GET /metrics` of the page's process (`web.enabled = true`), in Prometheus' text format. They are
made of shared memory when they are asked for, so the counters of a process that was killed stay,
and go on where they stood when its successor is there. `hunter status --json` has the same facts.

[Metrics and Grafana](../how-to/metrics.md) says how to scrape them; `configs/prometheus` has rules
for alerts, `configs/grafana` a dashboard.
"""


def page() -> str:
    rows = [
        [code(name), kind, ", ".join(code(label) for label in labels), help_text]
        for name, kind, help_text, labels in families()
    ]
    return _HEAD + "\n" + table(["metric", "type", "labels", "what"], rows)


def families() -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Name as it is scraped, type, help, labels."""
    return [(each.name, each.kind, each.help, each.labels) for each in metrics.FAMILIES]
