"""hunter as process 1 of a pid namespace, which is what it is in a container.

Nobody else takes signals, reaps what strangers leave, or gives an exit code on there. A shell that
is sent in from outside (`docker exec`) leaves its children to process 1.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.instance import HUNTER, HunterInstance, wait_until

pytestmark = pytest.mark.system

STOP_ORDER = ("watchdog", "brain-0", "stream-0", "exchange")
NAMESPACE = ("--user", "--map-root-user") if os.getuid() else ()
INTO = ("--user", "--preserve-credentials") if os.getuid() else ()
UNSHARE = ("unshare", *NAMESPACE, "--pid", "--fork", "--kill-child", "--mount-proc")


class Container:
    """One demo in the foreground as process 1; `pid` is its number outside."""

    def __init__(self, instance: HunterInstance) -> None:
        self.output = instance.home / "output"
        words = [*HUNTER, "start", "--demo", "-c", str(instance.config_file)]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [*UNSHARE, *words], stdout=output, stderr=subprocess.STDOUT
            )
        self.pid = 0

    def await_ready(self) -> None:
        wait_until("all ready", lambda: "Ready in" in self.output.read_text(), 40)
        (self.pid,) = self.children(self.process.pid)

    @staticmethod
    def children(pid: int) -> list[int]:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def send_in(self, script: str) -> None:
        """As `docker exec` does: the shell's parent is outside, its children's is process 1."""
        target = ("--pid", "--mount", "--target", str(self.pid), "--")
        subprocess.run(["nsenter", *INTO, *target, "sh", "-c", script], check=True, timeout=20)

    def states(self) -> dict[str, int]:
        """State letter -> how many children of process 1 are in it."""
        found: dict[str, int] = {}
        for pid in self.children(self.pid):
            with contextlib.suppress(OSError):
                letter = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                found[letter] = found.get(letter, 0) + 1
        return found

    def close(self) -> None:
        self.process.kill()  # --kill-child: the namespace goes with it
        self.process.wait(20)


@pytest.fixture
def container(home: Path) -> Iterator[Container]:
    try:
        subprocess.run([*UNSHARE, "true"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no pid namespace to be had here: {error}")
    instance = HunterInstance(home, (), None)
    made = Container(instance)
    try:
        made.await_ready()
        yield made
    finally:
        made.close()
        instance.stop()


def test_process_1_reaps_strangers_and_stops_in_order_at_sigterm(
    container: Container, home: Path
) -> None:
    actors = len(container.children(container.pid))
    assert actors == len(STOP_ORDER)
    status = Path(f"/proc/{container.pid}/status").read_text()
    assert status.split("NSpid:")[1].split("\n")[0].split()[-1] == "1"

    container.send_in("for i in 1 2 3; do (sleep 0.1 &); done; (sleep 600 &)")
    alive = actors + 1
    wait_until(
        "the three that ended are reaped, the one that lives is left alone",
        lambda: "Z" not in container.states() and sum(container.states().values()) == alive,
    )

    os.kill(container.pid, signal.SIGTERM)
    assert container.process.wait(20) == 0, container.output.read_text()
    text = container.output.read_text()
    ends = [text.index(f"supervisor {name} ended") for name in STOP_ORDER]
    assert ends == sorted(ends), text
    assert "signal 9" not in text, "nobody had to be killed"
    assert text.rstrip().endswith("nothing is left running")
    assert not Path(f"/proc/{container.pid}").exists()
    shared = HunterInstance(home, (), None).shared
    assert not shared.exists()
