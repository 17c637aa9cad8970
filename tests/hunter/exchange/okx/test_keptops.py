from __future__ import annotations

from typing import Any

import pytest
from fakes.twins import twins
from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.keptops import KEPT, TOP, KeptTops, Sides, new_kept_tops
from hunter.native import kernel

both = pytest.mark.parametrize("record", twins(KeptTops))


def sides(number: int) -> Sides:
    return [float(number), 1.0] * (number % (TOP + 1)), [float(-number), 2.0]


def test_the_compiled_one_is_used_where_there_is_one() -> None:
    expected = KeptTops if kernel is None else kernel.KeptTops
    assert type(new_kept_tops()) is expected


@both
def test_the_newest_are_kept(record: Any) -> None:
    kept = record()
    for number in range(KEPT + 3):
        kept.keep(number, *sides(number))
    assert len(kept) == KEPT
    assert [kept.find(number) for number in range(KEPT + 3)] == [
        *[None] * 3, *[sides(number) for number in range(3, KEPT + 3)],
    ]  # fmt: skip


@both
def test_repeated_id_counts_as_new(record: Any) -> None:
    kept = record()
    for number in range(KEPT):
        kept.keep(number, *sides(number))
    kept.keep(0, [9.0, 9.0], [])
    for number in range(KEPT, 2 * KEPT - 1):
        kept.keep(number, *sides(number))
    assert kept.find(0) == ([9.0, 9.0], [])
    kept.keep(1_000, [], [])
    assert kept.find(0) is None


@both
def test_popped_is_not_found_again(record: Any) -> None:
    kept = record()
    kept.keep(7, *sides(7))
    assert kept.pop(7) == sides(7)
    assert (kept.pop(7), kept.find(7), len(kept)) == (None, None, 0)
    kept.keep(8, *sides(8))
    kept.clear()
    assert (kept.find(8), len(kept)) == (None, 0)


@both
def test_what_has_no_id_or_too_many_levels_is_refused(record: Any) -> None:
    kept = record()
    assert kept.find(-1) is None
    assert kept.pop(-1) is None
    with pytest.raises(ValueError, match="id"):
        kept.keep(-1, [], [])
    with pytest.raises(ValueError, match="levels"):
        kept.keep(1, [1.0] * 12, [])
    assert len(kept) == 0


operations = st.lists(
    st.tuples(
        st.sampled_from(("keep", "keep", "keep", "pop", "find", "clear")), st.integers(0, 90)
    ),
    max_size=300,
)


@pytest.mark.skipif(kernel is None, reason="there is no compiled half to compare with")
@given(operations)
def test_both_keep_the_same(operations: list[tuple[str, int]]) -> None:
    plain, compiled = KeptTops(), new_kept_tops()
    for name, number in operations:
        if name == "keep":
            plain.keep(number, *sides(number))
            compiled.keep(number, *sides(number))
        elif name == "clear" and number == 0:
            plain.clear()
            compiled.clear()
        elif name in ("pop", "find"):
            assert getattr(plain, name)(number) == getattr(compiled, name)(number)
        assert len(plain) == len(compiled)
