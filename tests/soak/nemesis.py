"""Everything that can be done to a running instance, by chance but repeatable; then eight checks.

    python tests/soak/nemesis.py [--kills 1000] [--seed N] [--minutes M] [--rate 100] [--pace 0.4]
        [--cold] [--calm] [--one-supervisor] [--mixed] [--only writer] [--canary NAME]
        [--save-plan FILE] [--plan FILE]

Kills, stops, hangs, restarts, kills of several at once and of the supervisor, with the network and
the exchange at their worst meanwhile; always a final heal. The seed is printed first, and the same
seed makes the same plan. Prints one JSON object. Exit code 0 all invariants held; 1 one did not (or
a canary was not found); 2 somebody else killed a child, and nothing but the counting of deaths is
wrong: the run says nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.instance import temporary_home
from fakes.nemesis_deaths import is_excused
from fakes.nemesis_plan import WRITER, PlanOptions, make_plan, parse_plan, plan_text
from fakes.soak_options import chosen_seed
from soak.nemesis_canaries import CANARIES
from soak.nemesis_run import carry_out, nemesis_of
from soak.nemesis_trial import Unfit

OK, FAILED, INVALID = 0, 1, 2
LONG_KILLS = 1000  # in fewer no supervisor need live long enough to be seen to grow


def main() -> int:
    options = arguments().parse_args()
    seed = chosen_seed(options.seed)
    wanted = PlanOptions(
        kills=options.kills,
        minutes=options.minutes,
        pace_s=options.pace,
        standby=not options.cold,
        network=not options.calm and not options.only,
        only=options.only,
        mixed=options.mixed,
        one_supervisor=options.one_supervisor,
    )
    plan = make_plan(seed, wanted)
    if options.plan:
        plan = parse_plan(Path(options.plan).read_text(encoding="utf-8"))
    if options.save_plan:
        Path(options.save_plan).write_text(plan_text(plan), encoding="utf-8")
    result = {"seed": seed, **run(seed, wanted, plan, options)}
    print(json.dumps(result, indent=1))
    if is_excused(result["failures"], result["invalid"]):
        return INVALID
    if options.canary:
        mark = CANARIES[options.canary].mark
        found = any(text.startswith(mark) for text in result["failures"])
        print(f"canary {options.canary}: {'found' if found else 'NOT FOUND'}", file=sys.stderr)
        return OK if found else FAILED
    return FAILED if result["failures"] else OK


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000, help="processes ended by SIGKILL")
    parser.add_argument("--minutes", type=float, default=1e9, help="of the plan, at most")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--rate", type=float, default=100.0, help="trades a second")
    parser.add_argument("--pace", type=float, default=0.4, help="mean seconds between two actions")
    parser.add_argument("--cold", action="store_true", help="no hot standby of the stream")
    parser.add_argument("--calm", action="store_true", help="the network and the exchange are well")
    parser.add_argument(
        "--only",
        choices=(WRITER, "brain-0", "watchdog"),
        default="",
        help="kill nothing else; the writer only when its standby is ready:\n"
        "then no row may have to come by REST",
    )
    parser.add_argument(
        "--one-supervisor", action="store_true", help="never killed: I6 over the whole run"
    )
    parser.add_argument("--mixed", action="store_true", help="all kinds of action equally often")
    parser.add_argument("--canary", choices=sorted(CANARIES), help="break an invariant on purpose")
    parser.add_argument("--save-plan", metavar="FILE")
    parser.add_argument("--plan", metavar="FILE", help="a plan that was saved")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser


def run(seed: int, wanted: PlanOptions, plan: list[Any], options: Any) -> dict[str, Any]:
    canary = CANARIES[options.canary] if options.canary else None
    settings = [*options.set, *(canary.settings if canary else ())]
    is_long = wanted.kills >= LONG_KILLS or wanted.one_supervisor
    is_long = is_long if canary is None else canary.is_long
    began_s = time.monotonic()
    with temporary_home() as home:
        with nemesis_of(home, wanted, *settings, rate=options.rate, seed=seed) as nemesis:
            try:
                carry_out(nemesis, plan)
                kills_s = time.monotonic() - began_s
                if canary is not None:
                    canary.before_heal(nemesis)
                nemesis.heal()
                if canary is not None:
                    canary.before_stop(nemesis)
                result = nemesis.judge(is_long=is_long)
            except Unfit as error:
                print_logs(nemesis.instance.config.log_dir)
                return {"failures": [*nemesis.seen.failures, str(error)], "invalid": []}
            finally:
                if canary is not None:
                    canary.clean_up()
        if result["failures"] and canary is None:
            print_logs(nemesis.instance.config.log_dir)
    return {
        **result,
        "seconds": round(time.monotonic() - began_s, 1),
        "kills_per_s": round(result["kills"] / kills_s, 2),
    }


def print_logs(folder: Path) -> None:
    """The end of each log: what they knew when something went wrong."""
    for path in sorted(folder.glob("*.log")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
        print(f"== {path.name}", *lines, sep="\n", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
