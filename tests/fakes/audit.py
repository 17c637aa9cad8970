"""Compares what an instance keeps with what its exchange made, while both go on.

The ring is read continuously, so that nothing is overwritten unseen: every match of the exchange
once, in order, with its price, side and size; books equal the exchange's at equal seqId; and what
the exchange allows is kept to. Reads shared memory and the simulator's /sim/ paths only.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import isclose
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fakes.fault_proxy import FaultProxy
from fakes.instance import HunterInstance, Simulator, temporary_home

from hunter.access import Instance
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.reader import LaneReader
from hunter.ring.rows import BOOK_LEVELS, Kind, TradeFlag
from hunter.simulator.frames import PublishedTrade, matches
from hunter.status import block
from hunter.status.documents import StreamDocument, decode
from hunter.status.report import FeedReport, StatusReport

INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTC-USDT")
# Times that a test can wait for. The limits of OKX are kept all the same.
FAST = (
    "stream.stale_after_ms=1000",
    "stream.backoff_min_ms=100",
    "stream.backoff_max_ms=800",
    "stream.stable_after_ms=500",
)
SIDES = {"buy": 1, "sell": -1}
LEDGER_PAGE = 5_000
FAILURES_MAX = 20  # one defect makes many


class _Tape:
    """One instrument: its lane of the ring, and the matches of the ledger not yet met there."""

    def __init__(self, instrument: str, trades: LaneReader, books: LaneReader) -> None:
        self.instrument = instrument
        self.trades = trades
        self.books = books
        self.truth: dict[int, tuple[float, float, int]] = {}  # match -> price, size, side
        self.last_id: int | None = None
        self.ledger_id = -1
        self.sequence = 0
        self.row_count = 0
        self.match_count = 0
        self.backfilled = 0
        self.lost = 0


class Audit:
    """Of one running instance and its simulator. Call `look` every few seconds; then `settle`."""

    def __init__(
        self, instance: HunterInstance, simulator: Simulator, proxy: FaultProxy | None = None
    ) -> None:
        self.instance = instance
        self.simulator = simulator
        self._proxy = proxy
        self.failures: list[str] = []
        self.books_compared = 0
        self.book_mismatches: list[str] = []
        self._access = Instance(instance.config)
        self._pids = {actor.name: actor.pid for actor in self.report().actors}
        self._segments = []
        self._tapes: list[_Tape] = []
        for path in sorted(instance.shared.glob("ring-*[0-9]"), key=lambda each: each.name):
            shared = segment.attach(path)
            self._segments.append(shared)
            layout = RingLayout.read_header(shared.view)
            for index, name in enumerate(layout.instruments):
                trades, books = (
                    LaneReader(shared, layout, index, kind) for kind in (Kind.TRADE, Kind.BOOK)
                )
                self._tapes.append(_Tape(name, trades, books))

    def close(self) -> None:
        for shared in self._segments:
            shared.close()
        self._access.close()

    # what is said of it

    def document(self, actor: str = "stream-0") -> StreamDocument:
        """What a stream process writes on its status page, whole."""
        status = block.attach(self.instance.shared)
        try:
            return decode(status.pages[actor].read_document(), StreamDocument) or StreamDocument()
        finally:
            status.close()

    def report(self) -> StatusReport:
        return self._access.status()

    def feed(self, channel: str, instrument: str) -> FeedReport:
        feeds = self.report().feeds
        return next(f for f in feeds if (f.channel, f.instrument) == (channel, instrument))

    def total(self, counter: str) -> int:
        """A counter over all feeds."""
        return sum(int(getattr(feed, counter)) for feed in self.report().feeds)

    def books(self, instrument: str) -> list[Any]:
        """The rows of its book lane that are still there, oldest first."""
        tape = next(each for each in self._tapes if each.instrument == instrument)
        return tape.books.last(1 << 20)

    @property
    def connects(self) -> int:
        return sum(each.connects for each in self.report().connections)

    @property
    def last_close(self) -> str:
        return "; ".join(each.last_close for each in self.report().connections)

    def until(self, what: str, condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """The first true value of `condition`; fails with `what` when time is over."""
        end = time.monotonic() + timeout_s
        while not (value := condition()):
            if time.monotonic() >= end:
                report = self.report()
                raise AssertionError(
                    f"not within {timeout_s} s: {what}; {report.state}: {report.reasons}"
                )
            time.sleep(0.01)
        return value

    def until_running(self, timeout_s: float = 10.0) -> None:
        self.until("running", lambda: self.report().state == "running", timeout_s)

    # the exchange

    def arm(self, name: str, **options: str | int) -> int:
        """Arm a fault, or do it; how many connections it was done to."""
        answer = self.simulator.control("/sim/fault?" + urlencode({"name": name, **options}))
        return int(answer["done_to"])

    def heal(self, name: str = "all") -> None:
        self.simulator.control(f"/sim/fault?clear={name}")

    def reconnect(self) -> None:
        """Cut every connection, and wait for the next ones."""
        before = self.connects
        self.arm("abort")
        self.until("another connection", lambda: self.connects > before)
        self.until_running()

    @property
    def proxy(self) -> FaultProxy:
        assert self._proxy is not None, "ask for it: audited(proxied=True)"
        return self._proxy

    def armed_count(self, name: str) -> int:
        """How many faults of that name wait for their moment."""
        return sum(each["name"] == name for each in self.simulator.control("/sim/fault")["armed"])

    def fired(self, name: str) -> int:
        return int(self.counts()["faults_fired"].get(name, 0))

    def counts(self) -> Any:
        return self.simulator.control("/sim/counts")

    # the comparison

    def look(self) -> None:
        """Everything that is new in the rings, against the ledger."""
        for tape in self._tapes:
            while rows := tape.trades.poll():
                self._fetch_truth(tape, int(rows[-1][2]))
                for row in rows:
                    self._check_row(tape, row)
            if tape.trades.lapped:
                self._fail(tape, "rows were overwritten before they were looked at")

    def settle(self, *instruments: str, timeout_s: float = 15.0) -> None:
        """Wait until the rings have what the exchange has made by now; of all, or of some."""
        tapes = [t for t in self._tapes if not instruments or t.instrument in instruments]
        heads = {tape.instrument: self._ledger_head(tape) for tape in tapes}

        def is_there() -> bool:
            self.look()
            return all((tape.last_id or -1) >= heads[tape.instrument] for tape in tapes)

        self.until("every match in the ring", is_there, timeout_s)

    def compare_books(self) -> None:
        """The newest valid book of each instrument, with the exchange's at the same seqId."""
        for tape in self._tapes:
            rows = tape.books.last(1)
            if rows and rows[0][5]:
                self._compare_book(tape.instrument, rows[0])

    def check_actors(self, restarts: dict[str, int] | None = None) -> None:
        """No process was restarted but those named."""
        for actor in self.report().actors:
            expected = (restarts or {}).get(actor.name, 0)
            if actor.restarts != expected:
                self.failures.append(f"{actor.name}: {actor.restarts} restarts, not {expected}")
            if not expected and actor.pid != self._pids[actor.name]:
                self.failures.append(f"{actor.name} is another process")

    def limits(self) -> dict[str, Any]:
        """How much of OKX's limits was used, as the exchange counted it."""
        counts = self.counts()
        connections = counts["connections"] + counts["past_connections"]
        return {
            "connects": counts["handshakes"]["total"],
            "connects_in_1_s_max": counts["handshakes"]["most_in_1_s"],
            "requests_per_hour_max": max(
                (each["requests_per_hour_max"] for each in connections), default=0
            ),
            "rest_over_limit": counts["rest_over_limit"],
        }

    def check_limits(self) -> None:
        """3 connects a second, 480 requests an hour and connection, REST by path."""
        limits = self.limits()
        if limits["connects_in_1_s_max"] > 3:
            self.failures.append(f"{limits['connects_in_1_s_max']} connects within a second")
        if limits["requests_per_hour_max"] > 480:
            self.failures.append(f"{limits['requests_per_hour_max']} requests of one connection")
        if limits["rest_over_limit"]:
            self.failures.append(f"REST requests over the limit: {limits['rest_over_limit']}")

    def result(self) -> dict[str, Any]:
        """Counts, for people and for tests; `failures` empty when all is well."""
        feeds = self.report().feeds
        sums: Counter[str] = Counter()
        for feed in feeds:
            for name in ("gaps", "backfilled", "duplicates", "lost", "malformed"):
                sums[name] += getattr(feed, name)
        return {
            "failures": self.failures[:FAILURES_MAX],
            "trade_rows": {tape.instrument: tape.row_count for tape in self._tapes},
            "matches": {tape.instrument: tape.match_count for tape in self._tapes},
            "rows_backfilled": sum(tape.backfilled for tape in self._tapes),
            "lost_in_ring": sum(tape.lost for tape in self._tapes),
            **sums,
            "connects": self.connects,
            "books_compared": self.books_compared,
            "book_mismatches": len(self.book_mismatches),
        }

    def check_lost(self) -> None:
        """What the ring leaves out is what `lost` says, once the status page has it."""
        for tape in self._tapes:
            end = time.monotonic() + 3
            while (told := self.feed("trades", tape.instrument).lost) != tape.lost:
                if time.monotonic() > end:
                    self._fail(tape, f"{tape.lost} matches are missing, `lost` says {told}")
                    break
                time.sleep(0.05)

    @property
    def lost(self) -> int:
        """Matches that the rings say were lost."""
        return sum(tape.lost for tape in self._tapes)

    def _fail(self, tape: _Tape, what: str) -> None:
        if len(self.failures) < FAILURES_MAX:
            self.failures.append(f"{tape.instrument}: {what}")

    def _ledger(self, tape: _Tape, after_id: int, limit: int) -> Any:
        query = urlencode({"instId": tape.instrument, "after": after_id, "limit": limit})
        return self.simulator.control(f"/sim/ledger?{query}")

    def _ledger_head(self, tape: _Tape) -> int:
        self._fetch_truth(tape, 1 << 62)
        return tape.ledger_id

    def _fetch_truth(self, tape: _Tape, up_to_id: int) -> None:
        while tape.ledger_id < up_to_id:
            rows = self._ledger(tape, tape.ledger_id, LEDGER_PAGE)["rows"]
            for row in rows:
                for match in matches(PublishedTrade(**row)):
                    tape.truth[match.trade_id] = (
                        float(match.price),
                        float(match.size),
                        SIDES[match.side],
                    )
            if not rows:
                return
            tape.ledger_id = rows[-1]["trade_id"]

    def _check_row(self, tape: _Tape, row: tuple[float, ...]) -> None:
        sequence, _, trade_id, _, _, price, size, count, side, flags, _ = row
        first_id = int(trade_id - count)
        tape.sequence += 1
        if sequence != tape.sequence:
            self._fail(tape, f"row {sequence} in place of {tape.sequence}")
            tape.sequence = int(sequence)
        if tape.last_id is not None and first_id != tape.last_id:
            missing = first_id - tape.last_id
            if missing > 0 and int(flags) & TradeFlag.AFTER_LOSS:
                tape.lost += missing
            else:
                self._fail(tape, f"after match {tape.last_id} comes {first_id + 1}")
        whole = 0.0
        for match_id in range(first_id + 1, int(trade_id) + 1):
            true_price, true_size, true_side = tape.truth.pop(match_id, (0.0, 0.0, 0))
            whole += true_size
            if (true_price, true_side) != (price, side):
                true = f"{true_price}, side {true_side}"
                self._fail(tape, f"match {match_id} at {price}, side {side}; ledger: {true}")
        if not isclose(whole, size, rel_tol=1e-9):
            self._fail(tape, f"row up to match {trade_id:.0f} has size {size}; ledger: {whole}")
        while tape.truth and (oldest := next(iter(tape.truth))) <= trade_id:
            del tape.truth[oldest]  # from before the ring began, or lost
        tape.last_id = int(trade_id)
        tape.row_count += 1
        tape.match_count += int(count)
        tape.backfilled += bool(int(flags) & TradeFlag.BACKFILL)

    def _compare_book(self, instrument: str, row: tuple[float, ...]) -> None:
        seq_id, bid_count, ask_count = int(row[2]), int(row[6]), int(row[7])
        levels = list(zip(row[9:-1:2], row[10:-1:2], strict=True))
        bids = levels[:bid_count]
        asks = levels[BOOK_LEVELS : BOOK_LEVELS + ask_count]
        query = urlencode({"instId": instrument, "seqId": seq_id})
        truth = self.simulator.control(f"/sim/book?{query}")
        self.books_compared += 1
        for name, ours in (("bids", bids), ("asks", asks)):
            theirs = [(float(level[0]), float(level[1])) for level in truth[name]][:BOOK_LEVELS]
            if ours != theirs:
                wrong = next(pair for pair in zip(ours, theirs, strict=False) if len(set(pair)) > 1)
                self.book_mismatches.append(f"{instrument} {name} at {seq_id}: {wrong}")


class SecureSimulator(Simulator):
    """A simulator that speaks TLS with the certificate of fakes.tls."""

    def __init__(self, certificate: Path, key: Path, *arguments: str) -> None:
        self._trust = ssl.create_default_context(cafile=str(certificate))
        super().__init__("--tls-cert", str(certificate), "--tls-key", str(key), *arguments)

    def control(self, path: str) -> Any:
        url = f"https://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=10, context=self._trust) as response:
            return json.load(response)


def urls(port: int, rest_port: int, secure: bool = False) -> list[str]:
    """Settings that point an instance at a simulator, or at a proxy before it."""
    letter = "s" if secure else ""
    return [
        f'okx.public_url="ws{letter}://127.0.0.1:{port}/ws/v5/public"',
        f'okx.business_url="ws{letter}://127.0.0.1:{port}/ws/v5/business"',
        f'okx.rest_url="http{letter}://127.0.0.1:{rest_port}"',
    ]


@contextlib.contextmanager
def audited(
    *settings: str,
    instruments: Sequence[str] = INSTRUMENTS,
    rate: float = 40,
    sim: Sequence[str] = (),
    first: Sequence[str] = (),
    proxied: bool = False,
    rest_proxied: bool = False,
    certificate: tuple[Path, Path] | None = None,
) -> Iterator[Audit]:
    """A running instance with a simulator of its own, looked at by an Audit. `first`: paths that
    the simulator is asked before anybody connects. `proxied`: WebSockets go through `audit.proxy`;
    `rest_proxied`: REST requests too.
    """
    listed = ",".join(f'"{name}"' for name in instruments)
    words = ("--instruments", ",".join(instruments), "--rate", str(rate), *sim)
    with temporary_home() as home, contextlib.ExitStack() as stack:
        simulator = SecureSimulator(*certificate, *words) if certificate else Simulator(*words)
        stack.callback(simulator.stop)
        for path in first:
            simulator.control(path)
        proxy = stack.enter_context(FaultProxy(simulator.port)) if proxied else None
        port = proxy.port if proxy is not None else simulator.port
        rest_port = port if rest_proxied else simulator.port
        where = urls(port, rest_port, secure=certificate is not None)
        given = [*FAST, f"okx.instruments=[{listed}]", *where, *settings]
        instance = HunterInstance(home, given, None)
        stack.callback(instance.stop)
        instance.start()
        audit = Audit(instance, simulator, proxy)
        stack.callback(audit.close)
        yield audit


def check_all(audit: Audit) -> None:
    """After a fault: healed, complete, equal to the exchange, by the same processes."""
    audit.heal()
    audit.until_running()
    audit.settle()
    audit.compare_books()
    audit.failures += audit.book_mismatches
    audit.check_lost()
    audit.check_actors()
    audit.check_limits()
    failures, audit.failures = audit.failures, []
    audit.book_mismatches = []
    assert not failures, failures
