"""`hunter record`: the market as it is received, into packed files.

Runs beside an instance and shares nothing with it; needs none. Ctrl-C, SIGTERM and a closed
terminal end it in order.
"""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path
from typing import Final

import click

from hunter.cli.options import config_option, duration, load_config
from hunter.cli.progress import Progress
from hunter.clock import SystemClock
from hunter.errors import HunterError
from hunter.recorder.anchor import Anchors
from hunter.recorder.backlog import Backlog
from hunter.recorder.receiver import Receiver
from hunter.recorder.segments import BudgetUsed, Segments, compact_utc, recorded_bytes
from hunter.recorder.writing import WriterThread

WAIT_MS: Final = 100
_LOOK_EVERY_NS: Final = 500_000_000
_MB: Final = 1_000_000
_UNITS_S: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", str(value))
        if not found or not float(found[1]):
            self.fail(f"{value!r} is no duration; write 90, 90s, 15m, 2h or 1d", param, ctx)
        return float(found[1]) * _UNITS_S[found[2]]


@click.command()
@config_option
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where to; default: a new folder in DATA_DIR/recordings.",
)
@click.option("--for", "for_s", type=_Duration(), metavar="DURATION", help="90s, 15m, 2h, 1d.")
@click.option(
    "--segment-mb",
    default=64.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="A new file when one has this size.",
)
@click.option(
    "--budget-mb",
    default=10_000.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Disk for all recordings in this place; the recording ends there.",
)
def record(
    config_file: str | None,
    output: Path | None,
    for_s: float | None,
    segment_mb: float,
    budget_mb: float,
) -> None:
    """Record the market: raw frames with their receive times, in zstd files.

    With the instruments and channels of the configuration, over a connection of its own: a running
    instance is not disturbed, and none is needed. Ctrl-C ends it. Play it: hunter replay DIR
    """
    config = load_config(config_file)
    name, clock = config.hunter.name, SystemClock()
    place = output if output is not None else config.data_dir / "recordings"
    budget_bytes = int(budget_mb * _MB) - recorded_bytes(place)
    if budget_bytes <= 0:
        raise BudgetUsed(
            f"recordings in {place} fill the budget of {budget_mb:g} MB;"
            " raise --budget-mb or move some away"
        )
    directory = output or place / f"{compact_utc(clock.wall_ns())}-{name}"
    segments = Segments(directory, name, int(segment_mb * _MB), budget_bytes)
    anchors = Anchors(config.data_dir / "checkpoints", directory, config.stream.shards)
    recording = _Recording(segments, anchors, Progress(sys.stderr, clock.monotonic_ns()), clock)
    receiver = Receiver(config, recording.backlog, clock, recording.progress.say)
    try:
        recording.run(receiver, for_s)
    finally:
        receiver.close()
        is_written = recording.writer.finish()
        recording.progress.finish()
        click.echo(recording.summary(receiver))
    if not is_written:
        raise HunterError("the disk does not take the last lines; they are lost")
    failure = recording.writer.failure
    if isinstance(failure, BudgetUsed):
        click.echo(f"ended: {failure}", err=True)
    elif failure is not None:
        raise failure


class _Recording:
    """The parts that run together, and what a person sees of them."""

    def __init__(
        self, segments: Segments, anchors: Anchors, progress: Progress, clock: SystemClock
    ) -> None:
        self.progress = progress
        self.backlog = Backlog()
        self.writer = WriterThread(self.backlog, segments, clock)
        self._segments = segments
        self._anchors = anchors
        self._whole_wall_ns = 0  # since when every channel has been recorded
        self._look_due_ns = 0
        self._clock = clock
        self._stopping = False
        self._started_ns = clock.monotonic_ns()
        self._seen = (self._started_ns, 0)

    def run(self, receiver: Receiver, for_s: float | None) -> None:
        """Until the time is over, somebody asks for the end, or nothing can be written."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._request_stop)
        monotonic_ns = self._clock.monotonic_ns
        end_ns = None if for_s is None else self._started_ns + int(for_s * 1e9)
        while not self._stopping and self.writer.failure is None:
            now_ns = monotonic_ns()
            if end_ns is not None and now_ns >= end_ns:
                break
            receiver.step(now_ns)
            if now_ns >= self._look_due_ns and not self._anchors.is_complete:
                self._look_due_ns = now_ns + _LOOK_EVERY_NS
                self._keep_anchors(receiver)
            if end_ns is None:
                self.progress.show(now_ns, lambda: self._line(receiver))
            else:
                share = (now_ns - self._started_ns) / max(1, end_ns - self._started_ns)
                self.progress.show_bar(now_ns, share, lambda: self._line(receiver))
            receiver.wait(WAIT_MS)

    def _keep_anchors(self, receiver: Receiver) -> None:
        if not self._whole_wall_ns and receiver.is_whole:
            self._whole_wall_ns = self._clock.wall_ns()
        if self._whole_wall_ns:
            self._anchors.look(self._whole_wall_ns)

    def summary(self, receiver: Receiver) -> str:
        segments, counts = self._segments, receiver.data_counts
        lasted = duration((self._clock.monotonic_ns() - self._started_ns) / 1e9)
        if not segments.paths:
            return f"nothing recorded in {lasted}; {receiver.last_close or 'no frame came'}"
        channels = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
        return (
            f"recorded {segments.frames:,} frames in {lasted}: {channels}\n"
            f"{self.backlog.dropped:,} dropped, {receiver.reconnects:,} reconnects;"
            f" {segments.raw_bytes / _MB:.1f} MB packed into {segments.packed_bytes / _MB:.1f} MB,"
            f" {len(segments.paths)} segments\n"
            f"play it: hunter replay {segments.directory}"
        )

    def _request_stop(self, *_: object) -> None:
        self._stopping = True

    def _line(self, receiver: Receiver) -> str:
        backlog, segments, now_ns = self.backlog, self._segments, self._clock.monotonic_ns()
        before_ns, before = self._seen
        self._seen = (now_ns, backlog.frames)
        rate = (backlog.frames - before) * 1e9 / max(1, now_ns - before_ns)
        return (
            f"recording {duration((now_ns - self._started_ns) / 1e9)}:"
            f" {backlog.frames:,} frames (+{rate:.0f}/s),"
            f" {segments.packed_bytes / _MB:.1f} MB in {len(segments.paths)} segments,"
            f" {backlog.dropped:,} dropped, {receiver.reconnects:,} reconnects"
        )
