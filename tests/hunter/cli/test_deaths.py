"""`hunter deaths` over made-up records."""

from __future__ import annotations

import json
from typing import Any

from hunter.errors import NotFound
from hunter.status.deaths import DeathLog, DeathRecord, RingPosition

AT_NS = 1_790_000_000_000_000_000


def died(shown: Any, actor: str, pid: int = 7, **other: Any) -> None:
    values: dict[str, Any] = {
        "role": actor.split("-")[0], "restarts": 2, "last_exit": "signal 9", "cause": "signal",
        "asked": False, "at_ns": AT_NS, "at_monotonic_ns": 1, "uptime_s": 75.0,
        "rss_bytes": 61_000_000, "cpu_percent": 3.25, "rings": (RingPosition("ring-0", 12_345),),
        "log": ("one line", "the last line"),
    }  # fmt: skip
    shown.config.log_dir.mkdir(parents=True, exist_ok=True)
    DeathLog(shown.config.log_dir).append(DeathRecord(actor=actor, pid=pid, **(values | other)))


def test_death_is_a_block_of_facts_and_last_words(shown: Any) -> None:
    died(shown, "brain-0")
    assert shown.output("deaths") == (
        "2026-09-21T14:13:20.000Z  brain-0 (brain) ended: signal 9\n"
        "  pid 7, lived 1 m 15 s, restarted 2 times before, memory 61 MB, processor 3.2 %,"
        " ring-0 at 12,345 rows\n"
        "  | one line\n"
        "  | the last line\n"
        "\n"
        "1 of 1 deaths, the newest last\n"
    )


def test_death_says_why_when_the_exit_does_not(shown: Any) -> None:
    died(shown, "brain-0", cause="out of memory")
    died(shown, "brain-0", asked=True, cause="asked", last_exit="exit 0")
    died(shown, "brain-0", 0, cause="spawn error", last_exit="no such program", rss_bytes=0)
    output = shown.output("deaths")
    assert "ended: signal 9 (out of memory)\n" in output
    assert "ended: exit 0, as the operator had asked\n" in output
    assert "ended: no such program (spawn error)\n  no process, lived 1 m 15 s, rest" in output


def test_death_tells_what_was_known_before_and_counts_in_english(shown: Any) -> None:
    died(shown, "brain-0", cause="hang", last_exit="hang", detail="stopped by signal 19 for 1.0 s")
    died(shown, "brain-0", restarts=1)
    output = shown.output("deaths")
    assert "ended: hang; stopped by signal 19 for 1.0 s\n" in output
    assert "restarted 1 time before," in output


def test_death_cannot_steer_a_terminal(shown: Any) -> None:
    evil = "a\x1b[2J\r\u202eb"
    died(shown, "brain-0", last_exit=evil, log=(evil,), cause="spawn error", detail=evil)
    output = shown.output("deaths")
    assert output.count(r"a\x1b[2J\x0d\u202eb") == 3
    assert output.replace("\n", "").isprintable()


def test_deaths_of_one_actor_newest_last(shown: Any) -> None:
    for pid in range(5):
        died(shown, "brain-0", pid)
        died(shown, "stream-0", 100 + pid)
    lines = shown.output("deaths", "brain-0", "-n", "2", "--json").splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["pid"] for record in records] == [3, 4]
    assert set(records[0]) == {
        "schema", "actor", "role", "pid", "restarts", "last_exit", "cause", "asked", "at_ns",
        "at_monotonic_ns", "uptime_s", "rss_bytes", "cpu_percent", "progress", "rings", "log",
        "detail",
    }  # fmt: skip
    assert records[0]["rings"] == [{"ring": "ring-0", "arrivals": 12_345}]
    assert "3 of 5 deaths" in shown.output("deaths", "brain-0", "-n", "3")


def test_no_deaths_are_said_to_be_none(shown: Any) -> None:
    assert shown.output("deaths") == f"no deaths are known in {shown.config.log_dir}\n"
    assert shown.output("deaths", "--json") == ""
    shown.log("watchdog", "alive and well")
    assert "no deaths are known" in shown.output("deaths", "watchdog")


def test_deaths_of_an_actor_that_is_not_there(shown: Any) -> None:
    died(shown, "brain-0")
    error = shown.call("deaths", "brian-0").exception
    assert isinstance(error, NotFound)
    assert str(error).endswith("; of: brain-0")
