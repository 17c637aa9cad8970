"""`hunter logs`: the actors' log files, merged by time."""

from __future__ import annotations

import contextlib
import heapq
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from hunter import clock
from hunter.cli.options import colour, config_option, load_config
from hunter.config import Config
from hunter.errors import NotFound
from hunter.runtime.logs import log_path
from hunter.text import printable

FOLLOW_EVERY_S = 0.2
TRACEBACK_LINES_MAX = 500
_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


@click.command()
@click.argument("actor", required=False)
@config_option
@click.option(
    "-n", "count", default=50, show_default=True, type=click.IntRange(1), help="How many lines."
)
@click.option("--follow", "-f", is_flag=True, help="Then each new line.")
def logs(actor: str | None, config_file: str | None, count: int, follow: bool) -> None:
    """Log lines of all actors, or of ACTOR only."""
    config = load_config(config_file)
    paths = log_files(config, actor)
    for text in newest_lines(paths, count):
        click.echo(painted(text))
    if follow:
        with contextlib.closing(LogFollower(config, actor)) as follower:
            while True:
                for text in follower.poll():
                    click.echo(painted(text))
                clock.sleep_s(FOLLOW_EVERY_S)


def log_files(config: Config, actor: str | None) -> list[Path]:
    """Existing files; NotFound for an actor that never had one."""
    if actor is None:
        return sorted(config.log_dir.glob("*.log"))
    path = log_path(config.log_dir, actor)
    if not path.is_file():
        known = ", ".join(path.stem for path in sorted(config.log_dir.glob("*.log"))) or "none yet"
        raise NotFound(f'no log of "{actor}" in {config.log_dir}; there are: {known}')
    return [path]


def newest_lines(paths: list[Path], count: int) -> list[str]:
    """The last `count` lines over all files by time; a traceback stays with its line."""
    merged = list(heapq.merge(*(_records(path, count) for path in paths)))
    return [line for _, lines in merged[-count:] for line in lines][-count:]


def _records(path: Path, count: int) -> list[tuple[str, list[str]]]:
    with path.open("rb") as file:
        # more than asked for: the stamp of a traceback may stand far above its last line
        tail = deque(file, maxlen=count + TRACEBACK_LINES_MAX)
    records: list[tuple[str, list[str]]] = []
    for raw in tail:
        line = raw.decode("utf-8", "replace").rstrip("\n")
        stamp = line[:24]
        if len(stamp) == 24 and stamp.endswith("Z") and stamp[4] == "-":
            records.append((stamp, [line]))
        elif records:
            records[-1][1].append(line)
        else:
            records.append(("", [line]))  # the end of a traceback that began further up
    return records


def painted(text: str) -> str:
    """A line with its level in colour; what a program has printed past its log is foreign text."""
    text = printable(text)
    stamp, _, rest = text.partition(" ")
    level, _, message = rest.partition(" ")
    return f"{stamp} {colour(level, _COLOURS[level])} {message}" if level in _COLOURS else text


class LogFollower:
    """New lines of all log files since it was made; survives rotation."""

    def __init__(self, config: Config, actor: str | None = None) -> None:
        self._config = config
        self._actor = actor
        self._files: dict[Path, tuple[int, BinaryIO]] = {}
        for path in self._paths():
            self._open(path, at_end=True)

    def poll(self) -> Iterator[str]:
        for path in self._paths():
            known = self._files.get(path)
            try:
                inode = path.stat().st_ino
            except OSError:
                continue
            if known is not None and known[0] != inode:
                yield from _read_lines(known[1])
                known[1].close()
                known = None
            if known is None:
                self._open(path, at_end=False)
            yield from _read_lines(self._files[path][1])

    def close(self) -> None:
        for _, file in self._files.values():
            file.close()
        self._files.clear()

    def _paths(self) -> list[Path]:
        if self._actor is not None:
            return [log_path(self._config.log_dir, self._actor)]
        return sorted(self._config.log_dir.glob("*.log"))

    def _open(self, path: Path, *, at_end: bool) -> None:
        file = path.open("rb")
        if at_end:
            file.seek(0, 2)
        self._files[path] = (path.stat().st_ino, file)


def _read_lines(file: BinaryIO) -> Iterator[str]:
    while True:
        start = file.tell()
        raw = file.readline()
        if not raw.endswith(b"\n"):
            file.seek(start)  # half a line: its rest is still to come
            return
        yield raw.decode("utf-8", "replace").rstrip("\n")
