"""A user's Python beside a running demo: copies of signals, the journal, and a stop and a start."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.instance import HunterInstance, temporary_home, wait_until

import hunter
from hunter.access import Instance
from hunter.cli.top_screen import ask_restart
from hunter.errors import NotRunning

pytestmark = pytest.mark.system

SWAP = "BTC-USDT-SWAP"
SETTINGS = ("brain.interval_ms=100", "brain.warm_ms=1000", "brain.coverage=1.0")
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "subscribe.py"


@pytest.fixture(scope="module")
def demo() -> Iterator[HunterInstance]:
    with temporary_home() as home:
        instance = HunterInstance(home, SETTINGS, None)
        try:
            instance.start("--demo")
            yield instance
        finally:
            instance.stop()


def test_subscription_of_the_example_gets_signals_of_the_running_brain(
    demo: HunterInstance,
) -> None:
    words = [sys.executable, str(EXAMPLE), str(demo.config.runtime_dir)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        instrument, direction, probability = process.stdout.readline().split()
        process.terminate()
    assert instrument == SWAP
    assert direction in ("up", "down", "flat")
    assert 0 <= float(probability) <= 1


def test_example_has_fifteen_lines_and_nothing_of_hunter() -> None:
    code = EXAMPLE.read_text().split('"""')[2].splitlines()
    assert len([line for line in code if line]) <= 15
    assert "import hunter" not in "".join(code)


def test_async_signals_of_a_running_demo_are_the_journals(demo: HunterInstance) -> None:
    async def program() -> list[str]:
        with hunter.attach(demo.config_file) as h:
            found: list[str] = []
            async for signal in h.signals_async(SWAP, 1):
                found.append(signal.id)
                if len(found) == 4:
                    break
            return found

    found = asyncio.run(asyncio.wait_for(program(), 30))
    journal = [signal["id"] for signal in demo.signals()]
    first = journal.index(found[0])
    assert journal[first : first + 4] == found


LOOKS_ON = """
import sys, hunter
h = hunter.attach(sys.argv[1])
h.trades(sys.argv[2]).last(5)
h.trades(sys.argv[2]).view(5)
h.status()
print("".join(line for line in open("/proc/self/maps") if "/dev/shm/" in line), end="")
"""


def test_user_maps_the_running_system_read_only(demo: HunterInstance) -> None:
    words = [sys.executable, "-c", LOOKS_ON, str(demo.config_file), SWAP]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    maps = [line.split() for line in done.stdout.splitlines()]
    assert {Path(words[5]).name for words in maps} == {"status", "ring-0"}
    assert {words[1] for words in maps} == {"r--s"}


def test_restart_that_top_asks_for_is_done(demo: HunterInstance) -> None:
    before = demo.actor("brain-0")
    assert ask_restart(demo.config, "brain-0") == ""
    wait_until(
        "another process",
        lambda: (now := demo.actor("brain-0"))["pid"] != before["pid"] and now["state"] == "ready",
    )
    assert "no child" in ask_restart(demo.config, "brain-7")


def test_instance_and_lanes_live_through_a_stop_and_a_start(demo: HunterInstance) -> None:
    with Instance(demo.config) as h:
        lane = h.trades(SWAP)
        wait_until("trades", lambda: len(lane.last(10)) == 10)
        with lane.view(10) as view:
            before = [int(n) for part in view.parts for n in part["trade_id"]]
            demo.command("stop")
            assert not h.is_current
            assert h.status().state == "stopped"
            assert h.instruments == [SWAP]
            for ask in (lambda: lane.last(1), lambda: h.books(SWAP), lambda: h.bars(SWAP, "1s")):
                with pytest.raises(NotRunning, match="start it: hunter start"):
                    ask()
            assert [int(n) for part in view.parts for n in part["trade_id"]] == before
            demo.start("--demo")
        rows = wait_until("trades of the next run", lambda: lane.last_rows(10)) and lane.last(10)
        assert h.is_current
        assert h.status().state in ("running", "degraded", "starting")
        told = [json.loads(line)["trade_id"] for line in demo.command(
            "trades", SWAP, "-n", "100000", "--json").stdout.splitlines()]  # fmt: skip
        assert set(rows["trade_id"].tolist()) <= set(told)
        book = wait_until("a book", lambda: h.books(SWAP).latest())
        assert not book.valid or book.bids[0, 0] < book.asks[0, 0]
