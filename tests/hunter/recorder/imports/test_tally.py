"""What an import left out is counted, and the first of it is shown."""

from __future__ import annotations

from hunter.recorder.imports.tally import ImportTally


def test_drops_are_counted_by_reason_and_the_first_is_kept_for_a_screen() -> None:
    tally = ImportTally()
    tally.drop("no JSON", "a\x1b.csv", b"\x1b[2Jx" + b"y" * 1_000)
    tally.drop("no JSON", "b.csv")
    tally.drop("too few", "b.csv", b"z")
    assert tally.dropped == {"no JSON": 2, "too few": 1}
    assert tally.first_drop.startswith(r"a\x1b.csv: no JSON: \x1b[2Jxyyy")
    assert len(tally.first_drop) < 200


def test_torn_file_is_named_with_its_reason() -> None:
    tally = ImportTally()
    tally.tear("a.gz", EOFError())
    tally.tear("b.gz", EOFError("ended early"))
    assert tally.torn == ["a.gz: EOFError", "b.gz: ended early"]
