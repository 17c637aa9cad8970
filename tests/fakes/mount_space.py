"""A mount namespace of the test's own: small disks to fill, remount and take away, without root.

`unshare` makes it, a process that ends with the test holds it, and commands are run in it with
`nsenter`. Where the kernel or a sandbox refuses, `MountSpace.make` skips the test.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import HUNTER, HunterInstance

_SPACE = ["unshare", "--user", "--map-root-user", "--mount"]


class MountSpace:
    """`run` commands in it; `close` ends it."""

    def __init__(self, holder: subprocess.Popen[bytes]) -> None:
        self._holder = holder
        self.prefix = [
            *("nsenter", "--preserve-credentials", "--user", "--mount"),
            *("--target", str(holder.pid), "--"),
        ]

    @classmethod
    def make(cls) -> MountSpace:
        """A new one, or a skipped test."""
        # It reads until our end of the pipe is closed, which our death does, too.
        command = [*_SPACE, "sh", "-c", "echo ready; exec cat"]
        try:
            holder = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except FileNotFoundError:
            pytest.skip("needs unshare and nsenter")
        assert holder.stdout is not None
        line = holder.stdout.readline()
        if line != b"ready\n":
            holder.communicate(timeout=10)
            pytest.skip(f"no mount namespace here: {line!r}")
        return cls(holder)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.prefix, *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
        return done

    def close(self) -> None:
        self._holder.communicate(timeout=10)


class EnclosedInstance(HunterInstance):
    """An instance all of whose commands and processes live in a mount namespace."""

    def __init__(
        self, space: MountSpace, home: Path, settings: Sequence[str], port: int | None
    ) -> None:
        super().__init__(home, settings, port)
        self.space = space

    def command(
        self, *words: str, timeout_s: float = 60, check: bool = True, **_: Any
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.space.prefix, *HUNTER, words[0], *words[1:], "-c", str(self.config_file)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not check or done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done

    def log(self, actor: str) -> str:
        return self.space.run("cat", str(self.config.log_dir / f"{actor}.log")).stdout
