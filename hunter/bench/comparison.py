"""hunter and other libraries on the same load, in turn, several rounds: medians and ratios.

Each peer has an environment of its own, DIR/NAME, made by `make peers`; one that is missing is said
in a line and passed over. Every run has a fresh load process and a fresh client, on the cores that
hunter's own runs have. A peer's cost ends at the user's callback; hunter's at the committed row of
the ring, which any number of readers can have.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import tempfile
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from hunter import clock
from hunter.bench.figures import quantiles, ratio, spread
from hunter.bench.frames import trade_number
from hunter.bench.loadclient import Load, pinned
from hunter.bench.peers.client import CHANNELS, DISTRIBUTIONS
from hunter.bench.runs import Cores, burst, lost, paced
from hunter.bench.traffic import TrafficPlan
from hunter.errors import HunterError
from hunter.status.documents import Percentiles

CLIENT: Final = Path(__file__).parent / "peers" / "client.py"
BURST_MESSAGES: Final = {"trades": 60_000, "mix": 30_000}
RATES: Final = (1_000, 5_000, 20_000)
ROUNDS: Final = 3
_READY_S: Final = 30.0
_SETTLE_S: Final = 0.5
"""Between the last subscription's answer and the load: what the client still has to do."""

Tell = Callable[[str, float], None]


class PeerRun(msgspec.Struct, frozen=True):
    """One run of one client."""

    version: str
    python: str
    delivered: int
    cpu_us_per_message: float
    messages_per_s: int
    latency_us: Percentiles | None = None


def environments(directory: Path) -> tuple[dict[str, Path], list[str]]:
    """Interpreters by peer, and a line for each that is missing."""
    found, missing = {}, []
    for name in DISTRIBUTIONS:
        python = directory / name / "bin" / "python"
        if python.exists():
            found[name] = python
        else:
            missing.append(f"{name}: no environment at {directory / name}; make one: make peers")
    return found, missing


def run_peer(peer: str, python: Path, plan: TrafficPlan, cores: Cores) -> PeerRun:
    """Raises HunterError when the client does not get as far as its line."""
    with contextlib.closing(Load(plan, cores.load)) as load, tempfile.TemporaryDirectory() as home:
        arrivals = Path(home) / "arrivals"
        words = [str(python), str(CLIENT), peer, str(load.port), str(plan.messages), plan.mix]
        with pinned(cores.measured):
            process = subprocess.Popen(
                [*words, str(arrivals) if plan.rate_per_s else "-"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=home,
            )
        try:
            load.await_subscriptions(len(CHANNELS[plan.mix]), _READY_S)
            clock.sleep_s(_SETTLE_S)
            load.go()
            seconds = plan.messages * plan.step_ns / 1e9 if plan.rate_per_s else 0.0
            out, errors = process.communicate(timeout=seconds + 120)
            report = load.report(1.0)
        except (HunterError, subprocess.TimeoutExpired) as error:
            process.kill()
            _, errors = process.communicate()
            raise HunterError(f"{peer}: {_last_line(errors) or error}") from error
        if process.returncode or not out:
            raise HunterError(f"{peer}: {_last_line(errors) or 'it ended without a word'}")
        told = msgspec.convert(json.loads(out.splitlines()[-1]), PeerRun)
        if report is None or not plan.rate_per_s:
            return told
        lags = arrival_lags(plan, arrivals.read_bytes(), report.start_monotonic_ns)
        return msgspec.structs.replace(told, latency_us=quantiles(lags, 1e3))


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else ""


def arrival_lags(plan: TrafficPlan, raw: bytes, start_ns: int) -> list[int]:
    """From when each trade was due to its callback, the first tenth left out; trades alone."""
    pairs = array("q")
    pairs.frombytes(raw)
    lags = []
    for place in range(0, len(pairs), 2):
        number = trade_number(pairs[place])
        if number >= plan.messages // 10:
            lags.append(pairs[place + 1] - start_ns - int(plan.due_ns(number)))
    return lags


def measure(directory: Path, rounds: int, cores: Cores, tell: Tell) -> dict[str, Any]:
    """`peers` of the JSON, and `peers_missing`: why some are not in it."""
    found, missing = environments(directory)
    plans = [TrafficPlan(mix, count, greets=False) for mix, count in BURST_MESSAGES.items()]
    plans += [TrafficPlan("trades", rate * 2, rate_per_s=rate, greets=False) for rate in RATES]
    entries: list[dict[str, Any]] = []
    broken: set[tuple[str, str]] = set()
    for plan in plans:
        runs: dict[str, list[PeerRun]] = {}
        for number in range(rounds):
            tell(f"{_name(plan)}, round {number + 1} of {rounds}", number / rounds)
            runs.setdefault("hunter", []).append(_run_hunter(plan, cores))
            for peer, python in found.items():
                if (peer, plan.mix) in broken:
                    continue
                try:
                    runs.setdefault(peer, []).append(run_peer(peer, python, plan, cores))
                except HunterError as error:
                    broken.add((peer, plan.mix))
                    missing.append(str(error))
        entries += _entries(plan, runs)
    return {"peers": entries, "peers_missing": missing, "rounds": rounds}


def _run_hunter(plan: TrafficPlan, cores: Cores) -> PeerRun:
    plan = msgspec.structs.replace(plan, greets=True)
    if plan.rate_per_s:
        outcome = paced(plan, cores, lambda _: None)
    else:
        outcome = burst(plan.mix, plan.messages, cores, lambda _: None)
    return PeerRun(
        "",
        "",
        plan.messages - lost(outcome),
        outcome.stream_us_per_message,
        int(outcome.messages_per_s),
        added(outcome.latency_us["schedule_to_receive"], outcome.latency_us["receive_to_ring"]),
    )


def added(first: Percentiles | None, second: Percentiles | None) -> Percentiles | None:
    """One stage after the other, quantile by quantile: a little more than the truth for the upper
    ones, because the worst of both seldom meet. Without the second, the first.
    """
    if first is None or second is None:
        return first
    return Percentiles(first.p50 + second.p50, first.p99 + second.p99, first.p999 + second.p999)


def _name(plan: TrafficPlan) -> str:
    return f"{plan.rate_per_s:,.0f} trades/s" if plan.rate_per_s else f"burst of {plan.mix}"


def _entries(plan: TrafficPlan, runs: dict[str, list[PeerRun]]) -> list[dict[str, Any]]:
    ours = statistics.median(run.cpu_us_per_message for run in runs["hunter"])
    found = []
    for peer, made in runs.items():
        if not made:
            continue
        costs = spread([run.cpu_us_per_message for run in made])
        latencies = [run.latency_us for run in made if run.latency_us is not None]
        middle = (
            {
                name: statistics.median(getattr(item, name) for item in latencies)
                for name in ("p50", "p99", "p999")
            }
            if latencies
            else None
        )
        found.append(
            {
                "peer": f"{peer} {made[0].version}".strip(),
                "python": made[0].python,
                "mix": plan.mix,
                "rate_per_s": int(plan.rate_per_s),
                "cpu_us_per_message": round(costs.median, 3),
                "cpu_us_per_message_min": costs.least,
                "cpu_us_per_message_max": costs.most,
                "spread": str(costs),
                "latency_us": middle,
                "latency": f"{middle['p50']:,.0f} / {middle['p99']:,.0f}" if middle else "-",
                "messages_per_s": int(statistics.median(run.messages_per_s for run in made)),
                "delivered_share": min(
                    1.0, round(min(run.delivered for run in made) / plan.messages, 4)
                ),
                "ratio": 0.0 if peer == "hunter" else ratio(costs.median, ours),
            }
        )
    return found
