"""A market at rest: no trade, no change of a book, only the exchange's keep-alives.

    python tests/soak/quiet.py [--minutes 10]

That is no fault: no reconnect, no restart, status `running` throughout. Prints one JSON object;
exit code 1 when a check fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.audit import audited

LOOK_EVERY_S = 0.25
# What the exchange repeats to each new subscriber: a last trade and a ticker.
PAST = "/sim/fault?name=burst&code=20"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    result = quiet(parser.parse_args().minutes)
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


def quiet(minutes: float) -> dict[str, Any]:
    """Watch for so long; `failures` says what was not at rest. The feed asks REST every second
    whether the market really rests: silence is not taken for granted.
    """
    with audited(rate=0, first=(PAST,)) as audit:
        audit.until_running()
        connects, unequal = audit.connects, set()
        end = time.monotonic() + 60 * minutes
        looks = 0
        while time.monotonic() < end:
            time.sleep(LOOK_EVERY_S)
            report = audit.report()
            looks += 1
            if report.state != "running":
                unequal.add(f"{report.state}: {'; '.join(report.reasons)}")
        audit.failures += sorted(unequal)[:10]
        if audit.connects != connects:
            audit.failures.append(f"{audit.connects - connects} reconnects: {audit.last_close}")
        audit.compare_books()
        audit.failures += audit.book_mismatches
        audit.check_actors()
        audit.check_limits()
        audit.look()
        probes = audit.instance.log("stream-0").count("the market rests")
        return {**audit.result(), "looks": looks, "silences_confirmed_by_rest": probes}


if __name__ == "__main__":
    sys.exit(main())
