"""/metrics says what `hunter status --json` says, by names that stay."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hunter.status.documents import (
    AlertsDocument,
    FactDocument,
    LimitDocument,
    StoreDocument,
    StoreTableDocument,
    WebDocument,
)
from hunter.status.metrics import ACTOR_STATES, FAMILIES, STATES, exposition, samples
from hunter.status.report import stopped_report
from hunter.status.shapes import (
    ActorReport,
    BrainReport,
    ConnectionReport,
    FeedReport,
    LatencyReport,
    MemoryReport,
    Percentiles,
    RingReport,
    StatusReport,
)

URL = "wss://ws.okx.com:8443/ws/v5/public"


def full_report() -> StatusReport:
    """Every number is another one, so that two cannot be mixed up."""
    return StatusReport(
        schema=1,
        state="degraded",
        name="lab",
        version="1.2",
        pid=7,
        uptime_s=11.5,
        reasons=["one", "two", "three"],
        notices=["four"],
        actors=[
            ActorReport(
                "stream-0", "stream", 7, "ready", True, 2, "signal 9", 5.0, 120.0, 31_000, 12.5,
                4, 3, 2.5, {"signal 9": 1, "hang": 6},
            ),
            ActorReport(
                "stream-0b", "stream", 0, "parked", False, 5, "exit 1", 0.0, 0.0, 0, 0.0, 8,
            ),
        ],
        feeds=[
            FeedReport(
                "BTC-USDT-SWAP", "trades", "live", 101, 250.0, 13, 14, 15, 16, 17, 18.0, 19.0,
                20, 21.0, "", "stream-0",
            ),
            FeedReport(
                "ETH-USDT", "books", "stale", 102, None, 0, 0, 0, 0, 0, 0.0, 0.0, 0, 0.0, "",
            ),
        ],
        connections=[
            ConnectionReport("stream-0", URL, "open", 22, ""),
            ConnectionReport("stream-0", URL, "backoff", 23, ""),
        ],
        limits=[LimitDocument("okx", "connect", 2.5, 3.0, 1.0, 24, 25)],
        rings=[RingReport("BTC-USDT-SWAP", 8_192, 26, 27)],
        brain=BrainReport({"trades": 28, "bbo": 29}, 30, 31, 32, True, Percentiles()),
        memory=MemoryReport(33, 34),
        latency_us={
            "receive_to_ring": LatencyReport(35.0, 36.0, 37.0, 38, 39, 40.0),
            "receive_to_brain": LatencyReport(0.0, 0.0, 0.0, 0, 41, 42.0),
        },
        web=WebDocument("http://127.0.0.1:1/", 43, 44, 45),
        alerts=AlertsDocument(46, 47, 48, 49, 50, "no route"),
        store=StoreDocument(
            (StoreTableDocument("trades", 51, 52, 53, 54),), 55, 56, 57, 58_000_000_000
        ),
        facts=[FactDocument("disk", "/data", "full"), FactDocument("disk", "/log", "full")],
    )  # fmt: skip


def scraped(report: StatusReport) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """As Prometheus reads it: (name, sorted labels) -> value."""
    found = {}
    for family in text_string_to_metric_families(exposition(report).decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(found: Any, name: str, /, **labels: str) -> float:
    number: float = found["hunter_" + name, tuple(sorted(labels.items()))]
    return number


STREAM = {"actor": "stream-0", "role": "stream"}
STANDBY = {"actor": "stream-0b", "role": "stream"}
TRADES = {"instrument": "BTC-USDT-SWAP", "channel": "trades"}
LIMIT = {"server": "okx", "limit": "connect"}

EXPECTED: list[tuple[str, dict[str, str], float]] = [
    ("up", {}, 1),
    ("info", {"name": "lab", "version": "1.2"}, 1),
    ("state", {"state": "degraded"}, 1),
    ("state", {"state": "running"}, 0),
    ("uptime_seconds", {}, 11.5),
    ("reasons", {}, 3),
    ("notices", {}, 1),
    ("facts", {"kind": "disk"}, 2),
    ("facts", {"kind": "drift"}, 0),
    ("memory_resident_bytes", {}, 33),
    ("memory_shared_bytes", {}, 34),
    ("actor_up", STREAM, 1),
    ("actor_up", STANDBY, 0),
    ("actor_state", STREAM | {"state": "ready"}, 1),
    ("actor_state", STANDBY | {"state": "parked"}, 1),
    ("actor_state", STANDBY | {"state": "ready"}, 0),
    ("actor_active", STREAM, 1),
    ("actor_active", STANDBY, 0),
    ("actor_restarts_total", STREAM, 2),
    ("actor_exits_total", STREAM | {"cause": "hang"}, 6),
    ("actor_errors_total", STREAM, 4),
    ("actor_takeovers_total", STREAM, 3),
    ("actor_resident_bytes", STREAM, 31_000),
    ("actor_cpu_ratio", STREAM, 0.125),
    ("actor_heartbeat_age_seconds", STREAM, 0.12),
    ("feed_live", TRADES, 1),
    ("feed_live", {"instrument": "ETH-USDT", "channel": "books"}, 0),
    ("feed_messages_total", TRADES, 101),
    ("feed_age_seconds", TRADES, 0.25),
    ("feed_gaps_total", TRADES, 13),
    ("feed_backfilled_total", TRADES, 14),
    ("feed_duplicates_total", TRADES, 15),
    ("feed_lost_total", TRADES, 16),
    ("feed_malformed_total", TRADES, 17),
    ("feed_lag_seconds", TRADES | {"quantile": "0.5"}, 0.018),
    ("feed_lag_seconds", TRADES | {"quantile": "0.99"}, 0.019),
    ("feed_mismatches_total", TRADES, 20),
    ("connections", {"actor": "stream-0", "state": "open"}, 1),
    ("connection_connects_total", {"actor": "stream-0", "url": URL}, 45),
    ("limit_rate_per_second", LIMIT, 2.5),
    ("limit_waits_total", LIMIT, 24),
    ("limit_refusals_total", LIMIT, 25),
    ("ring_rows_total", {"instrument": "BTC-USDT-SWAP"}, 26),
    ("ring_capacity_rows", {"instrument": "BTC-USDT-SWAP"}, 8_192),
    ("brain_inputs_total", {"kind": "bbo"}, 29),
    ("brain_decisions_total", {}, 30),
    ("brain_signals_total", {}, 31),
    ("brain_lapped_total", {}, 32),
    ("brain_warm", {}, 1),
    ("latency_seconds", {"stage": "receive_to_ring", "quantile": "0.99"}, 36e-6),
    ("latency_seconds_count", {"stage": "receive_to_ring"}, 39),
    ("latency_seconds_sum", {"stage": "receive_to_ring"}, 40e-6),
    ("web_viewers", {}, 43),
    ("web_requests_total", {}, 44),
    ("web_refused_total", {}, 45),
    ("alerts_sent_total", {}, 46),
    ("alerts_failed_total", {}, 47),
    ("alerts_held_back_total", {}, 48),
    ("alerts_dropped_total", {}, 49),
    ("alerts_waiting", {}, 50),
    ("alerts_trouble", {}, 1),
    ("store_rows_total", {"table": "trades"}, 51),
    ("store_waiting_rows", {"table": "trades"}, 52),
    ("store_lapped_total", {"table": "trades"}, 53),
    ("store_dropped_total", {"table": "trades"}, 54),
    ("store_files", {}, 55),
    ("store_bytes", {}, 56),
    ("store_removed_files_total", {}, 57),
    ("store_written_timestamp_seconds", {}, 58),
    ("store_trouble", {}, 0),
]


@pytest.mark.parametrize(("name", "labels", "expected"), EXPECTED)
def test_value_is_the_reports(name: str, labels: dict[str, str], expected: float) -> None:
    assert value(scraped(full_report()), name, **labels) == pytest.approx(expected)


def test_every_family_is_expected_somewhere_above() -> None:
    """And every one is given by a report that has everything."""
    named = {"hunter_" + re.sub("_(count|sum)$", "", name) for name, _, _ in EXPECTED}
    assert named == {family.name for family in FAMILIES}
    given = {sample.name for sample in samples(full_report())}
    assert given >= named


def test_samples_have_the_labels_of_their_family() -> None:
    counts = {family.name: len(family.labels) for family in FAMILIES}
    kinds = {family.name: family.kind for family in FAMILIES}
    for sample in samples(full_report()):
        more = kinds.get(sample.name) == "summary"
        name = (
            re.sub("_(count|sum)$", "", sample.name) if sample.name not in counts else sample.name
        )
        assert len(sample.labels) == counts[name] + more, sample


def test_names_and_units_are_as_prometheus_asks() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert family.name.startswith("hunter_")
        assert (family.kind == "counter") == family.name.endswith("_total")
        assert not re.search(r"_(ms|us|ns|mb|kb|percent|s)$", family.name)
        assert family.help[0].isupper() or family.help[0] in "10"
        assert set(family.labels).isdisjoint({"instance", "job", "le", "quantile"}) or (
            family.name == "hunter_feed_lag_seconds"
        )


def test_types_are_told() -> None:
    text = exposition(full_report()).decode()
    for family in FAMILIES:
        assert f"# TYPE {family.name} {family.kind}\n" in text
        assert f"# HELP {family.name} {family.help}\n" in text


def test_states_are_one_hot() -> None:
    found = scraped(full_report())
    assert sum(value(found, "state", state=state) for state in STATES) == 1
    for who in (STREAM, STANDBY):
        assert sum(value(found, "actor_state", **who, state=state) for state in ACTOR_STATES) == 1


def test_what_is_not_known_is_not_there() -> None:
    found = scraped(full_report())
    assert (
        "hunter_feed_age_seconds",
        (("channel", "books"), ("instrument", "ETH-USDT")),
    ) not in found
    dead = tuple(sorted(STANDBY.items()))
    assert ("hunter_actor_heartbeat_age_seconds", dead) not in found
    nan = value(found, "latency_seconds", stage="receive_to_brain", quantile="0.5")
    assert math.isnan(nan)
    assert value(found, "latency_seconds_count", stage="receive_to_brain") == 41


def test_stopped_instance_is_down_and_says_no_more() -> None:
    found = scraped(stopped_report("default", "1", "it is not running"))
    assert value(found, "up") == 0
    assert value(found, "state", state="stopped") == 1
    assert {name for name, _ in found} == {
        "hunter_up", "hunter_info", "hunter_state", "hunter_reasons",
    }  # fmt: skip


def test_companions_that_are_not_enabled_have_no_metrics() -> None:
    report = full_report()
    report.web = report.alerts = report.store = None
    names = {name for name, _ in scraped(report)}
    assert not [name for name in names if re.match("hunter_(web|alerts|store)_", name)]


def test_label_of_any_text_is_one_label() -> None:
    report = full_report()
    report.name = 'a"b\\c\nd'
    assert value(scraped(report), "info", name=report.name, version="1.2") == 1


def test_metrics_agree_with_the_status_json() -> None:
    """Of the same report: what a person reads and what Prometheus stores."""
    report = full_report()
    told, found = json.loads(msgspec.json.encode(report)), scraped(report)
    for actor in told["actors"]:
        who = {"actor": actor["name"], "role": actor["role"]}
        assert value(found, "actor_restarts_total", **who) == actor["restarts"]
        assert value(found, "actor_state", **who, state=actor["state"]) == 1
    for feed in told["feeds"]:
        what = {"instrument": feed["instrument"], "channel": feed["channel"]}
        for name in ("messages", "gaps", "backfilled", "duplicates", "lost", "malformed"):
            assert value(found, f"feed_{name}_total", **what) == feed[name]
        assert value(found, "feed_live", **what) == (feed["state"] == "live")
    assert value(found, "reasons") == len(told["reasons"])
    assert value(found, "state", state=told["state"]) == 1
