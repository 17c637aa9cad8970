from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from fakes.actor_stage import SWAP
from fakes.web_stage import NS, OTHER, WebStage, made_signal

from hunter.access import Instance
from hunter.status.latency import Latencies, Stage, StageCounts
from hunter.status.shapes import FeedReport, LatencyReport
from hunter.web.snapshot import (
    BUCKETS_MAX,
    FEEDS_SHOWN_MAX,
    Snapshots,
    shown_feeds,
    shown_status,
    stage_view,
)


@pytest.fixture
def snapshots(web_stage: WebStage) -> Iterator[Snapshots]:
    made = Snapshots(web_stage.config, web_stage.shared, web_stage.clock)
    yield made
    made.close()


def now_of(snapshots: Snapshots, instrument: str = SWAP) -> Any:
    return json.loads(snapshots.news([instrument])[instrument])


def test_history_says_how_it_is(snapshots: Snapshots, web_stage: WebStage) -> None:
    web_stage.die("brain-0", 50)
    web_stage.trades(2.0, -1.0)
    journal = web_stage.journal()
    journal.append(made_signal(3, trade_sequence=1))
    journal.close()
    snapshots.look()
    now_of(snapshots)
    told = json.loads(snapshots.history(SWAP))
    assert told["type"] == "history"
    assert (told["instruments"], told["instrument"]) == ([SWAP, OTHER], SWAP)
    assert (told["version"], told["name"], told["cvd_unit"]) == ("1.2", "default", "contracts")
    assert told["price"] == {"t_ms": [1_000, 2_000], "price": [101.0, 102.0]}
    assert told["cvd"] == {"t_ms": [1_000, 2_000], "cvd": [2.0, 1.0]}
    assert told["signals"] == [
        {
            "at_ms": 2_995, "direction": "up", "probability_up": 0.75, "confidence": 0.0,
            "horizon_ms": 5_000, "reason": "because", "price": 101.0,
        }
    ]  # fmt: skip
    assert [turn["what"] for turn in told["timeline"]] == ["died"]
    assert set(told["timeline"][0]) == {"at_ms", "actor", "what", "text"}
    assert set(told["events"][0]) == {"at_ms", "kind", "severity", "subject", "text", "is_over"}


def test_now_says_what_is_new(snapshots: Snapshots, web_stage: WebStage) -> None:
    snapshots.look()
    first = now_of(snapshots)
    assert (first["type"], first["instrument"], first["price"]["t_ms"]) == ("now", SWAP, [])
    assert (first["quote"], first["book"], first["imbalance"]) == (None, None, None)
    web_stage.trades(2.0)
    web_stage.writer.put_bbo(0, 5 * NS, (1, 4 * NS, 99.5, 3.0, 100.5, 1.0))
    web_stage.writer.put_book(0, 5 * NS, 77, 4 * NS, ([99.0, 2.0], [101.0, 6.0]))
    web_stage.writer.publish()
    web_stage.die("brain-0", 50)
    journal = web_stage.journal()
    journal.append(made_signal(3))
    journal.close()
    snapshots.look()
    now = now_of(snapshots)
    assert (now["price"]["price"], now["cvd"]["cvd"]) == ([101.0], [2.0])
    assert (now["quote"]["bid"], now["imbalance"]) == (99.5, 0.5)
    assert (len(now["signals"]), len(now["timeline"])) == (1, 1)
    again = now_of(snapshots)
    assert again["signals"] == again["timeline"] == again["price"]["t_ms"] == []


def test_book_has_the_fields_of_the_command_line(snapshots: Snapshots, web_stage: WebStage) -> None:
    web_stage.writer.put_book(0, 5 * NS, 77, 4 * NS, ([99.0, 2.0], [101.0, 6.0]))
    web_stage.writer.publish()
    with Instance(web_stage.config) as instance:
        book = instance.books(SWAP).now(5 * NS)
    told = json.loads(msgspec.json.encode(book))
    assert (told["seq_id"], told["bids"], told["asks"]) == (77, [[99.0, 2.0]], [[101.0, 6.0]])
    shown = now_of(snapshots)["book"]
    assert shown.keys() == told.keys()
    assert all(shown[name] == value for name, value in told.items() if name != "age_ms")


def test_status_in_now_is_the_status_report(snapshots: Snapshots) -> None:
    report = json.loads(msgspec.json.encode(snapshots.report()))
    shown = now_of(snapshots)["status"]
    assert [shown.pop(f"feeds_{name}") for name in ("count", "live", "lost")] == [2, 2, 0]
    assert shown == {name: report[name] for name in shown}
    assert report.keys() - shown.keys() == {"schema", "pid", "limits", "latency_us"}


def test_view_that_nobody_has_open_begins_anew(snapshots: Snapshots, web_stage: WebStage) -> None:
    web_stage.trades(5.0)
    now_of(snapshots)
    web_stage.trades(5.0)
    now_of(snapshots, OTHER)
    assert json.loads(snapshots.history(SWAP))["cvd"]["cvd"] == [5.0, 10.0]


def test_report_is_made_again_only_after_a_while(snapshots: Snapshots, web_stage: WebStage) -> None:
    first = snapshots.report()
    assert snapshots.report() is first
    web_stage.clock.skip(1_001)
    assert snapshots.report() is not first


def test_latency_has_every_stage(snapshots: Snapshots, web_stage: WebStage) -> None:
    page = Latencies(web_stage.status.pages["stream-0"])
    page.record(Stage.RECEIVE_TO_RING, 150_000, 10)
    stages = json.loads(snapshots.latency())["stages"]
    assert set(stages) == {stage.name.lower() for stage in Stage}
    assert stages["receive_to_ring"]["counts"] == [10]
    (upper_us,) = stages["receive_to_ring"]["upper_us"]
    assert 150 < upper_us < 160
    assert stages["receive_to_ring"]["p50"] == pytest.approx(150, rel=0.1)
    assert stages["receive_to_brain"] == {
        "upper_us": [], "counts": [], "p50": 0.0, "p99": 0.0, "p999": 0.0,
    }  # fmt: skip


def test_stage_view_has_few_buckets_and_all_values() -> None:
    recent = [0] * 100 + list(range(1, 300)) + [0] * 561
    view = stage_view(StageCounts([], recent), LatencyReport(1, 2, 3, 0, 0, 0))
    assert len(view.counts) == len(view.upper_us) <= BUCKETS_MAX
    assert sum(view.counts) == sum(recent)
    assert view.upper_us == sorted(view.upper_us)
    assert view.counts[0] > 0
    assert view.counts[-1] > 0


def feed(instrument: str, state: str = "live", lost: int = 0) -> FeedReport:
    facts = dict.fromkeys(FeedReport.__struct_fields__, 0)
    return FeedReport(**facts | {"instrument": instrument, "state": state, "lost": lost})  # type: ignore[arg-type]


def test_of_many_feeds_those_that_matter_are_shown() -> None:
    feeds = [feed(f"I-{number}") for number in range(300)]
    feeds[200] = feed("I-200", "stale")
    feeds[250] = feed("I-250", lost=1)
    shown = [each.instrument for each in shown_feeds(feeds, "I-299")]
    assert len(shown) == FEEDS_SHOWN_MAX
    assert {"I-200", "I-250", "I-299", "I-0"} <= set(shown)
    assert shown_feeds(feeds[:3], "I-299") == feeds[:3]


def test_of_all_feeds_there_are_sums(snapshots: Snapshots) -> None:
    report = snapshots.report()
    report.feeds = [feed(f"I-{number}", lost=2) for number in range(299)] + [feed("I", "stale")]
    shown = shown_status(report, OTHER)
    assert len(shown["feeds"]) == FEEDS_SHOWN_MAX
    assert [shown[f"feeds_{name}"] for name in ("count", "live", "lost")] == [300, 299, 598]


def test_of_many_rings_the_one_that_is_looked_at_is_shown(snapshots: Snapshots) -> None:
    report = snapshots.report()
    report.rings = report.rings * FEEDS_SHOWN_MAX
    shown = shown_status(report, OTHER)["rings"]
    assert {ring.instrument for ring in shown} == {OTHER}
