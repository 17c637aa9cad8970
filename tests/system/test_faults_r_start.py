"""R8: shared memory that cannot hold the rings, at the start. In a mount namespace of its own,
where /dev/shm is a small tmpfs.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fakes.instance import HUNTER, HunterInstance

pytestmark = pytest.mark.system

SCRIPT = """
mount -t tmpfs -o size={size} tmpfs /dev/shm || exit 99
"$@"
code=$?
ls -A /dev/shm > "{left}"
exit $code
"""


@pytest.mark.parametrize("words", [["-d"], []], ids=["-d", "foreground"])
@pytest.mark.parametrize(
    ("size", "rings"),
    [("1m", "hunter.name='small'"), ("8k", "ring.capacity=64"), ("300k", "ring.capacity=64")],
    ids=["no room for the ring", "no room for anything", "no room for the status block"],
)
def test_r8_start_without_room_in_shared_memory_leaves_nothing(
    home: Path, words: list[str], size: str, rings: str
) -> None:
    instance = HunterInstance(home, [], None)
    left = home / "left"
    prefix = ["unshare", "-Urm", "sh", "-c", SCRIPT.format(size=size, left=left), "sh"]
    try:
        probe = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if probe.returncode:
        pytest.skip("this kernel lets us mount nothing")
    command = [*HUNTER, "start", "--demo", *words, "--set", rings, "-c", str(instance.config_file)]
    done = subprocess.run(
        [*prefix, *command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 78, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    told = [line for line in done.stderr.splitlines() if "has no room for" in line]
    assert len(told) == 1, done.stderr
    assert "enlarge it (Docker: --shm-size) or lower [ring] capacity" in told[0]
    assert left.read_text() == "", "nothing half made"
    logs = {path.name for path in instance.config.log_dir.iterdir()}
    assert logs == {"supervisor.log"}, "no actor was started"
    run = {path.name for path in instance.config.runtime_dir.iterdir()}
    assert run == {"supervisor.lock"}
