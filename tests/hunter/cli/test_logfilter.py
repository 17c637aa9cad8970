"""Which log entries are wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from hunter.cli.logfilter import (
    Entry,
    Filter,
    LogFilterError,
    parse_since,
    parse_stamp,
    wall_ns_of,
    window,
)

STAMP = "2026-01-31T12:00:05.250Z"
NOW_NS = wall_ns_of(STAMP)


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("30s", "2026-01-31T11:59:35.250Z"),
        ("10m", "2026-01-31T11:50:05.250Z"),
        ("2h", "2026-01-31T10:00:05.250Z"),
        ("1d", "2026-01-30T12:00:05.250Z"),
        ("12:00", "2026-01-31T12:00:00.000Z"),
        ("12:00:05.2", "2026-01-31T12:00:05.200Z"),
        ("13:00", "2026-01-30T13:00:00.000Z"),
        ("2025-12-24T01:02:03", "2025-12-24T01:02:03.000Z"),
        ("2025-12-24 01:02", "2025-12-24T01:02:00.000Z"),
        (STAMP, STAMP),
    ],
)
def test_since_takes_ages_times_and_stamps(text: str, stamp: str) -> None:
    assert parse_since(text, NOW_NS) == stamp


@pytest.mark.parametrize("text", ["", "x", "10", "10 parsecs", "25:00", "12:61", "12", "-5m"])
def test_since_refuses_what_is_no_time(text: str) -> None:
    assert parse_stamp(text, NOW_NS) is None
    with pytest.raises(LogFilterError, match="write 30s, 10m"):
        parse_since(text, NOW_NS)


def test_window_is_five_seconds_each_way() -> None:
    assert window(STAMP) == ("2026-01-31T12:00:00.250Z", "2026-01-31T12:00:10.250Z")
    with pytest.raises(LogFilterError, match="no time"):
        wall_ns_of("2026-02-31T12:00:05.250Z")


def test_entry_knows_stamp_level_and_actor() -> None:
    entry = Entry.of("brain-0", f"{STAMP} WARNING stream-0 took over")
    assert (entry.stamp, entry.level, entry.actor) == (STAMP, "WARNING", "stream-0")
    assert entry.told().text == "took over"
    printed = Entry.of("brain-0", "hello")
    assert (printed.stamp, printed.level, printed.actor) == ("", "", "brain-0")
    assert printed.told().at is None
    odd = Entry.of("brain-0", f"{STAMP} something else")
    assert (odd.stamp, odd.level, odd.text) == (STAMP, "", "something else")


def test_filter_by_level_takes_that_and_worse() -> None:
    wanted = Filter(level="warning")
    assert wanted.reads_all
    levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    taken = [wanted.takes(Entry.of("a", f"{STAMP} {level} a x")) for level in levels]
    assert taken == [False, False, True, True, True]
    assert not wanted.takes(Entry.of("a", "printed"))


def test_filter_by_time_has_both_ends() -> None:
    wanted = Filter()
    assert not wanted.reads_all
    wanted.first, wanted.last = window(STAMP)
    assert wanted.reads_all
    stamps = (wanted.first, STAMP, wanted.last, "2026-01-31T12:00:10.251Z", "")
    taken = [wanted.takes(Entry.of("a", f"{stamp} INFO a x")) for stamp in stamps]
    assert taken == [True, True, True, False, False]


def test_line_without_a_stamp_goes_the_way_of_the_one_before_it() -> None:
    wanted = Filter(level="error", grep="boom")
    path, other = Path("a.log"), Path("b.log")
    assert wanted.line(path, f"{STAMP} ERROR a boom") is not None
    assert wanted.line(other, f"{STAMP} INFO b boom") is None
    assert wanted.line(path, "    ValueError: x") is not None
    assert wanted.line(other, "    ValueError: x") is None
    with pytest.raises(LogFilterError, match="--grep"):
        Filter(grep="[")
