"""The channel table and its counts."""

from __future__ import annotations

from hunter.simulator.channels import CHANNELS, LOGIN_CHANNELS, PATHS, by_channel


def test_every_channel_is_on_a_served_path_and_needs_no_login() -> None:
    assert {channel.path for channel in CHANNELS.values()} <= PATHS
    assert not LOGIN_CHANNELS & set(CHANNELS)
    assert CHANNELS["trades-all"].path == "business"


def test_counts_are_grouped_by_channel() -> None:
    counts = {("trades", "A-B"): 1, ("trades", "C-D"): 2, ("books", "A-B"): 3}
    assert by_channel(counts) == {"trades": {"A-B": 1, "C-D": 2}, "books": {"A-B": 3}}
