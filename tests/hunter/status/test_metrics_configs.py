"""The dashboard and the rules that come with hunter name metrics and labels that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.promql import Named, named_in

from hunter.status.metrics import FAMILIES

ROOT = Path(__file__).parents[3]
# What Prometheus itself adds.
TARGET = {"job", "instance"}


def exported() -> dict[str, set[str]]:
    """Series by name, and their labels."""
    found: dict[str, set[str]] = {"up": set()}
    for family in FAMILIES:
        labels = set(family.labels)
        found[family.name] = labels | ({"quantile"} if family.kind == "summary" else set())
        if family.kind == "summary":
            found |= {f"{family.name}_count": labels, f"{family.name}_sum": labels}
    return found


def unknown(named: Named, words: set[str]) -> list[str]:
    """Metrics and labels that we do not export; `words`: labels that a text or legend uses."""
    known = exported()
    wrong = [name for name in named.metrics if name not in known]
    labels = TARGET.union(*(known.get(name, set()) for name in named.metrics))
    for name, filters in named.metrics.items():
        wrong += sorted(filters - known.get(name, set()) - TARGET)
    return wrong + sorted((named.groups | words) - labels)


class Rule:
    """One alert, read from lines of `key: value`."""

    def __init__(self, text: str) -> None:
        pairs = re.findall(r'^\s+(?:- )?(\w+): "?(.*?)"?$', text, re.MULTILINE)
        self.values = dict(pairs)
        assert len(self.values) == len(pairs), f"a key twice in {text}"
        self.words = set(re.findall(r"\{\{ \$labels\.(\w+) \}\}", text))


def rules() -> list[Rule]:
    text = (ROOT / "configs/prometheus/alerts.yml").read_text()
    parts = re.split(r"^(?=      - alert: )", text, flags=re.MULTILINE)
    plain = [re.sub(r"^\s*(#.*)?$", "", part, flags=re.MULTILINE) for part in parts[1:]]
    return [Rule(re.sub(r"(labels|annotations):\n", "\n", part)) for part in plain]


def test_rules_name_what_there_is_and_say_what_to_do() -> None:
    found = rules()
    names = [rule.values["alert"] for rule in found]
    assert len(names) == len(set(names))
    assert {
        "HunterDown", "HunterDegraded", "HunterTradesLost", "HunterActorParked",
        "HunterFeedStale", "HunterLatencyHigh", "HunterDiskLow", "HunterMemoryHigh",
    } <= set(names)  # fmt: skip
    for rule in found:
        name = rule.values["alert"]
        assert rule.values.keys() - {"for"} == {
            "alert", "expr", "severity", "summary", "description",
        }, name  # fmt: skip
        assert rule.values["severity"] in ("info", "warning", "critical"), name
        assert re.fullmatch(r"\d+[sm]", rule.values.get("for", "1m")), name
        assert unknown(named_in(rule.values["expr"]), rule.words) == [], name


def test_rules_are_of_the_job_in_the_scrape_example() -> None:
    scrape = (ROOT / "configs/prometheus/scrape.yml").read_text()
    assert "job_name: hunter\n" in scrape
    assert "alerts.yml" in scrape
    assert 'up{job="hunter"}' in rules()[0].values["expr"]


def targets(board: Any) -> Iterator[tuple[str, str]]:
    """Expression and legend of every line of every panel."""
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"], target["legendFormat"]
    for annotation in board["annotations"]["list"]:
        yield annotation["expr"], annotation["titleFormat"]


@pytest.fixture
def board() -> Any:
    return json.loads((ROOT / "configs/grafana/hunter.json").read_text())


def test_dashboard_names_what_there_is(board: Any) -> None:
    found = list(targets(board))
    assert len(found) > 30
    for expression, legend in found:
        plain = expression.replace("$__rate_interval", "5m")
        words = set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert unknown(named_in(plain), words) == [], expression
        assert 'instance=~"$instance"' in expression, expression
        grouped = named_in(plain).groups
        if " by (" in plain:
            assert words <= grouped, legend


def test_dashboard_can_be_provisioned_anywhere(board: Any) -> None:
    assert board["uid"] == "hunter"
    assert "id" not in board
    sources = re.findall(r'"uid": "([^"]*)"', json.dumps(board["panels"]))
    assert set(sources) == {"${datasource}"}
    variables = {item["name"]: item for item in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert named_in("hunter_up").metrics.keys() <= exported().keys()
    assert variables["instance"]["definition"] == "label_values(hunter_up, instance)"
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))


def test_dashboard_panels_do_not_overlap(board: Any) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken.get((x, y)))
                taken[x, y] = panel["title"]


def test_every_metric_that_only_grows_is_of_use_only_as_a_rate(board: Any) -> None:
    expressions = [expression for expression, _ in targets(board)]
    expressions += [rule.values["expr"] for rule in rules()]
    stats = {t["expr"] for p in board["panels"] if p["type"] == "stat" for t in p["targets"]}
    for expression in expressions:
        if re.search(r"_total|_count|_sum\{", expression) and expression not in stats:
            assert re.search(r"(rate|increase)\(", expression), expression


@pytest.mark.parametrize(
    ("expression", "words", "wrong"),
    [
        ("hunter_feed_gap_total", set(), ["hunter_feed_gap_total"]),
        ('hunter_feed_gaps_total{actor="a"}', set(), ["actor"]),
        ("sum by (stage) (hunter_feed_live)", set(), ["stage"]),
        ("hunter_feed_live", {"actor"}, ["actor"]),
        ('hunter_latency_seconds_count{quantile="0.5"}', set(), ["quantile"]),
        ('rate(hunter_latency_seconds_sum{stage="a",job!="b"}[5m]) > 0.1', {"stage"}, []),
    ],
)
def test_unknown_sees_what_we_do_not_export(
    expression: str, words: set[str], wrong: list[str]
) -> None:
    assert unknown(named_in(expression), words) == wrong


def test_named_in_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="huntr_up"):
        named_in("huntr_up == 0")
    with pytest.raises(ValueError, match="rat"):
        named_in("rat(hunter_feed_live[5m])")
