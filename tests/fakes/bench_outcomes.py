"""A run of the bench in which all went well, for those who look at runs."""

from __future__ import annotations

from hunter.bench.loadclient import LoadReport
from hunter.bench.runs import RunOutcome
from hunter.status.documents import Percentiles

LOAD = LoadReport(
    sent=100, seconds=1.0, start_monotonic_ns=0, start_wall_ns=0, idle_share=0.9, lag_us=None
)
OUTCOME = RunOutcome(
    messages=100,
    missing=0,
    lost=0,
    gaps=0,
    malformed=0,
    lapped=0,
    reconnects=0,
    seconds=1.0,
    messages_per_s=100.0,
    stream_us_per_message=1.5,
    brain_us_per_message=0.5,
    cpu_percent={"stream-0": 40.0, "brain-0": 10.0, "watchdog": 1.0},
    core_percent={"0": 20.0, "1": 51.0},
    latency_us={"receive_to_ring": Percentiles(1, 2, 3), "schedule_to_receive": None},
    lag_us_by_quarter=[100.0, 100.0],
    decisions=5,
    load=None,
    rss_bytes={"stream-0": 90_000_000},
    shared_bytes=4_000_000,
)
