"""`hunter logs`: the actors' log files, merged by time, filtered by `logfilter`."""

from __future__ import annotations

import contextlib
import heapq
import os
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

import click
import msgspec

from hunter import clock
from hunter.cli.completion import actors as complete_actors
from hunter.cli.logfilter import Entry, Filter, LogFilterError, parse_since, parse_stamp, window
from hunter.cli.options import config_option, load_config
from hunter.cli.paint import colour
from hunter.clock import SystemClock, utc_text
from hunter.config import Config
from hunter.errors import NotFound
from hunter.runtime.logs import log_path
from hunter.status.deaths import read_deaths
from hunter.text import printable

FOLLOW_EVERY_S: Final = 0.2
TRACEBACK_LINES_MAX: Final = 500
LINES_SHOWN: Final = 50
NO_ENDS: Final[Mapping[Path, int]] = MappingProxyType({})
LEVELS_OFFERED: Final = ("info", "warning", "error", "critical")
_COLOURS: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
_ACTOR_COLOURS: Final = ("cyan", "magenta", "blue", "green", "bright_cyan", "bright_magenta")


@click.command()
@click.argument("actors", nargs=-1, metavar="[ACTOR]...", shell_complete=complete_actors)
@config_option
@click.option(
    "-n",
    "count",
    type=click.IntRange(1),
    help=f"How many lines; default {LINES_SHOWN}, or all with --since or --around.",
)
@click.option("--follow", "-f", is_flag=True, help="Then each new line.")
@click.option(
    "--since", metavar="TIME", help="30s, 10m, 2h, 1d ago; or 12:00, or a stamp, in UTC as the log."
)
@click.option("--level", type=click.Choice(LEVELS_OFFERED), help="At least so serious.")
@click.option("--grep", metavar="REGEX", help="Only what it is found in.")
@click.option(
    "--around",
    metavar="EVENT",
    help="5 s before and after: the last death of an actor, or a stamp of the log.",
)
@click.option("--json", "as_json", is_flag=True, help="An object a line.")
def logs(
    actors: tuple[str, ...],
    config_file: str | None,
    count: int | None,
    follow: bool,
    since: str | None,
    level: str | None,
    grep: str | None,
    around: str | None,
    as_json: bool,
) -> None:
    """Log lines of all actors, or of each ACTOR only, by time.

    \b
    hunter logs --around brain-0         what all did when brain-0 last died
    hunter logs --since 10m --level warning
    hunter logs stream-0 stream-1 -f --grep 'missing|complete'
    """
    config = load_config(config_file)
    if around is not None and (follow or since is not None):
        raise click.UsageError("--around is about what is over: leave out --since and --follow")
    try:
        wanted = Filter(level=level, grep=grep)
        if since is not None:
            wanted.first = parse_since(since, SystemClock().wall_ns())
        elif around is not None:
            wanted.first, wanted.last = window(_event(config, around))
    except LogFilterError as error:
        raise click.UsageError(str(error)) from None
    paths = log_files(config, actors)
    if not paths and not as_json:
        click.echo(f"no logs in {config.log_dir} yet", err=True)
    # Before the files are read: it begins where the reading ends, and nothing is lost in between.
    follower = LogFollower(config, actors) if follow else None
    tail = None if wanted.reads_all else count or LINES_SHOWN
    found = entries(paths, tail, follower.begins if follower else {})
    shown = [entry for entry in found if wanted.takes(entry)]
    for line in _lines(shown, count or (None if wanted.first else LINES_SHOWN), as_json=as_json):
        click.echo(line)
    if follower is not None:
        with contextlib.closing(follower):
            _follow(follower, wanted, as_json=as_json)


def _follow(follower: LogFollower, wanted: Filter, *, as_json: bool) -> None:
    """Until it is interrupted."""
    while True:
        for path, text in follower.poll_files():
            if (entry := wanted.line(path, text)) is not None:
                click.echo(_json(entry) if as_json else painted(text))
        clock.sleep_s(FOLLOW_EVERY_S)


def _event(config: Config, around: str) -> str:
    """The stamp of what `--around` names."""
    stamp = parse_stamp(around, SystemClock().wall_ns())
    if stamp is not None:
        return stamp
    deaths = read_deaths(config.log_dir, around)
    if not deaths:
        known = ", ".join(sorted({death.actor for death in read_deaths(config.log_dir)}))
        raise NotFound(
            f'no death of "{around}" is known; of: {known or "nobody"}; a stamp of the log will'
            " do too: --around 12:00:05"
        )
    last = deaths[-1]
    what = f"{last.actor} ended at {utc_text(last.at_ns)}: {last.last_exit}"
    click.echo(printable(what), err=True)
    return utc_text(last.at_ns)


def log_files(config: Config, actors: Sequence[str]) -> list[Path]:
    """Existing files; NotFound for an actor that never had one."""
    if not actors:
        return sorted(config.log_dir.glob("*.log"))
    paths = [log_path(config.log_dir, actor) for actor in dict.fromkeys(actors)]
    for path in paths:
        if not path.is_file():
            logs = sorted(config.log_dir.glob("*.log"))
            known = ", ".join(each.stem for each in logs) or "none yet"
            raise NotFound(f'no log of "{path.stem}" in {config.log_dir}; there are: {known}')
    return paths


def entries(
    paths: Iterable[Path], tail: int | None, ends: Mapping[Path, int] = NO_ENDS
) -> Iterator[Entry]:
    """Of all files by time; the last `tail` lines of each, or all, with what was rotated away.
    `ends`: the byte at which a file's reading ends, where it is not the end of the file.
    """
    records = (_records(path, tail, ends.get(path)) for path in paths)
    return heapq.merge(*records, key=lambda entry: entry.stamp)


def newest_lines(paths: list[Path], count: int) -> list[str]:
    """The last `count` lines over all files by time; a traceback stays with its line."""
    return _newest(list(entries(paths, count)), count)


def _newest(found: list[Entry], count: int) -> list[str]:
    return [line for entry in found[-count:] for line in entry.lines][-count:]


def _lines(shown: list[Entry], count: int | None, *, as_json: bool) -> Iterator[str]:
    if as_json:
        for entry in shown[-count:] if count else shown:
            yield _json(entry)
        return
    for text in _newest(shown, count or max(1, sum(len(entry.lines) for entry in shown))):
        yield painted(text)


def _json(entry: Entry) -> str:
    return msgspec.json.encode(entry.told()).decode()


def _records(path: Path, tail: int | None, end: int | None) -> Iterator[Entry]:
    records: list[Entry] = []
    for raw in _raw_lines(path, tail, end):
        line = raw.decode("utf-8", "replace").rstrip("\n")
        entry = Entry.of(path.stem, line)
        if entry.stamp or not records:
            records.append(entry)  # without a stamp: the end of what began further up
        else:
            records[-1].lines.append(line)
    return iter(records)


def _raw_lines(path: Path, tail: int | None, end: int | None) -> Iterable[bytes]:
    if tail is not None:
        with path.open("rb") as file:
            # more than asked for: the stamp of a traceback may stand far above its last line
            return deque(_until(file, end), maxlen=tail + TRACEBACK_LINES_MAX)
    raw: list[bytes] = []
    for each in (*sorted(path.parent.glob(f"{path.name}.[0-9]"), reverse=True), path):
        with contextlib.suppress(FileNotFoundError), each.open("rb") as file:  # rotated meanwhile
            raw += _until(file, end if each == path else None)
    return raw


def _until(file: BinaryIO, end: int | None) -> Iterable[bytes]:
    """The lines that begin before byte `end`; None: all."""
    if end is None:
        return file
    return iter(lambda: file.readline() if file.tell() < end else b"", b"")


def painted(text: str) -> str:
    """A line with its level and its actor in colour; what a program has printed past its log is
    foreign text.
    """
    text = printable(text)
    stamp, _, rest = text.partition(" ")
    level, _, message = rest.partition(" ")
    if len(stamp) != 24 or not stamp.endswith("Z"):
        return text
    actor, blank, words = message.partition(" ")
    shown = colour(level, _COLOURS[level]) if level in _COLOURS else level
    return f"{stamp} {shown} {colour(actor, _colour_of(actor))}{blank}{words}"


def _colour_of(actor: str) -> str:
    """The same for an actor in every run."""
    return _ACTOR_COLOURS[zlib.crc32(actor.encode()) % len(_ACTOR_COLOURS)]


class LogFollower:
    """New lines of all log files since it was made; survives rotation."""

    def __init__(self, config: Config, actors: Sequence[str] = ()) -> None:
        self._config = config
        self._actors = actors
        self._files: dict[Path, tuple[int, BinaryIO]] = {}
        self.begins: dict[Path, int] = {}
        """The byte of each file at which the new lines began when it was made."""
        for path in self._paths():
            self._open(path, at_end=True)

    def poll(self) -> Iterator[str]:
        """New whole lines."""
        return (text for _, text in self.poll_files())

    def poll_files(self) -> Iterator[tuple[Path, str]]:
        """New whole lines, and the files that they are in."""
        for path in self._paths():
            known = self._files.get(path)
            try:
                inode = path.stat().st_ino
            except OSError:
                continue
            if known is not None and known[0] != inode:
                yield from ((path, text) for text in _read_lines(known[1]))
                known[1].close()
                del self._files[path]
            if path not in self._files and not self._open(path, at_end=False):
                continue
            yield from ((path, text) for text in _read_lines(self._files[path][1]))

    def close(self) -> None:
        for _, file in self._files.values():
            file.close()
        self._files.clear()

    def _paths(self) -> list[Path]:
        if self._actors:
            return [log_path(self._config.log_dir, actor) for actor in self._actors]
        return sorted(self._config.log_dir.glob("*.log"))

    def _open(self, path: Path, *, at_end: bool) -> bool:
        """False: it is just being rotated, and will be there at the next look."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return False
        if at_end:
            self.begins[path] = file.seek(0, 2)
        self._files[path] = (os.fstat(file.fileno()).st_ino, file)
        return True


def _read_lines(file: BinaryIO) -> Iterator[str]:
    while True:
        start = file.tell()
        raw = file.readline()
        if not raw.endswith(b"\n"):
            file.seek(start)  # half a line: its rest is still to come
            return
        yield raw.decode("utf-8", "replace").rstrip("\n")
