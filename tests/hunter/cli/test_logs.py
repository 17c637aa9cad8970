"""`hunter logs`: merged by time, followed over rotations."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import pytest

from hunter.cli import logs as logs_module
from hunter.cli.logfilter import wall_ns_of
from hunter.cli.logs import LogFollower, log_files, newest_lines, painted
from hunter.errors import NotFound
from hunter.status.deaths import DeathLog, DeathRecord


def line(second: int, text: str, level: str = "INFO") -> str:
    return f"2026-01-31T12:00:{second:02d}.000Z {level} {text}"


def test_logs_of_all_actors_are_merged_by_time(shown: Any) -> None:
    shown.log("stream-0", line(1, "a"), line(4, "d"))
    shown.log("brain-0", line(2, "b"), line(3, "c"))
    assert [text[-1] for text in shown.output("logs").splitlines()] == ["a", "b", "c", "d"]
    assert [text[-1] for text in shown.output("logs", "-n", "3").splitlines()] == ["b", "c", "d"]


def test_logs_of_one_actor(shown: Any) -> None:
    shown.log("stream-0", line(1, "a"))
    shown.log("brain-0", line(2, "b"))
    assert shown.output("logs", "brain-0") == line(2, "b") + "\n"


def test_logs_of_an_actor_that_never_was(shown: Any) -> None:
    with pytest.raises(NotFound, match="there are: none yet"):
        log_files(shown.config, ["nobody"])
    shown.log("stream-0", line(1, "a"))
    error = shown.call("logs", "nobody").exception
    assert isinstance(error, NotFound)
    assert "there are: stream-0" in str(error)


def test_logs_before_the_first_start_are_none(shown: Any) -> None:
    result = shown.call("logs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"no logs in {shown.config.log_dir} yet\n"


def test_logs_traceback_stays_with_its_line(shown: Any) -> None:
    shown.log("brain-0", line(2, "boom"), "Traceback (most recent call last):", "ValueError: x")
    shown.log("stream-0", line(1, "before"), line(3, "after"))
    found = newest_lines(log_files(shown.config, ()), 50)
    assert [text.split(" ")[-1] for text in found] == ["before", "boom", "last):", "x", "after"]


def test_logs_tail_of_a_long_traceback_is_shown(shown: Any) -> None:
    """The lines asked for may all be of one traceback whose stamp is further up."""
    frames = [f"  frame {number}" for number in range(30)]
    shown.log("brain-0", line(2, "boom"), *frames)
    assert newest_lines(log_files(shown.config, ["brain-0"]), 5) == frames[-5:]


def test_logs_that_are_no_utf8_are_shown_somehow(shown: Any) -> None:
    shown.log("brain-0", line(1, "a"))
    with (shown.config.log_dir / "brain-0.log").open("ab") as file:
        file.write(b"\xff\xfe half")
    assert len(shown.output("logs").splitlines()) == 2


def test_painted_colours_the_level_and_the_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_module, "colour", lambda text, name: f"<{text}>")
    assert painted(line(1, "x y", "WARNING")).endswith("Z <WARNING> <x> y")
    assert painted(line(1, "x", "ERROR")).endswith("Z <ERROR> <x>")
    assert painted(line(1, "x y")).endswith("Z INFO <x> y")
    for plain in ("", "Traceback", "a printed line that is long enough"):
        assert painted(plain) == plain


def test_logs_of_two_actors_by_level_and_text_as_json(shown: Any) -> None:
    shown.log("stream-0", line(1, "stream-0 lost 3", "WARNING"), line(4, "stream-0 fine"))
    shown.log("brain-0", line(2, "brain-0 lost it", "ERROR"), "ValueError: x")
    shown.log("watchdog", line(3, "watchdog lost", "ERROR"))
    words = ("logs", "stream-0", "brain-0", "--level", "warning", "--grep", "lost|never")
    assert [json.loads(text) for text in shown.output(*words, "--json").splitlines()] == [
        {
            "at": "2026-01-31T12:00:01.000Z", "level": "WARNING", "actor": "stream-0",
            "text": "lost 3", "more": [],
        },
        {
            "at": "2026-01-31T12:00:02.000Z", "level": "ERROR", "actor": "brain-0",
            "text": "lost it", "more": ["ValueError: x"],
        },
    ]  # fmt: skip
    assert shown.output(*words).count("\n") == 3, "the traceback belongs to its line"


def test_logs_since_reads_what_was_rotated_away(shown: Any) -> None:
    shown.log("stream-0", *(line(second, f"stream-0 {second}") for second in range(30)))
    path = shown.config.log_dir / "stream-0.log"
    path.rename(path.with_name("stream-0.log.1"))
    shown.log("stream-0", line(30, "stream-0 30"))
    output = shown.output("logs", "--since", "2026-01-31T12:00:28")
    assert [text.split()[-1] for text in output.splitlines()] == ["28", "29", "30"]
    assert len(shown.output("logs").splitlines()) == 1


def test_logs_around_a_death_are_of_five_seconds_before_and_after(shown: Any) -> None:
    for second in (14, 15, 20, 25, 26):
        shown.log("stream-0" if second % 2 else "brain-0", line(second, f"x {second}"))
    at_ns = wall_ns_of("2026-01-31T12:00:20.000Z")
    for number in (1, 0):  # the last one counts
        record = DeathRecord(
            "brain-0", "brain", 7, 0, "signal 9", "signal 9", False, at_ns - number * 10**12, 0, 1.0
        )
        DeathLog(shown.config.log_dir).append(record)
    result = shown.call("logs", "--around", "brain-0")
    assert [text.split()[-1] for text in result.stdout.splitlines()] == ["15", "20", "25"]
    assert result.stderr == "brain-0 ended at 2026-01-31T12:00:20.000Z: signal 9\n"
    same = shown.output("logs", "--around", "2026-01-31T12:00:20")
    assert same == result.stdout


def test_logs_around_what_never_died(shown: Any) -> None:
    error = shown.call("logs", "--around", "stream-0").exception
    assert isinstance(error, NotFound)
    assert 'no death of "stream-0" is known; of: nobody' in str(error)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "yesterday"), "write 30s, 10m, 2h or 1d"),
        (("--grep", "("), "--grep (:"),
        (("--around", "12:00", "--follow"), "leave out --since and --follow"),
        (("--around", "2026-02-31T12:00"), "there is no time"),
    ],
)
def test_logs_of_what_makes_no_sense_is_exit_2(
    shown: Any, words: tuple[str, ...], said: str
) -> None:
    result = shown.call("logs", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_painted_line_cannot_steer_a_terminal() -> None:
    assert painted("printed \x1b[2J\r by a brain") == r"printed \x1b[2J\x0d by a brain"


def test_follower_brings_what_is_new_and_whole(shown: Any) -> None:
    shown.log("stream-0", "old")
    path = shown.config.log_dir / "stream-0.log"
    with contextlib.closing(LogFollower(shown.config)) as follower:
        assert list(follower.poll()) == []
        shown.log("stream-0", "new")
        with path.open("a") as file:
            file.write("half")
        assert list(follower.poll()) == ["new"]
        with path.open("a") as file:
            file.write(" done\n")
        assert list(follower.poll()) == ["half done"]


def test_follower_survives_rotation_and_sees_new_files(shown: Any) -> None:
    shown.log("stream-0", "old")
    path = shown.config.log_dir / "stream-0.log"
    with contextlib.closing(LogFollower(shown.config)) as follower:
        shown.log("stream-0", "last of the first")
        path.rename(path.with_name("stream-0.log.1"))
        shown.log("stream-0", "first of the second")
        shown.log("watchdog", "a new actor")
        assert list(follower.poll()) == ["last of the first", "first of the second", "a new actor"]
        assert list(follower.poll()) == []


def test_follower_of_a_file_that_goes_waits_for_the_next(shown: Any) -> None:
    shown.log("stream-0", "old")
    path = shown.config.log_dir / "stream-0.log"
    with contextlib.closing(LogFollower(shown.config, ["stream-0"])) as follower:
        path.unlink()
        assert list(follower.poll()) == []
        shown.log("stream-0", "back")
        assert list(follower.poll()) == ["back"]
    assert not [name for name in os.listdir("/proc/self/fd") if is_open(name, path)]


def test_follower_of_a_file_that_is_just_being_rotated_comes_back_to_it(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise FileNotFoundError

    with contextlib.closing(LogFollower(shown.config)) as follower:
        shown.log("stream-0", "new")
        with monkeypatch.context() as patch:
            patch.setattr(logs_module.Path, "open", gone)
            assert list(follower.poll()) == []
        assert list(follower.poll()) == ["new"]


def is_open(descriptor: str, path: Any) -> bool:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(path))
    return False


def test_logs_followed_prints_what_comes(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.log("stream-0", line(1, "before"))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt
        shown.log("stream-0", line(2, f"came {len(pauses)}"))

    monkeypatch.setattr(logs_module.clock, "sleep_s", pause)
    output = shown.call("logs", "--follow").stdout
    assert [text.split("INFO ")[1] for text in output.splitlines()] == [
        "before",
        "came 1",
        "came 2",
    ]


def test_what_is_logged_while_the_files_are_read_is_followed_and_shown_once(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown.log("stream-0", line(1, "before"))
    read, show = logs_module.entries, logs_module._lines

    def entries(*given: Any) -> Any:
        shown.log("stream-0", line(2, "just before they are read"))
        return read(*given)

    def lines(*given: Any, **named: Any) -> Any:
        yield from show(*given, **named)
        shown.log("stream-0", line(3, "just after"))

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(logs_module, "entries", entries)
    monkeypatch.setattr(logs_module, "_lines", lines)
    monkeypatch.setattr(logs_module.clock, "sleep_s", interrupt)
    output = shown.call("logs", "--follow").stdout
    assert [text.split("INFO ")[1] for text in output.splitlines()] == [
        "before",
        "just before they are read",
        "just after",
    ]
