"""The store's process: `python -m hunter.store store RUNTIME_DIR`, started by the supervisor."""

from hunter.runtime.actor import Actor, Context
from hunter.runtime.runner import run_process


def make(context: Context) -> Actor:
    from hunter.store.actor import (
        StoreActor,
    )  # late: the runner protects the process before heavy imports

    return StoreActor(context)


if __name__ == "__main__":
    run_process(make)
