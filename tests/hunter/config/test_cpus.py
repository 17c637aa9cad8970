from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.config.cpus import CPUS_MAX, cpus_text, host_cpu_count, parse_cpus


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("", ()),
        ("  ", ()),
        ("2", (2,)),
        ("2-3", (2, 3)),
        ("0,4-6", (0, 4, 5, 6)),
        (" 4 , 0 - 1 ", (4, 0, 1)),
        ("1,1-2", (1, 2)),
    ],
)
def test_cores_keep_the_order_in_which_they_are_named(text: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize(
    "text", ["x", "1,", ",", "1;2", "-1", "1-", "1-2-3", "1.5", "0x1", "²", "99999", "4096", "3-2"]
)
def test_what_is_no_set_of_cores_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|empty|below"):
        parse_cpus(text)


@given(st.sets(st.integers(0, CPUS_MAX - 1), max_size=20))
def test_text_of_a_set_is_the_set_again(cpus: set[int]) -> None:
    assert set(parse_cpus(cpus_text(cpus))) == cpus


def test_text_is_short() -> None:
    assert cpus_text([3, 0, 2, 2, 4, 9]) == "0,2-4,9"


def test_host_has_the_cores_that_we_run_on() -> None:
    assert max(os.sched_getaffinity(0)) < host_cpu_count()
