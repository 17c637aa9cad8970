"""The embedded exchange of `hunter start --demo`: `python -m hunter.simulator NAME RUNTIME_DIR`,
started by the supervisor.
"""

from hunter.runtime.actor import Actor, Context
from hunter.runtime.runner import run_process


def make(context: Context) -> Actor:
    from hunter.simulator.actor import (
        ExchangeActor,
    )  # late: the runner protects the process before heavy imports

    return ExchangeActor(context)


if __name__ == "__main__":
    run_process(make)
