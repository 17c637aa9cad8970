"""What a hostile neighbour, message or file gets out of a running instance: nothing.

The house rules of the same list (no pickle, no unverified TLS ...) are in
tests/contracts/test_security.py.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from fakes.instance import (
    HUNTER,
    HunterInstance,
    Simulator,
    is_gone,
    running,
    temporary_home,
    wait_until,
)

from hunter.bus import codec
from hunter.bus.messages import Describe
from hunter.bus.sockets import COMMAND_BYTES_MAX

pytestmark = pytest.mark.system

PASSWORD = "dummy-Passw0rd-7f3a"
OTHER_SECRET = "dummy-Token-c41d"
NOBODY = 65_534
SYSTEM_PYTHON = "/usr/bin/python3"
MESSAGES = 10_000


def files_below(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def holders(folder: Path, *secrets: str) -> list[str]:
    """Names of the files that hold one of the secrets."""
    return [
        str(path.relative_to(folder))
        for path in files_below(folder)
        if any(secret.encode() in path.read_bytes() for secret in secrets)
    ]


def shown_of(pid: int) -> bytes:
    """What any user of the host may read about a process."""
    folder = Path(f"/proc/{pid}")
    return (folder / "cmdline").read_bytes() + (folder / "comm").read_bytes()


def holds(pid: int, secret: str) -> bool:
    """Whether the memory of a process, other than what it shares, holds a text."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, modes, *_ = line.split()
            start, end = (int(word, 16) for word in span.split("-"))
            if modes == "rw-p":
                with contextlib.suppress(OSError):
                    memory.seek(start)
                    if secret.encode() in memory.read(end - start):
                        return True
    return False


def crash_and_await(instance: HunterInstance, name: str, number: int) -> None:
    """Send a signal to an actor, and wait for its successor."""
    before = instance.actor(name)["pid"]
    os.kill(before, number)

    def is_back() -> bool:
        now = instance.actor(name)
        return bool(now["pid"] not in (0, before) and now["state"] == "ready")

    wait_until(f"{name} is back", is_back, 30)


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Ours, and so that of every process started meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def test_no_secret_leaves_the_configuration(home: Path) -> None:
    proxy = f"http://anna:{PASSWORD}@127.0.0.1:9"
    with (
        environment(
            HTTPS_PROXY=f"http://anna:{OTHER_SECRET}@127.0.0.1:9", DATABASE_TOKEN=OTHER_SECRET
        ),
        # Servers on this host are reached without the proxy: the instance comes up.
        running(home, f'okx.proxy="{proxy}"') as (instance, simulator),
    ):
        seen = b""
        for pid in instance.tree_pids():
            seen += shown_of(pid)
        actors = {actor["name"]: actor["pid"] for actor in instance.status()["actors"]}
        for pid in instance.tree_pids():
            assert resource.prlimit(pid, resource.RLIMIT_CORE)[0] == 0
        with contextlib.suppress(PermissionError):  # some kernels show it to root alone
            assert holds(actors["stream-0"], OTHER_SECRET), "the way to the exchange"
            for name in ("brain-0", "watchdog"):
                assert not holds(actors[name], OTHER_SECRET), f"{name} knows what is not its own"
        crash_and_await(instance, "brain-0", signal.SIGSEGV)
        crash_and_await(instance, "stream-0", signal.SIGABRT)
        os.kill(instance.actor("stream-0")["pid"], signal.SIGUSR1)
        simulator.control("/sim/fault?name=close&code=1011")
        wait_until(
            "it has connected again",
            lambda: any(c["last_close"] for c in instance.status()["connections"]),
        )
        for words in (("status",), ("status", "--json"), ("logs", "-n", "1000"), ("deaths",)):
            done = instance.command(*words, check=False)
            seen += (done.stdout + done.stderr).encode()
        instance.command("restart", "brain-0")
        for pid in instance.tree_pids():
            seen += shown_of(pid)
        assert PASSWORD.encode() not in seen
        assert OTHER_SECRET.encode() not in seen
        assert holders(instance.shared, PASSWORD, OTHER_SECRET) == []
        # The one place: mode 0600 in a directory of mode 0700, and gone after the stop.
        assert holders(home, PASSWORD, OTHER_SECRET) == ["run/effective.json"]
        assert (home / "run/effective.json").stat().st_mode & 0o777 == 0o600
    assert holders(home, PASSWORD, OTHER_SECRET) == []
    # What is written at the stop, too: checkpoints, positions.
    assert [path for path in files_below(home / "data") if path.stat().st_mode & 0o077] == []


def test_proxy_that_refuses_learns_its_password_and_nobody_else(home: Path) -> None:
    config = home / "hunter.toml"
    with socket.create_server(("127.0.0.1", 0)) as refuser:
        refuser.settimeout(30)
        port = refuser.getsockname()[1]
        proxy = f"http://anna:{PASSWORD}@127.0.0.1:{port}"
        config.write_text(
            '[hunter]\nruntime_dir = "run"\n[stream]\nbackoff_min_ms = 50\n'
            f'[okx]\npublic_url = "wss://exchange.invalid/ws/v5/public"\n'
            f'rest_url = "https://exchange.invalid"\nproxy = "{proxy}"\n'
        )
        with (
            (home / "output").open("wb") as output,
            subprocess.Popen(
                [*HUNTER, "start", "-c", str(config)], stdout=output, stderr=output
            ) as process,
        ):
            try:
                asked = b""
                for _ in range(6):
                    link, _ = refuser.accept()
                    with link:
                        link.settimeout(10)
                        asked += link.recv(65_536)
                        link.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
                assert b"CONNECT exchange.invalid:443" in asked
                assert b"Proxy-Authorization: Basic " in asked
                words = [*HUNTER, "status", "--json", "-c", str(config)]
                done = subprocess.run(words, capture_output=True, text=True, check=False)
                assert "407" in done.stdout
                assert PASSWORD not in done.stdout + done.stderr
                shown = subprocess.run(
                    [*HUNTER, "config", "show", "-c", str(config)],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
                assert f"anna:***@127.0.0.1:{port}" in shown
                assert PASSWORD not in shown
            finally:
                process.terminate()
                process.wait(20)
    assert "407" in (home / "data/logs/stream-0.log").read_text()
    assert holders(home, PASSWORD) == ["hunter.toml"]


@pytest.fixture(scope="module")
def quiet() -> Iterator[HunterInstance]:
    """An instance that nobody disturbs, below a folder that everybody may enter: nothing but
    hunter's own modes is in the way.
    """
    before = os.umask(0o022)
    try:
        with temporary_home() as home:
            home.chmod(0o755)
            with running(home) as (instance, _):
                yield instance
    finally:
        os.umask(before)


def test_files_are_for_their_owner_alone(quiet: HunterInstance) -> None:
    for folder in (quiet.shared, quiet.config.runtime_dir):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [path for path in folder.rglob("*") if path.lstat().st_mode & 0o077] == []
    data = files_below(quiet.config.data_dir)
    assert {path.parent.name for path in data} >= {"logs", "signals"}
    assert [path for path in data if path.stat().st_mode & 0o077] == []


# What another user tries; prints what worked.
INTRUDER = """
import os, socket, sys
run, shared, data = sys.argv[1:]
done = []
for name in ("control.ipc", "signals.ipc"):
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(f"{run}/{name}")
        done.append(name)
    except PermissionError:
        pass
for path in (run, shared, f"{run}/effective.json", f"{shared}/status", f"{shared}/ring-0",
             f"{data}/logs/stream-0.log"):
    for flags in (os.O_RDONLY, os.O_RDWR):
        try:
            os.close(os.open(path, flags))
            done.append(path)
        except (PermissionError, IsADirectoryError):
            pass
try:
    os.mkdir(f"{run}/mine")
    done.append("mkdir")
except PermissionError:
    pass
print(done)
"""


@pytest.mark.skipif(
    os.getuid() != 0 or not os.path.exists(SYSTEM_PYTHON),
    reason="only root can become another user, who needs an interpreter that all may run",
)
def test_another_user_gets_nowhere(quiet: HunterInstance) -> None:
    config = quiet.config
    words = [str(config.runtime_dir), str(quiet.shared), str(config.data_dir)]
    done = subprocess.run(
        [SYSTEM_PYTHON, "-I", "-S", "-c", INTRUDER, *words],
        user=NOBODY, group=NOBODY, extra_groups=[], cwd="/",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("[]\n", "")


class Flood:
    """Everything that is no command, sent to the control socket."""

    def __init__(self, runtime_dir: Path) -> None:
        self._path = runtime_dir / "control.ipc"
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._peers: list[socket.socket | zmq.Socket[bytes]] = []

    def peer(self) -> zmq.Socket[bytes]:
        made: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        self._peers.append(made)
        made.setsockopt(zmq.LINGER, 0)
        made.setsockopt(zmq.SNDHWM, MESSAGES)
        made.setsockopt(zmq.SNDTIMEO, 20_000)
        made.connect(f"ipc://{self._path}")
        return made

    def nonsense(self) -> None:
        peer, nested = self.peer(), b'{"nested":' + b"[" * 2_000
        for number in range(MESSAGES):
            peer.send_multipart([b"", nested if number % 10 == 0 else b"\xff"])
        peer.send_multipart([b"x"] * 1_000)

    def commands(self) -> None:
        """Nobody reads the answers."""
        peer = self.peer()
        for _ in range(2_000):
            peer.send_multipart([b"", codec.encode(Describe())])

    def giants(self) -> None:
        for _ in range(20):
            self.peer().send_multipart([b"", b"x" * (COMMAND_BYTES_MAX + 1)])

    def half_handshakes(self) -> None:
        for _ in range(100):
            peer = socket.socket(socket.AF_UNIX)
            self._peers.append(peer)
            peer.settimeout(20)
            peer.connect(str(self._path))
            peer.send(b"\xff\x00")

    def close(self) -> None:
        for peer in self._peers:
            peer.close()
        self._context.term()


def descriptor_count(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def test_flood_on_the_control_socket_keeps_the_supervisor_from_nothing(home: Path) -> None:
    with running(home) as (instance, _):
        supervisor = instance.supervisor_pid()
        before = {actor["name"]: actor["pid"] for actor in instance.status()["actors"]}
        descriptors, memory_kib = descriptor_count(supervisor), resident_kib(supervisor)
        flood = Flood(instance.config.runtime_dir)
        try:
            flood.half_handshakes()
            flood.nonsense()
            flood.giants()
            flood.commands()
            crash_and_await(instance, "brain-0", signal.SIGKILL)
            assert "brain-0: pid" in instance.command("restart", "brain-0").stdout
        finally:
            flood.close()
        report = instance.status()
        after = {actor["name"]: actor["pid"] for actor in report["actors"]}
        assert report["pid"] == supervisor
        assert [name for name in before if after[name] != before[name]] == ["brain-0"]
        assert resident_kib(supervisor) - memory_kib < 64 << 10
        wait_until(
            "its descriptors are given back",
            lambda: descriptor_count(supervisor) <= descriptors + 8,
        )
        # Nothing of it went into the log, line by line.
        assert len(instance.log("supervisor").splitlines()) < 200


def test_modules_in_the_working_directory_are_not_imported(home: Path) -> None:
    program = Path(sys.executable).with_name("hunter")
    if not program.exists():
        pytest.skip("hunter is not installed")
    hostile = home / "downloads"
    hostile.mkdir()
    for name in ("msgspec", "zmq", "numpy", "setproctitle", "click", "sitecustomize", "hunter"):
        (hostile / f"{name}.py").write_text(f"open({str(home / 'taken')!r}, 'a').write(__name__)\n")
    instance = HunterInstance(home, [], None)
    try:
        subprocess.run(
            [program, "start", "-d", "--demo", "-c", str(instance.config_file)],
            cwd=hostile, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    finally:
        instance.stop()
    assert not (home / "taken").exists()


def listening(pid: int) -> set[str]:
    """Local addresses, in the kernel's hexadecimal, on which a process listens by TCP."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(os.readlink(link).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and words[9] in inodes:
                    found.add(words[1].partition(":")[0])
    return found


def test_simulator_listens_on_loopback_alone() -> None:
    simulator = Simulator()
    try:
        loopback = socket.inet_aton("127.0.0.1")
        assert listening(simulator.process.pid) == {
            f"{int.from_bytes(loopback, sys.byteorder):08X}"
        }
    finally:
        simulator.stop()
    # and there is no option to have it otherwise
    refused = subprocess.run(
        [*HUNTER, "sim", "--host", "0.0.0.0"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert is_gone(simulator.process.pid)


def test_nobody_but_the_simulator_listens_by_tcp(quiet: HunterInstance) -> None:
    assert [pid for pid in quiet.tree_pids() if listening(pid)] == []
