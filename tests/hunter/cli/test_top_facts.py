"""What `hunter top` reads, of pages, ring, journal and logs that the test writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.actor_stage import SWAP, HandClock

from hunter.cli import top_facts
from hunter.cli.top_facts import (
    ACTOR_COLUMNS,
    INSTRUMENT_COLUMNS,
    WIDE_COLUMNS,
    LogTails,
    Watcher,
    actor_rows,
    head_texts,
    instrument_rows,
    matches,
)


@pytest.fixture
def watcher(shown: Any) -> Iterator[Watcher]:
    made = Watcher(shown.config, shown.stage.clock)
    yield made
    made.close()


def cells(watcher: Watcher, columns: tuple[str, ...] = WIDE_COLUMNS) -> dict[str, str]:
    """The instrument's, by column."""
    row = instrument_rows(watcher.look(), columns)[SWAP]
    return {name: cell.text for name, cell in zip(columns, row, strict=True)}


def test_look_at_what_does_not_run_says_how_to_start_it(shown: Any, watcher: Watcher) -> None:
    shown.down()
    look = watcher.look()
    assert look.report.state == "stopped"
    assert look.instruments == ()
    assert "start it: hunter start" in look.report.reasons[0]


def test_look_is_the_report_and_the_newest_of_each_lane(shown: Any, watcher: Watcher) -> None:
    shown.up()
    before = cells(watcher)
    assert (before["LAST"], before["BOOK"], before["SIGNAL"]) == ("-", "-", "-")
    shown.put_trades(5, 6)
    shown.put_book()
    shown.put_signal(1_000)
    now = cells(watcher)
    assert watcher.look().report.state == "running"
    assert (now["INSTRUMENT"], now["FEEDS"], now["LAST"]) == (SWAP, "live", "42,219.9")
    assert (now["BOOK"], now["BID"], now["ASK"], now["LOST"]) == ("valid", "100.0", "100.5", "0")
    assert now["SIGNAL"].startswith("up 0.62 ")
    assert now["BECAUSE"] == "queues lean up"
    shown.put_book(valid=False)
    shown.show_feed("stale", lost=3)
    now = cells(watcher)
    assert (now["BOOK"], now["BID"], now["FEEDS"], now["LOST"]) == (
        *("not valid", "-", "stale", "3"),
    )


def test_book_that_nobody_writes_any_more_is_not_valid(shown: Any, watcher: Watcher) -> None:
    shown.up()
    shown.put_book()
    shown.stage.end_writer()
    assert (cells(watcher)["BOOK"], cells(watcher)["BID"]) == ("not valid", "-")


def test_rate_is_of_the_last_seconds(shown: Any) -> None:
    shown.up()
    clock = HandClock()
    watcher = Watcher(shown.config, clock)
    assert cells(watcher)["TR/S"] == "0.0"
    shown.put_trades(*range(1, 21))
    clock.skip(2_000)
    assert cells(watcher)["TR/S"] == "10.0"
    for _ in range(6):
        clock.skip(2_000)
        last = cells(watcher)["TR/S"]
    assert last == "0.0"
    watcher.close()


def test_watcher_goes_on_after_a_stop_and_a_start(shown: Any, watcher: Watcher) -> None:
    shown.up()
    shown.put_trades(5)
    assert cells(watcher)["LAST"] == "42,219.9"
    hidden = shown.stage.shared.with_name("hunter-test-hidden")
    shown.stage.shared.rename(hidden)
    try:
        assert watcher.look().report.state == "stopped"
    finally:
        shutil.copytree(hidden, shown.stage.shared)  # other files of the same names
        shutil.rmtree(hidden)
    assert cells(watcher)["LAST"] == "42,219.9"


def test_damaged_ring_leaves_its_instruments_out_and_its_reason_in(
    shown: Any, watcher: Watcher
) -> None:
    shown.up()
    watcher.look()
    os.truncate(shown.stage.ring_path(), 4096)
    look = watcher.look()
    assert look.instruments == ()
    assert "ring-0" in look.report.reasons[0]


def test_actors_have_a_cell_for_each_column(shown: Any, watcher: Watcher) -> None:
    shown.up(brain=2)
    rows = actor_rows(watcher.look().report)
    assert list(rows) == ["stream-0", "brain-0", "watchdog"]
    found = dict(zip(ACTOR_COLUMNS, rows["brain-0"], strict=True))
    assert (found["STATE"], found["RST"].text) == (("ready", "green"), "2")
    assert found["PID"].text == str(os.getpid())
    assert head_texts(watcher.look().report)[2] == "restarts 2"
    report = watcher.look().report
    report.pid = 0
    assert not [text for text in head_texts(report) if text.startswith("up ")]


def test_standby_says_so(shown: Any, watcher: Watcher) -> None:
    shown.up()
    report = watcher.look().report
    report.actors[0].active = False
    assert actor_rows(report)["stream-0"][1] == ("standby", "green")
    report.actors[0].state = "degraded"
    assert actor_rows(report)["stream-0"][1] == ("degraded", "yellow")


def test_signals_of_before_are_shown_too_and_a_journal_that_cannot_be_read_is_none(
    shown: Any, watcher: Watcher
) -> None:
    shown.up()
    shown.put_signal(1_000)
    shown.put_signal(2_000, "down")
    assert cells(watcher, INSTRUMENT_COLUMNS)["SIGNAL"].startswith("down 0.62")
    broken = Watcher(shown.config)
    directory = shown.config.data_dir / "signals"
    shutil.move(directory, directory.with_name("away"))
    directory.write_text("no folder")
    assert broken.look().instruments[0].signal is None
    broken.close()


def stamp(second: int) -> str:
    return f"2026-01-31T12:00:{second:02d}.000Z"


def test_log_lines_are_merged_by_time_and_a_traceback_stays_with_its_line(
    shown: Any, watcher: Watcher
) -> None:
    shown.log("brain-0", f"{stamp(1)} INFO brain-0 one", f"{stamp(3)} ERROR brain-0 three")
    shown.log("brain-0", "    Traceback", f"{stamp(5)} INFO brain-0 five")
    shown.log("stream-0", f"{stamp(2)} INFO stream-0 two", f"{stamp(4)} INFO stream-0 \x1b[2Jfour")
    lines = watcher.look().log
    assert [line.text.split()[-1] for line in lines[:4]] == ["one", "two", "three", "Traceback"]
    assert [line.actor for line in lines] == ["brain-0", "stream-0", *["brain-0"] * 2,
                                              "stream-0", "brain-0"]  # fmt: skip
    assert "\x1b" not in lines[4].text, "a log cannot command the terminal"


def test_log_tail_is_bounded_and_half_lines_wait(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top_facts, "LOG_LINES_MAX", 10)
    monkeypatch.setattr(top_facts, "LOG_TAIL_BYTES", 1_000)
    shown.log("brain-0", *(f"{stamp(n % 60)} INFO brain-0 {n}" for n in range(1_000)))
    with (shown.config.log_dir / "brain-0.log").open("a") as file:
        file.write(f"{stamp(59)} INFO brain-0 half")
    tails = LogTails(shown.config.log_dir)
    found = tails.read()
    assert len(found) == 10
    assert not [line for line in found if "half" in line.text]
    with (shown.config.log_dir / "brain-0.log").open("a") as file:
        file.write(" whole\n")
    assert [line for line in tails.read() if "half whole" in line.text]


def test_log_file_that_has_not_changed_is_not_read_again(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown.log("brain-0", f"{stamp(1)} INFO brain-0 one")
    tails = LogTails(shown.config.log_dir)
    before = tails.read()
    monkeypatch.delattr(top_facts, "_tail")
    assert tails.read() == before
    shown.log("brain-0", f"{stamp(2)} INFO brain-0 two")
    with pytest.raises(NameError):
        tails.read()


@pytest.mark.parametrize(
    ("wanted", "is_kept"),
    [("", True), ("btc", True), ("BTC ready", True), ("btc parked", False)],
)
def test_filter_wants_all_its_words_somewhere(wanted: str, is_kept: bool) -> None:
    assert matches(wanted, "BTC-USDT", "ready") is is_kept
