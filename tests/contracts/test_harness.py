"""The guards of tests/conftest.py work: tests stay on loopback and end what they start."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

LEAVES_A_PROCESS = """
import subprocess, sys, pathlib
def test_leaves_a_process():
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"])
    pathlib.Path("pid").write_text(str(child.pid))
    child.returncode = 0
"""


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.org"])
def test_connection_to_another_host_fails_at_once(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as client, pytest.raises(AssertionError, match="stay on loopback"):
        client.connect((host, 9))


def test_connection_to_loopback_is_fine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_process_left_by_a_test_is_reported_and_ended(tmp_path: Path, root: Path) -> None:
    shutil.copy(root / "tests/conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_sample.py").write_text(LEAVES_A_PROCESS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert "tests left processes running" in result.stdout
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text(encoding="utf-8")))
