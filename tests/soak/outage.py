"""The exchange is away for an hour: nobody panics, nobody hammers, and then all is as it was.

    python tests/soak/outage.py [--hours 1] [--real-minutes N]

By default one stream actor in this process with real sockets and a clock that skips the waiting;
with --real-minutes a whole instance and no skipping. WebSocket and REST are both refused. Checked:
after the first minutes at most one attempt in 15 s, ready within one back-off after the exchange is
back, the gap refilled, no process restarted. Prints one JSON object; exit code 1 when a check
fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.actor_stage import MS, Stage, turn
from fakes.audit import audited, urls
from fakes.fault_proxy import FaultProxy
from fakes.faulty_exchange import Exchange
from fakes.stream_rig import Rig

from hunter.simulator.options import SimOptions
from hunter.status.page import ActorState

SETTLED_S = 180.0
SPACING_S_MIN = 15.0
BACK_WITHIN_S = 35.0  # one back-off, the handshake and a REST request or two
SKIP_MS = 1_000
RATE = 20
MATCHES_PER_TRADE = 3
REFILL_PER_S = 400  # matches; history-trades gives 100 a request, and 7 requests a second
SLOW = (
    "stream.stale_after_ms=8000",
    "stream.backoff_min_ms=1000",
    "stream.backoff_max_ms=30000",
    "stream.stable_after_ms=30000",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--real-minutes", type=float, default=0.0)
    options = parser.parse_args()
    minutes = options.real_minutes
    result = real_outage(minutes) if minutes else scaled_outage(options.hours)
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


def scaled_outage(hours: float) -> dict[str, Any]:
    """One actor, real sockets, and a clock that skips while nothing but time has to pass."""
    with contextlib.ExitStack() as stack:
        exchange = Exchange(SimOptions(rate=100.0))
        stack.callback(exchange.stop)
        sockets = stack.enter_context(FaultProxy(exchange.port))
        rest = stack.enter_context(FaultProxy(exchange.port))
        stage = Stage(*urls(sockets.port, rest.port))
        stack.callback(stage.close)
        stage.make_rings()
        rig = Rig(stage)
        stack.callback(lambda: rig.actor.on_stop())
        rig.until_ready()
        rig.until_trades(20)
        for proxy in (sockets, rest):
            proxy.refusing = True
            proxy.reset()
        attempts = wait_out(rig, sockets, hours * 3_600)
        is_degraded = rig.actor.state() is ActorState.DEGRADED
        for proxy in (sockets, rest):
            proxy.refusing = False
        back_s = wait_ready(rig)
        rig.until_trades(20)
        rig.until_complete()
        failures = judge(attempts, back_s)
        if not is_degraded:
            failures.append("the outage is not said")
        rig.check(exchange)
        return {
            "failures": failures,
            **figures(attempts, back_s),
            "trade_rows": len(rig.trades),
            "backfilled": rig.feed().backfilled,
        }


def waits(rig: Rig) -> bool:
    """Whether nothing but time is needed for the next step."""
    return {each.state for each in rig.actor.document().connections} <= {"backoff", "waiting"}


def wait_out(rig: Rig, sockets: FaultProxy, outage_s: float) -> list[float]:
    """Seconds into the outage of each attempt."""
    began_ns, seen = rig.clock.monotonic_ns(), sockets.accepted
    attempts: list[float] = []
    while (now_ns := rig.clock.monotonic_ns()) < began_ns + outage_s * 1e9:
        turn(rig.actor, rig.clock, 1)
        attempts += [(now_ns - began_ns) / 1e9] * (sockets.accepted - seen)
        seen = sockets.accepted
        if waits(rig):
            rig.clock.skip(SKIP_MS)
    return attempts


def wait_ready(rig: Rig) -> float:
    """Seconds until it is ready again, skipped ones included."""
    began_ns = rig.clock.monotonic_ns()
    end_s = time.monotonic() + 20
    while rig.actor.state() is not ActorState.READY:
        assert time.monotonic() < end_s, rig.actor.document()
        turn(rig.actor, rig.clock)
        if waits(rig):
            rig.clock.skip(SKIP_MS)
    return (rig.clock.monotonic_ns() - began_ns) / (1_000 * MS)


def real_outage(minutes: float) -> dict[str, Any]:
    """A whole instance, in real time."""
    with audited(*SLOW, rate=RATE, proxied=True, rest_proxied=True) as audit:
        audit.until_running()
        audit.settle()
        audit.proxy.refusing = True
        audit.proxy.reset()
        began, connects, attempts = time.monotonic(), audit.connects, []
        while (at_s := time.monotonic() - began) < 60 * minutes:
            time.sleep(0.1)
            attempts += [at_s] * (audit.connects - connects)
            connects = audit.connects
        told = audit.report()
        audit.proxy.refusing = False
        returned = time.monotonic()
        audit.until("books", lambda: books_are_live(audit), BACK_WITHIN_S + 60)
        back_s = time.monotonic() - returned
        # What was traded meanwhile comes at the rate that REST allows.
        audit.until_running(60 + 60 * minutes * RATE * MATCHES_PER_TRADE * 3 / REFILL_PER_S)
        audit.settle(timeout_s=60)
        audit.check_lost()
        audit.check_actors()
        audit.check_limits()
        audit.failures += judge(attempts, back_s)
        if told.state != "degraded" or not told.reasons:
            audit.failures.append("the outage is not said")
        refilled_s = round(time.monotonic() - returned, 1)
        found = {"complete_after_s": refilled_s, "reasons_then": told.reasons}
        return {**audit.result(), **figures(attempts, back_s), **found}


def books_are_live(audit: Any) -> bool:
    """Connected, subscribed, and what there is comes."""
    books = [feed.state for feed in audit.report().feeds if feed.channel == "books"]
    return bool(books) and set(books) == {"live"}


def judge(attempts: list[float], back_s: float) -> list[str]:
    """What of the promises was not kept."""
    failures = []
    late = [at_s for at_s in attempts if at_s >= SETTLED_S]
    close = [(a, b) for a, b in pairwise(late) if b - a < SPACING_S_MIN]
    if close:
        failures.append(f"attempts less than {SPACING_S_MIN} s apart: {close[:5]}")
    if not attempts:
        failures.append("nobody tried to connect")
    if back_s > BACK_WITHIN_S:
        failures.append(f"ready only {back_s:.1f} s after the exchange was back")
    return failures


def figures(attempts: list[float], back_s: float) -> dict[str, Any]:
    gaps = [b - a for a, b in pairwise(attempts)]
    return {
        "attempts": len(attempts),
        "attempts_in_the_first_minutes": sum(at_s < SETTLED_S for at_s in attempts),
        "longest_gap_s": round(max(gaps, default=0.0), 1),
        "shortest_gap_s": round(min(gaps, default=0.0), 2),
        "ready_after_return_s": round(back_s, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
