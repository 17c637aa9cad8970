"""`StatusReport` as Prometheus metrics: made of shared memory, so a dead process's counters stay.

Pure. The page serves them at /metrics, `hunter check --format prometheus` prints them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from hunter.status.report import StatusReport

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


class StatusCollector:
    """One report as metric families."""

    def __init__(self, report: StatusReport) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("hunter_up", "1 while the instance runs, 0 when it is stopped")
        up.add_metric([], float(self._report.state != "stopped"))
        yield up


def exposition(report: StatusReport) -> bytes:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry()
    registry.register(StatusCollector(report))
    return generate_latest(registry)
