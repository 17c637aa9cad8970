"""A control group for memory with a low limit, below our own; or a skip where there is none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.instance import wait_until

ROOT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path]:
    """Of version 1 or 2, as this machine has it; removed when its last process is gone."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = {kind: path for _, kind, path in (line.split(":", 2) for line in lines)}
    if "memory" in own:
        parent, limit = ROOT / "memory" / own["memory"].lstrip("/"), "memory.limit_in_bytes"
    else:
        parent, limit = ROOT / own.get("", "/none").lstrip("/"), "memory.max"
    group = parent / f"hunter-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group to be had here: {error}")
    try:
        try:
            (group / limit).write_text(str(limit_bytes))
            with contextlib.suppress(OSError):  # where there is swap
                (group / "memory.swap.max").write_text("0")
        except OSError as error:
            pytest.skip(f"memory cannot be limited here: {error}")
        yield group
    finally:
        wait_until("an empty control group", lambda: is_removed(group))


def is_removed(group: Path) -> bool:
    """The kernel may see a bit later than others that its last process is gone."""
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()
