from __future__ import annotations

from pathlib import Path

from fakes.signals import signal

from hunter.signals.journal import Journal
from hunter.signals.journal_reader import journal_path
from hunter.signals.line import encode_line
from hunter.store.parts import Place
from hunter.store.resume import NO_ORIGIN, SignalsStart
from hunter.store.signals import POLL_EVERY_NS, StoredSignals

SWAP = "BTC-USDT-SWAP"


def ids(signals: StoredSignals) -> dict[str, int]:
    return {lane.lane.instrument: lane.row_count for lane in signals.waiting}


def test_signals_wait_by_instrument(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for each in (signal(1), signal(1, "ETH-USDT"), signal(2)):
        journal.append(each)
    signals = StoredSignals(tmp_path, SignalsStart(1, {}, {}))
    assert signals.poll(5) == 3
    assert ids(signals) == {SWAP: 2, "ETH-USDT": 1}
    assert signals.poll(6) == 0
    journal.append(signal(3))
    assert signals.poll(7) == 0, "not so soon again"
    assert signals.poll(6 + POLL_EVERY_NS) == 1
    journal.close()


def test_what_is_stored_is_left_out_by_its_place(tmp_path: Path) -> None:
    lines = [encode_line(signal(n)) for n in (1, 2, 3)]
    journal_path(tmp_path, 1).write_bytes(b"".join(lines))
    last = (1 << 32) + len(lines[0]) + len(lines[1])
    start = SignalsStart(4, {SWAP: Place(4, NO_ORIGIN, last)}, {})
    signals = StoredSignals(tmp_path, start)
    signals.poll(1)
    (lane,) = signals.waiting
    assert lane.row_count == 1
    assert lane.place == Place(4, NO_ORIGIN, last + len(lines[2]))


def test_in_another_journal_what_is_stored_is_left_out_by_its_id(tmp_path: Path) -> None:
    lines = [encode_line(signal(n)) for n in (1, 2, 3)]
    lines += [encode_line(signal(1, ring_id="18c0ffee00000002"))]
    journal_path(tmp_path, 1).write_bytes(b"".join(lines))
    places = {SWAP: Place(1, NO_ORIGIN, 1 << 60)}
    signals = StoredSignals(tmp_path, SignalsStart(2, places, {SWAP: signal(2).id}))
    signals.poll(1)
    assert ids(signals) == {SWAP: 2}


def test_a_signal_whose_instrument_or_id_is_no_name_harms_nobody(tmp_path: Path) -> None:
    import msgspec

    odd = msgspec.structs.replace(signal(1), instrument="../../x")
    nameless = msgspec.structs.replace(signal(1), id="none")
    journal_path(tmp_path, 1).write_bytes(encode_line(odd) + encode_line(nameless))
    signals = StoredSignals(tmp_path, SignalsStart(1, {}, {SWAP: signal(2).id}))
    signals.poll(1)
    assert ids(signals) == {}


def test_a_journal_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    journal_path(tmp_path, 1).mkdir()
    signals = StoredSignals(tmp_path, SignalsStart(1, {}, {}))
    assert signals.poll(1) == 0
    assert signals.trouble == "the journal cannot be read: Is a directory"
    journal_path(tmp_path, 1).rmdir()
    signals.poll(2 + POLL_EVERY_NS)
    assert signals.trouble == ""
