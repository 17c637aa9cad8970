from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hunter.errors import HunterError
from hunter.web import listening
from hunter.web.listening import listen, port_owner


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port that is ours, and nobody's behind it by chance: high up."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made


def test_listens_on_the_port_asked_for(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    taken.close()
    with listen("127.0.0.1", port) as found:
        assert found.getsockname() == ("127.0.0.1", port)
        assert not found.get_inheritable()
        with socket.create_connection(found.getsockname()) as peer:
            accepted, _ = found.accept()
            timeout_ms = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert timeout_ms == 20_000, "who takes nothing is let go"
            kept_bytes = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            assert kept_bytes <= 512 << 10, "what is not taken does not grow old in the kernel"
            accepted.close()
            peer.close()
    with listen("127.0.0.1", port):
        pass  # at once again, whatever connections there were


def test_next_port_will_do_on_loopback(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    with listen("localhost", port) as found:
        assert port < found.getsockname()[1] < port + listening.PORTS_TRIED


def test_who_has_the_port_is_named(taken: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    port = taken.getsockname()[1]
    monkeypatch.setattr(listening, "PORTS_TRIED", 1)
    with pytest.raises(HunterError, match=rf"{port} is taken by .* \(pid {os.getpid()}\)"):
        listen("127.0.0.1", port)


def test_elsewhere_only_the_port_that_people_were_told(taken: socket.socket) -> None:
    with pytest.raises(HunterError, match=r"of 0\.0\.0\.0 cannot be had: .*\[web\] port"):
        listen("0.0.0.0", taken.getsockname()[1])


def test_address_that_is_not_ours_is_told() -> None:
    with pytest.raises(HunterError, match="no address of this host"):
        listen("no-such-name.invalid", 8787)
    with pytest.raises(HunterError, match=r"on 192\.0\.2\.1 port 8787: Cannot assign"):
        listen("192.0.2.1", 8787)


def test_owner_that_is_not_for_us_to_see_has_no_name(tmp_path: Path) -> None:
    assert port_owner(8787, tmp_path) == ""
    (tmp_path / "net").mkdir()
    row = "0: 0100007F:2253 00000000:0000 0A 0:0 0:0 0 0 0 4242 1"
    (tmp_path / "net" / "tcp").write_text(f"head\n {row}\n")
    assert port_owner(8787, tmp_path) == ""
    held = tmp_path / "77" / "fd"
    held.mkdir(parents=True)
    (held / "3").symlink_to("socket:[4242]")
    assert port_owner(8787, tmp_path) == "", "it has gone meanwhile"
    (tmp_path / "77" / "comm").write_text("nginx\n")
    assert port_owner(8787, tmp_path) == "nginx (pid 77)"
    assert port_owner(8788, tmp_path) == ""
