"""The torture in its short form, and that it finds what it is for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hunter import native

PROGRAM = Path(__file__).with_name("ring_torture.py")


def torture(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), "--seed", "20240229", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


HALVES = [
    pytest.param(
        "on",
        marks=pytest.mark.skipif(native.kernel is None, reason="the compiled half is not here"),
    ),
    "off",
]


@pytest.mark.slow
@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("mates", [(), ("--pair",)], ids=["", "mates"])
def test_writer_killed_again_and_again_leaves_readers_whole_rows(
    half: str, mates: tuple[str, ...]
) -> None:
    result = torture("--seconds", "3", "--native", half, *mates)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    kills, inside, stops, epochs, rows = (
        int(number)
        for number in re.findall(
            r"(\d+) (?:kills|inside|writers|epochs|rows, 0 viol)", result.stdout
        )
    )
    assert kills > 30
    assert stops > 0
    assert inside > 0, "no kill hit a writer inside a batch"
    assert 1 < epochs <= kills + 1, "the last writer is not killed"
    assert rows > 1000


@pytest.mark.slow
def test_r6_bits_that_flip_under_all_of_it_are_found_and_counted() -> None:
    result = torture("--kills", "60", "--flips")
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "60 kills" in result.stdout
    assert sum(int(count) for count in re.findall(r"(\d+) damaged", result.stdout)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("half", HALVES)
def test_rows_of_a_writer_flat_out_are_right_to_the_last_byte(half: str) -> None:
    result = torture("--rows", "100000", "--readers", "2", "--native", half)
    found = json.loads(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (found["wrong"], found["damaged"], found["native"]) == (0, 0, half == "on")
    assert found["validated"] >= 100_000


def test_reader_that_takes_wrong_rows_is_found_out() -> None:
    result = torture("--rows", "1000000000", "--readers", "1", "--canary", "blind-reader")
    assert result.returncode == 1, result.stdout + result.stderr
    assert json.loads(result.stdout)["wrong"] > 0


# A slot that is read before its row is there holds no row, half of one, or that of a lap before.
@pytest.mark.parametrize(
    ("canary", "symptom"),
    [
        ("head-first", "torn|comes after|names no row|damaged"),
        ("blind-reader", r"reader \d of"),
        ("no-check", "torn|comes after"),
        ("early-arrival", "comes after"),
    ],
)
def test_canary_is_found_out(canary: str, symptom: str) -> None:
    result = torture("--seconds", "20", "--canary", canary)
    print(result.stdout)
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search(rf"VIOLATION .*({symptom})", result.stdout), result.stdout
