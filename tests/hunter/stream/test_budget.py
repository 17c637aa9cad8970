"""ConnectBudget: never more than three connections a second to one server, whoever asks."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.stream.budget import BUSY_RETRY_NS, WINDOW_NS, ConnectBudget, budget_path

S = 1_000_000_000


@pytest.fixture
def budget(tmp_path: Path) -> Iterator[ConnectBudget]:
    made = ConnectBudget(tmp_path / "connects.budget")
    yield made
    made.close()


def test_fourth_connection_of_a_second_waits_for_the_first_to_be_old(budget: ConnectBudget) -> None:
    assert [budget.reserve(10 * S + n) for n in range(3)] == [0, 0, 0]
    assert budget.reserve(10 * S + 500) == WINDOW_NS - 500
    assert budget.reserve(10 * S + WINDOW_NS) == 0


def test_refused_question_costs_nothing(budget: ConnectBudget) -> None:
    for n in range(3):
        budget.reserve(S + n)
    for n in range(50):
        assert budget.reserve(S + 100 + n) > 0
    assert budget.reserve(S + WINDOW_NS) == 0


@given(st.lists(st.integers(min_value=0, max_value=S), min_size=1, max_size=60))
def test_no_window_ever_holds_more_than_three(gaps_ns: list[int]) -> None:
    descriptor = os.memfd_create("budget")
    budget = ConnectBudget.__new__(ConnectBudget)
    budget._descriptor = descriptor
    now_ns, granted = S, []
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        if budget.reserve(now_ns) == 0:
            granted.append(now_ns)
    budget.close()
    for at_ns in granted:
        assert sum(1 for other in granted if 0 <= other - at_ns < S) <= 3


def test_other_processes_count(tmp_path: Path, budget: ConnectBudget) -> None:
    code = (
        "import sys; from pathlib import Path; from hunter.stream.budget import ConnectBudget\n"
        "print(ConnectBudget(Path(sys.argv[1])).reserve(int(sys.argv[2])))"
    )
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "connects.budget"), str(S)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "0\n"
    assert budget.reserve(S + 1) == WINDOW_NS - 1


def test_budget_held_by_another_is_asked_again_soon(tmp_path: Path, budget: ConnectBudget) -> None:
    with (tmp_path / "connects.budget").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert budget.reserve(S) == BUSY_RETRY_NS
    assert budget.reserve(S) == 0


def test_times_of_a_former_boot_do_not_count(tmp_path: Path) -> None:
    budget = ConnectBudget(tmp_path / "connects.budget")
    for n in range(3):
        budget.reserve(1_000 * S + n)
    assert budget.reserve(5 * S) == 0
    budget.close()


def test_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "connects.budget").write_bytes(b"junk")
    budget = ConnectBudget(tmp_path / "connects.budget")
    assert budget.reserve(S) == 0
    budget.close()


@pytest.mark.parametrize(
    ("url", "is_shared"),
    [
        ("wss://ws.okx.com:8443/ws/v5/public", True),
        ("ws://127.0.0.1:8790/ws/v5/public", False),
        ("ws://localhost:8790/ws/v5/public", False),
        ("ws://[::1]:8790/ws/v5/public", False),
    ],
)
def test_servers_elsewhere_are_everybodys(tmp_path: Path, url: str, is_shared: bool) -> None:
    path = budget_path(url, tmp_path / "run", tmp_path / "host")
    assert path.parent == (tmp_path / "host" if is_shared else tmp_path / "run")


def test_each_server_has_its_own_budget(tmp_path: Path) -> None:
    one, two = (
        budget_path(f"wss://{host}/ws", tmp_path, tmp_path) for host in ("a.example", "b.example")
    )
    assert one != two
