from __future__ import annotations

import math
import re
import struct

import pytest
from fakes.ring_rows import facts
from hypothesis import given
from hypothesis import strategies as st

from hunter.ring import rows
from hunter.ring.rows import ROW_BYTES, STRUCTS, Kind


def field_values(kind: Kind, sequence: int, arrival: int, epoch: int) -> tuple[float, ...]:
    """All of a row's fields in the order of its struct."""
    known = facts(kind, sequence)
    place = {Kind.TRADE: 8, Kind.BBO: 8, Kind.TICKER: 9, Kind.BOOK: 6}[kind]
    return (sequence, arrival, *known[:place], epoch, *known[place:])


@pytest.mark.parametrize("kind", Kind)
def test_dtype_has_the_size_of_the_row(kind: Kind) -> None:
    assert rows.numpy_dtype(kind).itemsize == ROW_BYTES[kind] == STRUCTS[kind].size
    assert ROW_BYTES[kind] % 64 == 0, "rows are whole cache lines"


@pytest.mark.parametrize("kind", Kind)
@given(sequence=st.integers(1, 10**7), arrival=st.integers(1, 2**40), epoch=st.integers(1, 65535))
def test_dtype_reads_what_the_struct_packs(
    kind: Kind, sequence: int, arrival: int, epoch: int
) -> None:
    import numpy

    values = field_values(kind, sequence, arrival, epoch)
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
    drawn = {name: int(at) for at, name in re.findall(r"\b(\d+) ([a-z]\w+) \S", drawing[1])}
    fields = rows.numpy_dtype(kind).fields
    assert fields is not None
    assert drawn == {name: field[1] for name, field in fields.items()}


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
