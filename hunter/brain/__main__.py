"""The brain process: `python -m hunter.brain NAME RUNTIME_DIR`, started by the supervisor."""

from hunter.runtime.actor import Actor, Context
from hunter.runtime.runner import run_process


def make(context: Context) -> Actor:
    from hunter.brain.actor import (
        BrainActor,
    )  # late: the runner protects the process before heavy imports

    return BrainActor(context)


if __name__ == "__main__":
    run_process(make)
