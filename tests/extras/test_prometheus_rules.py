"""The files for Prometheus are YAML of the shape that it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="comes with mkdocs, in .venv-extras")
CONFIGS = Path(__file__).parents[2] / "configs/prometheus"


def loaded(name: str) -> Any:
    return yaml.safe_load((CONFIGS / name).read_text())


def test_rules_have_the_shape_that_prometheus_reads() -> None:
    groups = loaded("alerts.yml")["groups"]
    assert [set(group) for group in groups] == [{"name", "rules"}]
    for rule in groups[0]["rules"]:
        assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}, rule
        assert set(rule["labels"]) == {"severity"}, rule
        assert set(rule["annotations"]) == {"summary", "description"}, rule
        texts = [rule["expr"], *rule["labels"].values(), *rule["annotations"].values()]
        assert all(isinstance(text, str) for text in texts), rule


def test_scrape_example_has_the_shape_that_prometheus_reads() -> None:
    (job,) = loaded("scrape.yml")["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("hunter", "/metrics")
    assert job["static_configs"][0]["targets"] == ["127.0.0.1:8787"]
