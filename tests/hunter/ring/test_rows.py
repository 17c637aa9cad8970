from __future__ import annotations

import math
import re
import struct
from typing import Any

import pytest
from fakes.ring_rows import facts
from hypothesis import given
from hypothesis import strategies as st

from hunter.ring import rows
from hunter.ring.rows import ROW_BYTES, STRUCTS, Kind, place_of


def field_values(kind: Kind, sequence: int, arrival: int, check: int) -> tuple[Any, ...]:
    """All of a row's fields in the order of its struct."""
    return (sequence, arrival, *facts(kind, sequence), check)


@pytest.mark.parametrize("kind", Kind)
def test_dtype_has_the_size_of_the_row(kind: Kind) -> None:
    assert rows.numpy_dtype(kind).itemsize == ROW_BYTES[kind] == STRUCTS[kind].size
    assert ROW_BYTES[kind] % 64 == 0, "rows are whole cache lines"


@pytest.mark.parametrize("kind", Kind)
@given(
    sequence=st.integers(1, 10**7), arrival=st.integers(1, 2**40), check=st.integers(0, 2**32 - 1)
)
def test_dtype_reads_what_the_struct_packs(
    kind: Kind, sequence: int, arrival: int, check: int
) -> None:
    import numpy

    values = field_values(kind, sequence, arrival, check)
    row = numpy.frombuffer(STRUCTS[kind].pack(*values), dtype=rows.numpy_dtype(kind))[0]
    read = [number for name in row.dtype.names for number in numpy.ravel(row[name]).tolist()]
    assert read == list(values)


@pytest.mark.parametrize("kind", Kind)
def test_fields_are_aligned_and_do_not_overlap(kind: Kind) -> None:
    dtype = rows.numpy_dtype(kind)
    assert dtype.fields is not None
    end = 0
    for form, offset in sorted((field[:2] for field in dtype.fields.values()), key=lambda f: f[1]):
        assert offset % form.base.itemsize == 0
        assert offset >= end
        end = offset + form.itemsize
    assert end <= ROW_BYTES[kind]


def test_every_row_begins_with_sequence_and_arrival() -> None:
    for kind in Kind:
        assert struct.unpack_from("<QQ", STRUCTS[kind].pack(*field_values(kind, 9, 8, 1))) == (9, 8)


@pytest.mark.parametrize("kind", Kind)
def test_offsets_are_those_of_the_drawing(kind: Kind) -> None:
    assert rows.__doc__ is not None
    heading = rf"^ {{4}}{kind.name.lower()}, {ROW_BYTES[kind]} B.*\n"
    drawing = re.search(heading + r"((?: {4} *\d.*\n)+)", rows.__doc__, re.MULTILINE)
    assert drawing is not None
    lines = drawing[1]
    if kind >= rows.FIRST_ALIKE:
        head = re.search(r"begin alike.*\n((?: {4} *\d.*\n)+)", rows.__doc__)
        assert head is not None
        lines = head[1] + lines
    fields_drawn = re.findall(r"\b(\d+) ([a-z]\w+) [a-zS\d]", lines)
    drawn = {name: int(at) for at, name in fields_drawn}
    fields = rows.numpy_dtype(kind).fields
    assert fields is not None
    assert drawn == {name: field[1] for name, field in fields.items()}


@pytest.mark.parametrize("kind", Kind)
def test_place_of_a_field_is_its_place_in_a_plain_row(kind: Kind) -> None:
    values = field_values(kind, 9, 8, 7)
    row = STRUCTS[kind].unpack(STRUCTS[kind].pack(*values))
    assert row[place_of(kind, "sequence")] == 9
    assert row[-1] == 7, "the check"
    assert row[place_of(kind, "exchange_ts_ns")] == 9 * 5 + 2
    assert row[place_of(kind, "received_ts_ns")] == 9 * 3 + 1


def test_kinds_from_instrument_on_begin_alike() -> None:
    for kind in Kind:
        names = [name for name, _, _ in rows._FIELDS[kind][:4]]
        is_alike = names == [name for name, _, _ in rows._HEAD_ALIKE]
        assert is_alike or kind < rows.FIRST_ALIKE, kind


def test_currency_of_an_instrument_comes_out_as_it_went_in() -> None:
    import numpy

    values = [*field_values(Kind.INSTRUMENT, 1, 1, 1)[:-2], b"BTC", 1]
    packed = STRUCTS[Kind.INSTRUMENT].pack(*values)
    row = numpy.frombuffer(packed, dtype=rows.numpy_dtype(Kind.INSTRUMENT))[0]
    assert row["value_currency"] == b"BTC"
    assert STRUCTS[Kind.INSTRUMENT].unpack(packed)[-2] == b"BTC\0\0\0\0\0"


def test_missing_numbers_survive_packing() -> None:
    values = list(field_values(Kind.BBO, 1, 1, 1))
    values[5] = math.nan
    assert math.isnan(STRUCTS[Kind.BBO].unpack(STRUCTS[Kind.BBO].pack(*values))[5])


def test_layout_text_changes_with_any_field(monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows.layout_text()
    name, form, offset = rows._FIELDS[Kind.BOOK][-1]
    monkeypatch.setitem(
        rows._FIELDS, Kind.BOOK, [*rows._FIELDS[Kind.BOOK][:-1], (name, form, offset + 8)]
    )
    assert rows.layout_text() != before
