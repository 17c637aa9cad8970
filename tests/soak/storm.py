"""A whole instance under a seeded storm of faults; afterwards nothing may be missing or wrong.

    python tests/soak/storm.py [--minutes 10] [--rate 300] [--instruments 5] [--seed N] [--standby]

The exchange fires one fault of its table after the other, see /sim/counts. Meanwhile the rings are
read continuously and compared with the exchange's ledger: each match once, in order. After the
storm everything has to be in order again: books equal the exchange's at equal seqId, no process was
restarted, no limit of OKX was exceeded, and `lost` is 0 unless REST lacked the rows too. The seed
is printed first; prints one JSON object; exit code 1 when a check fails.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.audit import Audit, audited

INSTRUMENTS = (
    "BTC-USDT-SWAP",
    "ETH-USDT-SWAP",
    "SOL-USDT-SWAP",
    "BTC-USDT",
    "ETH-USDT",
    "XRP-USDT-SWAP",
    "DOGE-USDT-SWAP",
    "LTC-USDT",
)
SETTINGS = ("ring.capacity=131072", "stream.stale_after_ms=2000", "stream.backoff_max_ms=2000")
LOOK_EVERY_S = 0.5
# REST gives 100 matches a request, and some 7 requests a second are allowed for all instruments:
# what was traded in a minute without a connection takes minutes to fetch.
HEALED_WITHIN_S = 300.0
LOG_LINES = 40
BOOK_ROUNDS = 10
# Faults that make a book wrong without breaking its chain: until it is found out, it is wrong.
WRONG_BOOKS = {"wrong_book", "crossed"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=300.0, help="trades a second and instrument")
    parser.add_argument("--instruments", type=int, default=5)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--gap-s", type=float, default=2.0, help="mean time between two faults")
    parser.add_argument("--standby", action="store_true", help="with a hot standby of the stream")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    result = storm(options)
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


def storm(options: argparse.Namespace) -> dict[str, Any]:
    """Run one; `failures` says what went wrong."""
    settings = [*SETTINGS, f"stream.standby={str(options.standby).lower()}"]
    names = INSTRUMENTS[: options.instruments]
    sim = ("--seed", str(options.seed & 0xFFFF))
    with audited(*settings, instruments=names, rate=options.rate, sim=sim) as audit:
        audit.until_running()
        audit.simulator.control(f"/sim/fault?storm={options.seed}&gap_s={options.gap_s}")
        began, told = time.monotonic(), False
        while time.monotonic() < began + 60 * options.minutes:
            time.sleep(LOOK_EVERY_S)
            audit.look()
            audit.compare_books()
            if audit.failures and not told:
                told = True
                print(f"{time.monotonic() - began:.1f} s: {audit.failures}", file=sys.stderr)
                print_logs(audit)
        audit.simulator.control("/sim/fault?storm=off")
        try:
            return judge(audit, options.seed)
        except AssertionError:
            print_logs(audit)
            raise


def print_logs(audit: Audit) -> None:
    """The end of each stream process's log: what it knew when something went wrong."""
    for actor in audit.report().actors:
        if actor.role == "stream":
            lines = audit.instance.log(actor.name).splitlines()[-LOG_LINES:]
            print("\n".join(lines), audit.document(actor.name).limits, sep="\n", file=sys.stderr)


def judge(audit: Audit, seed: int) -> dict[str, Any]:
    """After the last fault: everything has to be in order, and stay so."""
    healing = time.monotonic()
    end = healing + HEALED_WITHIN_S
    while audit.report().state != "running" and time.monotonic() < end:
        time.sleep(LOOK_EVERY_S)
        audit.look()  # what is fetched comes fast
    audit.until_running()
    healed_s = time.monotonic() - healing
    audit.settle(timeout_s=HEALED_WITHIN_S)
    counts = audit.counts()
    fired: Counter[str] = Counter(counts["faults_fired"])
    during = audit.book_mismatches
    if not WRONG_BOOKS & fired.keys():
        audit.failures += during
    audit.book_mismatches = []
    for _ in range(BOOK_ROUNDS):
        time.sleep(0.2)
        audit.compare_books()
    audit.failures += audit.book_mismatches
    audit.check_lost()
    audit.check_actors()
    audit.check_limits()
    if audit.lost and "rest_missing" not in fired:
        audit.failures.append(f"{audit.lost} matches lost, and REST had them all")
    return {
        "seed": seed,
        **audit.result(),
        "book_mismatches_during": len(during),
        "healed_s": round(healed_s, 2),
        "limits": audit.limits(),
        "faults": dict(sorted(fired.items())),
    }


if __name__ == "__main__":
    sys.exit(main())
