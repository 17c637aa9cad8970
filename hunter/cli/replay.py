"""`hunter replay`: a recording through the real socket, session, ring and brain.

An instance of its own with the simulator as its exchange, in directories of its own; it ends when
everything has been read. What stays is the folder with its signals and logs.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import click
import msgspec

from hunter.cli.console import Console
from hunter.cli.options import colour, config_option, duration, json_option, load_config
from hunter.cli.progress import Progress
from hunter.cli.replay_verify import tell, verify
from hunter.cli.replay_watch import ReplayWatch
from hunter.cli.sim import Speed
from hunter.clock import SystemClock
from hunter.config import Config, to_toml
from hunter.errors import HunterError
from hunter.recorder.contents import Contents, read_contents, recording_files
from hunter.recorder.playback import expected_frames, playback_config
from hunter.ring.segment import SHARED_ROOT
from hunter.simulator.options import ReplayPlan, save_plan
from hunter.system import free_port, run, with_simulator

RING_BYTES_MAX: Final = 512 << 20


class ReplaySummary(msgspec.Struct):
    """`hunter replay --json`; every number's unit is in its name."""

    schema: int
    recording: list[str]
    instruments: list[str]
    frames: int
    trades: int
    matches: int
    lost: int
    gaps: int
    lapped: int
    unread: int
    malformed: int
    torn: int
    decisions: int
    signals: dict[str, int]
    took_s: float
    market_s: float
    signals_dir: str

    @property
    def is_whole(self) -> bool:
        return not (self.lost or self.lapped or self.unread)


@click.command()
@click.argument(
    "recording", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RECORDING..."
)
@config_option
@click.option(
    "--speed",
    default="max",
    show_default=True,
    type=Speed(),
    help="1 as recorded, N times that, or max.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="As for start.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="For signals and logs; default: a temporary folder.",
)
@click.option(
    "--verify",
    "is_verified",
    is_flag=True,
    help="Compute a run's signals once more and compare them; exit code 7 when they differ.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run to verify: its data_dir; default: that of the configuration.",
)
@json_option
@click.pass_context
def replay(
    context: click.Context,
    recording: tuple[Path, ...],
    config_file: str | None,
    speed: float | None,
    overrides: tuple[str, ...],
    output: Path | None,
    is_verified: bool,
    against: Path | None,
    as_json: bool,
) -> None:
    """Play RECORDING... (files, or folders of segments) through the whole system.

    Socket, session, ring and brain are those of a real run. Instruments and channels are the
    recording's, everything else is the configuration's. Exit code 1 when anything was lost.
    """
    config = load_config(config_file, overrides)
    if is_verified:
        if output is not None or speed is not None:
            raise click.UsageError("--verify starts nothing: leave out -o and --speed")
        tell(verify(config, recording, against), as_json)
        return
    if against is not None:
        raise click.UsageError("--against goes with --verify")
    contents = read_contents(recording_files(recording))
    data_dir = _output_dir(output)
    runtime_dir = Path(tempfile.mkdtemp(prefix="hunter-run-"))
    try:
        free_bytes = shutil.disk_usage(SHARED_ROOT).free // 2
        fixed = {text.partition("=")[0].strip() for text in overrides}
        config = playback_config(
            config, contents, data_dir, runtime_dir, min(RING_BYTES_MAX, free_bytes), fixed
        )
        config = with_simulator(config, free_port())
        (data_dir / "hunter.toml").write_text(to_toml(config), encoding="utf-8")
        paths = tuple(str(path.resolve()) for path in contents.paths)
        save_plan(runtime_dir, ReplayPlan(paths, speed))
        watch = _play(config, expected_frames(config, contents), is_quiet=as_json)
    finally:
        shutil.rmtree(runtime_dir, ignore_errors=True)
    if not watch.is_settled:
        click.echo(f"hunter: interrupted; what there is: {data_dir}", err=True)
        context.exit(130)
    summary = _summary(config, contents, watch)
    click.echo(msgspec.json.encode(summary) if as_json else _text(summary, data_dir))
    if not summary.is_whole:
        raise HunterError(_why_not_whole(summary, data_dir))


def _output_dir(output: Path | None) -> Path:
    if output is None:
        return Path(tempfile.mkdtemp(prefix="hunter-replay-"))
    output.mkdir(parents=True, exist_ok=True)
    if any(output.iterdir()):
        raise HunterError(f"{output} is not empty; a replay needs a folder of its own")
    return output.resolve()


def _play(config: Config, expected: int, *, is_quiet: bool) -> ReplayWatch:
    """Run the instance to its end. Its log lines go to files, not to the terminal."""
    console = Console(config, demo=True)
    # A copy, because descriptor 2 goes to the log while the instance runs.
    with os.fdopen(os.dup(2), "w") as screen:
        progress = Progress(screen, SystemClock().monotonic_ns(), is_quiet=is_quiet)
        watch = ReplayWatch(config, expected, progress)
        try:
            code = run(config, demo=True, take_output=console.take_output, before_loop=watch.start)
        finally:
            watch.finish()
            console.finish()
    if code:
        raise HunterError(f"the replay ended with exit code {code}; see {config.log_dir}")
    return watch


def _summary(config: Config, contents: Contents, watch: ReplayWatch) -> ReplaySummary:
    report, last = watch.report, watch.last
    assert report is not None
    assert last is not None
    expected = expected_frames(config, contents)
    return ReplaySummary(
        schema=1,
        recording=[str(path) for path in contents.paths],
        instruments=list(config.okx.instruments),
        frames=expected,
        trades=sum(ring.sequence for ring in report.rings),
        matches=sum(contents.matches[name] for name in config.okx.instruments),
        lost=last.lost,
        gaps=sum(feed.gaps for feed in report.feeds),
        lapped=report.brain.lapped,
        unread=max(0, expected - last.received) + max(0, last.written - last.read),
        malformed=contents.counts.malformed,
        torn=contents.counts.torn,
        decisions=report.brain.decisions,
        signals={name: watch.directions[name] for name in ("up", "down", "flat")},
        took_s=round(watch.took_s, 3),
        market_s=round(contents.span_s, 3),
        signals_dir=str(config.data_dir / "signals"),
    )


def _text(summary: ReplaySummary, data_dir: Path) -> str:
    ratio = summary.market_s / summary.took_s if summary.took_s else 0.0
    told = ", ".join(f"{count:,} {name}" for name, count in summary.signals.items())
    lines = [
        f"replayed {', '.join(summary.instruments)}: {summary.frames:,} frames,"
        f" {duration(summary.market_s)} of market in {duration(summary.took_s)}"
        f" ({ratio:.1f} times as fast)",
        f"{summary.trades:,} trades of {summary.matches:,} matches,"
        f" {_count(summary.lost, 'lost')}, {summary.gaps:,} gaps,"
        f" {_count(summary.lapped, 'lapped')}, {_count(summary.unread, 'unread')}",
        f"{summary.decisions:,} decisions, {sum(summary.signals.values()):,} signals: {told}",
        f"look at them: hunter signals -c {data_dir / 'hunter.toml'}",
    ]
    if summary.malformed or summary.torn:
        lines.insert(
            1,
            f"in the recording: {summary.malformed:,} lines that cannot be read,"
            f" {summary.torn:,} files that break off",
        )
    return "\n".join(lines)


def _count(count: int, word: str) -> str:
    return colour(f"{count:,} {word}", "red") if count else f"0 {word}"


def _why_not_whole(summary: ReplaySummary, data_dir: Path) -> str:
    reasons = []
    if summary.lost:
        reasons.append(f"{summary.lost:,} matches are not in the recording")
    if summary.lapped:
        reasons.append(
            f"the brain missed {summary.lapped:,} rows: a lower --speed or a larger ring.capacity"
        )
    if summary.unread:
        reasons.append(f"{summary.unread:,} frames or rows were not read: see {data_dir / 'logs'}")
    return "; ".join(reasons)
