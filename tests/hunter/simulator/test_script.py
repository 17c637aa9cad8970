"""Scripts of faults: read in order of time, refused with the place of the mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hunter.errors import ConfigError
from hunter.simulator.faults import Fault
from hunter.simulator.script import load_script


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    return path


def test_steps_come_in_order_of_time_with_all_they_say(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        [[fault]]
        at_s = 12.5
        name = "drop_trades"
        count = 3
        lasts_s = 10.0
        connection = 2
        instId = "BTC-USDT-SWAP"

        [[fault]]
        at_s = 1
        name = "close"
        code = 1012
        """,
    )
    first, second = load_script(path)
    assert (first.at_ns, first.fault) == (10**9, Fault("close", code=1012))
    expected = Fault("drop_trades", "#2", "BTC-USDT-SWAP", left=3, lasts_ns=10 * 10**9)
    assert (second.at_ns, second.fault) == (12_500_000_000, expected)


def test_empty_script_is_no_fault(tmp_path: Path) -> None:
    assert load_script(written(tmp_path, "")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= nonsense", "is not TOML"),
        ("x = 1", "[[fault]] tables and nothing else"),
        ("fault = 1", "[[fault]] tables and nothing else"),
        ("fault = [1]", "fault 1: write it as"),
        ('[[fault]]\nname = "mute"', "fault 1: at_s is missing"),
        ('[[fault]]\nname = "mute"\nat_s = -1', "at_s is missing or not"),
        ('[[fault]]\nname = "mute"\nat_s = true', "at_s is missing or not"),
        ('[[fault]]\nname = "moot"\nat_s = 1', "fault 1: no fault named 'moot'"),
        ('[[fault]]\nname = "mute"\nat_s = 1\nconnection = 0', "connection is a number from 1"),
        ('[[fault]]\nname = "mute"\nat_s = 1\nconn = "x"', "unknown key 'conn'"),
        ('[[fault]]\nname = "close"\nat_s = 1\ncode = 1', "does not fit close"),
    ],
)
def test_mistake_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_script(written(tmp_path, text))


def test_missing_script_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_script(tmp_path / "none.toml")
