"""The composition root: from a configuration to shared memory, child specifications and a running
supervisor.

    specs        child specifications, and what each actor may have of the host
    environment  which variables and modules an actor gets of ours
    layouts      which lanes a ring has
    demo         the configuration pointed at the embedded exchange
    locks        one supervisor for an instance, one instance for a data directory
    leases       the writers of a former run are gone
    orphans      what actors of a killed run have left is ended
    places       the runtime directory is fit for sockets, and nobody else's
    shared       what stands in shared memory before the first actor, and after the last
    control      the bus as the supervisor's source of commands
    wishes       whom an operator has stopped by name, beyond a supervisor's death
    observer     the supervisor's page and log, and the file that restarted actors read
    post_mortem  a record for each death
    former       a record of the supervisor that was killed before this one
    instance     one whole life

Order at the start: places, lock, directories, leases, control socket, the former supervisor,
orphans, rings (adopted or made), status block, effective configuration, actors. At an orderly end
everything but the lock file and the data is removed again; after a kill it stays, and the next
start goes on from it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hunter.system.demo import free_port, with_simulator
    from hunter.system.environment import interpreter
    from hunter.system.instance import run
    from hunter.system.layouts import ring_layout
    from hunter.system.locks import LOCK_FILE, refuse_running, running_pid
    from hunter.system.observer import hunter_version
    from hunter.system.places import check_places, make_folders
    from hunter.system.shared import Prepared, leftovers, prepare, remove_leftovers
    from hunter.system.specs import child_specs

__all__ = [
    "LOCK_FILE",
    "Prepared",
    "check_places",
    "child_specs",
    "free_port",
    "hunter_version",
    "interpreter",
    "leftovers",
    "make_folders",
    "prepare",
    "refuse_running",
    "remove_leftovers",
    "ring_layout",
    "run",
    "running_pid",
    "with_simulator",
]
# Late: a command that only looks whether somebody runs need not import the supervisor.
_HOMES: Final = {
    "LOCK_FILE": "locks",
    "Prepared": "shared",
    "check_places": "places",
    "child_specs": "specs",
    "free_port": "demo",
    "hunter_version": "observer",
    "interpreter": "environment",
    "leftovers": "shared",
    "make_folders": "places",
    "prepare": "shared",
    "refuse_running": "locks",
    "remove_leftovers": "shared",
    "ring_layout": "layouts",
    "run": "instance",
    "running_pid": "locks",
    "with_simulator": "demo",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
