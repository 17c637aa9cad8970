"""`hunter top` as a command: on a real terminal, and where there is none."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from typing import Any

import pytest

from hunter.cli import top as top_command
from hunter.cli.top import why_not

START_S = 20.0


def read_until(terminal: int, wanted: bytes) -> bytes:
    """What a program draws, up to some text."""
    seen = b""
    while wanted not in seen:
        assert select.select([terminal], [], [], START_S)[0], seen[-2000:]
        try:
            seen += os.read(terminal, 65536)
        except OSError:
            raise AssertionError(f"it ended: {seen[-2000:]!r}") from None
    return seen


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_on_a_terminal_it_draws_and_leaves_it_as_it_was(shown: Any, key: bytes) -> None:
    shown.up()
    shown.put_trades(5)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    words = [sys.executable, "-m", "hunter", "top", "-c", str(shown.stage.config_file)]
    environment = dict(os.environ, TERM="xterm-256color")
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        read_until(ours, b"42,219.9")
        os.write(ours, key)
        read_until(ours, b"\x1b[?1049l")  # back from the screen of its own
        assert process.wait(START_S) == 0
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def test_without_a_terminal_it_is_status_watch_and_says_so(shown: Any) -> None:
    shown.up()
    with shown.spawn("top") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.terminate()
        _, errors = process.communicate(timeout=START_S)
    assert errors == "hunter top needs a terminal; so this is: hunter status --watch\n"
    assert any("running" in line for line in lines)


def test_bad_configuration_is_told_before_anything_is_drawn(shown: Any) -> None:
    shown.stage.config_file.write_text("[hunter]\nnmae = 1\n")
    done = shown.run("top")
    assert done.returncode == 78
    assert done.stdout == ""


def test_why_there_is_no_full_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "rb", 0) as terminal:
        monkeypatch.setattr(top_command.sys, "stdin", terminal)
        monkeypatch.setattr(top_command.sys, "stdout", terminal)
        monkeypatch.setenv("TERM", "xterm")
        assert why_not() == ""
        monkeypatch.setenv("TERM", "dumb")
        assert "TERM" in why_not()
        monkeypatch.delenv("TERM")
        assert "TERM" in why_not()
        monkeypatch.setattr("hunter.extras.find_spec", lambda name: None)
        assert why_not() == "hunter top needs: pip install 'okx-hunter[tui]'"
    os.close(ours)
