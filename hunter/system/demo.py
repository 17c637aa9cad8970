"""The same configuration, pointed at the embedded exchange."""

from __future__ import annotations

import socket

import msgspec

from hunter.config import Config


def free_port() -> int:
    """A TCP port of the loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def with_simulator(config: Config, port: int) -> Config:
    """The same configuration, pointed at an exchange on this host."""
    replace = msgspec.structs.replace
    okx = replace(
        config.okx,
        public_url=f"ws://127.0.0.1:{port}/ws/v5/public",
        business_url=f"ws://127.0.0.1:{port}/ws/v5/business",
        rest_url=f"http://127.0.0.1:{port}",
    )
    return replace(config, okx=okx)
