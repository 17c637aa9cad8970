"""The watchdog process: `python -m hunter.watchdog NAME RUNTIME_DIR`, started by the supervisor."""

from hunter.runtime.actor import Actor, Context
from hunter.runtime.runner import run_process


def make(context: Context) -> Actor:
    from hunter.watchdog.actor import (
        WatchdogActor,
    )  # late: the runner protects the process before heavy imports

    return WatchdogActor(context)


if __name__ == "__main__":
    run_process(make)
