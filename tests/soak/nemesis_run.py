"""One run of the nemesis: a plan is done to a real instance, and everything is watched meanwhile.

The instance streams from a `hunter sim` process through a proxy with bad weather. Nobody is asked
whether all is well: the rings are compared with the ledger file, the supervisor's counters with
what was done, a reader process watches from the side. After the plan everything is healed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fakes import checkers, eager_brain
from fakes.fault_proxy import FaultProxy
from fakes.instance import HunterInstance, Simulator
from fakes.nemesis_deaths import Death, Term, check_deaths, foreign_kills
from fakes.nemesis_plan import WRITER, Action, PlanOptions
from soak.nemesis_acts import perform
from soak.nemesis_signals import INTERVAL_MS, journalled
from soak.nemesis_trial import READY_TIMEOUT_S, Trial, Unfit
from soak.nemesis_watch import what_is_left

from hunter.access import Instance

SETTLE_TIMEOUT_S = 120.0
BOOK_TIMEOUT_S = 20.0
CATCH_UP_TIMEOUT_S = 20.0
BOOK_ROUNDS = 10
TELL_EVERY_S = 60.0
# Nobody needs either; both must never be seen again.
SECRETS = {"OKX_API_SECRET": "dummy-6f1c0a9be47d", "PROXY_PASSWORD": "dummy-93be21f07ac4"}
SETTINGS = (
    "stream.stale_after_ms=1500",
    "stream.backoff_min_ms=100",
    "stream.backoff_max_ms=1000",
    "stream.stable_after_ms=500",
    # what is killed while it starts must not be parked
    "supervisor.max_restarts=1000",
    # a signal at each boundary, from the first one on
    eager_brain.KIND,
    f"brain.interval_ms={INTERVAL_MS}",
)


class Nemesis(Trial):
    """`perform` a plan, `heal`, `judge`."""

    lost: dict[str, int]
    """What `hunter status` called lost in the end."""

    def heal(self) -> None:
        """The end of all faults; then everything has to be in order again, by itself."""
        self.heal_network()
        self.until_counted()

        def running() -> bool:
            with Instance(self.instance.config) as access:
                return access.status().state == "running"

        self.until("running", running, READY_TIMEOUT_S)
        self.ring.ledger.poll()
        heads = dict(self.ring.ledger.last_id)

        def complete() -> bool:
            self.note(self.ring.look())
            return self.ring.is_complete(heads)

        with contextlib.suppress(Unfit):
            self.until("every match in the ring", complete, SETTLE_TIMEOUT_S)
        self._compare_newest_books()
        self.lost = self.ring.told_lost(self.instance)
        for name, tape in self.ring.tapes.items():
            self.note(checkers.check_complete(tape, heads[name], self.lost[name]))
        self.until_counted()
        self.end_term(settled=True)
        self.seen.status_text = self.instance.command("status", "--json", check=False).stdout

    def _compare_newest_books(self) -> None:
        """I4: books go on, and are right."""
        newest = self.ring.exchange_books()
        with contextlib.suppress(Unfit):
            self.until("books of now", lambda: not self.ring.books_behind(newest), BOOK_TIMEOUT_S)
        self.note(self.ring.books_behind(newest))
        self.note(self.ring.compare_books(all_known=True))
        for _ in range(BOOK_ROUNDS):
            self.idle(0.1)
            self.note(self.ring.compare_books())

    def judge(self, *, is_long: bool) -> dict[str, Any]:
        """Stop it, and check what can be checked only now. `is_long`: the supervisor could be
        looked at often enough for I6.
        """
        if not self.ring.books_compared:
            self.note(["I4 no book could be compared"])
        self.note(self.ring.look())
        seen_to = {name: max(tape.digests, default=0) for name, tape in self.ring.tapes.items()}
        due_to = {oracle.instrument: oracle.last_ms for oracle in self.ring.oracles}
        self._let_catch_up(seen_to, due_to)
        self.stop_reader()
        log, tapes = self.reader_log.poll(), self.ring.tapes
        done = self.instance.command("stop", check=False)
        if done.returncode:
            self.note([f"I5 hunter stop: exit {done.returncode}, {done.stderr}"])
        self.note(self.ring.look())  # what was written to the last moment; it is mapped still
        for name, tape in tapes.items():
            self.note(checkers.check_lost(tape, self.lost[name]))
        self.note(checkers.check_reader(log, tapes, seen_to))
        self._judge_leftovers()
        if is_long:
            self.note(checkers.check_flat(self.seen.samples))
        told = self.deaths.poll()
        terms = [*self.seen.terms, Term(self.seen.supervisors)]
        foreign = foreign_kills(terms, told)
        self.note(check_deaths(terms, told))
        self.note(checkers.check_secrets(self._texts(), SECRETS.values()))
        signals, malformed = journalled(self._journal)
        self.note(malformed)
        expected = {oracle.instrument: oracle.due for oracle in self.ring.oracles}
        self.note(checkers.check_signals(signals, expected, due_to))
        backfilled = sum(tape.backfilled for tape in tapes.values())
        if self.awaits_standby and backfilled:
            self.note([f"I2 {backfilled} rows came by REST, and somebody could always take over"])
        not_judged = [] if is_long else ["I6: the run was short"]
        return {**self._result(len(signals), foreign), "not_judged": not_judged}

    @property
    def _journal(self) -> Path:
        return self.instance.config.data_dir / "signals"

    def _let_catch_up(self, seen_to: dict[str, int], due_to: dict[str, int]) -> None:
        """Until the reader and the brain have been where the checks were, or time is over."""

        def caught_up() -> bool:
            digests = self.reader_log.poll().digests
            told = {name: boundary_ms for name, boundary_ms, _ in journalled(self._journal)[0]}
            return all(at in digests.get(name, {}) for name, at in seen_to.items()) and all(
                told.get(name, 0) >= boundary_ms for name, boundary_ms in due_to.items()
            )

        end_s = time.monotonic() + CATCH_UP_TIMEOUT_S
        while self.reader.poll() is None and not caught_up() and time.monotonic() < end_s:
            self.idle(0.2)

    def _judge_leftovers(self) -> None:
        spared = {os.getpid(), self.simulator.process.pid}
        end_s = time.monotonic() + 2.0  # the proxy's ends of connections go a moment later
        while (left := what_is_left(self.instance, self.proxy, spared)).sockets:
            if time.monotonic() > end_s:
                break
            time.sleep(0.05)
        self.note(checkers.check_nothing_left(left))

    def _texts(self) -> Iterator[tuple[str, bytes]]:
        """All that people may come to see."""
        yield "hunter status --json", self.seen.status_text.encode()
        for folder in (self.instance.config.data_dir, self.instance.config.log_dir):
            for path in folder.rglob("*"):
                if path.is_file():
                    yield str(path.relative_to(self.instance.home)), path.read_bytes()

    def _result(self, signal_count: int, foreign: list[Death]) -> dict[str, Any]:
        seen, tapes = self.seen, self.ring.tapes.values()
        log = self.reader_log.log
        own = [each for each in seen.samples if each.pid == seen.samples[-1].pid]
        return {
            "failures": seen.failures,
            "invalid": [f"{death.actor} (pid {death.pid}): {death.cause}" for death in foreign],
            "kills": seen.kills,
            "actions": dict(sorted(seen.done.items())),
            "exchange_faults": dict(sorted(seen.faults.items())),
            "deaths_by_cause": dict(
                Counter(death.cause for term in seen.terms for death in term.injected)
            ),
            "trade_rows": sum(tape.row_count for tape in tapes),
            "matches": sum(tape.match_count for tape in tapes),
            "rows_backfilled": sum(tape.backfilled for tape in tapes),
            "lost": sum(tape.lost for tape in tapes),
            "reader": {"rows": log.row_count, "polls": log.polls},
            "books_compared": self.ring.books_compared,
            "signals": signal_count,
            "supervisors": len(seen.terms),
            "supervisor_gone_ms": spread(seen.gone_ms),
            "death_noticed_ms": spread(self._noticed_ms()),
            "last_supervisor": {
                "samples": len(own),
                "rss_bytes": [own[0].rss_bytes, own[-1].rss_bytes] if own else [],
                "descriptors": [own[0].descriptors, own[-1].descriptors] if own else [],
            },
        }

    def _noticed_ms(self) -> list[float]:
        """From our SIGKILL to the moment in the record of the death."""
        told: dict[tuple[str, int, str], list[int]] = {}
        for death in self.deaths.told:
            told.setdefault(death.key, []).append(death.at_monotonic_ns)
        found = []
        for term in self.seen.terms:
            for death in term.injected:
                # pids come round: the first record since
                later = [at for at in told.get(death.key, ()) if at >= death.at_monotonic_ns]
                if death.cause == "signal" and death.at_monotonic_ns and later:
                    found.append((min(later) - death.at_monotonic_ns) / 1e6)
        return found


def spread(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile and the most; nothing of nothing."""
    if not values:
        return {}
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "median": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 2),
        "max": round(ordered[-1], 2),
    }


@contextlib.contextmanager
def nemesis_of(
    home: Path,
    options: PlanOptions,
    *settings: str,
    rate: float = 100.0,
    seed: int = 1,
) -> Iterator[Nemesis]:
    """A running instance below `home` with everything around it; nothing of it stays."""
    os.environ |= SECRETS
    try:
        with contextlib.ExitStack() as stack:
            words = ("--no-limits", "--rate", str(rate), "--seed", str(seed & 0xFFFF))
            simulator = Simulator(*words, "--ledger", str(home / "ledger"))
            stack.callback(simulator.stop)
            proxy = stack.enter_context(FaultProxy(simulator.port, seed))
            standby = f"stream.standby={str(options.standby).lower()}"
            eager_brain.put_beside(home)
            given = [*SETTINGS, standby, "ring.capacity=262144", *settings]
            instance = HunterInstance(home, given, proxy.port)
            with instance.config_file.open("a", encoding="utf-8") as file:
                password = SECRETS["PROXY_PASSWORD"]
                file.write(f'[okx]\nproxy = "http://somebody:{password}@127.0.0.1:9"\n')
            stack.callback(instance.stop)
            instance.start()
            takeovers = options.only == WRITER and options.standby
            nemesis = stack.enter_context(
                Nemesis(instance, simulator, proxy, awaits_standby=takeovers)
            )
            nemesis.until(
                "a trade of each instrument",
                lambda: all(tape.row_count for tape in nemesis.ring.tapes.values()),
                READY_TIMEOUT_S,
            )
            yield nemesis
    finally:
        for name in SECRETS:
            del os.environ[name]


def carry_out(nemesis: Nemesis, plan: list[Action]) -> None:
    """The whole plan at its own pace, or slower where a target has to come back first."""
    began_s = told_s = time.monotonic()
    behind_s = 0.0
    for action in plan:
        if time.monotonic() - told_s > TELL_EVERY_S:
            told_s = time.monotonic()
            seen, lasted = nemesis.seen, told_s - began_s
            text = f"{lasted:.0f} s: {seen.kills} kills, {len(seen.failures)} failures"
            print(text, file=sys.stderr, flush=True)
        wait_s = began_s + behind_s + action.at_s - time.monotonic()
        if wait_s < 0:
            behind_s -= wait_s
        nemesis.idle(max(0.0, wait_s))
        perform(nemesis, action)
