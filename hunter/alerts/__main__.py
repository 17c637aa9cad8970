"""The alerts process: `python -m hunter.alerts NAME RUNTIME_DIR`, started by the supervisor."""

from hunter.runtime.actor import Actor, Context
from hunter.runtime.runner import run_process


def make(context: Context) -> Actor:
    from hunter.alerts.actor import (
        AlertsActor,
    )  # late: the runner protects the process before heavy imports

    return AlertsActor(context)


if __name__ == "__main__":
    run_process(make)
