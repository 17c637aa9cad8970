"""Kills the brain at random moments while it reads a replay of two mates: its journal must be that
of a brain that was never killed.

    python tests/soak/kill_brain.py [--kills 100] [--live-kills 15] [--seed N] [--recording PATH...]

A recording of BTC-USDT and BTC-USDT-SWAP (the captures beside the checkout; else one is made up) is
played to a whole instance once; its ring is then kept, and real brain processes read it, killed by
SIGKILL some times a round and started again. Every field of every signal must be as in the round
without kills, but for latency_us. Live: the instance runs on while its brain is killed, and what is
compared is what the input decides. The seed is printed first. Prints one JSON object; exit code 1
when a check fails.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.instance import HunterInstance, running, temporary_home, wait_until
from fakes.soak_options import chosen_seed, parser_of
from fakes.whole_tree import pids_of, wait_until_replaced, wait_until_running
from soak.still_ring import (
    BRAIN,
    SNAPSHOT_BYTES_MAX,
    StillRing,
    pair_recording,
    timeless,
    told,
)

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "captures" / "okx-framed-binance"
SETTINGS = (
    'okx.instruments=["BTC-USDT", "BTC-USDT-SWAP"]',
    'okx.channels=["trades", "tickers", "books", "bbo-tbt"]',
    "brain.interval_ms=100",
    "brain.horizon_ms=1000",
    f"ring.capacity={1 << 17}",
)
KILLS_PER_ROUND = (1, 4)
LIVE_SPEED = 10.0
PLAYED_S = 300.0


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--live-kills", type=int, default=15)
    parser.add_argument("--recording", type=Path, nargs="+", default=None)
    options = parser.parse_args()
    seed = chosen_seed(options.seed)
    dice = random.Random(seed)
    with temporary_home() as home:
        recordings = options.recording or sorted(CAPTURES.glob("*.jsonl.gz"))
        recordings = recordings or [pair_recording(home / "made-up.gz", 120, 150.0, seed & 0xFFFF)]
        result = {"seed": seed, "recordings": [path.name for path in recordings]}
        result |= soak(home, recordings, dice, options.kills, options.live_kills)
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


def soak(
    home: Path, recordings: list[Path], dice: random.Random, kills: int, live_kills: int
) -> dict[str, Any]:
    """One replay, rounds on its ring, and a replay whose brain is killed while it runs."""
    result: dict[str, Any] = {"failures": []}
    still = still_ring_of(home / "first", recordings)
    try:
        expected = rounds(home, still, dice, kills, result)
    finally:
        still.close()
    if live_kills:
        live(home / "live", recordings, dice, live_kills, expected, result)
    if result["snapshot_bytes_max"] >= SNAPSHOT_BYTES_MAX:
        result["failures"].append("a snapshot is too large")
    return result


def simulated(recordings: list[Path], speed: str) -> tuple[str, ...]:
    """What the simulator is told."""
    played = [word for path in recordings for word in ("--replay", str(path))]
    return (*played, "--speed", speed, "--no-limits")


def still_ring_of(home: Path, recordings: list[Path]) -> StillRing:
    """The ring of an instance that has been played everything."""
    home.mkdir()
    with running(home, *SETTINGS, sim=simulated(recordings, "max")) as (instance, _):
        wait_until_resting(instance)
        return StillRing(home, instance)


def wait_until_resting(instance: HunterInstance) -> None:
    """No row has come for a while, and the brain has read them all."""
    before: list[Any] = [None, 0]

    def is_resting() -> bool:
        status = instance.status()
        now = (status["brain"]["inputs"], [ring["sequence"] for ring in status["rings"]])
        before[:] = [now, before[1] + 1 if now == before[0] else 0]
        return before[1] >= 5 and sum(now[0].values()) > 0

    wait_until("the end of the replay", is_resting, PLAYED_S, 0.3)


def rounds(
    home: Path, still: StillRing, dice: random.Random, kills: int, result: dict[str, Any]
) -> list[bytes]:
    """Kills on the ring that stands still; what an undisturbed brain tells."""
    with still.room("u") as room:
        room.run_to_the_end(still.row_count)
        expected = told(room.config)
        largest = room.snapshot_bytes_max
    done = number = restored = 0
    while done < kills:
        number += 1
        wanted = min(dice.randint(*KILLS_PER_ROUND), kills - done)
        with still.room(f"k{number}") as room:
            for _ in range(wanted):
                room.kill_at(dice, still.row_count)
            room.run_to_the_end(still.row_count)
            if told(room.config) != expected:
                result["failures"].append(f"round {number}: {difference(room.config, expected)}")
            largest = max(largest, room.snapshot_bytes_max)
            restored += room.restored_count
        done += wanted
        print(f"{done} kills, {len(result['failures'])} failures", file=sys.stderr)
    result |= {
        "rows": still.row_count,
        "signals": len(expected),
        "kills": done,
        "rounds": number,
        "restored": restored,
        "snapshot_bytes_max": largest,
    }
    return expected


def difference(config: Any, expected: list[bytes]) -> str:
    """The first of them."""
    found = told(config)
    for number, (one, other) in enumerate(zip(found, expected, strict=False)):
        if one != other:
            return f"signal {number} is {one.decode()}, should be {other.decode()}"
    return f"{len(found)} signals, should be {len(expected)}"


def live(
    home: Path,
    recordings: list[Path],
    dice: random.Random,
    kills: int,
    expected: list[bytes],
    result: dict[str, Any],
) -> None:
    """The brain of a running instance is killed while the market goes on; a brain that reads the
    ring it leaves, and the replay before, tell what it should have told.
    """
    home.mkdir()
    quiet = ("supervisor.max_restarts=1000",)
    sim = simulated(recordings, str(LIVE_SPEED))
    with running(home, *SETTINGS, *quiet, sim=sim) as (instance, _):
        wait_until_running(instance)
        for _ in range(kills):
            time.sleep(dice.uniform(0.1, 1.5))
            pid = pids_of(instance)[BRAIN]
            os.kill(pid, signal.SIGKILL)
            wait_until_replaced(instance, BRAIN, pid)
        wait_until_resting(instance)
        lapped = instance.status()["brain"]["lapped"]
        found = told(instance.config)
        still = StillRing(home, instance)
    try:
        with still.room("u") as room:
            room.run_to_the_end(still.row_count)
            same_ring = told(room.config)
    finally:
        still.close()
    if lapped:
        result["failures"].append(f"live: {lapped} rows lapped")
    if found != same_ring:
        result["failures"].append("live: not what an undisturbed brain tells of the same ring")
    if timeless(found) != timeless(expected):
        result["failures"].append("live: not what the replay before told")
    result |= {"live_kills": kills, "live_signals": len(found)}


if __name__ == "__main__":
    sys.exit(main())
