"""What both halves count in: the same fields, the same ranges, and the same histogram."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.twins import fields, needs_kernel, twins
from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.calm import Calm
from hunter.exchange.okx.chaintail import ChainTail
from hunter.exchange.okx.heard import Heard
from hunter.native import kernel
from hunter.status.histogram import Histogram
from hunter.stream.tally import Tally

PLAIN = (Calm, ChainTail, Heard)


@needs_kernel
@pytest.mark.parametrize("plain", PLAIN)
def test_compiled_record_begins_as_its_twin(plain: type[Any]) -> None:
    compiled = getattr(kernel, plain.__name__)
    assert fields(compiled(), plain) == fields(plain(), plain)
    with pytest.raises(TypeError):
        compiled(1)
    with pytest.raises(TypeError):
        compiled(end=1)
    with pytest.raises(AttributeError):
        compiled().other = 1


@pytest.mark.parametrize("record", [item for plain in PLAIN for item in twins(plain)])
def test_fields_hold_what_is_put_into_them(record: type[Any]) -> None:
    made = record()
    for name in [name for name in dir(made) if not name.startswith("_")]:
        value: Any = 0.1 if isinstance(getattr(made, name), float) else -(2**63)
        setattr(made, name, value)
        assert getattr(made, name) == value


@pytest.mark.parametrize("record", twins(Tally))
def test_tally_counts_in_the_buffer_of_a_histogram(record: type[Any]) -> None:
    histogram = Histogram()
    made = record(histogram.counts)
    assert (made.messages, made.last_data_ns, made.last_exchange_ts_ns) == (0, 0, 0)
    made.messages += 1
    histogram.record(3)
    assert (made.messages, histogram.total) == (1, 1)


@needs_kernel
@pytest.mark.parametrize(
    "wrong", [bytearray(7_672), b"\0" * 7_680, memoryview(bytearray(7_681))[1:]]
)
def test_tally_refuses_a_buffer_that_is_no_histogram(wrong: Any) -> None:
    assert kernel is not None
    with pytest.raises((ValueError, BufferError)):
        kernel.Tally(wrong)
    with pytest.raises((ValueError, TypeError, BufferError)):
        kernel.histogram_record(wrong, 1)


@needs_kernel
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5_000)))
def test_both_halves_count_a_value_in_the_same_place(values: list[int]) -> None:
    assert kernel is not None
    ours, theirs = Histogram(), Histogram()
    for value in values:
        ours.record(value)
        kernel.histogram_record(theirs.counts, value)
    assert ours.counts.tolist() == theirs.counts.tolist()
