from __future__ import annotations

from pathlib import Path

from fakes.signals import signal

from hunter.signals.journal import Journal
from hunter.signals.journal_reader import journal_path
from hunter.signals.line import encode_line
from hunter.store.journal import PlacedJournal, has_at, place_of


def journal(directory: Path, *boundaries: int, file_bytes_max: int = 1 << 20) -> None:
    writer = Journal(directory, file_bytes_max=file_bytes_max)
    for boundary in boundaries:
        assert writer.append(signal(boundary))
    writer.close()


def everything(reader: PlacedJournal) -> list[int]:
    found = []
    while placed := reader.poll():
        found += [int(one.signal.id.rsplit("-", 1)[1]) for one in placed]
    return found


def test_all_signals_of_all_files_come_in_order(tmp_path: Path) -> None:
    journal(tmp_path, *range(1, 41), file_bytes_max=2_000)
    assert len(list(tmp_path.iterdir())) > 3
    reader = PlacedJournal(tmp_path)
    assert everything(reader) == list(range(1, 41))
    journal(tmp_path, 41, 42)
    assert everything(reader) == [41, 42]
    assert reader.beginnings == 0


def test_a_place_is_where_the_line_ends_and_grows(tmp_path: Path) -> None:
    journal(tmp_path, 1, 2)
    sizes = [len(encode_line(signal(n))) for n in (1, 2)]
    placed = PlacedJournal(tmp_path).poll()
    assert [one.place for one in placed] == [place_of(1, sizes[0]), place_of(1, sum(sizes))]
    assert place_of(1, 1 << 31) < place_of(2, 1)


def test_half_lines_wait_and_damaged_ones_are_left_out(tmp_path: Path) -> None:
    lines = [encode_line(signal(n)) for n in (1, 2, 3)]
    path = journal_path(tmp_path, 1)
    path.write_bytes(lines[0] + b"no signal\n" + lines[1] + lines[2][:-9])
    reader = PlacedJournal(tmp_path)
    assert everything(reader) == [1, 2]
    path.write_bytes(lines[0] + b"no signal\n" + lines[1] + lines[2])
    assert everything(reader) == [3]


def test_no_journal_is_none_to_read(tmp_path: Path) -> None:
    assert PlacedJournal(tmp_path / "none").poll() == []


def test_a_journal_that_was_removed_is_read_from_its_new_beginning(tmp_path: Path) -> None:
    journal(tmp_path, 1, 2, 3)
    reader = PlacedJournal(tmp_path)
    everything(reader)
    journal_path(tmp_path, 1).unlink()
    journal(tmp_path, 4)
    assert everything(reader) == [4]
    assert reader.beginnings == 1


def test_numbers_that_went_back_are_a_new_beginning(tmp_path: Path) -> None:
    journal_path(tmp_path, 7).write_bytes(encode_line(signal(1)))
    reader = PlacedJournal(tmp_path)
    everything(reader)
    journal_path(tmp_path, 7).unlink()
    journal(tmp_path, 2)
    assert everything(reader) == [2]
    assert reader.beginnings == 1


def test_whether_it_is_the_journal_it_was(tmp_path: Path) -> None:
    journal(tmp_path, 1, 2, 3)
    places = [one.place for one in PlacedJournal(tmp_path).poll()]
    assert has_at(tmp_path, places[1], signal(2).id)
    assert not has_at(tmp_path, places[1], signal(3).id)
    assert not has_at(tmp_path, places[1] - 1, signal(2).id)
    assert not has_at(tmp_path, places[2] + 1_000, signal(3).id)
    assert not has_at(tmp_path, place_of(2, 10), signal(3).id), "numbers went back"
    assert not has_at(tmp_path / "none", places[1], signal(2).id)
    journal_path(tmp_path, 1).rename(journal_path(tmp_path, 5))
    assert has_at(tmp_path, places[1], signal(2).id), "rotated away"
