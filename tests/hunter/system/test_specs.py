from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from fakes.actor_stage import Stage

from hunter.config import Config
from hunter.system import specs
from hunter.system.specs import child_specs, tree_spec


def test_child_specs_in_start_order(stage: Stage) -> None:
    names = [child.name for child in child_specs(stage.config, demo=True)]
    assert names == ["exchange", "stream-0", "brain-0", "watchdog"]
    stream, _, watchdog = child_specs(stage.config, demo=False)
    assert stream.argv[-4:] == ("-m", "hunter.stream", "stream-0", str(stage.config.runtime_dir))
    assert stream.log_path == str(stage.config.log_dir / "stream-0.log")
    assert stream.hang_after_ns is None
    assert watchdog.hang_after_ns == 5_000_000_000, "the watchdog is watched by the supervisor"


def test_actors_get_no_variable_that_is_none_of_their_business(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_TOKEN", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
    environments = {c.role: c.env or {} for c in child_specs(stage.config, demo=True)}
    assert not [role for role, found in environments.items() if "DATABASE_TOKEN" in found]
    assert [role for role, found in environments.items() if "HTTPS_PROXY" in found] == ["stream"]
    assert all(found["PYTHONUNBUFFERED"] == "1" for found in environments.values())


def with_streams(config: Config, shards: int) -> Config:
    stream = msgspec.structs.replace(config.stream, shards=shards, standby=True)
    return msgspec.structs.replace(config, stream=stream)


def test_child_specs_have_a_standby_for_each_shard(stage: Stage) -> None:
    names = [child.name for child in child_specs(with_streams(stage.config, 2), demo=False)]
    assert names == ["stream-0", "stream-0b", "stream-1", "stream-1b", "brain-0", "watchdog"]


def test_store_stops_last_and_companions_go_first_when_memory_ends(
    stage: Stage,
) -> None:
    replace = msgspec.structs.replace
    config = replace(
        stage.config,
        web=replace(stage.config.web, enabled=True),
        store=replace(stage.config.store, enabled=True),
    )
    children = child_specs(config, demo=False)
    assert [child.name for child in children] == ["store", "stream-0", "brain-0", "watchdog", "web"]
    assert children[0].argv[-3:-1] == ("hunter.store", "store")
    companions = (children[0].oom_score_adj, children[-1].oom_score_adj)
    assert min(companions) > max(child.oom_score_adj for child in children[1:-1])


def test_nobody_waits_for_the_store_to_begin(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs.os, "sched_getaffinity", lambda _: {0})
    replace = msgspec.structs.replace
    config = replace(
        stage.config,
        stream=replace(stage.config.stream, shards=9),
        store=replace(stage.config.store, enabled=True),
    )
    found = waited_for(config, demo=True)
    assert next(iter(found)) == "store"
    assert not any("store" in needed for needed in found.values())
    assert found["stream-5"] >= {"exchange", "stream-0"}


def waited_for(config: Config, *, demo: bool) -> dict[str, set[str]]:
    return {child.name: set(child.after or ()) for child in child_specs(config, demo=demo)}


def test_actors_begin_together_but_for_those_who_need_another(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(specs.os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert waited_for(stage.config, demo=True) == {
        "exchange": set(), "stream-0": {"exchange"}, "brain-0": set(), "watchdog": set(),
    }  # fmt: skip
    assert waited_for(with_streams(stage.config, 2), demo=False) == {
        "stream-0": set(), "stream-0b": {"stream-0"}, "stream-1": set(), "stream-1b": {"stream-1"},
        "brain-0": set(), "watchdog": set(),
    }  # fmt: skip


def test_no_more_actors_begin_at_once_than_the_host_can_bear(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(specs.os, "sched_getaffinity", lambda _: {0})
    stream = msgspec.structs.replace(stage.config.stream, shards=9)
    found = waited_for(msgspec.structs.replace(stage.config, stream=stream), demo=False)
    assert [len(needed) for needed in found.values()] == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
    assert found["stream-5"] == {"stream-0", "stream-1"}


@pytest.mark.parametrize(("own", "brain", "stream"), [("0", 300, 100), ("900", 1000, 1000)])
def test_brain_goes_first_when_memory_runs_out(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, own: str, brain: int, stream: int
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _: own)
    adjusted = {child.role: child.oom_score_adj for child in child_specs(stage.config, demo=True)}
    assert adjusted["brain"] == brain
    assert {adjusted[role] for role in ("stream", "exchange", "watchdog")} == {stream}


def test_specs_do_without_proc(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(_: Path) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", hidden)
    assert child_specs(stage.config, demo=False)[1].oom_score_adj == specs.OOM_SCORE_ADJ["brain"]


def test_tree_has_the_limits_of_the_configuration(stage: Stage) -> None:
    tree = tree_spec(stage.config, child_specs(stage.config, demo=False), frozenset({"brain-0"}))
    assert tree.down == {"brain-0"}
    assert (tree.intensity.max_restarts, tree.intensity.period_ns) == (5, 60 * 10**9)
